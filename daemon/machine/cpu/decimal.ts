// BCD adjustments: DAA, DAS, AAA, AAS, AAM, AAD, and SALC. 16/32-bit code only.
// Flags that the manual leaves undefined are as processors leave them: SF, ZF, PF of the result; OF 0 (SDM 2A AAA..AAS, DAA, DAS).
import { Vector } from '../../../shared/abi/exceptions.js';
import { Rflags } from '../../../shared/abi/registers.js';
import { Slot } from '../../../shared/layout/vp.js';
import type { Processor } from '../processor.js';
import { parityFlag, readArithmeticFlags, writeArithmeticFlags } from './flags.js';
import { is64BitCode } from './mode.js';
import { invalidOpcode, raise } from './raise.js';
import { readRegister, setSlot8, setSlot16, slotLo } from './slots.js';

const requireLegacy = (p: Processor): void => {
  if (is64BitCode(p.vp)) invalidOpcode(p);
};
const al = (p: Processor): number => slotLo(p.vp, Slot.RAX) & 0xff;
/** SF, ZF and PF of a byte. */
const byteFlags = (value: number): number => parityFlag(value) | (value & Rflags.SF) | ((value & 0xff) === 0 ? Rflags.ZF : 0);

/** DAA (sign 1) and DAS (sign -1). */
const adjustPacked = (p: Processor, sign: number): number => {
  requireLegacy(p);
  const flags = readArithmeticFlags(p.vp);
  const before = al(p);
  let value = before;
  let carry = flags & Rflags.CF;
  let adjust = 0;
  const high = before > 0x99 || (flags & Rflags.CF) !== 0;
  if ((before & 15) > 9 || (flags & Rflags.AF) !== 0) {
    value += 6 * sign;
    // DAS: a borrow out of the low digit's adjustment is a carry too.
    carry |= value < 0 || value > 0xff ? Rflags.CF : 0;
    adjust = Rflags.AF;
  }
  if (high) {
    value += 0x60 * sign;
    carry = Rflags.CF;
  }
  setSlot8(p.vp, Slot.RAX, value & 0xff);
  writeArithmeticFlags(p.vp, byteFlags(value & 0xff) | carry | adjust);
  return 0;
};
export const decimalAfterAdd = (p: Processor): number => adjustPacked(p, 1);
export const decimalAfterSubtract = (p: Processor): number => adjustPacked(p, -1);

/** AAA (sign 1) and AAS (sign -1): the adjustment is made to AX as a whole. */
const adjustUnpacked = (p: Processor, sign: number): number => {
  requireLegacy(p);
  let ax = readRegister(p.vp, Slot.RAX, 1);
  const adjust = (ax & 15) > 9 || (readArithmeticFlags(p.vp) & Rflags.AF) !== 0;
  if (adjust) ax += 0x106 * sign;
  setSlot16(p.vp, Slot.RAX, ax & 0xff0f);
  writeArithmeticFlags(p.vp, byteFlags(ax & 0x0f) | (adjust ? Rflags.AF | Rflags.CF : 0));
  return 0;
};
export const asciiAfterAdd = (p: Processor): number => adjustUnpacked(p, 1);
export const asciiAfterSubtract = (p: Processor): number => adjustUnpacked(p, -1);

export const asciiAfterMultiply = (p: Processor): number => {
  requireLegacy(p);
  const base = slotLo(p.vp, Slot.ARG1) & 0xff;
  if (base === 0) raise(p, Vector.DE);
  const value = al(p);
  const low = value % base;
  setSlot16(p.vp, Slot.RAX, (Math.floor(value / base) << 8) | low);
  writeArithmeticFlags(p.vp, byteFlags(low));
  return 0;
};
export const asciiBeforeDivide = (p: Processor): number => {
  requireLegacy(p);
  const ax = readRegister(p.vp, Slot.RAX, 1);
  const value = ((ax & 0xff) + (ax >>> 8) * (slotLo(p.vp, Slot.ARG1) & 0xff)) & 0xff;
  setSlot16(p.vp, Slot.RAX, value);
  writeArithmeticFlags(p.vp, byteFlags(value));
  return 0;
};
/** SALC: AL = CF ? FFh : 0. */
export const setAlOnCarry = (p: Processor): number => {
  requireLegacy(p);
  setSlot8(p.vp, Slot.RAX, (readArithmeticFlags(p.vp) & Rflags.CF) !== 0 ? 0xff : 0);
  return 0;
};
