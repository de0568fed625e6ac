// a x b + c with one rounding: the operation of FMA (SDM 1 14.5). NaNs: the first of a, b, c that is one.

import { beginSse, DENORMAL, DOWN, endSse, INVALID, raise, rounding } from './control';
import { pack32, pack64, unpack32, unpack64, unpackPair32, unpackPair64 } from './interchange';
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
  IS_QUIET,
  IS_SIGNALING,
  IS_ZERO,
  noDenormals,
} from './operands';
import { multiplyHigh } from './wide';

const TOP: u64 = 0x8000_0000_0000_0000;

/** Which signs are turned round before the addition. */
export const NEGATE_PRODUCT: i32 = 1;
export const NEGATE_ADDEND: i32 = 2;

/** The sum of two exact 128-bit numbers, bit 127 set in both. */
function addWide(sign: i32, scale: i32, xHigh: u64, xLow: u64, ySign: i32, yScale: i32, yHigh: u64, yLow: u64): void {
  let distance = scale - yScale;
  if (distance < 0 || (distance == 0 && (xHigh < yHigh || (xHigh == yHigh && xLow < yLow)))) {
    let swap = xHigh;
    xHigh = yHigh;
    yHigh = swap;
    swap = xLow;
    xLow = yLow;
    yLow = swap;
    const otherSign = sign;
    sign = ySign;
    ySign = otherSign;
    scale = yScale;
    distance = -distance;
  }
  if (distance >= 128) {
    yHigh = 0;
    yLow = 1;
  } else if (distance >= 64) {
    const lost = yLow | (distance == 64 ? 0 : yHigh << (128 - distance));
    yLow = (distance == 64 ? yHigh : yHigh >> (distance - 64)) | u64(lost != 0);
    yHigh = 0;
  } else if (distance > 0) {
    const lost = yLow << (64 - distance);
    yLow = (yLow >> distance) | (yHigh << (64 - distance)) | u64(lost != 0);
    yHigh >>= distance;
  }
  if (sign == ySign) {
    const low = xLow + yLow;
    const carry = u64(low < xLow);
    const high = xHigh + yHigh + carry;
    if (high < xHigh || (carry != 0 && high == xHigh)) setNumber(sign, scale + 1, (high >> 1) | TOP, (high << 63) | (low >> 1) | (low & 1));
    else setNumber(sign, scale, high, low);
    return;
  }
  const low = xLow - yLow;
  const high = xHigh - yHigh - u64(xLow < yLow);
  if ((high | low) == 0) setSpecial(ZERO, i32(rounding == DOWN));
  else setNormalized(sign, scale, high, low);
}

/** c has been taken apart; a and b are the operands at hand. None is a NaN. */
function fuse(cClass: i32, cSign: i32, cExponent: i32, cSignificand: u64, denormal: bool, signs: i32): void {
  const sign = aNegative ^ bNegative ^ (signs & NEGATE_PRODUCT);
  const addend = cSign ^ (signs >> 1);
  const infinite = aClass == IS_INFINITE || bClass == IS_INFINITE;
  const zero = aClass == IS_ZERO || bClass == IS_ZERO;
  if ((infinite && zero) || (infinite && cClass == IS_INFINITE && sign != addend)) {
    raise(INVALID);
    setSpecial(INDEFINITE, 1);
    return;
  }
  if (denormal) raise(DENORMAL);
  if (infinite) setSpecial(INFINITE, sign);
  else if (cClass == IS_INFINITE) setSpecial(INFINITE, addend);
  else if (zero) {
    if (cClass != IS_ZERO) setNumber(addend, cExponent, cSignificand, 0);
    else setSpecial(ZERO, sign == addend ? sign : i32(rounding == DOWN));
  } else {
    let high = multiplyHigh(aSignificand, bSignificand);
    let low = aSignificand * bSignificand;
    let scale = aExponent + bExponent + 1;
    if ((high & TOP) == 0) {
      high = (high << 1) | (low >> 63);
      low <<= 1;
      scale--;
    }
    if (cClass == IS_ZERO) setNumber(sign, scale, high, low);
    else addWide(sign, scale, high, low, addend, cExponent, cSignificand, 0);
  }
}

function nan(a: u64, b: u64, c: u64, cClass: i32, quiet: u64): u64 {
  if (aClass == IS_SIGNALING || bClass == IS_SIGNALING || cClass == IS_SIGNALING) raise(INVALID);
  return (aClass >= IS_QUIET ? a : bClass >= IS_QUIET ? b : c) | quiet;
}
export function fused64(vp: i32, a: u64, b: u64, c: u64, signs: i32): u64 {
  beginSse(vp);
  noDenormals();
  unpack64(c);
  const cClass = aClass;
  const cSign = aNegative;
  const cExponent = aExponent;
  const cSignificand = aSignificand;
  const cDenormal = anyDenormal;
  unpackPair64(a, b);
  let result: u64 = 0;
  if (aClass >= IS_QUIET || bClass >= IS_QUIET || cClass >= IS_QUIET) result = nan(a, b, c, cClass, 0x0008_0000_0000_0000);
  else {
    fuse(cClass, cSign, cExponent, cSignificand, cDenormal || anyDenormal, signs);
    result = pack64();
  }
  endSse(vp);
  return result;
}
export function fused32(vp: i32, a: u64, b: u64, c: u64, signs: i32): u64 {
  beginSse(vp);
  noDenormals();
  unpack32(c);
  const cClass = aClass;
  const cSign = aNegative;
  const cExponent = aExponent;
  const cSignificand = aSignificand;
  const cDenormal = anyDenormal;
  unpackPair32(a, b);
  let result: u64 = 0;
  if (aClass >= IS_QUIET || bClass >= IS_QUIET || cClass >= IS_QUIET) result = nan(a, b, c, cClass, 0x0040_0000) & 0xffff_ffff;
  else {
    fuse(cClass, cSign, cExponent, cSignificand, cDenormal || anyDenormal, signs);
    result = pack32();
  }
  endSse(vp);
  return result;
}
