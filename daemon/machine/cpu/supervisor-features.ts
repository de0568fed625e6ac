// STAC, CLAC, RDFSBASE to WRGSBASE and RDPID: small instructions that system software gained with later processors. What a model lacks is #UD at translation.
// References: SDM 2B STAC, CLAC; SDM 2A/2B RDFSBASE, WRFSBASE, RDPID; SDM 3A 4.6.1 (SMAP).
import { Cr4, Rflags } from '../../../shared/abi/registers.js';
import { Slot } from '../../../shared/layout/vp.js';
import { sysA, sysB, sysWidth } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import { setSystemFlags, systemFlags } from './flags.js';
import { is64BitCode } from './mode.js';
import { generalProtection, invalidOpcode } from './raise.js';
import { isCanonical } from './segment.js';
import { setSlotHalves, slotHi, slotLo, slotNumber } from './slots.js';

const setAlignmentCheck = (p: Processor, on: boolean): number => {
  const { vp } = p;
  if (vp.cpl !== 0) invalidOpcode(p);
  setSystemFlags(vp, on ? systemFlags(vp) | Rflags.AC : systemFlags(vp) & ~Rflags.AC);
  return 0;
};
/** Supervisor accesses to user pages that SMAP forbids are looked up each time (the TLB does not hold them): AC alone is what changes. */
export const accessUserPages = (p: Processor): number => setAlignmentCheck(p, true);
export const protectUserPages = (p: Processor): number => setAlignmentCheck(p, false);

const requireBases = (p: Processor): void => {
  if (!is64BitCode(p.vp) || (p.vp.cr4 & Cr4.FSGSBASE) === 0) invalidOpcode(p);
};
/** A 32-bit destination gets bits 31:0 and is zero-extended. */
export const readBase = (p: Processor, d: number): number => {
  const { vp } = p;
  requireBases(p);
  const slot = Slot.ES_BASE + sysA(d);
  setSlotHalves(vp, sysB(d), slotLo(vp, slot), sysWidth(d) === 3 ? slotHi(vp, slot) : 0);
  return 0;
};
export const writeBase = (p: Processor, d: number): number => {
  const { vp } = p;
  requireBases(p);
  const wide = sysWidth(d) === 3;
  if (wide && !isCanonical(slotNumber(vp, sysB(d)))) generalProtection(p);
  setSlotHalves(vp, Slot.ES_BASE + sysA(d), slotLo(vp, sysB(d)), wide ? slotHi(vp, sysB(d)) : 0);
  return 0;
};
export const readProcessorId = (p: Processor, d: number): number => {
  setSlotHalves(p.vp, sysB(d), p.vp.tscAuxLo, 0);
  return 0;
};
