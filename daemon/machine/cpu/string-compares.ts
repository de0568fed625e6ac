// CMPS and SCAS with REPE and REPNE. Flags are those of the last pair compared; a fault leaves them as they were (SDM 2B REP).
import { Slot } from '../../../shared/layout/vp.js';
import { sysRepne, sysSegment, sysWidth } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import { writeCompareFlags } from './flags.js';
import { elementHi, elementLo, findPair, findValue } from './host-runs.js';
import { Segment } from './segment.js';
import { slotHi, slotLo } from './slots.js';
import {
  accumulatorHi,
  accumulatorLo,
  afterRound,
  elementAddress,
  elementStep,
  indexAt,
  isRepeated,
  loadScratch,
  moveIndex,
  roundLength,
  runLength,
  takeCount,
} from './string-operands.js';

export const compareString = (p: Processor, d: number): number => {
  const { vp, memory, views } = p;
  const width = sysWidth(d);
  const segment = sysSegment(d);
  const step = elementStep(vp, width);
  const repeated = isRepeated(d);
  const stopWhenEqual = sysRepne(d);
  const count = repeated ? roundLength(p, d) : 1;
  if (count === 0) {
    takeCount(vp, d, 0);
    return 0;
  }
  let done = 0;
  let stopped = false;
  let aLo = 0;
  let aHi = 0;
  let bLo = 0;
  let bHi = 0;
  try {
    while (done < count && !stopped) {
      const source = indexAt(vp, Slot.RSI, d, done * step);
      const target = indexAt(vp, Slot.RDI, d, done * step);
      const second = elementAddress(p, Segment.ES, target, width, false);
      const left = count - done;
      const run =
        step > 0
          ? Math.min(runLength(p, d, segment, source, width, left, false), runLength(p, d, Segment.ES, target, width, left, false))
          : 0;
      // Of two operands that both fault, processors report ES:rDI's.
      const { flushes } = memory;
      const hostB = run > 0 ? memory.hostRead(second) : -1;
      if (hostB < 0) loadScratch(p, second, width, Slot.ARG1);
      const first = elementAddress(p, segment, source, width, false);
      const hostA = hostB >= 0 ? memory.hostRead(first) : -1;
      // Else the first address may not be what it was when it was asked for: one pair, and then both anew.
      if (hostA >= 0 && memory.flushes === flushes) {
        const at = findPair(views, hostA, hostB, run, width, stopWhenEqual);
        stopped = at < run;
        const last = (stopped ? at : run - 1) << width;
        aLo = elementLo(views, hostA + last, width);
        aHi = elementHi(views, hostA + last, width);
        bLo = elementLo(views, hostB + last, width);
        bHi = elementHi(views, hostB + last, width);
        done += stopped ? at + 1 : run;
        continue;
      }
      if (hostB >= 0) loadScratch(p, second, width, Slot.ARG1);
      loadScratch(p, first, width, Slot.ARG0);
      aLo = slotLo(vp, Slot.ARG0);
      aHi = slotHi(vp, Slot.ARG0);
      bLo = slotLo(vp, Slot.ARG1);
      bHi = slotHi(vp, Slot.ARG1);
      stopped = (aLo === bLo && aHi === bHi) === stopWhenEqual;
      done++;
    }
  } finally {
    if (done > 0) {
      moveIndex(vp, Slot.RSI, d, done * step);
      moveIndex(vp, Slot.RDI, d, done * step);
    }
    if (repeated) {
      takeCount(vp, d, done);
      p.charge(done >>> 3);
    }
  }
  writeCompareFlags(vp, width, aLo, aHi, bLo, bHi);
  return !repeated || stopped ? 0 : afterRound(p, d);
};

export const scanString = (p: Processor, d: number): number => {
  const { vp, memory, views } = p;
  const width = sysWidth(d);
  const step = elementStep(vp, width);
  const repeated = isRepeated(d);
  const stopWhenEqual = sysRepne(d);
  const count = repeated ? roundLength(p, d) : 1;
  if (count === 0) {
    takeCount(vp, d, 0);
    return 0;
  }
  const aLo = accumulatorLo(vp, width);
  const aHi = accumulatorHi(vp, width);
  let done = 0;
  let stopped = false;
  let bLo = 0;
  let bHi = 0;
  try {
    while (done < count && !stopped) {
      const target = indexAt(vp, Slot.RDI, d, done * step);
      const address = elementAddress(p, Segment.ES, target, width, false);
      const run = step > 0 ? runLength(p, d, Segment.ES, target, width, count - done, false) : 0;
      const host = run > 0 ? memory.hostRead(address) : -1;
      if (host >= 0) {
        const at = findValue(views, host, run, width, aLo, aHi, stopWhenEqual);
        stopped = at < run;
        const last = (stopped ? at : run - 1) << width;
        bLo = elementLo(views, host + last, width);
        bHi = elementHi(views, host + last, width);
        done += stopped ? at + 1 : run;
        continue;
      }
      loadScratch(p, address, width, Slot.ARG1);
      bLo = slotLo(vp, Slot.ARG1);
      bHi = slotHi(vp, Slot.ARG1);
      stopped = (aLo === bLo && aHi === bHi) === stopWhenEqual;
      done++;
    }
  } finally {
    if (done > 0) moveIndex(vp, Slot.RDI, d, done * step);
    if (repeated) {
      takeCount(vp, d, done);
      p.charge(done >>> 3);
    }
  }
  writeCompareFlags(vp, width, aLo, aHi, bLo, bHi);
  return !repeated || stopped ? 0 : afterRound(p, d);
};
