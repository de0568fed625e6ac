// The parts of the VP block that the floating-point module works on, and numbers that it shares with translated code, by the names that it knows them by.
// Why here: AssemblyScript cannot import `struct`; its build makes constants of these (daemon/float/build.mjs).
import { Cr4 } from '../abi/registers.js';
import { FloatShape, VectorFloat } from './vector-float.js';
import { IMPLICIT_LENGTHS, VectorInteger } from './vector-integer.js';
import { Slot, VectorSlot, VpLayout } from './vp.js';

const { at } = VpLayout;
export const FLOAT_FIELDS: Readonly<Record<string, number>> = {
  MXCSR: at.mxcsr,
  FLOAT_FLAGS: at.floatFlags,
  FLOAT_TRAP: at.floatTrap,
  FLOAT_PENDING: at.floatPending,
  CR4: at.cr4,
  OSXMMEXCPT: Cr4.OSXMMEXCPT,
  SCRATCH: at.vectors + VectorSlot.SCRATCH * 16,
  RESULT: at.vectors + VectorSlot.RESULT * 16,
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
  FLOAT_IS_DOUBLE: FloatShape.DOUBLE,
  FLOAT_IS_SCALAR: FloatShape.SCALAR,
  FLOAT_IS_FIRST: FloatShape.FIRST,
  FLOAT_IS_SECOND: FloatShape.SECOND,
  FLOAT_ARGUMENT_SHIFT: FloatShape.ARGUMENT_SHIFT,
  IMPLICIT_LENGTHS,
  ...Object.fromEntries(Object.entries(VectorInteger).map(([name, value]) => [`INTEGER_${name}`, value])),
  ...Object.fromEntries(Object.entries(VectorFloat).map(([name, value]) => [`FLOAT_${name}`, value])),
};
