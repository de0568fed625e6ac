// The operations of SSE on one binary64 or binary32 value, exact with flags, for MXCSR as it is: (vp, a, b) -> bits of the result.
// Exceptions are added to FLOAT_FLAGS of the VP block; with an unmasked one among them the result means nothing.
// NaNs: the first operand if it is one, else the second, made quiet (SDM 1 table 4-7). References: SDM 1 11.5, SDM 2A/2B of each instruction.
import { add, divide, EQUAL, integerInexact, LESS, multiply, outOfRange, relation, squareRoot, toInteger, UNORDERED } from './arithmetic';
import { beginSse, CHOP, endSse, INVALID, PRECISION, raise, rounding } from './control';
import { pack32, pack64, unpack32, unpack64, unpackPair32, unpackPair64 } from './interchange';
import { setNormalized } from './number';
import {
  aClass,
  aExponent,
  aNegative,
  aSignificand,
  bClass,
  IS_INFINITE,
  IS_QUIET,
  IS_SIGNALING,
  IS_ZERO,
  noDenormals,
  raiseDenormal,
} from './operands';

const QUIET64: u64 = 0x0008_0000_0000_0000;
const QUIET32: u64 = 0x0040_0000;

function anyNan(): bool {
  return aClass >= IS_QUIET || bClass >= IS_QUIET;
}
/** Of two operands of which one is a NaN: the result, quiet. */
function nan(a: u64, b: u64, quiet: u64): u64 {
  if (aClass == IS_SIGNALING || bClass == IS_SIGNALING) raise(INVALID);
  return (aClass >= IS_QUIET ? a : b) | quiet;
}
/** Of one NaN. */
function nanOfOne(a: u64, quiet: u64): u64 {
  if (aClass == IS_SIGNALING) raise(INVALID);
  return a | quiet;
}

function binary64(vp: i32, a: u64, b: u64, operation: i32): u64 {
  beginSse(vp);
  unpackPair64(a, b);
  let result: u64 = 0;
  if (anyNan()) result = nan(a, b, QUIET64);
  else {
    operate(operation);
    result = pack64();
  }
  endSse(vp);
  return result;
}
function binary32(vp: i32, a: u64, b: u64, operation: i32): u64 {
  beginSse(vp);
  unpackPair32(a, b);
  let result: u64 = 0;
  if (anyNan()) result = nan(a, b, QUIET32) & 0xffff_ffff;
  else {
    operate(operation);
    result = pack32();
  }
  endSse(vp);
  return result;
}
const ADD: i32 = 0;
const SUBTRACT: i32 = 1;
const MULTIPLY: i32 = 2;
const DIVIDE: i32 = 3;
function operate(operation: i32): void {
  if (operation == ADD) add(0);
  else if (operation == SUBTRACT) add(1);
  else if (operation == MULTIPLY) multiply();
  else divide();
}

export function f64Add(vp: i32, a: u64, b: u64): u64 {
  return binary64(vp, a, b, ADD);
}
/** a - b */
export function f64Subtract(vp: i32, a: u64, b: u64): u64 {
  return binary64(vp, a, b, SUBTRACT);
}
export function f64Multiply(vp: i32, a: u64, b: u64): u64 {
  return binary64(vp, a, b, MULTIPLY);
}
/** a / b */
export function f64Divide(vp: i32, a: u64, b: u64): u64 {
  return binary64(vp, a, b, DIVIDE);
}
export function f32Add(vp: i32, a: u64, b: u64): u64 {
  return binary32(vp, a, b, ADD);
}
export function f32Subtract(vp: i32, a: u64, b: u64): u64 {
  return binary32(vp, a, b, SUBTRACT);
}
export function f32Multiply(vp: i32, a: u64, b: u64): u64 {
  return binary32(vp, a, b, MULTIPLY);
}
export function f32Divide(vp: i32, a: u64, b: u64): u64 {
  return binary32(vp, a, b, DIVIDE);
}

/** sqrt(a) */
export function f64SquareRoot(vp: i32, a: u64, b: u64): u64 {
  beginSse(vp);
  noDenormals();
  unpack64(a);
  let result: u64 = 0;
  if (aClass >= IS_QUIET) result = nanOfOne(a, QUIET64);
  else {
    squareRoot();
    result = pack64();
  }
  endSse(vp);
  return result;
}
export function f32SquareRoot(vp: i32, a: u64, b: u64): u64 {
  beginSse(vp);
  noDenormals();
  unpack32(a);
  let result: u64 = 0;
  if (aClass >= IS_QUIET) result = nanOfOne(a & 0xffff_ffff, QUIET32);
  else {
    squareRoot();
    result = pack32();
  }
  endSse(vp);
  return result;
}

/** Whether MINSx (MAXSx) takes a; b for NaNs, which are invalid even when quiet, and for two zeros (SDM 2B, MINSD). */
function takesFirst(smaller: bool): bool {
  if (anyNan()) {
    raise(INVALID);
    return false;
  }
  raiseDenormal();
  const order = relation();
  return order != EQUAL && (order == LESS) == smaller;
}
function choose64(vp: i32, a: u64, b: u64, smaller: bool): u64 {
  beginSse(vp);
  unpackPair64(a, b);
  const first = takesFirst(smaller);
  endSse(vp);
  const zero = (first ? aClass : bClass) == IS_ZERO;
  const result = first ? a : b;
  // Denormals may count as zeros.
  return zero ? result & 0x8000_0000_0000_0000 : result;
}
function choose32(vp: i32, a: u64, b: u64, smaller: bool): u64 {
  beginSse(vp);
  unpackPair32(a, b);
  const first = takesFirst(smaller);
  endSse(vp);
  const zero = (first ? aClass : bClass) == IS_ZERO;
  const result = (first ? a : b) & 0xffff_ffff;
  return zero ? result & 0x8000_0000 : result;
}
/** MINSx: a is the destination operand. */
export function f64Minimum(vp: i32, a: u64, b: u64): u64 {
  return choose64(vp, a, b, true);
}
export function f64Maximum(vp: i32, a: u64, b: u64): u64 {
  return choose64(vp, a, b, false);
}
export function f32Minimum(vp: i32, a: u64, b: u64): u64 {
  return choose32(vp, a, b, true);
}
export function f32Maximum(vp: i32, a: u64, b: u64): u64 {
  return choose32(vp, a, b, false);
}

/** Relation of the operands; a quiet NaN is invalid only when `signaling`. */
function compare(signaling: bool): i32 {
  if (!anyNan()) {
    raiseDenormal();
    return relation();
  }
  if (signaling || aClass == IS_SIGNALING || bClass == IS_SIGNALING) raise(INVALID);
  return UNORDERED;
}
function compare64(vp: i32, a: u64, b: u64, signaling: bool): i64 {
  beginSse(vp);
  unpackPair64(a, b);
  const order = compare(signaling);
  endSse(vp);
  return order;
}
function compare32(vp: i32, a: u64, b: u64, signaling: bool): i64 {
  beginSse(vp);
  unpackPair32(a, b);
  const order = compare(signaling);
  endSse(vp);
  return order;
}
/** 0 a < b, 1 equal, 2 a > b, 3 unordered. Only signaling NaNs are invalid (UCOMISD, CMPEQSD, CMPUNORDSD ...). */
export function f64CompareQuiet(vp: i32, a: u64, b: u64): i64 {
  return compare64(vp, a, b, false);
}
/** The same; any NaN is invalid (COMISD, CMPLTSD ...). */
export function f64CompareSignaling(vp: i32, a: u64, b: u64): i64 {
  return compare64(vp, a, b, true);
}
export function f32CompareQuiet(vp: i32, a: u64, b: u64): i64 {
  return compare32(vp, a, b, false);
}
export function f32CompareSignaling(vp: i32, a: u64, b: u64): i64 {
  return compare32(vp, a, b, true);
}

/** Operand a as it was taken apart becomes the result, to be rounded to another format. */
function passOn(): void {
  if (aClass == IS_ZERO) setNormalized(aNegative, 0, 0, 0);
  else setNormalized(aNegative, aExponent, aSignificand, 0);
}
export function f64ToF32(vp: i32, a: u64, b: u64): u64 {
  beginSse(vp);
  noDenormals();
  unpack64(a);
  let result: u64 = 0;
  if (aClass >= IS_QUIET) result = ((a >> 32) & 0x8000_0000) | 0x7fc0_0000 | ((nanOfOne(a, QUIET64) << 12) >> 41);
  else if (aClass == IS_INFINITE) result = ((a >> 32) & 0x8000_0000) | 0x7f80_0000;
  else {
    raiseDenormal();
    passOn();
    result = pack32();
  }
  endSse(vp);
  return result;
}
export function f32ToF64(vp: i32, a: u64, b: u64): u64 {
  beginSse(vp);
  noDenormals();
  unpack32(a);
  let result: u64 = 0;
  const sign = ((a >> 31) & 1) << 63;
  if (aClass >= IS_QUIET) result = sign | 0x7ff8_0000_0000_0000 | ((nanOfOne(a, QUIET32) << 41) >> 12);
  else if (aClass == IS_INFINITE) result = sign | 0x7ff0_0000_0000_0000;
  else {
    raiseDenormal();
    passOn();
    result = pack64();
  }
  endSse(vp);
  return result;
}

function integer(vp: i32, bits: i32, mode: i32): i64 {
  let result = toInteger(bits, mode);
  if (outOfRange) {
    raise(INVALID);
    result = bits == 32 ? 0x8000_0000 : i64.MIN_VALUE;
  } else if (integerInexact) raise(PRECISION);
  endSse(vp);
  return bits == 32 ? result & 0xffff_ffff : result;
}
function integer64(vp: i32, a: u64, bits: i32, chop: bool): i64 {
  beginSse(vp);
  unpack64(a);
  return integer(vp, bits, chop ? CHOP : rounding);
}
function integer32(vp: i32, a: u64, bits: i32, chop: bool): i64 {
  beginSse(vp);
  unpack32(a);
  return integer(vp, bits, chop ? CHOP : rounding);
}
/** 32-bit integers are zero-extended. Out of range: the integer indefinite. */
export function f64ToI32(vp: i32, a: u64, b: u64): i64 {
  return integer64(vp, a, 32, false);
}
export function f64ToI64(vp: i32, a: u64, b: u64): i64 {
  return integer64(vp, a, 64, false);
}
export function f64TruncateToI32(vp: i32, a: u64, b: u64): i64 {
  return integer64(vp, a, 32, true);
}
export function f64TruncateToI64(vp: i32, a: u64, b: u64): i64 {
  return integer64(vp, a, 64, true);
}
export function f32ToI32(vp: i32, a: u64, b: u64): i64 {
  return integer32(vp, a, 32, false);
}
export function f32ToI64(vp: i32, a: u64, b: u64): i64 {
  return integer32(vp, a, 64, false);
}
export function f32TruncateToI32(vp: i32, a: u64, b: u64): i64 {
  return integer32(vp, a, 32, true);
}
export function f32TruncateToI64(vp: i32, a: u64, b: u64): i64 {
  return integer32(vp, a, 64, true);
}

/** An integer as the result. */
function fromInteger(a: i64): void {
  const sign = a < 0 ? 1 : 0;
  setNormalized(sign, 63, sign != 0 ? 0 - <u64>a : <u64>a, 0);
  if (a == 0) setNormalized(0, 0, 0, 0);
}
/** a: 64 bits; callers sign-extend 32-bit integers. */
export function i64ToF64(vp: i32, a: i64, b: i64): u64 {
  beginSse(vp);
  fromInteger(a);
  const result = pack64();
  endSse(vp);
  return result;
}
export function i64ToF32(vp: i32, a: i64, b: i64): u64 {
  beginSse(vp);
  fromInteger(a);
  const result = pack32();
  endSse(vp);
  return result;
}

/** ROUNDSx: b is its immediate: bits 1:0 rounding, bit 2 takes MXCSR's, bit 3 keeps PE away. */
function roundWhole(control: i32, scaleOfLast: i32): bool {
  const mode = (control & 4) != 0 ? rounding : control & 3;
  // From this exponent on all values are integers.
  if (aClass == IS_ZERO || aExponent >= scaleOfLast) return false;
  const whole = toInteger(64, mode);
  if (integerInexact && (control & 8) == 0) raise(PRECISION);
  setNormalized(aNegative, 63, aNegative != 0 ? 0 - <u64>whole : <u64>whole, 0);
  return true;
}
export function f64Round(vp: i32, a: u64, b: i64): u64 {
  beginSse(vp);
  unpack64(a);
  let result = a;
  if (aClass >= IS_QUIET) result = nanOfOne(a, QUIET64);
  else if (aClass == IS_ZERO) result = a & 0x8000_0000_0000_0000;
  else if (aClass != IS_INFINITE && roundWhole(<i32>b, 52)) result = pack64();
  endSse(vp);
  return result;
}
export function f32Round(vp: i32, a: u64, b: i64): u64 {
  beginSse(vp);
  unpack32(a);
  let result = a & 0xffff_ffff;
  if (aClass >= IS_QUIET) result = nanOfOne(result, QUIET32);
  else if (aClass == IS_ZERO) result = result & 0x8000_0000;
  else if (aClass != IS_INFINITE && roundWhole(<i32>b, 23)) result = pack32();
  endSse(vp);
  return result;
}
