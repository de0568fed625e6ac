// GUEST_OS_ID, HYPERCALL, VP_INDEX, RESET (TLFS 2.6, 3.12, 3.13, 7.8.1). The first two are the partition's: every VP reads what any of them wrote.
import { HvFeature, HvMsr, HvPageRegister } from '../../../../shared/abi/hyperv.js';
import { PartitionOverlay } from '../../../../shared/layout/hyperv.js';
import { MsrEffect, REFUSED, type Registers } from '../../msr/register.js';
import { fillHypercallPage } from '../hypercall-page.js';
import type { HyperV } from '../hyperv.js';
import { frameOf, isEnabled } from '../overlays.js';

/** Puts the hypercall page where the register says. It is not enabled while the guest has not said who it is. Locked, it stays as it is until a reset. */
const writeHypercall = (hv: HyperV, value: bigint): number => {
  const { state, overlays } = hv;
  const locked = hv.hasFeature(HvFeature.HYPERCALL_LOCK) && (state.hypercall & HvPageRegister.LOCKED) !== 0n;
  if (locked || (isEnabled(value) && frameOf(value) < 0)) return REFUSED;
  if (state.guestOsId === 0n) return MsrEffect.NONE;
  fillHypercallPage(hv);
  state.hypercall = value;
  overlays.follow(PartitionOverlay.HYPERCALL, value);
  return MsrEffect.NONE;
};

/** Without an identity there is no hypercall page, unless it is locked. */
const writeGuestOsId = (hv: HyperV, value: bigint): number => {
  const { state, overlays } = hv;
  state.guestOsId = value;
  const locked = hv.hasFeature(HvFeature.HYPERCALL_LOCK) && (state.hypercall & HvPageRegister.LOCKED) !== 0n;
  if (value !== 0n || locked || !isEnabled(state.hypercall)) return MsrEffect.NONE;
  state.hypercall &= ~HvPageRegister.ENABLE;
  overlays.follow(PartitionOverlay.HYPERCALL, state.hypercall);
  return MsrEffect.NONE;
};

export const hypercallRegisters = (hv: HyperV): Registers => [
  [HvMsr.GUEST_OS_ID, { read: () => hv.state.guestOsId, write: (_context, value) => hv.exclusively(() => writeGuestOsId(hv, value)) }],
  [HvMsr.HYPERCALL, { read: () => hv.state.hypercall, write: (_context, value) => hv.exclusively(() => writeHypercall(hv, value)) }],
];

export const vpIndexRegisters = (): Registers => [[HvMsr.VP_INDEX, { read: ({ apic }) => BigInt(apic.vp.index), write: () => REFUSED }]];

/** A one in bit 0 is a reset of the partition. */
export const resetRegisters = ({ on }: HyperV): Registers => [
  [
    HvMsr.RESET,
    {
      read: () => 0n,
      write: (_context, value) => {
        if ((value & 1n) !== 0n) on.ends.reset();
        return MsrEffect.NONE;
      },
    },
  ],
];
