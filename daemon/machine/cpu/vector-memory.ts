// Vector accesses to memory whose elements stand or fall one by one: masked loads and stores, gathers.
// Why in the slow half: an element that the mask excludes must neither be touched nor fault, and no other processor may see it rewritten.
// References: SDM 2B MASKMOVDQU, SDM 2C VMASKMOV, VGATHERDPS.
import { Slot, VectorSlot, type VpBlock, VpLayout } from '../../../shared/layout/vp.js';
import { sysA, sysAddressWidth, sysB, sysRep, sysSegment, sysWidth } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import { is64BitCode } from './mode.js';
import { slotBig, slotLo, slotNumber } from './slots.js';
import { elementAddress } from './string-operands.js';

const bytesAt = (vp: VpBlock, slot: number): Uint8Array => {
  const at = vp.base + VpLayout.at.vectors + slot * 16;
  return vp.views.u8.subarray(at, at + 16);
};
const byteAddress = (p: Processor, i: number): number => {
  const address = slotNumber(p.vp, Slot.ARG0) + i;
  return is64BitCode(p.vp) ? address : address >>> 0;
};
/** Byte i belongs to an element whose mask has its sign bit set. */
const chosen = (mask: Uint8Array, d: number, i: number): boolean => (mask[i | ((1 << sysWidth(d)) - 1)] & 0x80) !== 0;

/** All bytes are probed before the first is written; with `rep` that is all. */
export const maskedStore = (p: Processor, d: number): number => {
  const { vp, memory } = p;
  const value = bytesAt(vp, VectorSlot.SCRATCH);
  const mask = bytesAt(vp, VectorSlot.SCRATCH + 1);
  for (let i = 0; i < 16; i++) if (chosen(mask, d, i)) memory.probeWrite(byteAddress(p, i), 1);
  if (sysRep(d)) return 0;
  for (let i = 0; i < 16; i++) if (chosen(mask, d, i)) memory.write8(byteAddress(p, i), value[i]);
  return 0;
};
export const maskedLoad = (p: Processor, d: number): number => {
  const { vp, memory } = p;
  const mask = bytesAt(vp, VectorSlot.SCRATCH + 1);
  const result = bytesAt(vp, VectorSlot.RESULT);
  for (let i = 0; i < 16; i++) result[i] = chosen(mask, d, i) ? memory.read8(byteAddress(p, i)) : 0;
  return 0;
};

/** Element n of a YMM register: where its bytes are. */
const element = (vp: VpBlock, register: number, n: number, width: number): Uint8Array => {
  const at = n << width;
  return bytesAt(vp, (at < 16 ? VectorSlot.XMM : VectorSlot.YMM_HIGH) + register).subarray(at & 15, (at & 15) + (1 << width));
};
const signed = (bytes: Uint8Array): bigint => {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]);
  return BigInt.asIntN(bytes.length * 8, value);
};
/** Elements are fetched from the lowest on; each clears its mask as it is there, so that the instruction goes on after a fault where it stopped. */
export const gather = (p: Processor, d: number): number => {
  const { vp, memory } = p;
  const width = sysWidth(d);
  const [destination, mask] = [sysA(d), sysB(d)];
  const what = slotLo(vp, Slot.ARG1);
  const index = what & 15;
  const count = (what >> 16) & 15;
  const addressBits = 8 << sysAddressWidth(d);
  for (let n = 0; n < count; n++) {
    const wanted = element(vp, mask, n, width);
    if ((wanted[wanted.length - 1] & 0x80) !== 0) {
      const distance = signed(element(vp, index, n, (what >> 12) & 3)) << BigInt((what >> 8) & 3);
      const sum = slotBig(vp, Slot.ARG0) + distance;
      const offset = Number(addressBits === 64 ? BigInt.asIntN(64, sum) : BigInt.asUintN(addressBits, sum));
      const address = elementAddress(p, sysSegment(d), offset, width, false);
      const value = width === 3 ? memory.read64(address) : BigInt(memory.read32(address));
      element(vp, destination, n, width).forEach((_, i, bytes) => {
        bytes[i] = Number((value >> BigInt(8 * i)) & 0xffn);
      });
    }
    wanted.fill(0);
  }
  // What lies beyond the elements is cleared, in the mask as well.
  for (let at = count << width; at < 32; at += 4) {
    element(vp, destination, at >> 2, 2).fill(0);
    element(vp, mask, at >> 2, 2).fill(0);
  }
  return 0;
};
