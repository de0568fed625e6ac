// MOVS, STOS and LODS with REP: restartable at any fault, in bulk inside pages.
// References: SDM 2B MOVS, STOS, LODS, REP; SDM 1 7.3.9.3 (fast strings).
import { Slot } from '../../../shared/layout/vp.js';
import { sysSegment, sysWidth, type Width } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import { copyBackward, copyForward, fillForward } from './host-runs.js';
import { Segment } from './segment.js';
import { slotBig } from './slots.js';
import {
  accumulatorHi,
  accumulatorLo,
  afterRound,
  elementAddress,
  elementStep,
  indexAt,
  isRepeated,
  loadElement,
  loadScratch,
  moveElement,
  moveIndex,
  roundLength,
  runLength,
  takeCount,
} from './string-operands.js';

/** Address that MOVS writes to. Where its segment does not allow that, a fault of the read, which comes before, is reported instead. */
const destination = (p: Processor, from: number, offset: number, width: Width): number => {
  try {
    return elementAddress(p, Segment.ES, offset, width, true);
  } catch (fault) {
    loadScratch(p, from, width, Slot.SCRATCH);
    throw fault;
  }
};

export const moveString = (p: Processor, d: number): number => {
  const { vp, memory } = p;
  const width = sysWidth(d);
  const segment = sysSegment(d);
  const step = elementStep(vp, width);
  if (!isRepeated(d)) {
    const from = elementAddress(p, segment, indexAt(vp, Slot.RSI, d, 0), width, false);
    moveElement(p, from, destination(p, from, indexAt(vp, Slot.RDI, d, 0), width), width);
    moveIndex(vp, Slot.RSI, d, step);
    moveIndex(vp, Slot.RDI, d, step);
    return 0;
  }
  const count = roundLength(p, d);
  let done = 0;
  try {
    while (done < count) {
      const source = indexAt(vp, Slot.RSI, d, done * step);
      const target = indexAt(vp, Slot.RDI, d, done * step);
      const from = elementAddress(p, segment, source, width, false);
      const to = destination(p, from, target, width);
      const down = step < 0;
      const run = Math.min(
        runLength(p, d, segment, source, width, count - done, false, down),
        runLength(p, d, Segment.ES, target, width, count - done, true, down),
      );
      if (run > 0) {
        const { flushes } = memory;
        const hostFrom = memory.hostRead(from);
        const hostTo = memory.hostWrite(to);
        // Else the first address is not what it was when it was asked for: one element, and then both anew.
        if (hostFrom >= 0 && hostTo >= 0 && memory.flushes === flushes) {
          (down ? copyBackward : copyForward)(p.copy, hostFrom, hostTo, run << width, width);
          done += run;
          continue;
        }
      }
      moveElement(p, from, to, width);
      done++;
    }
  } finally {
    moveIndex(vp, Slot.RSI, d, done * step);
    moveIndex(vp, Slot.RDI, d, done * step);
    takeCount(vp, d, done);
    p.charge(done >>> 3);
  }
  return afterRound(p, d);
};

const storeElement = (p: Processor, to: number, width: number): void => {
  const { vp, memory } = p;
  const lo = accumulatorLo(vp, 2);
  if (width === 0) memory.write8(to, lo & 0xff);
  else if (width === 1) memory.write16(to, lo & 0xffff);
  else if (width === 2) memory.write32(to, lo);
  else memory.write64(to, slotBig(vp, Slot.RAX));
};

export const storeString = (p: Processor, d: number): number => {
  const { vp, memory } = p;
  const width = sysWidth(d);
  const step = elementStep(vp, width);
  if (!isRepeated(d)) {
    storeElement(p, elementAddress(p, Segment.ES, indexAt(vp, Slot.RDI, d, 0), width, true), width);
    moveIndex(vp, Slot.RDI, d, step);
    return 0;
  }
  const count = roundLength(p, d);
  let done = 0;
  try {
    while (done < count) {
      const target = indexAt(vp, Slot.RDI, d, done * step);
      const to = elementAddress(p, Segment.ES, target, width, true);
      const run = step > 0 ? runLength(p, d, Segment.ES, target, width, count - done, true) : 0;
      const host = run > 0 ? memory.hostWrite(to) : -1;
      if (host >= 0) {
        fillForward(p, host, run << width, width, accumulatorLo(vp, width), accumulatorHi(vp, width));
        done += run;
        continue;
      }
      storeElement(p, to, width);
      done++;
    }
  } finally {
    moveIndex(vp, Slot.RDI, d, done * step);
    takeCount(vp, d, done);
    p.charge(done >>> 3);
  }
  return afterRound(p, d);
};

export const loadString = (p: Processor, d: number): number => {
  const { vp } = p;
  const width = sysWidth(d);
  const segment = sysSegment(d);
  const step = elementStep(vp, width);
  const count = isRepeated(d) ? roundLength(p, d) : 1;
  let done = 0;
  try {
    for (; done < count; done++)
      loadElement(p, elementAddress(p, segment, indexAt(vp, Slot.RSI, d, done * step), width, false), width, Slot.RAX);
  } finally {
    if (done > 0) moveIndex(vp, Slot.RSI, d, done * step);
    if (isRepeated(d)) {
      takeCount(vp, d, done);
      p.charge(done >>> 3);
    }
  }
  return isRepeated(d) ? afterRound(p, d) : 0;
};
