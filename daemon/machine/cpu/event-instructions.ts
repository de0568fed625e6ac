// Instructions that raise events or decide when they are taken: INT n, INT3, INTO, INT1, BOUND, UD, CLI, STI, PUSHF, POPF, HLT.
// References: SDM 2A/2B of each, SDM 3A 6.8.1, 6.8.3 (interrupt shadow), SDM 3B 20.2 (virtual-8086 mode; what CR4.VME and PVI make of it: virtual-interrupts).
import { Vector } from '../../../shared/abi/exceptions.js';
import { Cr0, Cr4, Rflags } from '../../../shared/abi/registers.js';
import { EventKind, InterruptShadow, Slot, type VpBlock } from '../../../shared/layout/vp.js';
import { sysA, sysSegment, sysWidth } from '../../translate/micro-op.js';
import { noteDebug } from '../debug-unit.js';
import type { Processor } from '../processor.js';
import { leaveAfter, nextRip } from './code-transfer.js';
import { deliver } from './deliver.js';
import { ioplOf, readArithmeticFlags, rflags, setRflags, setSystemFlags, systemFlags } from './flags.js';
import { is64BitCode, isVm86 } from './mode.js';
import { generalProtection, invalidOpcode, raise } from './raise.js';
import { readRegister, slotLo, slotNumber } from './slots.js';
import { offsetStack, peekFlags, push, setStackPointer, stackPointer } from './stack.js';
import { elementAddress } from './string-operands.js';
import {
  clearVirtualIf,
  hasVirtualIf,
  isDeniedVm86,
  redirectInterrupt,
  requireVirtualIf,
  setVirtualIf,
  virtualImage,
  withVirtualIf,
} from './virtual-interrupts.js';

/** INT n: in virtual-8086 mode by the program's own table, where the task says so. */
export const interruptN = (p: Processor, d: number): number => {
  const vector = slotLo(p.vp, Slot.ARG0) & 0xff;
  const next = nextRip(p.vp, d);
  if (!isVm86(p.vp) || !redirectInterrupt(p, vector, next)) deliver(p, EventKind.SOFTWARE, vector, -1, next);
  return 1;
};
export const breakpoint = (p: Processor, d: number): number => {
  deliver(p, EventKind.SOFTWARE, Vector.BP, -1, nextRip(p.vp, d));
  return 1;
};
export const interruptOnOverflow = (p: Processor, d: number): number => {
  if (is64BitCode(p.vp)) invalidOpcode(p);
  if ((readArithmeticFlags(p.vp) & Rflags.OF) === 0) return 0;
  deliver(p, EventKind.SOFTWARE, Vector.OF, -1, nextRip(p.vp, d));
  return 1;
};
/** INT1: a debug trap that no gate's DPL stops, and that leaves DR6 alone (SDM 2A INT n) but for hits that have waited since a MOV SS. */
export const interrupt1 = (p: Processor, d: number): number => {
  const hits = p.debug.takeHits();
  if (hits !== 0) noteDebug(p.vp, hits);
  deliver(p, EventKind.EXCEPTION, Vector.DB, -1, nextRip(p.vp, d));
  return 1;
};
export const bound = (p: Processor, d: number): number => {
  const { vp, memory } = p;
  if (is64BitCode(vp)) invalidOpcode(p);
  const at = slotNumber(vp, Slot.ARG0);
  const wide = sysWidth(d) === 2;
  const shift = wide ? 0 : 16;
  const index = (readRegister(vp, sysA(d), sysWidth(d)) << shift) >> shift;
  const lower = wide ? memory.read32(at) | 0 : (memory.read16(at) << 16) >> 16;
  // Processors look at the upper bound only when the lower one holds: which fault comes first shows it.
  if (index < lower) raise(p, Vector.BR);
  const segment = sysSegment(d);
  const offset = (at + (1 << sysWidth(d)) - slotLo(vp, Slot.ES_BASE + segment)) >>> 0;
  const next = elementAddress(p, segment, offset, sysWidth(d), false);
  const upper = wide ? memory.read32(next) | 0 : (memory.read16(next) << 16) >> 16;
  if (index > upper) raise(p, Vector.BR);
  return 0;
};

/** Whether IOPL (3 in virtual-8086 mode) lets the code touch IF. Real mode has CPL 0. */
const mayChangeIf = (vp: VpBlock): boolean => (isVm86(vp) ? ioplOf(vp) === 3 : vp.cpl <= ioplOf(vp));

export const clearInterrupts = (p: Processor): number => {
  const vp = p.vp;
  if (mayChangeIf(vp)) setSystemFlags(vp, systemFlags(vp) & ~Rflags.IF);
  else if (hasVirtualIf(vp)) clearVirtualIf(vp);
  else generalProtection(p);
  return 0;
};
/** STI: interrupts are taken only after the next instruction, so the block must end here. */
export const setInterrupts = (p: Processor, d: number): number => {
  const vp = p.vp;
  if (!mayChangeIf(vp)) {
    if (!hasVirtualIf(vp)) generalProtection(p);
    setVirtualIf(p);
    return 0;
  }
  const flags = systemFlags(vp);
  if ((flags & Rflags.IF) !== 0) return 0;
  setSystemFlags(vp, flags | Rflags.IF);
  vp.interruptShadow = InterruptShadow.INTERRUPTS;
  return leaveAfter(p, d);
};

/** PUSHF: VM and RF read as 0. */
export const pushFlags = (p: Processor, d: number): number => {
  const vp = p.vp;
  const denied = isDeniedVm86(vp);
  if (denied) requireVirtualIf(p, sysWidth(d));
  const flags = rflags(vp) & ~(Rflags.VM | Rflags.RF);
  setStackPointer(vp, push(p, stackPointer(vp), sysWidth(d), denied ? virtualImage(flags) : flags));
  return 0;
};

const POPPED = Rflags.ARITHMETIC | Rflags.TF | Rflags.DF | Rflags.NT;
export const popFlags = (p: Processor, d: number): number => {
  const vp = p.vp;
  const virtual = isVm86(vp);
  const denied = isDeniedVm86(vp);
  const width = sysWidth(d);
  if (denied) requireVirtualIf(p, width);
  const sp = stackPointer(vp);
  const image = peekFlags(p, sp, width, 0);
  let mask: number = POPPED;
  if (width !== 1) mask |= Rflags.AC | Rflags.ID;
  if (mayChangeIf(vp)) mask |= Rflags.IF;
  if (vp.cpl === 0 && !virtual) mask |= Rflags.IOPL;
  const before = rflags(vp);
  const masked = (before & ~mask) | (image & mask);
  const after = denied ? withVirtualIf(p, masked, image) : masked;
  // VIP and VIF are cleared by a 32-bit POPF at level 0 (SDM 2B POPF, table 4-17).
  setRflags(vp, (width !== 1 && vp.cpl === 0 ? after & ~(Rflags.VIF | Rflags.VIP) : after) & ~Rflags.RF);
  setStackPointer(vp, offsetStack(vp, sp, 1 << width));
  const changed = before ^ after;
  const aligned = (changed & Rflags.AC) !== 0 && (vp.cr0 & Cr0.AM) !== 0;
  if ((changed & Rflags.AC) !== 0 && (aligned || (vp.cr4 & Cr4.SMAP) !== 0)) p.modeChanged();
  // Interrupts that are now open, and single steps, are looked at between instructions.
  const look = aligned || (after & changed & Rflags.IF) !== 0 || (after & Rflags.TF) !== 0;
  return look ? leaveAfter(p, d) : 0;
};

/** MONITOR and MWAIT are of level 0, and #UD elsewhere; extensions beyond those of CPUID leaf 5 are #GP(0) (SDM 2B). */
const requireMonitor = (p: Processor, extensions: number): void => {
  if (p.vp.cpl !== 0) invalidOpcode(p);
  if ((slotLo(p.vp, Slot.RCX) & ~extensions) !== 0) generalProtection(p);
};
/** The address is checked as that of a byte read. What is not memory is not watched. */
export const monitor = (p: Processor): number => {
  requireMonitor(p, 0);
  const at = slotNumber(p.vp, Slot.ARG0);
  const spa = p.memory.hostRead(at);
  if (spa >= 0) p.intercepts.monitor(spa);
  return 0;
};
export const monitorWait = (p: Processor, d: number): number => {
  requireMonitor(p, 1);
  leaveAfter(p, d);
  p.intercepts.mwait((slotLo(p.vp, Slot.RCX) & 1) !== 0);
  return 1;
};

export const halt = (p: Processor, d: number): number => {
  if (p.vp.cpl !== 0) generalProtection(p);
  leaveAfter(p, d);
  p.intercepts.halt();
  return 1;
};
