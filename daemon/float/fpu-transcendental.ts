// F2XM1 FYL2X FYL2XP1 FPATAN FSIN FCOS FSINCOS FPTAN (SDM 2A), correctly rounded but for rare ties; the processor promises less than one unit in the last place.
// Angles are reduced with pi as the processor has it, of 66 bits (SDM 1 8.3.8); from 2^63 on they are not, and C2 says so.
import { blocked, INVALID, PRECISION, raise, roundedUp, setRoundedUp, UNDERFLOW, ZERO_DIVIDE } from './control';
import { anySpecial, LEAST, unpackA, unpackB, writeIndefinite, writeNan, writeNanOfOne, writeResult } from './extended';
import {
  begin,
  C1,
  C2,
  finish,
  finishWith,
  isEmpty,
  markFull,
  pop,
  stackAt,
  stackOverflow,
  stackUnderflow,
  turn,
  writeRegister,
} from './fpu-state';
import { INDEFINITE, INFINITE, setNumber, setSpecial, ZERO } from './number';
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
  IS_QUIET,
  IS_ZERO,
  noDenormals,
  raiseDenormal,
} from './operands';
import {
  addTo,
  divideBy,
  fixedToFloating,
  high,
  isLess,
  low,
  multiplyBy,
  scale,
  seriesCircular,
  seriesExponential,
  seriesTangent,
  set,
  subtractFrom,
  toFraction,
} from './precise';

/** Of angles below 2^-68 the processor gives the angle as its sine, inexact, however it rounds. */
const SINE_IS_ANGLE: i32 = -68;
const TOP: u64 = 0x8000_0000_0000_0000;
const LN2_HIGH: u64 = 0xb172_17f7_d1cf_79ab;
const LN2_LOW: u64 = 0xc9e3_b398_03f2_f6af;
const LOG2E_HIGH: u64 = 0xb8aa_3b29_5c17_f0bb;
const LOG2E_LOW: u64 = 0xbe87_fed0_691d_3e89;
const PI_HIGH: u64 = 0xc90f_daa2_2168_c234;
const PI_LOW: u64 = 0xc4c6_628b_80dc_1cd1;

/** What `precise` holds becomes the result, known to be inexact. */
function settle(sign: i32, by: i32): void {
  setNumber(sign, scale + by, high, low | 1);
}

/** A function of ST0 alone, which changes C1 and perhaps C2: ready with operand a; false when there is nothing more to do. */
function takeOne(vp: i32, where: i64, codes: i32): bool {
  begin(vp);
  noDenormals();
  const at = stackAt(vp, 0);
  if (isEmpty(vp, 0)) {
    stackUnderflow();
    if (!blocked()) {
      writeIndefinite(at);
      markFull(vp, 0);
    }
    finishWith(vp, where, codes, 0);
    return false;
  }
  unpackA(at);
  if (aClass < IS_QUIET) return true;
  writeNanOfOne(at);
  finishWith(vp, where, codes, 0);
  return false;
}

/** 2^ST0 - 1 for -1 <= ST0 <= 1; what lies outside is undefined and stays. */
export function x87Exponential(vp: i32, a: i64, where: i64): i64 {
  if (!takeOne(vp, where, C1)) return 0;
  const at = stackAt(vp, 0);
  if (aClass == IS_INFINITE) {
    if (aNegative != 0) writeRegister(at, TOP, 0xbfff);
  } else if (aClass == IS_NUMBER) {
    raiseDenormal();
    if (!blocked() && aExponent < 0) {
      const sign = aNegative;
      multiplyBy(aExponent, aSignificand, 0, -1, LN2_HIGH, LN2_LOW);
      const e = scale;
      const h = high;
      const l = low;
      toFraction(e, h, l);
      seriesExponential(high, low, sign == 0);
      fixedToFloating(sign != 0);
      multiplyBy(scale, high, low, e, h, l);
      settle(sign, 0);
      writeResult(at, 64);
    } else if (!blocked()) {
      // 1 gives 1, -1 gives -1/2; beyond, current processors leave the operand. They say of all that it is inexact.
      raise(PRECISION);
      if (aSignificand == TOP && aExponent == 0 && aNegative != 0) writeRegister(at, TOP, 0xbffe);
    }
  }
  finish(vp, where);
  return 0;
}

/** A function of ST1 and ST0 whose result replaces ST1; then ST0 is popped. Operand a is ST0, b is ST1. */
function takeTwo(vp: i32, where: i64): bool {
  begin(vp);
  const at = stackAt(vp, 1);
  if (isEmpty(vp, 0) || isEmpty(vp, 1)) {
    stackUnderflow();
    if (!blocked()) {
      writeIndefinite(at);
      markFull(vp, 1);
      pop(vp);
    }
    finish(vp, where);
    return false;
  }
  noDenormals();
  unpackA(stackAt(vp, 0));
  unpackB(at);
  if (!anySpecial()) return true;
  if (writeNan(at)) pop(vp);
  finish(vp, where);
  return false;
}
function concludeTwo(vp: i32, where: i64): i64 {
  if (writeResult(stackAt(vp, 1), 64)) pop(vp);
  finish(vp, where);
  return 0;
}
function invalid(): void {
  raise(INVALID);
  setSpecial(INDEFINITE, 1);
}

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

/** atan of a magnitude up to 1 */
function arcTangent(e: i32, h: u64, l: u64): void {
  // The nearest quarter, its arc tangent, and (r - c) / (1 + r c).
  toFraction(e, h, l);
  const quarter = e >= 0 ? 4 : <i32>((high >> 61) + 1) >> 1;
  if (quarter == 0) {
    arcSeries(e, h, l);
    return;
  }
  // c = quarter / 4
  const shift = <i32>clz(<u64>quarter);
  const ce = 61 - shift;
  const ch = (<u64>quarter) << shift;
  multiplyBy(e, h, l, ce, ch, 0);
  addTo(0, TOP, 0, scale, high, low);
  const de = scale;
  const dh = high;
  const dl = low;
  const below = isLess(e, h, l, ce, ch, 0);
  if (e == ce && h == ch && l == 0) set(0, 0, 0);
  else if (below) subtractFrom(ce, ch, 0, e, h, l);
  else subtractFrom(e, h, l, ce, ch, 0);
  let be = -1;
  let bh: u64 = PI_HIGH;
  let bl: u64 = PI_LOW;
  if (quarter == 1) {
    be = -3;
    bh = 0xfadb_afc9_6406_eb15;
    bl = 0x6dc7_9ef5_f7a2_17e6;
  } else if (quarter == 2) {
    be = -2;
    bh = 0xed63_382b_0dda_7b45;
    bl = 0x6fe4_45ec_bc3a_8d03;
  } else if (quarter == 3) {
    bh = 0xa4bc_7d19_34f7_0924;
    bl = 0x19a8_7f2a_457d_ac9f;
  }
  if ((high | low) == 0) {
    set(be, bh, bl);
    return;
  }
  divideBy(scale, high, low, de, dh, dl);
  arcSeries(scale, high, low);
  if (below) subtractFrom(be, bh, bl, scale, high, low);
  else addTo(be, bh, bl, scale, high, low);
}
/** atan of a small magnitude */
function arcSeries(e: i32, h: u64, l: u64): void {
  multiplyBy(e, h, l, e, h, l);
  toFraction(scale, high, low);
  seriesTangent(high, low, true);
  fixedToFloating(true);
  multiplyBy(scale, high, low, e, h, l);
}

/** The angle of (ST0, ST1) */
export function x87ArcTangent(vp: i32, a: i64, where: i64): i64 {
  if (!takeTwo(vp, where)) return 0;
  raiseDenormal();
  if (blocked()) return concludeTwo(vp, where);
  const sign = bNegative;
  const left = aNegative != 0;
  if (bClass == IS_ZERO || (aClass == IS_INFINITE && bClass != IS_INFINITE)) {
    if (!left) setSpecial(ZERO, sign);
    else setNumber(sign, 1, PI_HIGH, PI_LOW);
  } else if (aClass == IS_ZERO || (bClass == IS_INFINITE && aClass != IS_INFINITE)) setNumber(sign, 0, PI_HIGH, PI_LOW);
  else if (bClass == IS_INFINITE) {
    if (!left) setNumber(sign, -1, PI_HIGH, PI_LOW);
    else {
      subtractFrom(1, PI_HIGH, PI_LOW, -1, PI_HIGH, PI_LOW);
      settle(sign, 0);
    }
  } else {
    const steep = isLess(aExponent, aSignificand, 0, bExponent, bSignificand, 0);
    if (steep) divideBy(aExponent, aSignificand, 0, bExponent, bSignificand, 0);
    else divideBy(bExponent, bSignificand, 0, aExponent, aSignificand, 0);
    arcTangent(scale, high, low);
    if (steep) {
      if (left) addTo(0, PI_HIGH, PI_LOW, scale, high, low);
      else subtractFrom(0, PI_HIGH, PI_LOW, scale, high, low);
    } else if (left) subtractFrom(1, PI_HIGH, PI_LOW, scale, high, low);
    settle(sign, 0);
  }
  return concludeTwo(vp, where);
}

/** Reduced angle: its magnitude, its sign, and the quadrant (mod 4) that it is measured from. */
let angleScale: i32 = 0;
let angleHigh: u64 = 0;
let angleLow: u64 = 0;
let angleNegative: i32 = 0;
let quadrant: i32 = 0;

/** Operand a modulo pi / 2, between -pi / 4 and pi / 4: exact, in units of 2^-65, of which pi / 2 has 3243F6A8885A308D3h. */
function reduceAngle(): void {
  quadrant = 0;
  angleNegative = aNegative;
  angleScale = aExponent;
  angleHigh = aSignificand;
  angleLow = 0;
  // pi / 4 is C90FDAA2 2168C234 C4.. x 2^-1.
  if (aExponent < -1 || (aExponent == -1 && aSignificand <= 0xc90f_daa2_2168_c234)) return;
  const periodHigh: u64 = 3;
  const periodLow: u64 = 0x243f_6a88_85a3_08d3;
  let restHigh: u64 = 0;
  let restLow: u64 = 0;
  let count = 0;
  const bits = 64 + aExponent + 2;
  for (let i = 0; i < bits; i++) {
    restHigh = (restHigh << 1) | (restLow >> 63);
    restLow = (restLow << 1) | (i < 64 ? (aSignificand >> (63 - i)) & 1 : 0);
    count <<= 1;
    if (restHigh > periodHigh || (restHigh == periodHigh && restLow >= periodLow)) {
      restHigh = restHigh - periodHigh - u64(restLow < periodLow);
      restLow -= periodLow;
      count |= 1;
    }
  }
  // Beyond half a period the next quadrant is nearer.
  const otherLow = periodLow - restLow;
  const otherHigh = periodHigh - restHigh - u64(periodLow < restLow);
  if (restHigh > otherHigh || (restHigh == otherHigh && restLow > otherLow)) {
    restHigh = otherHigh;
    restLow = otherLow;
    count++;
    angleNegative ^= 1;
  }
  quadrant = aNegative != 0 ? -count & 3 : count & 3;
  if ((restHigh | restLow) == 0) {
    angleHigh = 0;
    return;
  }
  const shift = restHigh != 0 ? <i32>clz(restHigh) : 64 + <i32>clz(restLow);
  angleHigh = shift >= 64 ? restLow << (shift - 64) : shift == 0 ? restHigh : (restHigh << shift) | (restLow >> (64 - shift));
  angleLow = shift >= 64 ? 0 : restLow << shift;
  // Bit 127 weighs 2^(127 - 65).
  angleScale = 62 - shift;
}
function square(): void {
  multiplyBy(angleScale, angleHigh, angleLow, angleScale, angleHigh, angleLow);
  toFraction(scale, high, low);
}
/** Sine, cosine of the reduced angle. */
function sineOfRest(): void {
  square();
  seriesCircular(high, low, 2);
  fixedToFloating(true);
  multiplyBy(scale, high, low, angleScale, angleHigh, angleLow);
}
function cosineOfRest(): void {
  square();
  seriesCircular(high, low, 1);
  fixedToFloating(true);
}
/** sin (turned = 0) or cos (turned = 1) of the angle as the result. */
function circular(turned: i32): void {
  const q = (quadrant + turned) & 3;
  if ((q & 1) != 0) {
    cosineOfRest();
    settle(q >> 1, 0);
  } else if (turned == 0 && aExponent < SINE_IS_ANGLE) {
    setNumber(aNegative, aExponent, aSignificand, 0);
    raise(aExponent < LEAST ? PRECISION | UNDERFLOW : PRECISION);
  } else {
    sineOfRest();
    settle((q >> 1) ^ angleNegative, 0);
  }
}

/** An infinite angle is invalid; one that is too large stays, and C2 is set. True: go on. */
function takeAngle(vp: i32, where: i64): bool {
  if (!takeOne(vp, where, C1 | C2)) return false;
  if (aClass == IS_INFINITE) {
    invalid();
    writeResult(stackAt(vp, 0), 64);
    finishWith(vp, where, C1 | C2, 0);
    return false;
  }
  if (aClass == IS_NUMBER && aExponent >= 63) {
    finishWith(vp, where, C1 | C2, C2);
    return false;
  }
  raiseDenormal();
  if (!blocked()) return true;
  finishWith(vp, where, C1 | C2, 0);
  return false;
}
function concludeOne(vp: i32, where: i64): i64 {
  writeResult(stackAt(vp, 0), 64);
  finishWith(vp, where, C1 | C2, roundedUp != 0 ? C1 : 0);
  return 0;
}
export function x87Sine(vp: i32, a: i64, where: i64): i64 {
  if (!takeAngle(vp, where)) return 0;
  if (aClass == IS_ZERO) setSpecial(ZERO, aNegative);
  else {
    reduceAngle();
    circular(0);
  }
  return concludeOne(vp, where);
}
export function x87Cosine(vp: i32, a: i64, where: i64): i64 {
  if (!takeAngle(vp, where)) return 0;
  if (aClass == IS_ZERO) setNumber(0, 0, TOP, 0);
  else {
    reduceAngle();
    circular(1);
  }
  return concludeOne(vp, where);
}

/** For FSINCOS and FPTAN, which push: the stack's faults, then the angle. `indefinite`: both results are. */
function takePair(vp: i32, where: i64): bool {
  begin(vp);
  noDenormals();
  const full = !isEmpty(vp, -1);
  const empty = isEmpty(vp, 0);
  if (!empty) unpackA(stackAt(vp, 0));
  if (full || empty) {
    if (empty) stackUnderflow();
    else stackOverflow();
  } else if (aClass >= IS_QUIET) {
    if (writeNanOfOne(stackAt(vp, 0))) {
      const at = stackAt(vp, 0);
      pushCopy(vp, load<u64>(at), load<u64>(at, 8));
    }
    finishWith(vp, where, C1 | C2, 0);
    return false;
  } else if (aClass == IS_INFINITE) raise(INVALID);
  else if (aClass == IS_NUMBER && aExponent >= 63) {
    finishWith(vp, where, C1 | C2, C2);
    return false;
  } else {
    raiseDenormal();
    if (!blocked()) return true;
  }
  const overflow = full && !empty;
  if (!blocked()) {
    writeIndefinite(stackAt(vp, 0));
    markFull(vp, 0);
    pushCopy(vp, 0xc000_0000_0000_0000, 0xffff);
  }
  finishWith(vp, where, C1 | C2, overflow ? C1 : 0);
  return false;
}
function pushCopy(vp: i32, significand: u64, signExponent: u64): void {
  turn(vp, -1);
  writeRegister(stackAt(vp, 0), significand, signExponent);
  markFull(vp, 0);
}
/** ST0 := sine, then the cosine is pushed. */
export function x87SineCosine(vp: i32, a: i64, where: i64): i64 {
  if (!takePair(vp, where)) return 0;
  if (aClass == IS_ZERO) {
    setRoundedUp(0);
    pushCopy(vp, TOP, 0x3fff);
  } else {
    reduceAngle();
    circular(0);
    writeResult(stackAt(vp, 0), 64);
    circular(1);
    writeResult(stackAt(vp, -1), 64);
    turn(vp, -1);
    markFull(vp, 0);
  }
  finishWith(vp, where, C1 | C2, roundedUp != 0 ? C1 : 0);
  return 0;
}
/** ST0 := tangent, then 1 is pushed. */
export function x87Tangent(vp: i32, a: i64, where: i64): i64 {
  if (!takePair(vp, where)) return 0;
  if (aClass != IS_ZERO) {
    reduceAngle();
    sineOfRest();
    const e = scale;
    const h = high;
    const l = low;
    cosineOfRest();
    if ((quadrant & 1) == 0) {
      divideBy(e, h, l, scale, high, low);
      settle(angleNegative, 0);
    } else {
      // tan(r + pi / 2) = -1 / tan(r)
      divideBy(scale, high, low, e, h, l);
      settle(angleNegative ^ 1, 0);
    }
    writeResult(stackAt(vp, 0), 64);
  } else setRoundedUp(0);
  pushCopy(vp, TOP, 0x3fff);
  finishWith(vp, where, C1 | C2, roundedUp != 0 ? C1 : 0);
  return 0;
}
