// Far JMP and CALL: real mode, code segments, call gates with their stack switch, task gates and TSSs.
// References: SDM 2A CALL, JMP (operation), SDM 3A 5.8.
import { Vector } from '../../../shared/abi/exceptions.js';
import { SystemType } from '../../../shared/abi/registers.js';
import { Slot } from '../../../shared/layout/vp.js';
import { sysWidth, type Width } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import { checkCodeTarget, enterCode, nextRip } from './code-transfer.js';
import {
  descriptorAddress,
  descriptorHi,
  descriptorLo,
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
  table32,
  typeFrom,
} from './descriptor.js';
import { InnerStack, innerStackPointer64, requireCanonicalStack } from './inner-stack.js';
import { hasRealSegments, is64BitCode, isLongMode, isVm86 } from './mode.js';
import { generalProtection, raiseSelector } from './raise.js';
import { Segment, selectorOf, setNullSegment, setRealSegment, setVm86Segment } from './segment.js';
import { checkCodeOffset } from './segment-check.js';
import { setRip, setSlotNumber, slotBig, slotLo, slotNumber } from './slots.js';
import { peek, push, setStackPointer, stackPointer, stackWidth, writeValue } from './stack.js';
import { switchTask, TaskSwitch } from './task-switch.js';

const operandOffset = (p: Processor, width: Width): number =>
  width === 3 ? slotNumber(p.vp, Slot.ARG1) : width === 2 ? slotLo(p.vp, Slot.ARG1) : slotLo(p.vp, Slot.ARG1) & 0xffff;

/** Loads CS as real and virtual-8086 mode do. */
export const enterRealCode = (p: Processor, selector: number, offset: number): void => {
  if (isVm86(p.vp)) setVm86Segment(p.vp, Segment.CS, selector);
  else setRealSegment(p.vp, Segment.CS, selector);
  setRip(p.vp, offset);
  p.modeChanged();
};

/** Pushes CS:RIP of the next instruction on the current stack; returns the stack pointer to commit. */
const pushReturn = (p: Processor, width: Width, next: number): number =>
  push(p, push(p, stackPointer(p.vp), width, selectorOf(p.vp, Segment.CS)), width, next);

/**
 * A call from compatibility mode into 64-bit code pushes as 64-bit code does, at RSP without the base, limit and width of SS: so processors do, where the SDM
 * says nothing (test/vectors, segments). Returns RSP to commit.
 */
const pushReturnTo64 = (p: Processor, width: Width, next: number): number => {
  const bytes = 1 << width;
  const sp = slotNumber(p.vp, Slot.RSP);
  writeValue(p, sp - bytes, width, selectorOf(p.vp, Segment.CS));
  writeValue(p, sp - 2 * bytes, width, next);
  return sp - 2 * bytes;
};

const transfer = (p: Processor, d: number, call: boolean): number => {
  const vp = p.vp;
  const width = sysWidth(d);
  const selector = slotLo(vp, Slot.ARG2) & 0xffff;
  const offset = operandOffset(p, width);
  const next = nextRip(vp, d);
  if (hasRealSegments(vp)) {
    checkCodeOffset(p, offset, vp.csLimit, false);
    if (call) setStackPointer(vp, pushReturn(p, width, next));
    enterRealCode(p, selector, offset);
    return 1;
  }
  if (isNull(selector)) generalProtection(p);
  const address = requireDescriptor(p, selector);
  const hi = descriptorHi(p, address);
  if (isCode(hi)) {
    if (dplFrom(hi) > vp.cpl || (!isConforming(hi) && (rplOf(selector) > vp.cpl || dplFrom(hi) !== vp.cpl)))
      raiseSelector(p, Vector.GP, selector);
    if (!isPresent(hi)) raiseSelector(p, Vector.NP, selector);
    const lo = descriptorLo(p, address);
    const into64 = isLongMode(vp) && is64BitDescriptor(hi) && !is64BitCode(vp);
    const sp = !call ? 0 : into64 ? pushReturnTo64(p, width, next) : pushReturn(p, width, next);
    checkCodeTarget(p, selector, lo, hi, offset);
    markAccessed(p, address, hi);
    if (call) setStackPointer(vp, sp, into64 ? 3 : stackWidth(vp));
    enterCode(p, selector, lo, hi, vp.cpl, offset);
    return 1;
  }
  const type = typeFrom(hi);
  const long = isLongMode(vp);
  if (type === SystemType.CALL_GATE32 || (type === SystemType.CALL_GATE16 && !long)) {
    checkGate(p, selector, hi);
    throughCallGate(p, selector, address, hi, call, next);
    return 1;
  }
  const tss = type === SystemType.TSS16 || type === SystemType.TSS32;
  if (long || (!tss && type !== SystemType.TASK_GATE)) raiseSelector(p, Vector.GP, selector);
  checkGate(p, selector, hi);
  switchTask(p, call ? TaskSwitch.CALL : TaskSwitch.JUMP, tss ? selector : descriptorLo(p, address) >>> 16, next, -1, 0);
  return 1;
};

/** Privilege and presence of a gate or TSS that is called or jumped to. */
const checkGate = (p: Processor, selector: number, hi: number): void => {
  if (dplFrom(hi) < p.vp.cpl || rplOf(selector) > dplFrom(hi)) raiseSelector(p, Vector.GP, selector);
  if (!isPresent(hi)) raiseSelector(p, Vector.NP, selector);
};

const throughCallGate = (p: Processor, gateSelector: number, gate: number, gateHi: number, call: boolean, next: number): void => {
  const vp = p.vp;
  const long = isLongMode(vp);
  const gateLo = descriptorLo(p, gate);
  const width: Width = long ? 3 : (gateHi & 0x800) !== 0 ? 2 : 1;
  let offset = width === 1 ? gateLo & 0xffff : ((gateHi & 0xffff_0000) | (gateLo & 0xffff)) >>> 0;
  if (long) {
    // The upper half's type field must be 0 (SDM 3A 5.8.3.1).
    if (descriptorAddress(p, gateSelector, 16) === NO_DESCRIPTOR || (table32(p, gate + 12) & 0x1f00) !== 0)
      raiseSelector(p, Vector.GP, gateSelector);
    offset += (table32(p, gate + 8) | 0) * 4294967296;
  }
  const selector = gateLo >>> 16;
  if (isNull(selector)) generalProtection(p);
  const address = requireDescriptor(p, selector);
  const hi = descriptorHi(p, address);
  if (!isCode(hi) || dplFrom(hi) > vp.cpl || (long && !is64BitDescriptor(hi))) raiseSelector(p, Vector.GP, selector);
  if (!call && !isConforming(hi) && dplFrom(hi) !== vp.cpl) raiseSelector(p, Vector.GP, selector);
  if (!isPresent(hi)) raiseSelector(p, Vector.NP, selector);
  const lo = descriptorLo(p, address);
  const level = isConforming(hi) ? vp.cpl : dplFrom(hi);
  checkCodeTarget(p, selector, lo, hi, offset);
  markAccessed(p, address, hi);
  if (call && level < vp.cpl) {
    if (long) switchStack64(p, level, next);
    else switchStack(p, level, width, gateHi & 0x1f, next);
  } else if (call) setStackPointer(vp, pushReturn(p, width, next));
  enterCode(p, selector, lo, hi, level, offset);
};

/** Switches to the stack of an inner level and copies `parameters` values of the gate's width (SDM 3A 5.8.5). */
const switchStack = (p: Processor, level: number, width: Width, parameters: number, next: number): void => {
  const vp = p.vp;
  const stack = new InnerStack(p, level, 0);
  const oldSp = stackPointer(vp);
  pushInner(p, stack, width, selectorOf(vp, Segment.SS));
  pushInner(p, stack, width, slotLo(vp, Slot.RSP));
  for (let i = parameters - 1; i >= 0; i--) pushInner(p, stack, width, peek(p, oldSp, width, i));
  pushInner(p, stack, width, selectorOf(vp, Segment.CS));
  pushInner(p, stack, width, next);
  stack.commit();
};
const pushInner = (p: Processor, stack: InnerStack, width: Width, value: number): void => {
  const previous = p.memory.supervisor();
  try {
    stack.push(width, value);
  } finally {
    p.memory.restore(previous);
  }
};

/** 64-bit call gates: SS:RSP and CS:RIP as quadwords, no parameters, SS becomes null (SDM 3A 5.8.5.1). */
const switchStack64 = (p: Processor, level: number, next: number): void => {
  const { vp, memory } = p;
  const rsp = innerStackPointer64(p, level, 0);
  requireCanonicalStack(p, rsp, 0);
  const previous = memory.supervisor();
  try {
    memory.write64Number(rsp - 8, selectorOf(vp, Segment.SS));
    memory.write64(rsp - 16, slotBig(vp, Slot.RSP));
    memory.write64Number(rsp - 24, selectorOf(vp, Segment.CS));
    memory.write64Number(rsp - 32, next);
  } finally {
    memory.restore(previous);
  }
  setNullSegment(vp, Segment.SS, level, level);
  setSlotNumber(vp, Slot.RSP, rsp - 32);
};

export const farJump = (p: Processor, d: number): number => transfer(p, d, false);
export const farCall = (p: Processor, d: number): number => transfer(p, d, true);
