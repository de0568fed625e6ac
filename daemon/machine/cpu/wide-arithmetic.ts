// Arithmetic too wide or too odd for micro-ops: 128-bit division, rotation through carry.
// References: SDM 2A DIV, IDIV, SDM 2B RCL/RCR.
import { Vector } from '../../../shared/abi/exceptions.js';
import { Rflags } from '../../../shared/abi/registers.js';
import { Slot } from '../../../shared/layout/vp.js';
import { sysWidth, type Width } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import { readArithmeticFlags, writeArithmeticFlags } from './flags.js';
import { raise } from './raise.js';
import { setSlotBig, setSlotHalves, slotBig, slotHi, slotLo } from './slots.js';

const MASK_64 = 0xffff_ffff_ffff_ffffn;

/** DIV r/m64: RDX:RAX by ARG1; #DE for 0 and for a quotient of more than 64 bits. */
export const divide64 = (p: Processor): number => {
  const vp = p.vp;
  const divisor = slotBig(vp, Slot.ARG1);
  const high = slotBig(vp, Slot.RDX);
  // The quotient fits exactly when the high half is below the divisor (which 0 can never be).
  if (high >= divisor) raise(p, Vector.DE);
  const dividend = (high << 64n) | slotBig(vp, Slot.RAX);
  setSlotBig(vp, Slot.RAX, dividend / divisor);
  setSlotBig(vp, Slot.RDX, dividend % divisor);
  return 0;
};
/** IDIV r/m64: truncates towards zero, the remainder has the dividend's sign. */
export const divideSigned64 = (p: Processor): number => {
  const vp = p.vp;
  const divisor = BigInt.asIntN(64, slotBig(vp, Slot.ARG1));
  if (divisor === 0n) raise(p, Vector.DE);
  const dividend = (BigInt.asIntN(64, slotBig(vp, Slot.RDX)) << 64n) | slotBig(vp, Slot.RAX);
  const quotient = dividend / divisor;
  if (quotient !== BigInt.asIntN(64, quotient)) raise(p, Vector.DE);
  setSlotBig(vp, Slot.RAX, quotient & MASK_64);
  setSlotBig(vp, Slot.RDX, (dividend % divisor) & MASK_64);
  return 0;
};

/** Carry and overflow after a rotation through carry; the other flags stay. OF is defined for a count of 1; processors use the same rule on the unrotated operand for every count. */
const setRotateFlags = (p: Processor, carry: number, overflow: number): void =>
  writeArithmeticFlags(p.vp, (readArithmeticFlags(p.vp) & ~(Rflags.CF | Rflags.OF)) | carry | (overflow << 11));

const rotateThroughCarry = (p: Processor, d: number, left: boolean): number => {
  const vp = p.vp;
  const width = sysWidth(d);
  const bits = 8 << width;
  const masked = slotLo(vp, Slot.ARG2) & (bits === 64 ? 63 : 31);
  const turns = masked % (bits + 1);
  if (turns === 0) return 0;
  let carry = readArithmeticFlags(vp) & 1;
  let lo = slotLo(vp, Slot.ARG1);
  let hi = slotHi(vp, Slot.ARG1);
  // Value and carry are a ring of bits + 1; one step at a time is short and needs no BigInt.
  const topShift = (bits - 1) & 31;
  const wide = width === 3;
  const top = (wide ? hi : lo) >>> (topShift - 1);
  const overflow = ((top >>> 1) ^ (left ? top : carry)) & 1;
  for (let count = turns; count > 0; count--) {
    if (left) {
      const out = ((wide ? hi : lo) >>> topShift) & 1;
      if (wide) hi = (hi << 1) | (lo >>> 31);
      lo = (lo << 1) | carry;
      carry = out;
    } else {
      const out = lo & 1;
      lo = wide ? (lo >>> 1) | (hi << 31) : ((lo & widthMask(width)) >>> 1) | (carry << topShift);
      if (wide) hi = (hi >>> 1) | (carry << 31);
      carry = out;
    }
  }
  setSlotHalves(vp, Slot.ARG1, wide ? lo : lo & widthMask(width), wide ? hi : 0);
  setRotateFlags(p, carry, overflow);
  return 0;
};
const widthMask = (width: Width): number => (width === 0 ? 0xff : width === 1 ? 0xffff : -1);
export const rotateCarryLeft = (p: Processor, d: number): number => rotateThroughCarry(p, d, true);
export const rotateCarryRight = (p: Processor, d: number): number => rotateThroughCarry(p, d, false);
