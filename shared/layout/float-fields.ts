// The parts of the VP block that the floating-point module works on: offsets, by the names that it knows them by.
// Why here: AssemblyScript cannot import `struct`; its build makes constants of these (daemon/float/build.mjs).
import { Slot, VpLayout } from './vp.js';

const { at } = VpLayout;
export const FLOAT_FIELDS: Readonly<Record<string, number>> = {
  MXCSR: at.mxcsr,
  FLOAT_FLAGS: at.floatFlags,
  FPU_REGISTERS: at.fpuRegisters,
  FPU_CONTROL: at.fpuControl,
  FPU_STATUS: at.fpuStatus,
  FPU_TOP: at.fpuTop,
  FPU_VALID: at.fpuValid,
  FPU_OPCODE: at.fpuOpcode,
  FPU_DATA_POINTER: at.fpuDataPointer,
  FPU_INSTRUCTION_POINTER: at.fpuInstructionPointer,
  FPU_FAULT: Slot.FPU_FAULT * 8,
  FPU_OFFSET: Slot.FPU_OFFSET * 8,
  FPU_SKIP: Slot.FPU_SKIP * 8,
};
