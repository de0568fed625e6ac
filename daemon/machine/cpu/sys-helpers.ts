// The table from `SysOp` numbers to the functions that do them: the only way from translated code into the processor's slow half.
import { Slot } from '../../../shared/layout/vp.js';
import { SysOp, sysAddressWidth, sysSegment } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import * as decimal from './decimal.js';
import * as events from './event-instructions.js';
import { farReturn, interruptReturn } from './far-return.js';
import { farCall, farJump } from './far-transfer.js';
import * as fpu from './fpu-save.js';
import * as ports from './port-io.js';
import { invalidOpcode } from './raise.js';
import { readRandom } from './random-number.js';
import { readRegister, setSlot8, slotLo } from './slots.js';
import { enter, popAll, pushAll } from './stack-instructions.js';
import { compareString, scanString } from './string-compares.js';
import { loadString, moveString, storeString } from './string-moves.js';
import { elementAddress } from './string-operands.js';
import { accessUserPages, protectUserPages, readBase, readProcessorId, writeBase } from './supervisor-features.js';
import * as calls from './system-calls.js';
import * as registers from './system-registers.js';
import * as tables from './table-instructions.js';
import { absentFeature, undefinedInstruction } from './unknown.js';
import * as vectorControl from './vector-control.js';
import * as vectors from './vector-memory.js';
import * as wide from './wide-arithmetic.js';
import * as extended from './xsave.js';

/** Does one instruction at RIP. 0: the block goes on after it; 1: RIP is set, leave the block. May throw the processor's GuestFault, with all registers as before the instruction (or the iteration). */
export type SysHelper = (p: Processor, descriptor: number) => number;

/** XLAT: AL = byte at rBX + AL. */
const translateByte: SysHelper = (p, d) => {
  const index = readRegister(p.vp, Slot.RBX, sysAddressWidth(d)) + (slotLo(p.vp, Slot.RAX) & 0xff);
  const offset = sysAddressWidth(d) === 3 ? index : sysAddressWidth(d) === 2 ? index >>> 0 : index & 0xffff;
  setSlot8(p.vp, Slot.RAX, p.memory.read8(elementAddress(p, sysSegment(d), offset, 0, false)));
  return 0;
};

const BY_NAME: { readonly [K in keyof typeof SysOp]: SysHelper } = {
  UD: undefinedInstruction,
  INT: events.interruptN,
  INT3: events.breakpoint,
  INTO: events.interruptOnOverflow,
  INT1: events.interrupt1,
  BOUND: events.bound,
  IRET: interruptReturn,
  FAR_JMP: farJump,
  FAR_CALL: farCall,
  FAR_RET: farReturn,
  SYSCALL: calls.systemCall,
  SYSRET: calls.systemReturn,
  SYSENTER: calls.systemEnter,
  SYSEXIT: calls.systemExit,
  HLT: events.halt,
  CPUID: registers.cpuid,
  RDTSC: registers.readTsc,
  RDTSCP: registers.readTscAndAux,
  RDMSR: registers.readMsr,
  WRMSR: registers.writeMsr,
  RDPMC: registers.readPerformanceCounter,
  IN: ports.input,
  OUT: ports.output,
  INS: ports.inputString,
  OUTS: ports.outputString,
  MOVS: moveString,
  STOS: storeString,
  LODS: loadString,
  CMPS: compareString,
  SCAS: scanString,
  PUSHF: events.pushFlags,
  POPF: events.popFlags,
  CLI: events.clearInterrupts,
  STI: events.setInterrupts,
  MOV_FROM_CR: registers.moveFromCr,
  MOV_TO_CR: registers.moveToCr,
  MOV_FROM_DR: registers.moveFromDr,
  MOV_TO_DR: registers.moveToDr,
  MOV_FROM_SEG: tables.moveFromSegment,
  MOV_TO_SEG: tables.moveToSegment,
  LOAD_FAR: tables.loadFarPointer,
  POP_SEG: tables.popSegment,
  SGDT: tables.storeGdt,
  SIDT: tables.storeIdt,
  LGDT: tables.loadGdt,
  LIDT: tables.loadIdt,
  SLDT: tables.storeLdt,
  STR: tables.storeTaskRegister,
  LLDT: tables.loadLdt,
  LTR: tables.loadTask,
  SMSW: registers.storeStatusWord,
  LMSW: registers.loadStatusWord,
  LAR: tables.loadAccessRights,
  LSL: tables.loadSegmentLimit,
  VERR: tables.verifyRead,
  VERW: tables.verifyWrite,
  ARPL: tables.adjustRpl,
  INVLPG: registers.invalidatePage,
  INVD: registers.writeBackCaches,
  WBINVD: registers.writeBackCaches,
  CLTS: registers.clearTaskSwitched,
  PAUSE: registers.pause,
  DIV64: wide.divide64,
  IDIV64: wide.divideSigned64,
  PUSHA: pushAll,
  POPA: popAll,
  ENTER: enter,
  SWAPGS: calls.swapGs,
  STAC: accessUserPages,
  CLAC: protectUserPages,
  READ_BASE: readBase,
  WRITE_BASE: writeBase,
  READ_PID: readProcessorId,
  // RSM outside system-management mode.
  RSM: absentFeature,
  VMRUN: registers.runGuest,
  DAA: decimal.decimalAfterAdd,
  DAS: decimal.decimalAfterSubtract,
  AAA: decimal.asciiAfterAdd,
  AAS: decimal.asciiAfterSubtract,
  AAM: decimal.asciiAfterMultiply,
  AAD: decimal.asciiBeforeDivide,
  RCL: wide.rotateCarryLeft,
  RCR: wide.rotateCarryRight,
  MONITOR: events.monitor,
  MWAIT: events.monitorWait,
  XGETBV: extended.getExtendedControl,
  XSETBV: extended.setExtendedControl,
  XSAVE: extended.xsave,
  XRSTOR: extended.xrstor,
  INVPCID: registers.invalidateProcessContext,
  LEVEL0: registers.level0,
  VMCALL: registers.hypercall,
  RDRAND: readRandom,
  XLAT_SEG: translateByte,
  SALC: decimal.setAlOnCarry,
  FNSTENV: fpu.storeEnvironment,
  FLDENV: fpu.loadEnvironment,
  FNSAVE: fpu.saveFpu,
  FRSTOR: fpu.restoreFpu,
  FXSAVE: fpu.fxSave,
  FXRSTOR: fpu.fxRestore,
  MASKED_STORE: vectors.maskedStore,
  MASKED_LOAD: vectors.maskedLoad,
  GATHER: vectors.gather,
  LDMXCSR: vectorControl.loadMxcsr,
  STMXCSR: vectorControl.storeMxcsr,
};

/** Indexed by SysOp. A number without an operation is #UD. */
export const sysHelpers: readonly SysHelper[] = Array.from({ length: 256 }, () => invalidOpcode as SysHelper).map((none, op) => {
  const name = (Object.keys(SysOp) as (keyof typeof SysOp)[]).find((k) => SysOp[k] === op);
  return name === undefined ? none : BY_NAME[name];
});
