// Control, debug and model-specific registers, and the other instructions that the hypervisor intercepts: privilege checks here, meaning there.
// References: SDM 2B MOV (control, debug registers), SDM 3A 2.5, SDM 3B 17.2.
import { Vector } from '../../../shared/abi/exceptions.js';
import { P6_COUNTERS } from '../../../shared/abi/msr.js';
import { Cr0, Cr4, Dr7, Rflags } from '../../../shared/abi/registers.js';
import { Slot, VpState } from '../../../shared/layout/vp.js';
import { sysA, sysB, sysMemory } from '../../translate/micro-op.js';
import { Dr6, noteDebug } from '../debug-unit.js';
import { InvpcidType, type Processor } from '../processor.js';
import { leaveAfter } from './code-transfer.js';
import { setSystemFlags, systemFlags } from './flags.js';
import { is64BitCode, isProtectedMode, isVm86 } from './mode.js';
import { generalProtection, invalidOpcode, raise } from './raise.js';
import { isCanonical } from './segment.js';
import { setSlot32, setSlotHalves, slotHi, slotLo, slotNumber } from './slots.js';

export const requireLevel0 = (p: Processor): void => {
  if (p.vp.cpl !== 0) generalProtection(p);
};

/** The check as an operation of its own, for instructions whose operand could fault otherwise. */
export const level0 = (p: Processor): number => {
  requireLevel0(p);
  return 0;
};

const requireControlRegister = (p: Processor, cr: number): void => {
  if (cr !== 0 && cr !== 2 && cr !== 3 && cr !== 4 && !(cr === 8 && is64BitCode(p.vp))) invalidOpcode(p);
  requireLevel0(p);
};
export const moveFromCr = (p: Processor, d: number): number => {
  const vp = p.vp;
  const cr = sysA(d);
  requireControlRegister(p, cr);
  const long = is64BitCode(vp);
  if (cr === 2) setSlotHalves(vp, sysB(d), vp.cr2Lo, long ? vp.cr2Hi : 0);
  else {
    const value = p.intercepts.readCr(cr);
    setSlotHalves(vp, sysB(d), value | 0, long ? Math.floor(value / 4294967296) : 0);
  }
  return 0;
};
/** Always leaves: paging, mode or priority may have changed. */
export const moveToCr = (p: Processor, d: number): number => {
  const vp = p.vp;
  const cr = sysA(d);
  requireControlRegister(p, cr);
  const long = is64BitCode(vp);
  if (cr === 2) {
    vp.cr2Lo = slotLo(vp, sysB(d));
    vp.cr2Hi = long ? slotHi(vp, sysB(d)) : 0;
    return leaveAfter(p, d);
  }
  p.intercepts.writeCr(cr, slotLo(vp, sysB(d)), long ? slotHi(vp, sysB(d)) : 0);
  return leaveAfter(p, d);
};
export const clearTaskSwitched = (p: Processor, d: number): number => {
  requireLevel0(p);
  if ((p.vp.cr0 & Cr0.TS) === 0) return 0;
  p.intercepts.writeCr(0, (p.vp.cr0 & ~Cr0.TS) >>> 0, 0);
  return leaveAfter(p, d);
};
/** SMSW: the machine status word is CR0; a register destination of 32 or 64 bits gets more of it. */
export const storeStatusWord = (p: Processor, d: number): number => {
  if (p.vp.cpl !== 0 && (p.vp.cr4 & Cr4.UMIP) !== 0) generalProtection(p);
  if (sysMemory(d)) p.memory.write16(slotNumber(p.vp, Slot.ARG0), p.vp.cr0 & 0xffff);
  else setSlot32(p.vp, Slot.ARG1, p.vp.cr0);
  return 0;
};
/** LMSW sets PE, MP, EM, TS and cannot clear PE. */
export const loadStatusWord = (p: Processor, d: number): number => {
  const vp = p.vp;
  requireLevel0(p);
  const value = sysMemory(d) ? p.memory.read16(slotNumber(vp, Slot.ARG0)) : slotLo(vp, Slot.ARG1);
  p.intercepts.writeCr(0, ((vp.cr0 & ~(Cr0.MP | Cr0.EM | Cr0.TS)) | (value & 0xf)) >>> 0, 0);
  return leaveAfter(p, d);
};

/** Fixed and writable bits of DR6 and DR7 (SDM 3B 17.2.3, 17.2.4). */
const DR6_FIXED = 0xffff_0ff0;
const DR6_WRITABLE = 0xe00f;
const DR7_FIXED = 0x400;
const DR7_WRITABLE = 0xffff_23ff;
const debugRegister = (p: Processor, d: number): number => {
  const vp = p.vp;
  let dr = sysA(d);
  if (dr >= 8 || ((dr === 4 || dr === 5) && (vp.cr4 & Cr4.DE) !== 0)) invalidOpcode(p);
  requireLevel0(p);
  if (dr === 4 || dr === 5) dr += 2;
  const { u32 } = vp.views;
  if ((u32[(vp.dr + 7 * 8) >>> 2] & Dr7.GD) !== 0) {
    noteDebug(vp, Dr6.BD);
    setSystemFlags(vp, systemFlags(vp) | Rflags.RF);
    raise(p, Vector.DB);
  }
  return (vp.dr + dr * 8) >>> 2;
};
export const moveFromDr = (p: Processor, d: number): number => {
  const vp = p.vp;
  const at = debugRegister(p, d);
  setSlotHalves(vp, sysB(d), vp.views.i32[at], is64BitCode(vp) ? vp.views.i32[at + 1] : 0);
  return 0;
};
/** Leaves: from here on instructions may have to be run one at a time. */
export const moveToDr = (p: Processor, d: number): number => {
  const vp = p.vp;
  const at = debugRegister(p, d);
  const dr = (at - (vp.dr >>> 2)) >>> 1;
  const lo = slotLo(vp, sysB(d));
  const hi = is64BitCode(vp) ? slotHi(vp, sysB(d)) : 0;
  if (dr >= 6 && hi !== 0) generalProtection(p);
  vp.views.u32[at] = dr === 6 ? (lo & DR6_WRITABLE) | DR6_FIXED : dr === 7 ? (lo & DR7_WRITABLE) | DR7_FIXED : lo;
  vp.views.u32[at + 1] = hi;
  p.debug.arm(vp);
  return leaveAfter(p, d);
};

const setPair = (p: Processor, value: bigint): void => {
  setSlot32(p.vp, Slot.RAX, Number(value & 0xffff_ffffn));
  setSlot32(p.vp, Slot.RDX, Number((value >> 32n) & 0xffff_ffffn));
};
/** Leaves when the read has stopped the VP (GUEST_IDLE). */
export const readMsr = (p: Processor, d: number): number => {
  requireLevel0(p);
  setPair(p, p.intercepts.readMsr(slotLo(p.vp, Slot.RCX)));
  return p.vp.state === VpState.HALTED ? leaveAfter(p, d) : 0;
};
/** Leaves: EFER and the APIC's registers change what comes next. */
export const writeMsr = (p: Processor, d: number): number => {
  const vp = p.vp;
  requireLevel0(p);
  p.intercepts.writeMsr(slotLo(vp, Slot.RCX), (BigInt(slotLo(vp, Slot.RDX)) << 32n) | BigInt(slotLo(vp, Slot.RAX)));
  return leaveAfter(p, d);
};
/** The P6's two counters, which stand still at 0 (SDM 2B RDPMC). */
export const readPerformanceCounter = (p: Processor): number => {
  const { vp } = p;
  if (vp.cpl !== 0 && (vp.cr4 & Cr4.PCE) === 0) generalProtection(p);
  if (slotLo(vp, Slot.RCX) >= P6_COUNTERS) generalProtection(p);
  setPair(p, 0n);
  return 0;
};

const requireTsc = (p: Processor): void => {
  if ((p.vp.cr4 & Cr4.TSD) !== 0 && p.vp.cpl !== 0) generalProtection(p);
};
export const readTsc = (p: Processor): number => {
  requireTsc(p);
  setPair(p, p.intercepts.tsc());
  return 0;
};
export const readTscAndAux = (p: Processor): number => {
  requireTsc(p);
  setPair(p, p.intercepts.tsc());
  setSlot32(p.vp, Slot.RCX, p.vp.tscAuxLo);
  return 0;
};
export const cpuid = (p: Processor): number => {
  const vp = p.vp;
  const leaf = slotLo(vp, Slot.RAX);
  const subleaf = slotLo(vp, Slot.RCX);
  const answer = p.intercepts.cpuid(leaf, subleaf);
  p.answers.keep(leaf, subleaf, answer);
  setSlot32(vp, Slot.RAX, answer[0]);
  setSlot32(vp, Slot.RBX, answer[1]);
  setSlot32(vp, Slot.RCX, answer[2]);
  setSlot32(vp, Slot.RDX, answer[3]);
  return 0;
};

/** Leaves: the code that follows may be mapped elsewhere now. */
export const invalidatePage = (p: Processor, d: number): number => {
  requireLevel0(p);
  p.intercepts.invlpg(slotNumber(p.vp, Slot.ARG0));
  return leaveAfter(p, d);
};
/** INVPCID: type in the register, PCID and linear address in memory; everything is checked before anything goes (SDM 2A INVPCID). Leaves, as INVLPG. */
export const invalidateProcessContext = (p: Processor, d: number): number => {
  const { vp } = p;
  requireLevel0(p);
  const at = slotNumber(vp, Slot.ARG0);
  const long = is64BitCode(vp);
  const type = slotLo(vp, sysB(d));
  const low = p.memory.read64(at);
  const address = p.memory.read64Number(long ? at + 8 : (at + 8) >>> 0);
  if (type > InvpcidType.ALL_BUT_GLOBAL || (long && slotHi(vp, sysB(d)) !== 0)) generalProtection(p);
  if (low >> 12n !== 0n) generalProtection(p);
  const pcid = Number(low);
  if (type <= InvpcidType.CONTEXT && pcid !== 0 && (vp.cr4 & Cr4.PCIDE) === 0) generalProtection(p);
  if (type === InvpcidType.ADDRESS && !isCanonical(address)) generalProtection(p);
  p.intercepts.invpcid(type, pcid, address);
  return leaveAfter(p, d);
};
/** INVD, WBINVD. */
export const writeBackCaches = (p: Processor): number => {
  requireLevel0(p);
  p.intercepts.wbinvd();
  return 0;
};
export const pause = (p: Processor): number => {
  p.intercepts.pause();
  return 0;
};
/** VMCALL, VMMCALL: the hypervisor answers, or raises #UD where it is not spoken to. Leaves: it may have changed anything. */
export const hypercall = (p: Processor, d: number): number => {
  if (!isProtectedMode(p.vp) || isVm86(p.vp)) invalidOpcode(p);
  return p.intercepts.hypercall() ? leaveAfter(p, d) : 1;
};
/** VMRUN of the hypervisor's own code: guest mode is entered, and what ends it goes on behind the instruction. Guests have none of it. Leaves. */
export const runGuest = (p: Processor, d: number): number => {
  const { intercepts } = p;
  if (intercepts.runGuest === undefined) return invalidOpcode(p);
  requireLevel0(p);
  intercepts.runGuest();
  return leaveAfter(p, d);
};
