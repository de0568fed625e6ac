// SYSCALL, SYSRET, SYSENTER, SYSEXIT and SWAPGS, as Intel's processors do them.
// Why without descriptors: these load fixed flat segments, no table is read (SDM 2B SYSCALL, SYSRET, SYSENTER, SYSEXIT; SDM 3A 5.8.7, 5.8.8).
import { Efer, Rflags } from '../../../shared/abi/registers.js';
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';
import { sysWidth } from '../../translate/micro-op.js';
import { Dr6 } from '../debug-unit.js';
import type { Processor } from '../processor.js';
import { clearUpperHalves } from './code-mode.js';
import { nextRip } from './code-transfer.js';
import { rflags, setRflags, setSystemFlags, systemFlags } from './flags.js';
import { is64BitCode, isLongMode, isProtectedMode } from './mode.js';
import { generalProtection, invalidOpcode } from './raise.js';
import { isCanonical, Segment, setSegment } from './segment.js';
import { setRip, setSlot32, setSlotHalves, setSlotNumber, slotHi, slotLo, slotNumber } from './slots.js';

/** Accessed, readable code, present, 4 GiB: with L, or with D. */
const CODE_64 = 0xa09b;
const CODE_32 = 0xc09b;
const DATA_32 = 0xc093;
const FLAT = 0xffff_ffff;

/** CS and SS become flat segments of `level`. */
const setFlatSegments = (vp: VpBlock, code: number, stack: number, level: number, long: boolean): void => {
  setSegment(vp, Segment.CS, (code & 0xfffc) | level, 0, FLAT, (long ? CODE_64 : CODE_32) | (level << 5));
  setSegment(vp, Segment.SS, (stack & 0xfffc) | level, 0, FLAT, DATA_32 | (level << 5));
  vp.cpl = level;
};

export const systemCall = (p: Processor, d: number): number => {
  const vp = p.vp;
  if (!is64BitCode(vp) || (vp.efer & Efer.SCE) === 0) invalidOpcode(p);
  setSlotNumber(vp, Slot.RCX, nextRip(vp, d));
  const flags = rflags(vp) & ~Rflags.RF;
  setSlot32(vp, 11, flags);
  setRflags(vp, flags & ~vp.sfmaskLo);
  // TF is looked at after the instruction: a kernel that masks it is not stepped into.
  if ((vp.sfmaskLo & Rflags.TF) !== 0) p.debug.stepTrap = false;
  const star = vp.starHi;
  setFlatSegments(vp, star, (star & 0xfffc) + 8, 0, true);
  setRip(vp, vp.lstarNum);
  p.modeChanged();
  return 1;
};

export const systemReturn = (p: Processor, d: number): number => {
  const vp = p.vp;
  if (!is64BitCode(vp) || (vp.efer & Efer.SCE) === 0) invalidOpcode(p);
  if (vp.cpl !== 0) generalProtection(p);
  const long = sysWidth(d) === 3;
  const target = long ? slotNumber(vp, Slot.RCX) : slotLo(vp, Slot.RCX);
  if (!isCanonical(target)) generalProtection(p);
  const base = vp.starHi >>> 16;
  setRflags(vp, slotLo(vp, 11) & 0x3c_7fd7 & ~Rflags.RF);
  // As if the SYSCALL had just been done: TF in R11 traps before the next instruction.
  if ((slotLo(vp, 11) & Rflags.TF) !== 0) p.debug.report(Dr6.BS);
  setFlatSegments(vp, base + (long ? 16 : 0), base + 8, 3, long);
  setRip(vp, target);
  if (!long) clearUpperHalves(vp);
  p.modeChanged();
  return 1;
};

export const systemEnter = (p: Processor): number => {
  const vp = p.vp;
  const code = vp.sysenterCsLo & 0xfffc;
  if (!isProtectedMode(vp) || code === 0) generalProtection(p);
  const long = isLongMode(vp);
  setSystemFlags(vp, systemFlags(vp) & ~(Rflags.VM | Rflags.IF | Rflags.RF));
  setSlotNumber(vp, Slot.RSP, long ? vp.sysenterEspNum : vp.sysenterEspLo);
  setFlatSegments(vp, code, code + 8, 0, long);
  setRip(vp, long ? vp.sysenterEipNum : vp.sysenterEipLo);
  p.modeChanged();
  return 1;
};

export const systemExit = (p: Processor, d: number): number => {
  const vp = p.vp;
  const base = vp.sysenterCsLo & 0xfffc;
  if (!isProtectedMode(vp) || base === 0 || vp.cpl !== 0) generalProtection(p);
  const long = sysWidth(d) === 3;
  const rip = long ? slotNumber(vp, Slot.RDX) : slotLo(vp, Slot.RDX);
  const rsp = long ? slotNumber(vp, Slot.RCX) : slotLo(vp, Slot.RCX);
  if (!isCanonical(rip) || !isCanonical(rsp)) generalProtection(p);
  const was64 = is64BitCode(vp);
  setSlotNumber(vp, Slot.RSP, rsp);
  setFlatSegments(vp, base + (long ? 32 : 16), base + (long ? 40 : 24), 3, long);
  setRip(vp, rip);
  if (was64 && !long) clearUpperHalves(vp);
  p.modeChanged();
  return 1;
};

/** Exchanges GS.base with IA32_KERNEL_GS_BASE. */
export const swapGs = (p: Processor): number => {
  const vp = p.vp;
  if (!is64BitCode(vp)) invalidOpcode(p);
  if (vp.cpl !== 0) generalProtection(p);
  const lo = slotLo(vp, Slot.GS_BASE);
  const hi = slotHi(vp, Slot.GS_BASE);
  setSlotHalves(vp, Slot.GS_BASE, vp.kernelGsBaseLo, vp.kernelGsBaseHi);
  vp.kernelGsBaseLo = lo;
  vp.kernelGsBaseHi = hi;
  return 0;
};
