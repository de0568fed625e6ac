// The extended format (SDM 1 4.2.2, 8.2): x87 registers taken apart into operands, and results put back; NaNs as the x87 treats them.
import { blocked, INVALID, raise } from './control';
import { writeRegister } from './fpu-state';
import { exponent, INDEFINITE, INFINITE, kind, NUMBER, negative, round, significand } from './number';
import {
  aClass,
  aNegative,
  aSignificand,
  bClass,
  bNegative,
  bSignificand,
  foundDenormal,
  IS_INFINITE,
  IS_NUMBER,
  IS_QUIET,
  IS_SIGNALING,
  IS_UNSUPPORTED,
  IS_ZERO,
  setA,
  setB,
} from './operands';

export const LEAST: i32 = -16382;
export const GREATEST: i32 = 16383;
const TOP: u64 = 0x8000_0000_0000_0000;
const QUIET: u64 = 0x4000_0000_0000_0000;

/** Class of a register; a denormal is noted. */
function classOf(bits: u64, field: i32): i32 {
  if ((bits & TOP) != 0) {
    if (field != 0x7fff) {
      // With exponent 0: a pseudo-denormal.
      if (field == 0) foundDenormal();
      return IS_NUMBER;
    }
    if (bits << 1 == 0) return IS_INFINITE;
    return (bits & QUIET) != 0 ? IS_QUIET : IS_SIGNALING;
  }
  if (field != 0) return IS_UNSUPPORTED;
  if (bits == 0) return IS_ZERO;
  foundDenormal();
  return IS_NUMBER;
}
/** Of a number: how far its significand is from being normalized. */
function shiftOf(bits: u64): i32 {
  return <i32>clz(bits);
}
export function unpackA(at: i32): void {
  const bits = load<u64>(at);
  const word = load<i32>(at, 8);
  const field = word & 0x7fff;
  const sign = (word >> 15) & 1;
  if (field != 0 && field != 0x7fff && (bits & TOP) != 0) {
    setA(IS_NUMBER, sign, field - GREATEST, bits);
    return;
  }
  const what = classOf(bits, field);
  if (what != IS_NUMBER) setA(what, sign, 0, bits);
  else setA(what, sign, LEAST - shiftOf(bits), bits << shiftOf(bits));
}
export function unpackB(at: i32): void {
  const bits = load<u64>(at);
  const word = load<i32>(at, 8);
  const field = word & 0x7fff;
  const sign = (word >> 15) & 1;
  if (field != 0 && field != 0x7fff && (bits & TOP) != 0) {
    setB(IS_NUMBER, sign, field - GREATEST, bits);
    return;
  }
  const what = classOf(bits, field);
  if (what != IS_NUMBER) setB(what, sign, 0, bits);
  else setB(what, sign, LEAST - shiftOf(bits), bits << shiftOf(bits));
}

export function writeIndefinite(at: i32): void {
  writeRegister(at, 0xc000_0000_0000_0000, 0xffff);
}
/** The result, rounded to the precision, into a register; false when an unmasked exception has left none. */
export function writeResult(at: i32, precision: i32): bool {
  if (blocked()) return false;
  if (kind == NUMBER) {
    round(precision, LEAST, GREATEST);
    const field = significand >> 63 == 0 ? 0 : exponent + GREATEST;
    writeRegister(at, significand, <u64>((negative << 15) | field));
  } else if (kind == INDEFINITE) writeIndefinite(at);
  else if (kind == INFINITE) writeRegister(at, TOP, <u64>((negative << 15) | 0x7fff));
  else writeRegister(at, 0, <u64>(negative << 15));
  return true;
}
/** Operand a, a NaN or something unsupported, into a register as a result. */
export function writeNanOfOne(at: i32): bool {
  if (aClass != IS_QUIET) raise(INVALID);
  if (blocked()) return false;
  if (aClass == IS_UNSUPPORTED) writeIndefinite(at);
  else writeRegister(at, aSignificand | TOP | QUIET, <u64>((aNegative << 15) | 0x7fff));
  return true;
}
export function anySpecial(): bool {
  return aClass >= IS_QUIET || bClass >= IS_QUIET;
}
/** Of two operands at least one of which is a NaN or unsupported: the NaN that is the result (SDM 1 table 4-7). */
export function writeNan(at: i32): bool {
  if (aClass >= IS_SIGNALING || bClass >= IS_SIGNALING) raise(INVALID);
  if (blocked()) return false;
  if (aClass == IS_UNSUPPORTED || bClass == IS_UNSUPPORTED) {
    writeIndefinite(at);
    return true;
  }
  const a = aSignificand | TOP | QUIET;
  const b = bSignificand | TOP | QUIET;
  let first = aClass >= IS_QUIET;
  if (first && bClass >= IS_QUIET) {
    // A quiet one goes before a signaling one; of two of a kind the larger significand, then the positive one.
    if (aClass != bClass) first = aClass == IS_QUIET;
    else first = a != b ? a > b : aNegative <= bNegative;
  }
  if (first) writeRegister(at, a, <u64>((aNegative << 15) | 0x7fff));
  else writeRegister(at, b, <u64>((bNegative << 15) | 0x7fff));
  return true;
}
