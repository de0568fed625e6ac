// RFLAGS: the lazily kept arithmetic flags and the stored system flags as one architectural register.
// Why lazily: most results are overwritten before anything asks for a flag.
//
//   FLAG_RESULT   result, sign-extended to 64 bits: ZF = (result == 0), SF = bit 63, PF = even parity of bits 7:0
//   FLAG_AUX      CF bit 0 | PF delta bit 2 | AF bit 4 | SF delta bit 7 | OF bit 11    a delta is xor-ed with what the result says
//   FLAG_SYSTEM   RFLAGS without the six arithmetic flags, bit 1 set
import { RFLAGS_IOPL_SHIFT, Rflags } from '../../../shared/abi/registers.js';
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';
import type { Width } from '../../translate/micro-op.js';
import { setSlot32, setSlotHalves, slotHi, slotLo } from './slots.js';

/** PF of a value: 4 (the flag's place) when the low byte has an even number of ones. */
export const parityFlag = (value: number): number => ((0x9669 >>> ((value ^ (value >>> 4)) & 15)) & 1) << 2;

/** The six arithmetic flags at their RFLAGS places. */
export const readArithmeticFlags = (vp: VpBlock): number => {
  const lo = slotLo(vp, Slot.FLAG_RESULT);
  const hi = slotHi(vp, Slot.FLAG_RESULT);
  const derived = parityFlag(lo) | ((hi >>> 24) & Rflags.SF) | ((lo | hi) === 0 ? Rflags.ZF : 0);
  return derived ^ (slotLo(vp, Slot.FLAG_AUX) & Rflags.ARITHMETIC & ~Rflags.ZF);
};
export const writeArithmeticFlags = (vp: VpBlock, bits: number): void => {
  // Result 0 says ZF and PF, result 1 says neither; the deltas make up for what is wanted instead.
  const zero = (bits & Rflags.ZF) !== 0;
  setSlot32(vp, Slot.FLAG_RESULT, zero ? 0 : 1);
  setSlot32(vp, Slot.FLAG_AUX, (bits & Rflags.ARITHMETIC & ~Rflags.ZF) ^ (zero ? Rflags.PF : 0));
};
export const setZeroFlag = (vp: VpBlock, on: boolean): void =>
  writeArithmeticFlags(vp, on ? readArithmeticFlags(vp) | Rflags.ZF : readArithmeticFlags(vp) & ~Rflags.ZF);

/** Flags of a - b in the width, operands as 32-bit halves (the high ones read at 64 bits only). */
export const writeCompareFlags = (vp: VpBlock, width: Width, aLo: number, aHi: number, bLo: number, bHi: number): void => {
  if (width === 3) {
    const lo = (aLo - bLo) | 0;
    const borrow = aLo >>> 0 < bLo >>> 0 ? 1 : 0;
    const hi = (aHi - bHi - borrow) | 0;
    const carry = aHi >>> 0 < bHi >>> 0 || (aHi >>> 0 === bHi >>> 0 && borrow !== 0) ? 1 : 0;
    const overflow = (((aHi ^ bHi) & (aHi ^ hi)) >>> 31) << 11;
    setSlotHalves(vp, Slot.FLAG_RESULT, lo, hi);
    setSlot32(vp, Slot.FLAG_AUX, carry | ((aLo ^ bLo ^ lo) & 0x10) | overflow);
    return;
  }
  const shift = 32 - (8 << width);
  const a = aLo << shift;
  const b = bLo << shift;
  const difference = (a - b) | 0;
  const result = difference >> shift;
  const overflow = (((a ^ b) & (a ^ difference)) >>> 31) << 11;
  setSlotHalves(vp, Slot.FLAG_RESULT, result, result >> 31);
  setSlot32(vp, Slot.FLAG_AUX, (a >>> 0 < b >>> 0 ? 1 : 0) | ((aLo ^ bLo ^ result) & 0x10) | overflow);
};

export const systemFlags = (vp: VpBlock): number => slotLo(vp, Slot.FLAG_SYSTEM);
export const setSystemFlags = (vp: VpBlock, bits: number): void =>
  setSlot32(vp, Slot.FLAG_SYSTEM, (bits & ~Rflags.ARITHMETIC) | Rflags.FIXED);

/** The whole of RFLAGS (bits 63:32 are reserved and zero). */
export const rflags = (vp: VpBlock): number => systemFlags(vp) | readArithmeticFlags(vp);
export const setRflags = (vp: VpBlock, bits: number): void => {
  setSystemFlags(vp, bits);
  writeArithmeticFlags(vp, bits);
};
export const ioplOf = (vp: VpBlock): number => (systemFlags(vp) >>> RFLAGS_IOPL_SHIFT) & 3;
