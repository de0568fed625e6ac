// The last step of every control transfer between code segments: CS, CPL and RIP change together.
// Why one place: leaving 64-bit mode and changing CPL have consequences beyond CS. References: SDM 3A 5.8.

import { Vector } from '../../../shared/abi/exceptions.js';
import { Access } from '../../../shared/abi/registers.js';
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';
import { sysLength } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import { clearUpperHalves } from './code-mode.js';
import { accessRights, baseFrom, is64BitDescriptor, isReservedCode, limitFrom } from './descriptor.js';
import { is64BitCode, isLongMode } from './mode.js';
import { raiseSelector } from './raise.js';
import { accessOf, limitOf, Segment, setSegment, setSelector } from './segment.js';
import { checkCodeOffset } from './segment-check.js';
import { ripOf, setRip, slotLo } from './slots.js';

/** Takes a checked code descriptor into CS at privilege `level` and goes to `rip`. RSP and RFLAGS are set before. */
export const enterCode = (p: Processor, selector: number, lo: number, hi: number, level: number, rip: number): void => {
  const vp = p.vp;
  const was64 = is64BitCode(vp);
  const sameLevel = vp.cpl === level;
  const base = baseFrom(lo, hi);
  const limit = limitFrom(lo, hi);
  const access = accessRights(hi) | Access.ACCESSED;
  // Within a level no other segment changes, and the mode hangs on CS alone: most interrupts and their returns stay in one segment.
  const sameCode = accessOf(vp, Segment.CS) === access && limitOf(vp, Segment.CS) === limit && slotLo(vp, Slot.CS_BASE) === base;
  setRip(vp, rip);
  if (sameLevel && sameCode) {
    setSelector(vp, Segment.CS, (selector & 0xfffc) | level);
    return;
  }
  setSegment(vp, Segment.CS, (selector & 0xfffc) | level, base, limit, access);
  vp.cpl = level;
  const is64 = is64BitCode(vp);
  if (was64 && is64 && sameLevel) return;
  if (was64 && !is64) clearUpperHalves(vp);
  p.modeChanged();
};

/** #GP(selector) for reserved L and D; #GP(0) when the target lies outside the segment or is not canonical. */
export const checkCodeTarget = (p: Processor, selector: number, lo: number, hi: number, target: number): void => {
  const long = isLongMode(p.vp);
  if (long && isReservedCode(hi)) raiseSelector(p, Vector.GP, selector);
  checkCodeOffset(p, target, limitFrom(lo, hi), long && is64BitDescriptor(hi));
};

/** RIP of the instruction after the one at hand. */
export const nextRip = (vp: VpBlock, descriptor: number): number => {
  const next = ripOf(vp) + sysLength(descriptor);
  return is64BitCode(vp) ? next : next >>> 0;
};
/** Goes on with the next instruction, but outside the block: what helpers return that changed more than registers. */
export const leaveAfter = (p: Processor, descriptor: number): 1 => {
  setRip(p.vp, nextRip(p.vp, descriptor));
  return 1;
};
