// MTRRs and the PAT: values are kept and checked as the processor does; memory types change nothing here, for there are no caches (SDM 3A 12.11, 12.12).
import { FIXED_MTRRS, MemoryType, Msr, MTRR_DEF_TYPE_AT, MTRR_FIXED_AT, MTRR_VARIABLE_PAIRS } from '../../../shared/abi/msr.js';
import { PHYSICAL_ADDRESS_BITS } from '../../../shared/abi/registers.js';
import { constant, MsrEffect, REFUSED, type Register, type Registers, stored } from './register.js';

const PHYSICAL_MASK = (1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 1n;
/** MTRRCAP: 8 variable ranges, fixed ranges, WC. */
const MTRRCAP = BigInt(MTRR_VARIABLE_PAIRS | (1 << 8) | (1 << 10));

/** Types that an MTRR may hold; the PAT also knows UC-. */
const isMtrrType = (type: number): boolean =>
  type === MemoryType.UC || type === MemoryType.WC || (type >= MemoryType.WT && type <= MemoryType.WB);
const everyByte = (value: bigint, valid: (byte: number) => boolean): boolean => {
  for (let shift = 0n; shift < 64n; shift += 8n) if (!valid(Number((value >> shift) & 0xffn))) return false;
  return true;
};
export const isPat = (value: bigint): boolean => everyByte(value, (type) => isMtrrType(type) || type === MemoryType.UC_MINUS);
const isFixed = (value: bigint): boolean => everyByte(value, isMtrrType);
const isBase = (value: bigint): boolean => (value & (~PHYSICAL_MASK | 0xf00n)) === 0n && isMtrrType(Number(value & 0xffn));
const isMask = (value: bigint): boolean => (value & (~PHYSICAL_MASK | 0x7ffn)) === 0n;
const isDefault = (value: bigint): boolean => (value & ~0xcffn) === 0n && isMtrrType(Number(value & 0xffn));

const mtrr = (at: number, valid: (value: bigint) => boolean): Register => ({
  read: ({ apic: { vp } }) => vp.views.u64[(vp.mtrr >>> 3) + at],
  write: ({ apic: { vp } }, value) => {
    if (!valid(value)) return REFUSED;
    vp.views.u64[(vp.mtrr >>> 3) + at] = value;
    return MsrEffect.NONE;
  },
});

export const MTRR_REGISTERS: Registers = [
  [Msr.IA32_MTRRCAP, constant(MTRRCAP)],
  [Msr.IA32_MTRR_DEF_TYPE, mtrr(MTRR_DEF_TYPE_AT, isDefault)],
  ...Array.from(
    { length: MTRR_VARIABLE_PAIRS * 2 },
    (_, i) => [Msr.IA32_MTRR_PHYSBASE0 + i, mtrr(i, i % 2 === 0 ? isBase : isMask)] as const,
  ),
  ...FIXED_MTRRS.map((index, at) => [index, mtrr(MTRR_FIXED_AT + at, isFixed)] as const),
];
export const PAT_REGISTERS: Registers = [[Msr.IA32_PAT, stored('pat', isPat)]];
