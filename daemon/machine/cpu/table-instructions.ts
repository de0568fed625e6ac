// Descriptor-table registers and tests of selectors: LGDT..STR, LAR, LSL, VERR, VERW, ARPL; moves to and from segment registers.
// References: SDM 2A/2B of each instruction, SDM 3A 2.4, 5.10.
import { Cr4, SystemType } from '../../../shared/abi/registers.js';
import { InterruptShadow, Slot, type VpBlock } from '../../../shared/layout/vp.js';
import { sysA, sysB, sysMemory, sysWidth } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import { leaveAfter } from './code-transfer.js';
import {
  descriptorAddress,
  descriptorHi,
  descriptorLo,
  dplFrom,
  isCode,
  isConforming,
  isNull,
  isReadable,
  isWritableData,
  limitFrom,
  NO_DESCRIPTOR,
  rplOf,
  typeFrom,
} from './descriptor.js';
import { setZeroFlag } from './flags.js';
import { hasRealSegments, is64BitCode, isLongMode } from './mode.js';
import { generalProtection, invalidOpcode } from './raise.js';
import { isCanonical, Segment, selectorOf } from './segment.js';
import { loadLdtr, loadSegment, loadTaskRegister } from './segment-load.js';
import { setSlot32, setSlotHalves, slotHi, slotLo, slotNumber, writeRegister } from './slots.js';
import { offsetStack, peekSelector, setStackPointer, stackPointer } from './stack.js';
import { requireLevel0 } from './system-registers.js';

export const moveFromSegment = (p: Processor, d: number): number => {
  setSlot32(p.vp, Slot.ARG1, selectorOf(p.vp, sysA(d)) & 0xffff);
  return 0;
};
/** Loading SS holds interrupts off for one instruction (SDM 3A 6.8.3). */
const loadAndLeave = (p: Processor, d: number, segment: number): number => {
  if (segment === Segment.SS) p.vp.interruptShadow = InterruptShadow.STACK;
  return leaveAfter(p, d);
};
export const moveToSegment = (p: Processor, d: number): number => {
  const segment = sysA(d);
  if (segment === Segment.CS || segment > Segment.GS) invalidOpcode(p);
  loadSegment(p, segment, slotLo(p.vp, Slot.ARG1) & 0xffff);
  return loadAndLeave(p, d, segment);
};
/** LES, LDS, LSS, LFS, LGS. */
export const loadFarPointer = (p: Processor, d: number): number => {
  loadSegment(p, sysA(d), slotLo(p.vp, Slot.ARG2) & 0xffff);
  if (sysWidth(d) === 3) setSlotHalves(p.vp, sysB(d), slotLo(p.vp, Slot.ARG1), slotHi(p.vp, Slot.ARG1));
  else writeRegister(p.vp, sysB(d), sysWidth(d), slotLo(p.vp, Slot.ARG1));
  return leaveAfter(p, d);
};
export const popSegment = (p: Processor, d: number): number => {
  const vp = p.vp;
  const segment = sysA(d);
  const width = sysWidth(d);
  const sp = stackPointer(vp);
  const selector = peekSelector(p, sp, width, 0);
  // The pointer moves in the old stack's width: POP SS may change it.
  const after = offsetStack(vp, sp, 1 << width);
  if (segment !== Segment.SS) {
    loadSegment(p, segment, selector);
    setStackPointer(vp, after);
  } else {
    const lo = slotLo(vp, Slot.RSP);
    const hi = slotHi(vp, Slot.RSP);
    setStackPointer(vp, after);
    try {
      loadSegment(p, segment, selector);
    } catch (fault) {
      setSlotHalves(vp, Slot.RSP, lo, hi);
      throw fault;
    }
  }
  return loadAndLeave(p, d, segment);
};

/** With CR4.UMIP, SGDT, SIDT, SLDT, STR and SMSW are #GP(0) outside level 0 (SDM 3A 2.5). */
export const requireReadableTables = (p: Processor): void => {
  if (p.vp.cpl !== 0 && (p.vp.cr4 & Cr4.UMIP) !== 0) generalProtection(p);
};

/** SGDT, SIDT: 16-bit limit, then 32 or 64 bits of base whatever the operand size. */
const storeTable = (p: Processor, limit: number, base: number): number => {
  requireReadableTables(p);
  const at = slotNumber(p.vp, Slot.ARG0);
  const long = is64BitCode(p.vp);
  p.memory.probeWrite(at, long ? 10 : 6);
  p.memory.write16(at, limit & 0xffff);
  if (long) p.memory.write64Number(at + 2, base);
  else p.memory.write32((at + 2) >>> 0, base);
  return 0;
};
export const storeGdt = (p: Processor): number => storeTable(p, p.vp.gdtrLimit, p.vp.gdtrBaseNum);
export const storeIdt = (p: Processor): number => storeTable(p, p.vp.idtrLimit, p.vp.idtrBaseNum);
const tableBase = (p: Processor, d: number, at: number): number => {
  if (!is64BitCode(p.vp)) {
    const base = p.memory.read32((at + 2) >>> 0);
    return sysWidth(d) === 1 ? base & 0xff_ffff : base;
  }
  const base = p.memory.read64Number(at + 2);
  if (!isCanonical(base)) generalProtection(p);
  return base;
};
export const loadGdt = (p: Processor, d: number): number => {
  requireLevel0(p);
  const at = slotNumber(p.vp, Slot.ARG0);
  const limit = p.memory.read16(at);
  p.vp.gdtrBaseNum = tableBase(p, d, at);
  p.vp.gdtrLimit = limit;
  return 0;
};
export const loadIdt = (p: Processor, d: number): number => {
  requireLevel0(p);
  const at = slotNumber(p.vp, Slot.ARG0);
  const limit = p.memory.read16(at);
  p.vp.idtrBaseNum = tableBase(p, d, at);
  p.vp.idtrLimit = limit;
  return 0;
};

const requireProtected = (vp: VpBlock, p: Processor): void => {
  if (hasRealSegments(vp)) invalidOpcode(p);
};
const storeSelector = (p: Processor, d: number, selector: number): number => {
  requireProtected(p.vp, p);
  requireReadableTables(p);
  if (sysMemory(d)) p.memory.write16(slotNumber(p.vp, Slot.ARG0), selector);
  else setSlot32(p.vp, Slot.ARG1, selector);
  return 0;
};
export const storeLdt = (p: Processor, d: number): number => storeSelector(p, d, p.vp.ldtrSelector & 0xffff);
export const storeTaskRegister = (p: Processor, d: number): number => storeSelector(p, d, p.vp.trSelector & 0xffff);
const operandSelector = (p: Processor, d: number): number => {
  requireProtected(p.vp, p);
  requireLevel0(p);
  return sysMemory(d) ? p.memory.read16(slotNumber(p.vp, Slot.ARG0)) : slotLo(p.vp, Slot.ARG1) & 0xffff;
};
export const loadLdt = (p: Processor, d: number): number => {
  loadLdtr(p, operandSelector(p, d));
  return 0;
};
export const loadTask = (p: Processor, d: number): number => {
  loadTaskRegister(p, operandSelector(p, d));
  return 0;
};

/** System types that LAR and LSL accept, as bit sets: legacy and IA-32e mode. */
const set = (...types: readonly number[]): number => types.reduce((bits, t) => bits | (1 << t), 0);
const T = SystemType;
const LAR_LEGACY = set(T.TSS16, T.LDT, T.TSS16_BUSY, T.CALL_GATE16, T.TASK_GATE, T.TSS32, T.TSS32_BUSY, T.CALL_GATE32);
const LAR_LONG = set(T.LDT, T.TSS32, T.TSS32_BUSY, T.CALL_GATE32);
const LSL_LEGACY = set(T.TSS16, T.LDT, T.TSS16_BUSY, T.TSS32, T.TSS32_BUSY);
const LSL_LONG = set(T.LDT, T.TSS32, T.TSS32_BUSY);

/** Address of a descriptor that the code may look at, or NO_DESCRIPTOR. */
const visibleDescriptor = (p: Processor, selector: number, systemTypes: number): number => {
  if (isNull(selector)) return NO_DESCRIPTOR;
  const address = descriptorAddress(p, selector);
  if (address === NO_DESCRIPTOR) return NO_DESCRIPTOR;
  const hi = descriptorHi(p, address);
  const type = typeFrom(hi);
  if (type < 16 && ((systemTypes >>> type) & 1) === 0) return NO_DESCRIPTOR;
  if (isCode(hi) && isConforming(hi)) return address;
  return dplFrom(hi) < p.vp.cpl || dplFrom(hi) < rplOf(selector) ? NO_DESCRIPTOR : address;
};
const operand = (p: Processor): number => {
  requireProtected(p.vp, p);
  return slotLo(p.vp, Slot.ARG1) & 0xffff;
};
export const loadAccessRights = (p: Processor, d: number): number => {
  const vp = p.vp;
  const address = visibleDescriptor(p, operand(p), isLongMode(vp) ? LAR_LONG : LAR_LEGACY);
  if (address !== NO_DESCRIPTOR) writeRegister(vp, sysB(d), sysWidth(d), descriptorHi(p, address) & 0xff_ff00);
  setZeroFlag(vp, address !== NO_DESCRIPTOR);
  return 0;
};
export const loadSegmentLimit = (p: Processor, d: number): number => {
  const vp = p.vp;
  const address = visibleDescriptor(p, operand(p), isLongMode(vp) ? LSL_LONG : LSL_LEGACY);
  if (address !== NO_DESCRIPTOR) writeRegister(vp, sysB(d), sysWidth(d), limitFrom(descriptorLo(p, address), descriptorHi(p, address)));
  setZeroFlag(vp, address !== NO_DESCRIPTOR);
  return 0;
};
export const verifyRead = (p: Processor): number => {
  const address = visibleDescriptor(p, operand(p), 0);
  setZeroFlag(p.vp, address !== NO_DESCRIPTOR && isReadable(descriptorHi(p, address)));
  return 0;
};
export const verifyWrite = (p: Processor): number => {
  const address = visibleDescriptor(p, operand(p), 0);
  setZeroFlag(p.vp, address !== NO_DESCRIPTOR && isWritableData(descriptorHi(p, address)));
  return 0;
};
/** ARPL: ARG1 (destination selector, and the result) gets at least the RPL of ARG2; the store is the translation's. */
export const adjustRpl = (p: Processor): number => {
  const vp = p.vp;
  const selector = operand(p);
  const rpl = rplOf(slotLo(vp, Slot.ARG2));
  const raised = rplOf(selector) < rpl;
  if (raised) setSlot32(vp, Slot.ARG1, (selector & ~3) | rpl);
  setZeroFlag(vp, raised);
  return 0;
};
