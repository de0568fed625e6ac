// What the shortcuts through the slow half (daemon/shortcuts) work on, and numbers that they share with it, by the names that they know them by.
// Why here: AssemblyScript cannot import `struct`; its build makes constants of these (daemon/build-module.mjs).
import { Access, Cr0, Efer, Rflags } from '../abi/registers.js';
import { ANSWER_ENTRIES, ANSWER_SIZE, Answer } from './cpuid-answer.js';
import { DeviceMap, PicOutputLayout } from './devices.js';
import { LpContextLayout, TLB_ENTRIES, TLB_MODE_SIZE, TlbEntry } from './lp-context.js';
import { PartitionLayout, PartitionMap } from './partition.js';
import { EventKind, Slot, VpLayout } from './vp.js';

const { at } = VpLayout;
const context = LpContextLayout.at;
const SS = 2;
export const SHORTCUT_FIELDS: Readonly<Record<string, number>> = {
  // --- registers in the VP block
  RAX: Slot.RAX * 8,
  RBX: Slot.RBX * 8,
  RCX: Slot.RCX * 8,
  RDX: Slot.RDX * 8,
  RSP: Slot.RSP * 8,
  RIP: Slot.RIP * 8,
  ARG0: Slot.ARG0 * 8,
  ARG1: Slot.ARG1 * 8,
  FLAG_RESULT: Slot.FLAG_RESULT * 8,
  FLAG_AUX: Slot.FLAG_AUX * 8,
  FLAG_SYSTEM: Slot.FLAG_SYSTEM * 8,
  CS_BASE: Slot.CS_BASE * 8,
  SS_BASE: Slot.SS_BASE * 8,
  SS_READ_LIMIT: (Slot.READ_LIMIT + SS) * 8,
  SS_WRITE_LIMIT: (Slot.WRITE_LIMIT + SS) * 8,
  CS_SELECTOR: at.csSelector,
  CS_ACCESS: at.csAccess,
  CS_LIMIT: at.csLimit,
  SS_SELECTOR: at.ssSelector,
  SS_ACCESS: at.ssAccess,
  SS_LIMIT: at.ssLimit,
  GDTR_BASE: at.gdtrBase,
  GDTR_LIMIT: at.gdtrLimit,
  IDTR_BASE: at.idtrBase,
  IDTR_LIMIT: at.idtrLimit,
  CR0: at.cr0,
  EFER: at.efer,
  CPL: at.cpl,
  INTERRUPT_SHADOW: at.interruptShadow,
  NMI_PENDING: at.nmiPending,
  NMI_BLOCKED: at.nmiBlocked,
  IRR: at.irr,
  // --- in the LP context
  KICK: context.kick,
  BUDGET: context.budget,
  TLB: context.tlb,
  SHORTCUTS: context.shortcuts,
  ANSWERS: context.answers,
  ANSWERS_VERSION: context.answersVersion,
  ANSWERS_GIVEN: context.answersGiven,
  ANSWER_CYCLES: context.answerCycles,
  ANSWER_ENTRIES,
  ANSWER_SIZE,
  ...Answer,
  TLB_ENTRIES,
  TLB_MODE_SIZE,
  READ_TAG: TlbEntry.READ_TAG,
  WRITE_TAG: TlbEntry.WRITE_TAG,
  ADDEND: TlbEntry.ADDEND,
  // --- addresses
  CODE_EPOCH: PartitionMap.HEADER + PartitionLayout.at.codeEpoch,
  PIC_INTR: DeviceMap.PIC_OUTPUT + PicOutputLayout.at.intr,
  // --- bits
  ...Rflags,
  CR0_PE: Cr0.PE,
  EFER_LMA: Efer.LMA,
  LONG: Access.L,
  DB: Access.DB,
  UNUSABLE: Access.UNUSABLE,
  SOFTWARE: EventKind.SOFTWARE,
};
