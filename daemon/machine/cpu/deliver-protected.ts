// Interrupt delivery through interrupt, trap and task gates of the legacy IDT, from protected and virtual-8086 mode.
// References: SDM 3A 6.12, SDM 2A INT n (operation), SDM 3B 20.3.
import { isFault, Vector } from '../../../shared/abi/exceptions.js';
import { Rflags, SystemType } from '../../../shared/abi/registers.js';
import { EventKind, Slot } from '../../../shared/layout/vp.js';
import type { Width } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import { enterCode } from './code-transfer.js';
import {
  dplFrom,
  isCode,
  isConforming,
  isNull,
  isPresent,
  limitFrom,
  markAccessed,
  requireDescriptor,
  tableHost,
  tableWord,
  typeFrom,
} from './descriptor.js';
import { rflags, setSystemFlags, systemFlags } from './flags.js';
import { InnerStack } from './inner-stack.js';
import { isVm86 } from './mode.js';
import { generalProtection, raise, raiseSelector } from './raise.js';
import { Segment, selectorOf, setNullSegment } from './segment.js';
import { checkCodeOffset } from './segment-check.js';
import { slotLo } from './slots.js';
import { frameBelow, push, setStackPointer, stackPointer } from './stack.js';
import { switchTask, TaskSwitch } from './task-switch.js';

/** The RFLAGS image that an event saves: faults set RF so that an instruction breakpoint does not fire again on return. */
export const savedFlags = (p: Processor, kind: number, vector: number): number =>
  rflags(p.vp) | (kind === EventKind.EXCEPTION && isFault(vector) ? Rflags.RF : 0);

/** RFLAGS in the handler: TF, VM, RF, NT clear, and IF too behind an interrupt gate. */
export const enterHandlerFlags = (p: Processor, interruptGate: boolean): void =>
  setSystemFlags(p.vp, systemFlags(p.vp) & ~(Rflags.TF | Rflags.VM | Rflags.RF | Rflags.NT | (interruptGate ? Rflags.IF : 0)));

export const deliverProtected = (p: Processor, kind: number, vector: number, error: number, nextRip: number): void => {
  const vp = p.vp;
  const ext = kind === EventKind.SOFTWARE ? 0 : 1;
  const gateError = vector * 8 + 2 + ext;
  if (vector * 8 + 7 > vp.idtrLimit) generalProtection(p, gateError);
  const gate = vp.idtrBaseNum + vector * 8;
  const gateHost = tableHost(p, gate, 8);
  const lo = tableWord(p, gateHost, gate, 0);
  const hi = tableWord(p, gateHost, gate, 1);
  const type = typeFrom(hi);
  // Types 5, 6, 7, 14, 15.
  if (type > 15 || ((0xc0e0 >>> type) & 1) === 0) generalProtection(p, gateError);
  if (kind === EventKind.SOFTWARE && dplFrom(hi) < vp.cpl) generalProtection(p, gateError);
  if (!isPresent(hi)) raise(p, Vector.NP, gateError);
  const selector = lo >>> 16;
  if (type === SystemType.TASK_GATE) {
    switchTask(p, TaskSwitch.GATE, selector, nextRip, error, ext);
    return;
  }
  const width: Width = (type & 8) !== 0 ? 2 : 1;
  const target = width === 2 ? ((hi & 0xffff_0000) | (lo & 0xffff)) >>> 0 : lo & 0xffff;
  if (isNull(selector)) generalProtection(p, ext);
  const address = requireDescriptor(p, selector, Vector.GP, ext);
  const csHost = tableHost(p, address, 8);
  const csHi = tableWord(p, csHost, address, 1);
  if (!isCode(csHi) || dplFrom(csHi) > vp.cpl) raiseSelector(p, Vector.GP, selector, ext);
  if (!isPresent(csHi)) raiseSelector(p, Vector.NP, selector, ext);
  const level = isConforming(csHi) ? vp.cpl : dplFrom(csHi);
  const virtual = isVm86(vp);
  if (virtual && level !== 0) raiseSelector(p, Vector.GP, selector, ext);
  const csLo = tableWord(p, csHost, address, 0);
  const limit = limitFrom(csLo, csHi);
  const flags = savedFlags(p, kind, vector);

  if (level < vp.cpl) {
    const stack = new InnerStack(p, level, ext);
    checkCodeOffset(p, target, limit, false, ext);
    // An inner level is below 3: its pushes are supervisor accesses although CPL is not yet lowered.
    const previous = p.memory.supervisor();
    try {
      if (virtual) for (const segment of VM86_SAVED) stack.push(width, selectorOf(vp, segment));
      stack.push(width, selectorOf(vp, Segment.SS));
      stack.push(width, slotLo(vp, Slot.RSP));
      stack.push(width, flags);
      stack.push(width, selectorOf(vp, Segment.CS));
      stack.push(width, nextRip);
      if (error >= 0) stack.push(width, error);
    } finally {
      p.memory.restore(previous);
    }
    markAccessed(p, address, csHi);
    stack.commit();
    if (virtual) for (const segment of VM86_SAVED) setNullSegment(vp, segment, 0);
  } else {
    checkCodeOffset(p, target, limit, false, ext);
    const sp = pushEvent(p, width, flags, nextRip, error);
    markAccessed(p, address, csHi);
    setStackPointer(vp, sp);
  }
  enterHandlerFlags(p, (type & 1) === 0);
  enterCode(p, selector, csLo, csHi, level, target);
};

/** Pushes what an event saves on the stack in use; the new stack pointer, not yet committed. */
const pushEvent = (p: Processor, width: Width, flags: number, rip: number, error: number): number => {
  const { vp } = p;
  const { u32 } = p.views;
  const top = stackPointer(vp);
  const bytes = error >= 0 ? 16 : 12;
  const host = width === 2 ? frameBelow(p, top, bytes) : -1;
  if (host >= 0) {
    let at = host >>> 2;
    if (error >= 0) u32[at++] = error;
    u32[at] = rip;
    u32[at + 1] = selectorOf(vp, Segment.CS);
    u32[at + 2] = flags;
    return top - bytes;
  }
  let sp = push(p, top, width, flags);
  sp = push(p, sp, width, selectorOf(vp, Segment.CS));
  sp = push(p, sp, width, rip);
  return error >= 0 ? push(p, sp, width, error) : sp;
};

/** In the order in which they are pushed. */
const VM86_SAVED = [Segment.GS, Segment.FS, Segment.DS, Segment.ES] as const;
