// Slot access without BigInt: halves, exact numbers, and x86 partial-register writes.
// Why functions over the views: a u64 read through BigUint64Array allocates, and these run in every interrupt and string instruction.
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';
import type { Width } from '../../translate/micro-op.js';

const TWO_32 = 4294967296;

const wordOf = (vp: VpBlock, slot: number): number => (vp.base >>> 2) + slot * 2;

/** Bits 31:0, unsigned. */
export const slotLo = (vp: VpBlock, slot: number): number => vp.views.u32[wordOf(vp, slot)];
/** Bits 63:32, unsigned. */
export const slotHi = (vp: VpBlock, slot: number): number => vp.views.u32[wordOf(vp, slot) + 1];
/** The slot as a signed number; exact for every canonical address. */
export const slotNumber = (vp: VpBlock, slot: number): number => {
  const at = wordOf(vp, slot);
  return vp.views.i32[at + 1] * TWO_32 + vp.views.u32[at];
};
/** The slot as a 64-bit unsigned BigInt: exact, slow. */
export const slotBig = (vp: VpBlock, slot: number): bigint => vp.views.u64[(vp.base >>> 3) + slot];

export const setSlotHalves = (vp: VpBlock, slot: number, lo: number, hi: number): void => {
  const at = wordOf(vp, slot);
  vp.views.i32[at] = lo;
  vp.views.i32[at + 1] = hi;
};
export const setSlotNumber = (vp: VpBlock, slot: number, value: number): void => {
  const at = wordOf(vp, slot);
  vp.views.u32[at] = value;
  vp.views.i32[at + 1] = Math.floor(value / TWO_32);
};
/** Writes bits 31:0 and clears the rest, as every 32-bit x86 result does. */
export const setSlot32 = (vp: VpBlock, slot: number, value: number): void => setSlotHalves(vp, slot, value, 0);
export const setSlot16 = (vp: VpBlock, slot: number, value: number): void => {
  vp.views.u16[(vp.base >>> 1) + slot * 4] = value;
};
export const setSlot8 = (vp: VpBlock, slot: number, value: number): void => {
  vp.views.u8[vp.base + slot * 8] = value;
};
export const setSlotBig = (vp: VpBlock, slot: number, value: bigint): void => {
  vp.views.u64[(vp.base >>> 3) + slot] = value;
};

/** Register as an operand of the width: unsigned below 64 bits, a signed number at 64. */
export const readRegister = (vp: VpBlock, register: number, width: Width): number => {
  switch (width) {
    case 0:
      return slotLo(vp, register) & 0xff;
    case 1:
      return slotLo(vp, register) & 0xffff;
    case 2:
      return slotLo(vp, register);
    case 3:
      return slotNumber(vp, register);
  }
};
/** Writes a register: 8 and 16 bits leave the rest, 32 bits clear bits 63:32 (SDM 1 3.4.1.1). */
export const writeRegister = (vp: VpBlock, register: number, width: Width, value: number): void => {
  switch (width) {
    case 0:
      setSlot8(vp, register, value);
      break;
    case 1:
      setSlot16(vp, register, value);
      break;
    case 2:
      setSlot32(vp, register, value);
      break;
    case 3:
      setSlotNumber(vp, register, value);
      break;
  }
};

/** register += delta in the width, exact for all 64 bits. |delta| < 2^31. */
export const advanceRegister = (vp: VpBlock, register: number, width: Width, delta: number): void => {
  if (width !== 3) {
    writeRegister(vp, register, width, slotLo(vp, register) + delta);
    return;
  }
  const sum = slotLo(vp, register) + delta;
  setSlotHalves(vp, register, sum, slotHi(vp, register) + Math.floor(sum / TWO_32));
};

/** RIP: an offset in CS, or a sign-extended address in 64-bit mode. */
export const ripOf = (vp: VpBlock): number => slotNumber(vp, Slot.RIP);
export const setRip = (vp: VpBlock, rip: number): void => setSlotNumber(vp, Slot.RIP, rip);
