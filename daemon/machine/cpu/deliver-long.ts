// Interrupt delivery through the 64-bit IDT: 16-byte gates, interrupt stack table, aligned stack, five quadwords always.
// Why without objects or BigInt: every timer tick and page fault of a 64-bit guest comes through here. References: SDM 3A 6.14, 7.7.
import { Vector } from '../../../shared/abi/exceptions.js';
import { SystemType } from '../../../shared/abi/registers.js';
import { EventKind, Slot } from '../../../shared/layout/vp.js';
import type { Processor } from '../processor.js';
import { enterCode } from './code-transfer.js';
import { enterHandlerFlags, savedFlags } from './deliver-protected.js';
import {
  descriptorHi,
  descriptorLo,
  dplFrom,
  is64BitDescriptor,
  isCode,
  isConforming,
  isNull,
  isPresent,
  markAccessed,
  requireDescriptor,
  table32,
  typeFrom,
} from './descriptor.js';
import { innerStackPointer64, interruptStackPointer, requireCanonicalStack } from './inner-stack.js';
import { generalProtection, raise, raiseSelector } from './raise.js';
import { Segment, selectorOf, setNullSegment } from './segment.js';
import { checkCodeOffset } from './segment-check.js';
import { setSlotNumber, slotBig, slotNumber } from './slots.js';

export const deliverLong = (p: Processor, kind: number, vector: number, error: number, nextRip: number): void => {
  const { vp, memory } = p;
  const ext = kind === EventKind.SOFTWARE ? 0 : 1;
  const gateError = vector * 8 + 2 + ext;
  if (vector * 16 + 15 > vp.idtrLimit) generalProtection(p, gateError);
  const gate = vp.idtrBaseNum + vector * 16;
  const lo = table32(p, gate);
  const hi = table32(p, gate + 4);
  const type = typeFrom(hi);
  if (type !== SystemType.INTERRUPT_GATE32 && type !== SystemType.TRAP_GATE32) generalProtection(p, gateError);
  if (kind === EventKind.SOFTWARE && dplFrom(hi) < vp.cpl) generalProtection(p, gateError);
  if (!isPresent(hi)) raise(p, Vector.NP, gateError);
  const target = (table32(p, gate + 8) | 0) * 4294967296 + (((hi & 0xffff_0000) | (lo & 0xffff)) >>> 0);

  const selector = lo >>> 16;
  if (isNull(selector)) generalProtection(p, ext);
  const address = requireDescriptor(p, selector, Vector.GP, ext);
  const csHi = descriptorHi(p, address);
  if (!isCode(csHi) || dplFrom(csHi) > vp.cpl || !is64BitDescriptor(csHi)) raiseSelector(p, Vector.GP, selector, ext);
  if (!isPresent(csHi)) raiseSelector(p, Vector.NP, selector, ext);
  const level = isConforming(csHi) ? vp.cpl : dplFrom(csHi);
  const inner = level < vp.cpl;

  const ist = hi & 7;
  const oldRsp = slotNumber(vp, Slot.RSP);
  const rsp = ist !== 0 ? interruptStackPointer(p, ist, ext) : inner ? innerStackPointer64(p, level, ext) : oldRsp;
  requireCanonicalStack(p, rsp, ext);
  checkCodeOffset(p, target, 0, true, ext);

  const frame = Math.floor(rsp / 16) * 16;
  const flags = savedFlags(p, kind, vector);
  const previous = level < 3 ? memory.supervisor() : 0;
  try {
    memory.write64Number(frame - 8, selectorOf(vp, Segment.SS));
    if (Number.isSafeInteger(oldRsp)) memory.write64Number(frame - 16, oldRsp);
    else memory.write64(frame - 16, slotBig(vp, Slot.RSP));
    memory.write64Number(frame - 24, flags);
    memory.write64Number(frame - 32, selectorOf(vp, Segment.CS));
    memory.write64Number(frame - 40, nextRip);
    if (error >= 0) memory.write64Number(frame - 48, error);
  } finally {
    if (level < 3) memory.restore(previous);
  }

  markAccessed(p, address, csHi);
  if (inner) setNullSegment(vp, Segment.SS, level, level);
  setSlotNumber(vp, Slot.RSP, error >= 0 ? frame - 48 : frame - 40);
  enterHandlerFlags(p, type === SystemType.INTERRUPT_GATE32);
  enterCode(p, selector, descriptorLo(p, address), csHi, level, target);
};
