// Limit and type checks of segments: the limits that translated code compares with, and the slow check that decides the rest.
// Why: one comparison per access in the usual case; everything unusual has limit -1 and comes here. References: SDM 3A 5.3, 5.5.
import { Vector } from '../../../shared/abi/exceptions.js';
import { Access } from '../../../shared/abi/registers.js';
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';
import type { Processor } from '../processor.js';
import { is64BitCode, isProtectedMode } from './mode.js';
import { generalProtection, raise } from './raise.js';
import { accessOf, isCanonical, limitOf, Segment } from './segment.js';
import { setSlotHalves, slotNumber } from './slots.js';

const DATA_MASK = Access.UNUSABLE | Access.P | Access.S | Access.CODE;
const DATA = Access.P | Access.S;

/** Whether the kind of segment allows the access at all. */
const allows = (vp: VpBlock, segment: number, access: number, write: boolean): boolean => {
  if ((access & (Access.UNUSABLE | Access.P | Access.S)) !== (Access.P | Access.S)) return false;
  if (segment === Segment.CS && !isProtectedMode(vp)) return true;
  if ((access & Access.CODE) !== 0) return !write && (access & Access.READABLE) !== 0;
  return !write || (access & Access.WRITABLE) !== 0;
};

/** Decides an access that the fast check would not: returns if it is allowed, throws #GP(0) or #SS(0) if not. `offset` is unsigned. */
export const segmentCheckSlow = (p: Processor, segment: number, offset: number, bytes: number, write: boolean): void => {
  const vp = p.vp;
  if (is64BitCode(vp)) return;
  const access = accessOf(vp, segment);
  const limit = limitOf(vp, segment);
  const last = offset + bytes - 1;
  if (allows(vp, segment, access, write)) {
    const expandDown = (access & (Access.CODE | Access.EXPAND_DOWN)) === Access.EXPAND_DOWN;
    if (expandDown ? offset > limit && last <= ((access & Access.DB) !== 0 ? 0xffff_ffff : 0xffff) : last <= limit) return;
  }
  raise(p, segment === Segment.SS ? Vector.SS : Vector.GP, 0);
};

/** The check as translated code does it, for helpers that compute their own addresses. */
export const segmentCheck = (p: Processor, segment: number, offset: number, bytes: number, write: boolean): void => {
  if (offset + bytes - 1 > slotNumber(p.vp, (write ? Slot.WRITE_LIMIT : Slot.READ_LIMIT) + segment))
    segmentCheckSlow(p, segment, offset, bytes, write);
};

/**
 * Fills the READ_LIMIT, WRITE_LIMIT and CODE_LIMIT slots from the hidden parts. In 64-bit mode nothing reads them: they are filled when it is left.
 * `flat`: ES, SS and DS are known to allow everything; slots that say so already are left.
 */
export const fillSegmentLimits = (vp: VpBlock, flat = false): void => {
  if (is64BitCode(vp)) return;
  for (let segment = 0; segment < 6; segment++) {
    if (flat && segment < 4 && segment !== Segment.CS && slotNumber(vp, Slot.WRITE_LIMIT + segment) === 0xffff_ffff) continue;
    const access = accessOf(vp, segment);
    const limit = limitOf(vp, segment);
    const expandUp = (access & DATA_MASK) !== DATA || (access & Access.EXPAND_DOWN) === 0;
    const read = expandUp && allows(vp, segment, access, false);
    const write = expandUp && allows(vp, segment, access, true);
    setSlotHalves(vp, Slot.READ_LIMIT + segment, read ? limit : -1, read ? 0 : -1);
    setSlotHalves(vp, Slot.WRITE_LIMIT + segment, write ? limit : -1, write ? 0 : -1);
  }
  setSlotHalves(vp, Slot.CODE_LIMIT, vp.csLimit, 0);
};

/** #GP(0) unless the offset is inside CS, or canonical in 64-bit mode: the target of a control transfer. */
export const checkCodeOffset = (p: Processor, offset: number, limit: number, long: boolean, ext = 0): void => {
  if (long ? !isCanonical(offset) : offset > limit) generalProtection(p, ext);
};
