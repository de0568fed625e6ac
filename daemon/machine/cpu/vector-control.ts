// MXCSR as a register: LDMXCSR and STMXCSR. References: SDM 1 10.2.3, SDM 2A LDMXCSR.
import { Slot } from '../../../shared/layout/vp.js';
import type { Processor } from '../processor.js';
import { generalProtection } from './raise.js';
import { setSlot32, slotLo } from './slots.js';

const DAZ = 0x40;
/** Bits of MXCSR that exist, all others are reserved: what state images call MXCSR_MASK. DAZ came with SSE2 (SDM 1 10.2.3.4, 11.6.6). */
export const mxcsrMask = (p: Processor): number => (p.features.has('sse2') ? 0xffff : 0xffff & ~DAZ);

export const loadMxcsr = (p: Processor): number => {
  const value = slotLo(p.vp, Slot.ARG1) >>> 0;
  if ((value & ~mxcsrMask(p)) !== 0) generalProtection(p);
  p.vp.mxcsr = value;
  return 0;
};
export const storeMxcsr = (p: Processor): number => {
  setSlot32(p.vp, Slot.ARG1, p.vp.mxcsr);
  return 0;
};
