// FSIN FCOS FSINCOS FPTAN (SDM 2A). Angles are reduced with pi as the processor has it, of 66 bits (SDM 1 8.3.8); from 2^63 on they are not, and C2 says so.
import { blocked, INVALID, PRECISION, raise, roundedUp, setRoundedUp, UNDERFLOW } from './control';
import { LEAST, unpackA, writeIndefinite, writeNanOfOne, writeResult } from './extended';
import { begin, C1, C2, finishWith, isEmpty, markFull, stackAt, stackOverflow, stackUnderflow, turn, writeRegister } from './fpu-state';
import { invalid, settle, TOP, takeOne } from './fpu-transcendental';
import { setNumber, setSpecial, ZERO } from './number';
import {
  aClass,
  aExponent,
  aNegative,
  aSignificand,
  IS_INFINITE,
  IS_NUMBER,
  IS_QUIET,
  IS_ZERO,
  noDenormals,
  raiseDenormal,
} from './operands';
import { divideBy, fixedToFloating, high, low, multiplyBy, scale, seriesCircular, toFraction } from './precise';

/** Of angles below 2^-68 the processor gives the angle as its sine, inexact, however it rounds. */
const SINE_IS_ANGLE: i32 = -68;

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
