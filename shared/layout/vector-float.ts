// Operations of SSE and AVX on floats, as the immediate of the micro-ops `vfloat` and its kind: what translated code and daemon/float agree on.
// Why here: AssemblyScript cannot import this; its build makes constants of it (daemon/float/build.mjs).
//
//   descriptor = operation | DOUBLE | SCALAR | FIRST or SECOND | argument << 16
//   FIRST and SECOND: halves of 256 bits. Exceptions of both count before any is raised: unless all are masked, those of the first half wait for the second.

export const VectorFloat = {
  ADD: 0,
  SUBTRACT: 1,
  MULTIPLY: 2,
  DIVIDE: 3,
  MINIMUM: 4,
  MAXIMUM: 5,
  SQUARE_ROOT: 6,
  /** Lanes of ones or zeros; argument = predicate 0..31 (SDM 2A, CMPPD). */
  COMPARE: 7,
  /** Argument = immediate of ROUNDPD. */
  ROUND: 8,
  /** Even lanes subtracted, odd ones added. */
  ADD_SUBTRACT: 9,
  /** Argument = immediate of DPPS. */
  DOT: 10,
  /** a x b + c, with c in the slot RESULT. Argument: 1 negates the product, 2 the addend, 4 the addend in even lanes, 8 in odd ones. */
  FUSED: 11,
  // conversions between vectors; DOUBLE says what the source is
  TO_SINGLE: 16,
  TO_DOUBLE: 17,
  /** To 32-bit integers, rounded by MXCSR, towards zero; from them (to singles). */
  TO_INTEGERS: 18,
  TRUNCATE_TO_INTEGERS: 19,
  FROM_INTEGERS: 20,
  /** The low four lanes from, to binary16; argument = immediate of VCVTPS2PH. */
  FROM_HALVES: 21,
  TO_HALVES: 22,
  // general result: flags of a comparison at their EFLAGS places; integers
  COMPARE_QUIET: 24,
  COMPARE_SIGNALING: 25,
  TO_I32: 26,
  TO_I64: 27,
  TRUNCATE_TO_I32: 28,
  TRUNCATE_TO_I64: 29,
  /** From the general operand. */
  FROM_I64: 30,
} as const;
export const FloatShape = { DOUBLE: 0x100, SCALAR: 0x200, FIRST: 0x400, SECOND: 0x800, ARGUMENT_SHIFT: 16 } as const;
export const floatOperation = (descriptor: number): number => descriptor & 0xff;
export const floatArgument = (descriptor: number): number => descriptor >>> FloatShape.ARGUMENT_SHIFT;
