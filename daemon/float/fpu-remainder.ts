// FPREM and FPREM1 (SDM 2A): the exact remainder, in steps of at most 63 quotient bits; C2 says that more steps are needed, C0 C3 C1 are the quotient's low bits.
import { blocked, INVALID, raise } from './control';
import { anySpecial, LEAST, unpackA, unpackB, writeIndefinite, writeNan, writeResult } from './extended';
import { begin, C0, C1, C2, C3, finishWith, isEmpty, markFull, stackAt, stackUnderflow } from './fpu-state';
import { INDEFINITE, setNormalized, setSpecial } from './number';
import {
  aClass,
  aExponent,
  aNegative,
  aSignificand,
  bClass,
  bExponent,
  bSignificand,
  IS_INFINITE,
  IS_NUMBER,
  IS_ZERO,
  noDenormals,
  raiseDenormal,
} from './operands';

/** Quotient (its low 64 bits) and remainder of (a << shift) / b, both with bit 63 set to begin with. */
let quotient: u64 = 0;
function divideLong(a: u64, shift: i32, b: u64): u64 {
  quotient = 0;
  let rest = a;
  let carry = false;
  for (let i = 0; i <= shift; i++) {
    if (i != 0) {
      carry = rest >> 63 != 0;
      rest <<= 1;
    }
    quotient <<= 1;
    if (carry || rest >= b) {
      rest -= b;
      quotient |= 1;
    }
  }
  return rest;
}

function remainder(vp: i32, where: i64, nearest: bool): void {
  begin(vp);
  const at = stackAt(vp, 0);
  if (isEmpty(vp, 0) || isEmpty(vp, 1)) {
    stackUnderflow();
    if (!blocked()) {
      writeIndefinite(at);
      markFull(vp, 0);
    }
    finishWith(vp, where, C1 | C2, 0);
    return;
  }
  noDenormals();
  unpackA(at);
  unpackB(stackAt(vp, 1));
  let codes = 0;
  // Without a quotient C0 and C3 stay as they are.
  let changed = C1 | C2;
  if (anySpecial()) writeNan(at);
  else if (aClass == IS_INFINITE || bClass == IS_ZERO) {
    raise(INVALID);
    setSpecial(INDEFINITE, 1);
    writeResult(at, 64);
  } else {
    raiseDenormal();
    if (!blocked()) {
      changed = C0 | C1 | C2 | C3;
      if (aClass == IS_NUMBER && bClass == IS_NUMBER) codes = reduce(at, nearest);
      // An infinite divisor leaves the operand, but a pseudo-denormal becomes normal.
      else if (aClass == IS_NUMBER && aExponent >= LEAST) {
        setNormalized(aNegative, aExponent, aSignificand, 0);
        writeResult(at, 64);
      }
    }
  }
  finishWith(vp, where, changed, codes);
}

function reduce(at: i32, nearest: bool): i32 {
  // What is smaller than the divisor stays, but a pseudo-denormal becomes normal.
  const distance = aExponent - bExponent;
  if (distance >= 64) {
    // As much as the processor does at once: 32 to 63 bits.
    const step = (distance & 31) | 32;
    const rest = divideLong(aSignificand, step, bSignificand);
    setNormalized(aNegative, aExponent - step, rest, 0);
    writeResult(at, 64);
    return C2;
  }
  let negative = aNegative;
  let scale = bExponent;
  let rest = aSignificand;
  quotient = 0;
  if (distance >= 0) rest = divideLong(aSignificand, distance, bSignificand);
  else if (distance < -1 || !nearest) {
    setNormalized(aNegative, aExponent, aSignificand, 0);
    writeResult(at, 64);
    return 0;
  }
  // With an exponent one less than the divisor's the quotient is 0 before rounding.
  else scale = aExponent;
  if (nearest) {
    // Twice the remainder against the divisor, at the remainder's scale.
    const divisorHigh: u64 = distance < 0 ? 1 : 0;
    const divisorLow = distance < 0 ? bSignificand << 1 : bSignificand;
    const twiceHigh = rest >> 63;
    const twiceLow = rest << 1;
    const above = twiceHigh != divisorHigh ? twiceHigh > divisorHigh : twiceLow > divisorLow;
    const half = twiceHigh == divisorHigh && twiceLow == divisorLow;
    if (above || (half && (quotient & 1) != 0)) {
      quotient++;
      negative ^= 1;
      // Below twice the divisor's magnitude, so that 64 bits hold it.
      rest = divisorLow - rest;
    }
  }
  if (rest == 0) negative = aNegative;
  setNormalized(negative, scale, rest, 0);
  writeResult(at, 64);
  const low = <i32>quotient;
  return ((low & 1) != 0 ? C1 : 0) | ((low & 2) != 0 ? C3 : 0) | ((low & 4) != 0 ? C0 : 0);
}
export function x87Remainder(vp: i32, a: i64, where: i64): i64 {
  remainder(vp, where, false);
  return 0;
}
export function x87RemainderNearest(vp: i32, a: i64, where: i64): i64 {
  remainder(vp, where, true);
  return 0;
}
