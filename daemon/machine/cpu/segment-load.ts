// Loading segment registers: selector, descriptor, checks, hidden part. Faults are those of MOV to a segment register (SDM 2B MOV).
// Why exact: kernels use null selectors, wrong RPLs and not-present descriptors on purpose and look at the error codes.
import { Vector } from '../../../shared/abi/exceptions.js';
import { Access, SystemType } from '../../../shared/abi/registers.js';
import type { Processor } from '../processor.js';
import {
  accessRights,
  baseFrom,
  descriptorAddress,
  descriptorHi,
  descriptorLo,
  dplFrom,
  isCode,
  isConforming,
  isNull,
  isPresent,
  isReadable,
  isWritableData,
  limitFrom,
  markAccessed,
  NO_DESCRIPTOR,
  requireDescriptor,
  rplOf,
  setAccessBits,
  table32,
  typeFrom,
} from './descriptor.js';
import { is64BitCode, isLongMode, isProtectedMode, isVm86 } from './mode.js';
import { generalProtection, raiseSelector } from './raise.js';
import { isCanonical, Segment, setNullSegment, setRealSegment, setSegment, setVm86Segment } from './segment.js';

/** Takes a checked descriptor into ES..GS; marks it accessed. The caller has `modeChanged` run. */
export const loadHidden = (p: Processor, segment: number, selector: number, address: number, hi: number): void => {
  markAccessed(p, address, hi);
  const lo = descriptorLo(p, address);
  setSegment(p.vp, segment, selector, baseFrom(lo, hi), limitFrom(lo, hi), accessRights(hi) | Access.ACCESSED);
};

/** ES, DS, FS, GS in protected mode. `vector` and `ext` differ in task switches. */
export const loadDataSegment = (
  p: Processor,
  segment: number,
  selector: number,
  vector: number = Vector.GP,
  ext = 0,
  cpl = p.vp.cpl,
): void => {
  if (isNull(selector)) {
    setNullSegment(p.vp, segment, selector);
    return;
  }
  const address = requireDescriptor(p, selector, vector, ext);
  const hi = descriptorHi(p, address);
  if (!isReadable(hi)) raiseSelector(p, vector, selector, ext);
  if (!(isCode(hi) && isConforming(hi)) && (rplOf(selector) > dplFrom(hi) || cpl > dplFrom(hi))) raiseSelector(p, vector, selector, ext);
  if (!isPresent(hi)) raiseSelector(p, Vector.NP, selector, ext);
  loadHidden(p, segment, selector, address, hi);
};

/** Checks a stack selector for the privilege level; returns its descriptor's address. `vector` is #GP for MOV and returns, #TS for inner stacks. */
export const checkStackSegment = (p: Processor, selector: number, cpl: number, vector: number, ext: number): number => {
  if (isNull(selector)) raiseSelector(p, vector, 0, ext);
  const address = requireDescriptor(p, selector, vector, ext);
  const hi = descriptorHi(p, address);
  if (rplOf(selector) !== cpl || !isWritableData(hi) || dplFrom(hi) !== cpl) raiseSelector(p, vector, selector, ext);
  if (!isPresent(hi)) raiseSelector(p, Vector.SS, selector, ext);
  return address;
};
export const loadStackSegment = (p: Processor, selector: number): void => {
  const vp = p.vp;
  if (isNull(selector) && is64BitCode(vp) && vp.cpl < 3 && rplOf(selector) === vp.cpl) {
    setNullSegment(vp, Segment.SS, selector, vp.cpl);
    return;
  }
  const address = checkStackSegment(p, selector, vp.cpl, Vector.GP, 0);
  loadHidden(p, Segment.SS, selector, address, descriptorHi(p, address));
};

/** MOV/POP/LxS to ES, SS, DS, FS or GS in any mode. */
export const loadSegment = (p: Processor, segment: number, selector: number): void => {
  const vp = p.vp;
  if (!isProtectedMode(vp)) setRealSegment(vp, segment, selector);
  else if (isVm86(vp)) setVm86Segment(vp, segment, selector);
  else if (segment === Segment.SS) loadStackSegment(p, selector);
  else loadDataSegment(p, segment, selector);
  // In 64-bit mode the code mode and the limits do not depend on data segments.
  if (!is64BitCode(vp)) p.modeChanged();
};

/** Base of an LDT or TSS descriptor: 64 bits in IA-32e mode (SDM 3A 7.2.3, figure 7-4). */
const systemBase = (p: Processor, address: number, hi: number): number => {
  const base = baseFrom(descriptorLo(p, address), hi);
  return isLongMode(p.vp) ? (table32(p, address + 8) | 0) * 4294967296 + base : base;
};

/** LLDT: also the LDT of a task switch (`vector` #TS). */
export const loadLdtr = (p: Processor, selector: number, vector: number = Vector.GP, ext = 0): void => {
  const vp = p.vp;
  if (isNull(selector)) {
    vp.ldtrSelector = selector;
    vp.ldtrAccess = Access.UNUSABLE;
    return;
  }
  const address = (selector & 4) !== 0 ? NO_DESCRIPTOR : descriptorAddress(p, selector, isLongMode(vp) ? 16 : 8);
  if (address === NO_DESCRIPTOR) raiseSelector(p, vector, selector, ext);
  const hi = descriptorHi(p, address);
  if (typeFrom(hi) !== SystemType.LDT) raiseSelector(p, vector, selector, ext);
  if (!isPresent(hi)) raiseSelector(p, vector === Vector.TS ? Vector.TS : Vector.NP, selector, ext);
  const base = systemBase(p, address, hi);
  if (!isCanonical(base)) raiseSelector(p, vector, selector, ext);
  vp.ldtrSelector = selector;
  vp.ldtrAccess = accessRights(hi);
  vp.ldtrLimit = limitFrom(descriptorLo(p, address), hi);
  vp.ldtrBaseNum = base;
};

/** LTR: the TSS must be available and becomes busy. */
export const loadTaskRegister = (p: Processor, selector: number): void => {
  const vp = p.vp;
  if (isNull(selector)) generalProtection(p);
  const long = isLongMode(vp);
  const address = (selector & 4) !== 0 ? NO_DESCRIPTOR : descriptorAddress(p, selector, long ? 16 : 8);
  if (address === NO_DESCRIPTOR) raiseSelector(p, Vector.GP, selector);
  const hi = descriptorHi(p, address);
  const type = typeFrom(hi);
  if (type !== SystemType.TSS32 && (long || type !== SystemType.TSS16)) raiseSelector(p, Vector.GP, selector);
  if (!isPresent(hi)) raiseSelector(p, Vector.NP, selector);
  const base = systemBase(p, address, hi);
  if (!isCanonical(base)) raiseSelector(p, Vector.GP, selector);
  setAccessBits(p, address, 2);
  setTaskRegister(p, selector, base, limitFrom(descriptorLo(p, address), hi), accessRights(hi) | 2);
};
export const setTaskRegister = (p: Processor, selector: number, base: number, limit: number, access: number): void => {
  const vp = p.vp;
  vp.trSelector = selector;
  vp.trAccess = access;
  vp.trLimit = limit;
  vp.trBaseNum = base;
};
