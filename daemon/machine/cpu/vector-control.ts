// MXCSR as a register: LDMXCSR and STMXCSR. References: SDM 1 10.2.3, SDM 2A LDMXCSR.
import { Slot } from '../../../shared/layout/vp.js';
import type { Processor } from '../processor.js';
import { generalProtection } from './raise.js';
import { setSlot32, slotLo } from './slots.js';

/** Bits of MXCSR that exist, DAZ among them; all others are reserved. */
export const MXCSR_MASK = 0xffff;

export const loadMxcsr = (p: Processor): number => {
  const value = slotLo(p.vp, Slot.ARG1) >>> 0;
  if ((value & ~MXCSR_MASK) !== 0) generalProtection(p);
  p.vp.mxcsr = value;
  return 0;
};
export const storeMxcsr = (p: Processor): number => {
  setSlot32(p.vp, Slot.ARG1, p.vp.mxcsr);
  return 0;
};
