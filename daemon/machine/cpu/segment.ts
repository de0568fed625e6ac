// Segment registers with their hidden parts, by index: reading, setting, linear addresses.
// Why by index: descriptors name segments by number, the VP block has them in that order. References: SDM 3A 3.3, 3.4.3.
import { ACCESS_DPL_SHIFT, Access } from '../../../shared/abi/registers.js';
import { Slot, type VpBlock, VpLayout } from '../../../shared/layout/vp.js';
import { is64BitCode } from './mode.js';
import { setSlotNumber, slotLo, slotNumber } from './slots.js';

/** Segment registers in encoding order, then the system ones. */
export const Segment = { ES: 0, CS: 1, SS: 2, DS: 3, FS: 4, GS: 5, LDTR: 6, TR: 7 } as const;

const SELECTORS = VpLayout.at.esSelector >>> 2;
const ACCESSES = VpLayout.at.esAccess >>> 2;
const LIMITS = VpLayout.at.esLimit >>> 2;

export const selectorOf = (vp: VpBlock, segment: number): number => vp.views.u32[(vp.base >>> 2) + SELECTORS + segment];
export const accessOf = (vp: VpBlock, segment: number): number => vp.views.u32[(vp.base >>> 2) + ACCESSES + segment];
export const limitOf = (vp: VpBlock, segment: number): number => vp.views.u32[(vp.base >>> 2) + LIMITS + segment];
/** Base of ES..GS, signed 64-bit as a number. */
export const baseOf = (vp: VpBlock, segment: number): number => slotNumber(vp, Slot.ES_BASE + segment);
export const dplOf = (access: number): number => (access & Access.DPL) >>> ACCESS_DPL_SHIFT;

/** Sets all four parts of ES..GS. The caller has `modeChanged` run afterwards. */
export const setSegment = (vp: VpBlock, segment: number, selector: number, base: number, limit: number, access: number): void => {
  const { u32 } = vp.views;
  const at = (vp.base >>> 2) + segment;
  u32[at + SELECTORS] = selector;
  u32[at + ACCESSES] = access;
  u32[at + LIMITS] = limit;
  setSlotNumber(vp, Slot.ES_BASE + segment, base);
};
export const setSelector = (vp: VpBlock, segment: number, selector: number): void => {
  vp.views.u32[(vp.base >>> 2) + SELECTORS + segment] = selector;
};
/** A null selector: unusable outside 64-bit mode. Loading one clears the base (FS and GS too, as on Intel's processors). */
export const setNullSegment = (vp: VpBlock, segment: number, selector: number, dpl = 0): void =>
  setSegment(vp, segment, selector, 0, 0, Access.UNUSABLE | (dpl << ACCESS_DPL_SHIFT));
/** What loading ES..GS does in real mode: selector and base change, limit and default size stay (SDM 3B 20.1.1). */
export const setRealSegment = (vp: VpBlock, segment: number, selector: number): void => {
  const usable = (accessOf(vp, segment) & Access.UNUSABLE) === 0;
  const access = usable ? (accessOf(vp, segment) & (Access.DB | Access.G)) | 0x93 : 0x93;
  setSegment(vp, segment, selector, selector * 16, usable ? limitOf(vp, segment) : 0xffff, access);
};
/** A segment register in virtual-8086 mode (SDM 3B 20.2.1). */
export const setVm86Segment = (vp: VpBlock, segment: number, selector: number): void =>
  setSegment(vp, segment, selector, selector * 16, 0xffff, 0xf3);

/** Linear address of an offset: in 64-bit mode only FS and GS have bases; elsewhere addresses are 32 bits (SDM 3A 3.3). */
export const linearAddress = (vp: VpBlock, segment: number, offset: number): number => {
  if (is64BitCode(vp)) return segment >= Segment.FS ? baseOf(vp, segment) + offset : offset;
  return (slotLo(vp, Slot.ES_BASE + segment) + offset) >>> 0;
};

/** 48-bit canonical (SDM 1 3.3.7.1). */
export const isCanonical = (address: number): boolean => address >= -140737488355328 && address < 140737488355328;
