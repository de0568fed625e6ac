// VP_RUNTIME, TIME_REF_COUNT, REFERENCE_TSC, TSC_FREQUENCY, APIC_FREQUENCY, TSC_INVARIANT_CONTROL (TLFS 7.8.2, 12.4 to 12.8).
import { APIC_FREQUENCY_HZ } from '../../../../shared/abi/apic.js';
import { HvMsr } from '../../../../shared/abi/hyperv.js';
import { PartitionOverlay } from '../../../../shared/layout/hyperv.js';
import { constant, MsrEffect, REFUSED, type Registers } from '../../msr/register.js';
import type { HyperV } from '../hyperv.js';
import { frameOf, isEnabled } from '../overlays.js';

/** Time that the VP has run, in its guest and in the hypervisor on its behalf, in units of 100 ns. */
export const vpRuntimeRegisters = ({ on }: HyperV): Registers => [
  [
    HvMsr.VP_RUNTIME,
    {
      read: ({ apic: { vp } }) => ((vp.runCycles + BigInt(on.clock.runCycles())) * 10_000_000n) / BigInt(on.wiring.frequencyHz),
      write: () => REFUSED,
    },
  ],
];

export const timeRegisters = ({ time }: HyperV): Registers => [[HvMsr.TIME_REF_COUNT, { read: () => time.now(), write: () => REFUSED }]];

const writeReferenceTsc = ({ state, overlays, time }: HyperV, value: bigint): number => {
  if (isEnabled(value) && frameOf(value) < 0) return REFUSED;
  state.referenceTsc = value;
  // First what it says, then where: a guest never sees the page without its numbers.
  if (isEnabled(value)) time.publish();
  overlays.follow(PartitionOverlay.REFERENCE_TSC, value);
  return MsrEffect.NONE;
};
export const referenceTscRegisters = (hv: HyperV): Registers => [
  [
    HvMsr.REFERENCE_TSC,
    { read: () => hv.state.referenceTsc, write: (_context, value) => hv.exclusively(() => writeReferenceTsc(hv, value)) },
  ],
];

export const frequencyRegisters = ({ on }: HyperV): Registers => [
  [HvMsr.TSC_FREQUENCY, constant(BigInt(on.wiring.frequencyHz))],
  [HvMsr.APIC_FREQUENCY, constant(BigInt(APIC_FREQUENCY_HZ))],
];

/** The counter is invariant whatever the guest asks for; it may say that it knows. */
export const tscInvariantRegisters = ({ state }: HyperV): Registers => [
  [
    HvMsr.TSC_INVARIANT_CONTROL,
    {
      read: () => state.tscInvariant,
      write: (_context, value) => {
        if (value > 1n) return REFUSED;
        state.tscInvariant = value;
        return MsrEffect.NONE;
      },
    },
  ],
];
