// Vector accesses to memory whose elements stand or fall one by one: masked stores.
// Why in the slow half: an element that the mask excludes must neither be touched nor fault, and no other processor may see it rewritten.
// References: SDM 2B MASKMOVDQU.
import { Slot, VectorSlot, type VpBlock, VpLayout } from '../../../shared/layout/vp.js';
import type { Processor } from '../processor.js';
import { is64BitCode } from './mode.js';
import { slotNumber } from './slots.js';

const bytesAt = (vp: VpBlock, slot: number): Uint8Array => {
  const at = vp.base + VpLayout.at.vectors + slot * 16;
  return vp.views.u8.subarray(at, at + 16);
};

/** MASKMOVDQU: bytes whose mask has its sign bit set. All of them are probed before the first is written. */
export const maskedStore = (p: Processor): number => {
  const { vp, memory } = p;
  const address = slotNumber(vp, Slot.ARG0);
  const value = bytesAt(vp, VectorSlot.SCRATCH);
  const mask = bytesAt(vp, VectorSlot.SCRATCH + 1);
  const at = (i: number): number => (is64BitCode(vp) ? address + i : (address + i) >>> 0);
  for (let i = 0; i < 16; i++) if ((mask[i] & 0x80) !== 0) memory.probeWrite(at(i), 1);
  for (let i = 0; i < 16; i++) if ((mask[i] & 0x80) !== 0) memory.write8(at(i), value[i]);
  return 0;
};
