// Machine-check banks and performance counters: there, and at rest. Nothing breaks in a simulated processor, and nothing is counted that a guest may see.
// Why there at all: software that finds the CPUID bits reads and clears them without looking further (SDM 3B 16.3, 20.6.9).
import { MCA_BANKS, Msr, P6_COUNTERS } from '../../../shared/abi/msr.js';
import { anything, constant, ignored, MsrEffect, onlyZero, REFUSED, type Register, type Registers } from './register.js';

const ALL = 0xffff_ffff_ffff_ffffn;
/** Of CTL: kernels of old leave out bit 10 of bank 4, or bit 0; hypervisors let them, and so does this one. */
const OPTIONAL = 0x401n;
const isControl = (value: bigint): boolean => value === 0n || (value | OPTIONAL) === ALL;

/** One of a bank's registers that keep what is written. */
const kept = (at: number, valid: (value: bigint) => boolean): Register => ({
  read: ({ apic: { vp } }) => vp.views.u64[(vp.machineCheck >>> 3) + at],
  write: ({ apic: { vp } }, value) => {
    if (!valid(value)) return REFUSED;
    vp.views.u64[(vp.machineCheck >>> 3) + at] = value;
    return MsrEffect.NONE;
  },
});
/** CTL (all events or none), STATUS (cleared by 0, otherwise #GP), ADDR and MISC, which keep what is written (SDM 3B 16.3.2). */
const bank = (n: number): Registers => {
  const first = Msr.IA32_MC0_CTL + n * 4;
  return [
    [first, kept(n * 3, isControl)],
    [first + 1, ignored(0n, onlyZero)],
    [first + 2, kept(n * 3 + 1, anything)],
    [first + 3, kept(n * 3 + 2, anything)],
  ];
};

export const MACHINE_CHECK_REGISTERS: Registers = [
  [Msr.IA32_MCG_CAP, constant(BigInt(MCA_BANKS))],
  [Msr.IA32_MCG_STATUS, ignored(0n, onlyZero)],
  ...Array.from({ length: MCA_BANKS }, (_, n) => bank(n)).flat(),
];
/** Of the Pentium, and kept by its successors. */
export const P5_MACHINE_CHECK_REGISTERS: Registers = [
  [Msr.IA32_P5_MC_ADDR, ignored(0n, anything)],
  [Msr.IA32_P5_MC_TYPE, ignored(0n, anything)],
];
/** The P6's two counters and their event selectors: they stand still at 0. */
export const COUNTER_REGISTERS: Registers = Array.from({ length: P6_COUNTERS }, (_, n) => [
  [Msr.PERFCTR0 + n, ignored(0n, anything)] as const,
  [Msr.PERFEVTSEL0 + n, ignored(0n, (value) => value >> 32n === 0n)] as const,
]).flat();
