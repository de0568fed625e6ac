// Exact results of the operations on operands that are not NaNs, whatever their format: left in `number` for rounding.
// References: SDM 1 4.8.3, 4.9 (special operands, order of exceptions), appendix D.4.
import { CHOP, DOWN, INVALID, raise, rounding, ZERO_DIVIDE } from './control';
import { INDEFINITE, INFINITE, setNormalized, setNumber, setSpecial, ZERO } from './number';
import {
  aClass,
  aExponent,
  aNegative,
  anyDenormal,
  aSignificand,
  bClass,
  bExponent,
  bNegative,
  bSignificand,
  IS_INFINITE,
  IS_NUMBER,
  IS_ZERO,
  raiseDenormal,
} from './operands';
import { divideWide, multiplyHigh, remainder, rootInexact, rootWide } from './wide';

const TOP: u64 = 0x8000_0000_0000_0000;

function invalid(): void {
  raise(INVALID);
  setSpecial(INDEFINITE, 1);
}

/** a + b, or a - b when `flip` is 1. */
export function add(flip: i32): void {
  const bSign = bNegative ^ flip;
  if (aClass == IS_NUMBER && bClass == IS_NUMBER) {
    if (anyDenormal) raiseDenormal();
    addNumbers(bSign);
    return;
  }
  if (aClass == IS_INFINITE) {
    if (bClass == IS_INFINITE && aNegative != bSign) {
      invalid();
      return;
    }
    raiseDenormal();
    setSpecial(INFINITE, aNegative);
    return;
  }
  raiseDenormal();
  if (bClass == IS_INFINITE) setSpecial(INFINITE, bSign);
  else if (bClass == IS_NUMBER) setNumber(bSign, bExponent, bSignificand, 0);
  else if (aClass == IS_NUMBER) setNumber(aNegative, aExponent, aSignificand, 0);
  // Zeros of both signs give +0, or -0 when rounding down.
  else setSpecial(ZERO, aNegative == bSign ? aNegative : i32(rounding == DOWN));
}

function addNumbers(bSign: i32): void {
  // x is the one of the greater exponent.
  let sign = aNegative;
  let scale = aExponent;
  let x = aSignificand;
  let y = bSignificand;
  let distance = scale - bExponent;
  if (distance < 0) {
    sign = bSign;
    scale = bExponent;
    x = bSignificand;
    y = aSignificand;
    distance = -distance;
  }
  let yLow: u64 = 0;
  if (distance != 0) {
    if (distance < 64) {
      yLow = y << (64 - distance);
      y >>= distance;
    } else {
      // A difference is shifted by one bit at most: the bit below the rounding bit and what is sticky are enough.
      yLow = distance == 64 ? y : distance == 65 ? (y >> 1) | (y & 1) : 1;
      y = 0;
    }
  }
  if (aNegative == bSign) {
    const sum = x + y;
    if (sum < x) setNumber(sign, scale + 1, (sum >> 1) | TOP, (sum << 63) | (yLow >> 1) | (yLow & 1));
    else setNumber(sign, scale, sum, yLow);
    return;
  }
  let lo = 0 - yLow;
  let hi = x - y - u64(yLow != 0);
  if (x < y) {
    // Only with equal exponents.
    hi = y - x;
    lo = 0;
    sign ^= 1;
  }
  if ((hi & TOP) != 0) setNumber(sign, scale, hi, lo);
  else if ((hi | lo) == 0) setSpecial(ZERO, i32(rounding == DOWN));
  else setNormalized(sign, scale, hi, lo);
}

export function multiply(): void {
  const sign = aNegative ^ bNegative;
  if (aClass == IS_NUMBER && bClass == IS_NUMBER) {
    if (anyDenormal) raiseDenormal();
    const hi = multiplyHigh(aSignificand, bSignificand);
    const lo = aSignificand * bSignificand;
    const scale = aExponent + bExponent;
    if ((hi & TOP) != 0) setNumber(sign, scale + 1, hi, lo);
    else setNumber(sign, scale, (hi << 1) | (lo >> 63), lo << 1);
    return;
  }
  if (aClass == IS_INFINITE || bClass == IS_INFINITE) {
    if (aClass == IS_ZERO || bClass == IS_ZERO) {
      invalid();
      return;
    }
    raiseDenormal();
    setSpecial(INFINITE, sign);
    return;
  }
  raiseDenormal();
  setSpecial(ZERO, sign);
}

/** a / b. */
export function divide(): void {
  const sign = aNegative ^ bNegative;
  if (aClass == IS_NUMBER && bClass == IS_NUMBER) {
    if (anyDenormal) raiseDenormal();
    divideNumbers(sign);
    return;
  }
  if (aClass == bClass) {
    invalid();
    return;
  }
  if (bClass == IS_ZERO && aClass == IS_NUMBER) {
    raise(ZERO_DIVIDE);
    setSpecial(INFINITE, sign);
    return;
  }
  raiseDenormal();
  setSpecial(aClass == IS_INFINITE || bClass == IS_ZERO ? INFINITE : ZERO, sign);
}

function divideNumbers(sign: i32): void {
  const scale = aExponent - bExponent;
  const less = aSignificand < bSignificand;
  // The quotient of 64 bits has bit 63 set either way.
  const quotient = less ? divideWide(aSignificand, 0, bSignificand) : divideWide(aSignificand >> 1, aSignificand << 63, bSignificand);
  let lo: u64 = 0;
  if (remainder != 0) {
    const other = bSignificand - remainder;
    lo = remainder > other ? TOP | 1 : remainder == other ? TOP : 1;
  }
  setNumber(sign, less ? scale - 1 : scale, quotient, lo);
}

/** Square root of a. */
export function squareRoot(): void {
  if (aClass == IS_ZERO) {
    setSpecial(ZERO, aNegative);
    return;
  }
  if (aNegative != 0) {
    invalid();
    return;
  }
  raiseDenormal();
  if (aClass == IS_INFINITE) {
    setSpecial(INFINITE, 0);
    return;
  }
  // n = significand x 2^62 or x 2^63, so that what is left of the exponent is even.
  const odd = aExponent & 1;
  const hi = odd != 0 ? aSignificand : aSignificand >> 1;
  const lo: u64 = odd != 0 ? 0 : aSignificand << 63;
  const root = rootWide(hi, lo);
  // A root of 64 bits is never half way between two others: the bits below are sticky, and above one half when the next root is nearer.
  let below: u64 = 0;
  if (rootInexact) {
    const squareLow = root * root;
    const restLow = lo - squareLow;
    const restHigh = hi - multiplyHigh(root, root) - u64(lo < squareLow);
    // (root + 1/2)^2 = root^2 + root + 1/4
    below = restHigh != 0 || restLow > root ? TOP | 1 : 1;
  }
  setNumber(0, aExponent >> 1, root, below);
}

/** How a stands to b; neither is a NaN. */
export const LESS: i32 = 0;
export const EQUAL: i32 = 1;
export const GREATER: i32 = 2;
export const UNORDERED: i32 = 3;
export function relation(): i32 {
  if (aClass == IS_ZERO && bClass == IS_ZERO) return EQUAL;
  const aSign = aClass == IS_ZERO ? 0 : aNegative != 0 ? -1 : 1;
  const bSign = bClass == IS_ZERO ? 0 : bNegative != 0 ? -1 : 1;
  if (aSign != bSign) return aSign < bSign ? LESS : GREATER;
  let size = 0;
  if (aClass != bClass) size = aClass < bClass ? -1 : 1;
  else if (aClass == IS_NUMBER) {
    if (aExponent != bExponent) size = aExponent < bExponent ? -1 : 1;
    else if (aSignificand != bSignificand) size = aSignificand < bSignificand ? -1 : 1;
  }
  if (size == 0) return EQUAL;
  return size < 0 == aSign > 0 ? LESS : GREATER;
}

/** Magnitude of the last conversion to an integer, before its range was looked at. */
export let magnitude: u64 = 0;
/** The last conversion to an integer did not fit, or was not exact, or was rounded away from zero. */
export let outOfRange: bool = false;
export let integerInexact: bool = false;
export let integerUp: bool = false;
/** Operand a as a signed integer of so many bits, rounded by `mode`; flags are the caller's to raise. */
export function toInteger(bits: i32, mode: i32): i64 {
  outOfRange = false;
  integerInexact = false;
  integerUp = false;
  if (aClass == IS_ZERO) return 0;
  if (aClass != IS_NUMBER || aExponent > 63) {
    outOfRange = true;
    return 0;
  }
  let whole: u64 = 0;
  let rest = aSignificand;
  if (aExponent == 63) {
    whole = aSignificand;
    rest = 0;
  } else if (aExponent >= 0) {
    whole = aSignificand >> (63 - aExponent);
    rest = aSignificand << (aExponent + 1);
  } else if (aExponent < -1) rest = 1;
  if (rest != 0) {
    integerInexact = true;
    let up = false;
    if (mode == 0) up = rest > TOP || (rest == TOP && (whole & 1) != 0);
    else if (mode != CHOP) up = (mode == DOWN) == (aNegative != 0);
    if (up) {
      integerUp = true;
      whole++;
      if (whole == 0) {
        outOfRange = true;
        return 0;
      }
    }
  }
  magnitude = whole;
  const limit = TOP >> (64 - bits);
  if (aNegative != 0 ? whole > limit : whole >= limit) {
    outOfRange = true;
    return 0;
  }
  return aNegative != 0 ? 0 - <i64>whole : <i64>whole;
}
