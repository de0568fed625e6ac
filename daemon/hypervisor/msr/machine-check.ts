// Machine-check banks and performance counters: there, and empty. Nothing breaks in a simulated processor, and nothing is counted that a guest may see.
// Why there at all: software that finds the CPUID bits reads and clears them without looking further (SDM 3B 16.3, 20.6.9).
import { MCA_BANKS, Msr, P6_COUNTERS } from '../../../shared/abi/msr.js';
import { anything, constant, ignored, onlyZero, type Registers } from './register.js';

/** CTL, STATUS, ADDR and MISC of each bank. Any value may be written to CTL; the others take only 0 (SDM 3B 16.3.2). */
const bank = (n: number): Registers =>
  [anything, onlyZero, onlyZero, onlyZero].map((valid, i) => [Msr.IA32_MC0_CTL + n * 4 + i, ignored(0n, valid)] as const);

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
