// FYL2X and FYL2XP1 (SDM 2A): y log2(x) and y log2(x + 1).
import { blocked, PRECISION, raise, ZERO_DIVIDE } from './control';
import { LEAST } from './extended';
import { concludeTwo, invalid, settle, TOP, takeTwo } from './fpu-transcendental';
import { INFINITE, setNumber, setSpecial, ZERO } from './number';
import {
  aClass,
  aExponent,
  aNegative,
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
import { addTo, divideBy, fixedToFloating, high, low, multiplyBy, scale, seriesTangent, set, subtractFrom, toFraction } from './precise';

const LOG2E_HIGH: u64 = 0xb8aa_3b29_5c17_f0bb;
const LOG2E_LOW: u64 = 0xbe87_fed0_691d_3e89;

/** |log2((1 + s) / (1 - s))| for s = n / d, as a floating magnitude; 0 for n = 0. */
function logarithm(ne: i32, nh: u64, nl: u64, de: i32, dh: u64, dl: u64): void {
  if ((nh | nl) == 0) {
    set(0, 0, 0);
    return;
  }
  divideBy(ne, nh, nl, de, dh, dl);
  const e = scale;
  const h = high;
  const l = low;
  multiplyBy(e, h, l, e, h, l);
  toFraction(scale, high, low);
  seriesTangent(high, low, false);
  fixedToFloating(false);
  multiplyBy(scale, high, low, e, h, l);
  multiplyBy(scale, high, low, 0, LOG2E_HIGH, LOG2E_LOW);
  twice();
}
/** Twice what is held. */
function twice(): void {
  set(scale + 1, high, low);
}

/** The logarithm's sign beside its magnitude in `precise`. */
let logNegative: i32 = 0;
/** log2 of a positive number: m 2^k with m between sqrt(1/2) and sqrt(2). Exact for powers of two. */
function log2Of(e: i32, h: u64, l: u64): void {
  let k = e;
  // sqrt(2) has B504F333 F9DE6484 for its upper bits.
  const upper = h > 0xb504_f333_f9de_6484;
  if (upper) k++;
  // s = (m - 1) / (m + 1)
  let sign = 0;
  if (upper) {
    // m = h / 2^128: 1 - m, and 1 + m
    sign = 1;
    subtractFrom(0, TOP, 0, -1, h, l);
    const ne = scale;
    const nh = high;
    const nl = low;
    addTo(0, TOP, 0, -1, h, l);
    logarithm(ne, nh, nl, scale, high, low);
  } else {
    if (h == TOP && l == 0) set(0, 0, 0);
    else subtractFrom(0, h, l, 0, TOP, 0);
    const ne = scale;
    const nh = high;
    const nl = low;
    addTo(0, h, l, 0, TOP, 0);
    logarithm(ne, nh, nl, scale, high, low);
  }
  if (k == 0) {
    logNegative = sign;
    return;
  }
  const magnitude: u64 = <u64>(k < 0 ? -k : k);
  const shift = <i32>clz(magnitude);
  const ke = 63 - shift;
  const kh = magnitude << shift;
  logNegative = k < 0 ? 1 : 0;
  if ((high | low) == 0) {
    set(ke, kh, 0);
    return;
  }
  if (logNegative == sign) addTo(ke, kh, 0, scale, high, low);
  // |k| >= 1 and the other is at most a half.
  else subtractFrom(ke, kh, 0, scale, high, low);
}
/** ST1 x the logarithm held becomes the result; `exact`: that logarithm is an integer. */
function timesB(exact: bool): void {
  const sign = bNegative ^ logNegative;
  multiplyBy(scale, high, low, bExponent, bSignificand, 0);
  // The processor says of every logarithm but that of 1 that it is inexact.
  if (exact && scale >= LEAST) {
    setNumber(sign, scale, high, low);
    raise(PRECISION);
  } else settle(sign, 0);
}

/** ST1 x log2(ST0) */
export function x87Logarithm(vp: i32, a: i64, where: i64): i64 {
  if (!takeTwo(vp, where)) return 0;
  if (aClass == IS_ZERO) {
    if (bClass == IS_ZERO) invalid();
    else if (bClass == IS_INFINITE) setSpecial(INFINITE, bNegative ^ 1);
    else {
      raise(ZERO_DIVIDE);
      setSpecial(INFINITE, bNegative ^ 1);
    }
  } else if (aNegative != 0) invalid();
  else {
    const belowOne = aClass == IS_NUMBER && aExponent < 0;
    const isOne = aClass == IS_NUMBER && aExponent == 0 && aSignificand == TOP;
    if (aClass == IS_INFINITE) {
      if (bClass == IS_ZERO) invalid();
      else {
        raiseDenormal();
        setSpecial(INFINITE, bNegative);
      }
    } else if (bClass == IS_INFINITE) {
      if (isOne) invalid();
      else {
        raiseDenormal();
        setSpecial(INFINITE, bNegative ^ i32(belowOne));
      }
    } else {
      raiseDenormal();
      if (bClass == IS_ZERO || isOne) setSpecial(ZERO, bNegative ^ i32(belowOne));
      else if (!blocked()) {
        const exact = aSignificand == TOP;
        log2Of(aExponent, aSignificand, 0);
        timesB(exact);
      }
    }
  }
  return concludeTwo(vp, where);
}

/** ST1 x log2(ST0 + 1); outside (sqrt(1/2) - 1, sqrt(2) - 1) undefined, and here as far as it has a meaning. */
export function x87LogarithmPlusOne(vp: i32, a: i64, where: i64): i64 {
  if (!takeTwo(vp, where)) return 0;
  if (aClass == IS_ZERO) {
    if (bClass == IS_INFINITE) invalid();
    else {
      raiseDenormal();
      setSpecial(ZERO, aNegative ^ bNegative);
    }
  } else if (aClass == IS_INFINITE) {
    if (aNegative != 0 || bClass == IS_ZERO) invalid();
    else {
      raiseDenormal();
      setSpecial(INFINITE, bNegative);
    }
  } else if (bClass == IS_INFINITE) {
    raiseDenormal();
    setSpecial(INFINITE, aNegative ^ bNegative);
  } else {
    raiseDenormal();
    if (bClass == IS_ZERO) setSpecial(ZERO, aNegative ^ bNegative);
    else if (aNegative != 0 && aExponent >= 0) {
      // 1 + ST0 is not positive: current processors give ST0, inexact.
      setNumber(1, aExponent, aSignificand, 0);
      if (!blocked()) raise(PRECISION);
    } else if (!blocked()) {
      if (aExponent < -1) {
        // s = x / (2 + x)
        if (aNegative == 0) addTo(1, TOP, 0, aExponent, aSignificand, 0);
        else subtractFrom(1, TOP, 0, aExponent, aSignificand, 0);
        logarithm(aExponent, aSignificand, 0, scale, high, low);
        logNegative = aNegative;
      } else {
        if (aNegative == 0) addTo(0, TOP, 0, aExponent, aSignificand, 0);
        else subtractFrom(0, TOP, 0, aExponent, aSignificand, 0);
        log2Of(scale, high, low);
      }
      timesB(false);
    }
  }
  return concludeTwo(vp, where);
}
