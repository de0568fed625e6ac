// Interrupt delivery through the real-mode vector table (SDM 3B 20.1.4).
import { Rflags } from '../../../shared/abi/registers.js';
import type { Processor } from '../processor.js';
import { rflags, setSystemFlags, systemFlags } from './flags.js';
import { generalProtection } from './raise.js';
import { Segment, selectorOf, setRealSegment } from './segment.js';
import { setRip } from './slots.js';
import { push, setStackPointer, stackPointer } from './stack.js';

export const deliverReal = (p: Processor, vector: number, nextRip: number): void => {
  const vp = p.vp;
  if (vector * 4 + 3 > vp.idtrLimit) generalProtection(p, vector * 8 + 2);
  const entry = p.memory.read32(vp.idtrBaseNum + vector * 4);
  let sp = stackPointer(vp);
  sp = push(p, sp, 1, rflags(vp));
  sp = push(p, sp, 1, selectorOf(vp, Segment.CS));
  sp = push(p, sp, 1, nextRip);
  setStackPointer(vp, sp);
  setSystemFlags(vp, systemFlags(vp) & ~(Rflags.IF | Rflags.TF | Rflags.AC | Rflags.RF));
  setRealSegment(vp, Segment.CS, entry >>> 16);
  setRip(vp, entry & 0xffff);
  p.modeChanged();
};
