// Far RET and IRET between segments of protected and IA-32e mode: checks of the popped CS and SS, and the way out to an outer level.
// References: SDM 2B RET, SDM 2A IRET (operation), SDM 3A 5.8.6.
import { Vector } from '../../../shared/abi/exceptions.js';
import { Access, Cr0, Rflags } from '../../../shared/abi/registers.js';
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';
import { sysWidth, type Width } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import { checkCodeTarget, enterCode } from './code-transfer.js';
import {
  descriptorHi,
  dplFrom,
  is64BitDescriptor,
  isCode,
  isConforming,
  isNull,
  isPresent,
  markAccessed,
  NO_DESCRIPTOR,
  requireDescriptor,
  rplOf,
  tableHost,
  tableWord,
} from './descriptor.js';
import { enterRealCode } from './far-transfer.js';
import { ioplOf, rflags, setRflags } from './flags.js';
import { hasRealSegments, is64BitCode, isLongMode, isVm86 } from './mode.js';
import { generalProtection, raiseSelector } from './raise.js';
import { accessOf, dplOf, Segment, setNullSegment, setSelector, setVm86Segment } from './segment.js';
import { checkCodeOffset } from './segment-check.js';
import { checkStackSegment, loadHidden } from './segment-load.js';
import { setRip, setSlot16, setSlot32, setSlotBig, setSlotNumber, slotLo } from './slots.js';
import { frameAbove, offsetStack, peek, peekFlags, peekSelector, setStackPointer, stackAddress, stackPointer } from './stack.js';
import { returnFromTask } from './task-switch.js';
import { isDeniedVm86, requireVirtualIf, withVirtualIf } from './virtual-interrupts.js';

/** Address of the descriptor that a return goes to. */
const returnDescriptor = (p: Processor, selector: number): number => {
  if (isNull(selector)) generalProtection(p);
  return requireDescriptor(p, selector);
};
/** Checks it. */
const checkReturnCode = (p: Processor, selector: number, hi: number): void => {
  const rpl = rplOf(selector);
  if (!isCode(hi) || rpl < p.vp.cpl) raiseSelector(p, Vector.GP, selector);
  if (isConforming(hi) ? dplFrom(hi) > rpl : dplFrom(hi) !== rpl) raiseSelector(p, Vector.GP, selector);
  if (!isPresent(hi)) raiseSelector(p, Vector.NP, selector);
};

/** Checks the stack selector of a return to `level`; NO_DESCRIPTOR for a null one, which 64-bit code below level 3 may have. */
const checkReturnStack = (p: Processor, selector: number, level: number, to64: boolean): number =>
  isNull(selector) && to64 && level !== 3 && rplOf(selector) === level
    ? NO_DESCRIPTOR
    : checkStackSegment(p, selector, level, Vector.GP, 0);

/** Data segments that the outer level may not use become null, and null selectors lose their RPL; bases of FS and GS stay with those. */
const dropPrivilegedSegments = (vp: VpBlock, level: number): void => {
  for (const segment of [Segment.ES, Segment.DS, Segment.FS, Segment.GS]) {
    const access = accessOf(vp, segment);
    const conforming = (access & (Access.CODE | Access.CONFORMING)) === (Access.CODE | Access.CONFORMING);
    if ((access & Access.UNUSABLE) !== 0) setSelector(vp, segment, 0);
    else if (!conforming && dplOf(access) < level) setNullSegment(vp, segment, 0);
  }
};

/** The stack popped by a return becomes current. `address` may be NO_DESCRIPTOR. */
const commitStack = (p: Processor, selector: number, address: number, level: number, to64: boolean, pointer: number): void => {
  const vp = p.vp;
  if (address === NO_DESCRIPTOR) setNullSegment(vp, Segment.SS, selector, level);
  else loadHidden(p, Segment.SS, selector, address, descriptorHi(p, address));
  if (to64) setSlotNumber(vp, Slot.RSP, pointer);
  else if ((vp.ssAccess & Access.DB) !== 0) setSlot32(vp, Slot.RSP, pointer);
  else setSlot16(vp, Slot.RSP, pointer);
};

/** RFLAGS from a popped image: which bits change depends on the operand size and the privilege before the return. */
export const returnFlags = (p: Processor, image: number, width: Width, extra = 0): void => {
  const { vp } = p;
  let mask: number = Rflags.ARITHMETIC | Rflags.TF | Rflags.DF | Rflags.NT | extra;
  if (width !== 1) mask |= Rflags.AC | Rflags.ID;
  if (vp.cpl <= ioplOf(vp)) mask |= Rflags.IF;
  if (vp.cpl === 0) mask |= Rflags.IOPL | (width !== 1 ? Rflags.VIF | Rflags.VIP : 0);
  // Without breakpoints nothing can see RF after the next instruction: it is dropped at once, so that a return from a page fault costs no single step.
  const keeps = p.debug.keepsRf && width !== 1;
  const before = rflags(vp);
  setRflags(vp, (before & ~mask & ~Rflags.RF) | (image & (keeps ? mask | Rflags.RF : mask)));
  if (((before ^ rflags(vp)) & Rflags.AC) !== 0 && (vp.cr0 & Cr0.AM) !== 0) p.modeChanged();
};

export const farReturn = (p: Processor, d: number): number => {
  const vp = p.vp;
  const width = sysWidth(d);
  const release = slotLo(vp, Slot.ARG1) & 0xffff;
  const sp = stackPointer(vp);
  const rip = peek(p, sp, width, 0);
  const selector = peekSelector(p, sp, width, 1);
  if (hasRealSegments(vp)) {
    checkCodeOffset(p, rip, vp.csLimit, false);
    setStackPointer(vp, offsetStack(vp, sp, (2 << width) + release));
    enterRealCode(p, selector, rip);
    return 1;
  }
  const address = returnDescriptor(p, selector);
  const host = tableHost(p, address, 8);
  const hi = tableWord(p, host, address, 1);
  checkReturnCode(p, selector, hi);
  const lo = tableWord(p, host, address, 0);
  const level = rplOf(selector);
  if (level === vp.cpl) {
    checkCodeTarget(p, selector, lo, hi, rip);
    markAccessed(p, address, hi);
    setStackPointer(vp, offsetStack(vp, sp, (2 << width) + release));
    enterCode(p, selector, lo, hi, level, rip);
    return 1;
  }
  const outerSp = offsetStack(vp, sp, (2 << width) + release);
  const pointer = peek(p, outerSp, width, 0);
  const stackSelector = peekSelector(p, outerSp, width, 1);
  const to64 = isLongMode(vp) && is64BitDescriptor(hi);
  const stackDescriptor = checkReturnStack(p, stackSelector, level, to64);
  checkCodeTarget(p, selector, lo, hi, rip);
  markAccessed(p, address, hi);
  commitStack(p, stackSelector, stackDescriptor, level, to64, pointer + release);
  dropPrivilegedSegments(vp, level);
  enterCode(p, selector, lo, hi, level, rip);
  return 1;
};

export const interruptReturn = (p: Processor, d: number): number => {
  const vp = p.vp;
  const width = sysWidth(d);
  vp.nmiBlocked = 0;
  if (hasRealSegments(vp)) {
    returnReal(p, width);
    return 1;
  }
  if ((slotLo(vp, Slot.FLAG_SYSTEM) & Rflags.NT) !== 0) {
    if (isLongMode(vp)) generalProtection(p);
    returnFromTask(p, d);
    return 1;
  }
  const sp = stackPointer(vp);
  const frame = width === 2 ? frameAbove(p, sp, 12) : -1;
  const { u32 } = p.views;
  const rip = frame < 0 ? peek(p, sp, width, 0) : u32[frame >>> 2];
  const selector = frame < 0 ? peekSelector(p, sp, width, 1) : u32[(frame >>> 2) + 1] & 0xffff;
  const image = frame < 0 ? peekFlags(p, sp, width, 2) : u32[(frame >>> 2) + 2];
  if (width === 2 && (image & Rflags.VM) !== 0 && vp.cpl === 0 && !isLongMode(vp)) {
    returnToVm86(p, sp, rip, selector, image);
    return 1;
  }
  const address = returnDescriptor(p, selector);
  const host = tableHost(p, address, 8);
  const hi = tableWord(p, host, address, 1);
  checkReturnCode(p, selector, hi);
  const lo = tableWord(p, host, address, 0);
  const level = rplOf(selector);
  if (level === vp.cpl && !is64BitCode(vp)) {
    checkCodeTarget(p, selector, lo, hi, rip);
    markAccessed(p, address, hi);
    returnFlags(p, image, width);
    setStackPointer(vp, offsetStack(vp, sp, 3 << width));
    enterCode(p, selector, lo, hi, level, rip);
    return 1;
  }
  const pointer = peek(p, sp, width, 3);
  const pointerAt = stackAddress(p, offsetStack(vp, sp, 3 << width), 1 << width, false);
  const stackSelector = peekSelector(p, sp, width, 4);
  const to64 = isLongMode(vp) && is64BitDescriptor(hi);
  const stackDescriptor = checkReturnStack(p, stackSelector, level, to64);
  checkCodeTarget(p, selector, lo, hi, rip);
  markAccessed(p, address, hi);
  // User code may keep anything in RSP: beyond 2^53 the number is not exact.
  const exact = Number.isSafeInteger(pointer) ? 0n : p.memory.read64(pointerAt);
  const outer = level > vp.cpl;
  returnFlags(p, image, width);
  commitStack(p, stackSelector, stackDescriptor, level, to64, pointer);
  if (to64 && !Number.isSafeInteger(pointer)) setSlotBig(vp, Slot.RSP, exact);
  if (outer) dropPrivilegedSegments(vp, level);
  enterCode(p, selector, lo, hi, level, rip);
  return 1;
};

/** IRET in real mode, and in virtual-8086 mode: with IOPL below 3 of VIF, where there is VME (SDM 3B 20.2.7, 20.3). */
const returnReal = (p: Processor, width: Width): void => {
  const vp = p.vp;
  const virtual = isVm86(vp);
  const denied = isDeniedVm86(vp);
  if (denied) requireVirtualIf(p, width);
  const sp = stackPointer(vp);
  const rip = peek(p, sp, width, 0);
  const selector = peekSelector(p, sp, width, 1);
  const image = peekFlags(p, sp, width, 2);
  checkCodeOffset(p, rip, vp.csLimit, false);
  const keep = virtual ? Rflags.IOPL | Rflags.VIF | Rflags.VIP : Rflags.VIF | Rflags.VIP;
  const before = denied ? withVirtualIf(p, rflags(vp), image) : rflags(vp);
  setStackPointer(vp, offsetStack(vp, sp, 3 << width));
  returnFlags(p, image, width);
  setRflags(vp, (rflags(vp) & ~keep) | (before & keep));
  enterRealCode(p, selector, rip);
};

/** IRET from level 0 to virtual-8086 mode: nine doublewords (SDM 3B 20.2.5). */
const returnToVm86 = (p: Processor, sp: number, rip: number, selector: number, image: number): void => {
  const vp = p.vp;
  const esp = peek(p, sp, 2, 3);
  const ss = peekSelector(p, sp, 2, 4);
  const es = peekSelector(p, sp, 2, 5);
  const ds = peekSelector(p, sp, 2, 6);
  const fs = peekSelector(p, sp, 2, 7);
  const gs = peekSelector(p, sp, 2, 8);
  checkCodeOffset(p, rip, 0xffff, false);
  returnFlags(p, image, 2, Rflags.VM);
  setVm86Segment(vp, Segment.CS, selector);
  setVm86Segment(vp, Segment.SS, ss);
  setVm86Segment(vp, Segment.ES, es);
  setVm86Segment(vp, Segment.DS, ds);
  setVm86Segment(vp, Segment.FS, fs);
  setVm86Segment(vp, Segment.GS, gs);
  setSlot32(vp, Slot.RSP, esp);
  vp.cpl = 3;
  setRip(vp, rip);
  p.modeChanged();
};
