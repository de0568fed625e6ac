// The x87's registers and status in the VP block: the stack, and how every instruction begins and ends.
// `where` is what each instruction passes of itself: RIP << 16 | opcode (11 bits, as FOP: low three bits of the first byte, then ModR/M).
// References: SDM 1 8.1 (registers), 8.5 (exceptions), 8.1.8 (pointers; here as with CPUID.7.EBX FDP_EXCPTN_ONLY: opcode and data pointer on unmasked exceptions only).
import { beginX87, masked, raise, raised, roundedUp, setRoundedUp } from './control';
import {
  FPU_CONTROL,
  FPU_DATA_POINTER,
  FPU_FAULT,
  FPU_INSTRUCTION_POINTER,
  FPU_OFFSET,
  FPU_OPCODE,
  FPU_REGISTERS,
  FPU_SKIP,
  FPU_STATUS,
  FPU_TOP,
  FPU_VALID,
} from './layout';

/** Status word. */
export const STACK_FAULT: i32 = 0x40;
export const C0: i32 = 0x100;
export const C1: i32 = 0x200;
export const C2: i32 = 0x400;
export const C3: i32 = 0x4000;
/** ES and B. */
const SUMMARY: i32 = 0x8080;
const MF: i64 = 16;

export function topOf(vp: i32): i32 {
  return load<i32>(vp, FPU_TOP);
}
/** Address of ST(i): significand, then sign and exponent. */
export function stackAt(vp: i32, i: i32): i32 {
  return vp + FPU_REGISTERS + (((topOf(vp) + i) & 7) << 4);
}
export function isEmpty(vp: i32, i: i32): bool {
  return ((load<i32>(vp, FPU_VALID) >> ((topOf(vp) + i) & 7)) & 1) == 0;
}
/** Neither ST0 nor ST(i) is empty. */
export function areFull(vp: i32, i: i32): bool {
  const top = topOf(vp);
  const valid = load<i32>(vp, FPU_VALID);
  return ((valid >> top) & (valid >> ((top + i) & 7)) & 1) != 0;
}
export function markFull(vp: i32, i: i32): void {
  store<i32>(vp, load<i32>(vp, FPU_VALID) | (1 << ((topOf(vp) + i) & 7)), FPU_VALID);
}
export function markEmpty(vp: i32, i: i32): void {
  store<i32>(vp, load<i32>(vp, FPU_VALID) & ~(1 << ((topOf(vp) + i) & 7)), FPU_VALID);
}
export function turn(vp: i32, by: i32): void {
  store<i32>(vp, (topOf(vp) + by) & 7, FPU_TOP);
}
export function pop(vp: i32): void {
  markEmpty(vp, 0);
  turn(vp, 1);
}
export function writeRegister(at: i32, significand: u64, signExponent: u64): void {
  store<u64>(at, significand);
  store<u64>(at, signExponent, 8);
}

export function begin(vp: i32): void {
  beginX87(load<i32>(vp, FPU_CONTROL));
}
export function precisionOf(vp: i32): i32 {
  const control = (load<i32>(vp, FPU_CONTROL) >> 8) & 3;
  return control == 0 ? 24 : control == 2 ? 53 : 64;
}
export function stackUnderflow(): void {
  raise(1 | STACK_FAULT);
  setRoundedUp(0);
}
/** C1 tells it from underflow. */
export function stackOverflow(): void {
  raise(1 | STACK_FAULT);
  setRoundedUp(1);
}
/** Some exception of this instruction is unmasked. */
export function pendingNow(): bool {
  return (raised & ~masked & 63) != 0;
}

/** The instruction's exceptions go to the status word, with C1; its pointers are recorded. */
export function finish(vp: i32, where: i64): void {
  finishWith(vp, where, C1, roundedUp != 0 ? C1 : 0);
}
/** The end of an instruction whose only exception, if any, is a masked one: `status` has it, and C1. */
export function finishQuick(vp: i32, where: i64, status: i32): void {
  store<i64>(vp, where >> 16, FPU_INSTRUCTION_POINTER);
  store<i32>(vp, (load<i32>(vp, FPU_STATUS) & ~C1) | status, FPU_STATUS);
}
/** The same for instructions that do not round: C1 is cleared by stack underflow only. */
export function finishKeeping(vp: i32, where: i64): void {
  finishWith(vp, where, (raised & STACK_FAULT) != 0 ? C1 : 0, 0);
}
/** The same with condition codes: `changed` are those that are replaced by `codes`. */
export function finishWith(vp: i32, where: i64, changed: i32, codes: i32): void {
  store<i64>(vp, where >> 16, FPU_INSTRUCTION_POINTER);
  let status = (load<i32>(vp, FPU_STATUS) & ~changed) | codes | raised;
  if (pendingNow()) {
    status |= SUMMARY;
    store<i64>(vp, MF, FPU_FAULT);
    store<i32>(vp, <i32>where & 0x7ff, FPU_OPCODE);
    // Register forms have no operand in memory: ModR/M C0 and above.
    if ((<i32>where & 0xc0) != 0xc0) store<i64>(vp, load<i64>(vp, FPU_OFFSET), FPU_DATA_POINTER);
  }
  store<i32>(vp, status, FPU_STATUS);
}
/** Whether the store or the flags that follow this call do not happen. */
export function setSkip(vp: i32, skip: bool): void {
  store<i64>(vp, skip ? 1 : 0, FPU_SKIP);
}
