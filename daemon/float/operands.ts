// The operands of the operation at hand, taken apart: one form for all formats, so that arithmetic is written once.
import { DENORMAL, denormalsAreZero, raise } from './control';

/** Classes, in this order: whatever is NAN or above needs no arithmetic. */
export const IS_ZERO: i32 = 0;
export const IS_NUMBER: i32 = 1;
export const IS_INFINITE: i32 = 2;
export const IS_QUIET: i32 = 3;
export const IS_SIGNALING: i32 = 4;
/** An encoding that the x87 does not support: pseudo-NaN, pseudo-infinity, unnormal (SDM 1 8.2.2). */
export const IS_UNSUPPORTED: i32 = 5;

/** Number: significand x 2^(exponent - 63), bit 63 set. */
export let aClass: i32 = 0;
export let aNegative: i32 = 0;
export let aExponent: i32 = 0;
export let aSignificand: u64 = 0;
export let bClass: i32 = 0;
export let bNegative: i32 = 0;
export let bExponent: i32 = 0;
export let bSignificand: u64 = 0;
/** Either of them is a denormal. */
export let anyDenormal: bool = false;

export function setA(what: i32, sign: i32, scale: i32, bits: u64): void {
  aClass = what;
  aNegative = sign;
  aExponent = scale;
  aSignificand = bits;
}
export function setB(what: i32, sign: i32, scale: i32, bits: u64): void {
  bClass = what;
  bNegative = sign;
  bExponent = scale;
  bSignificand = bits;
}
export function noDenormals(): void {
  anyDenormal = false;
}
export function foundDenormal(): void {
  anyDenormal = true;
}
export function moveAToB(): void {
  bClass = aClass;
  bNegative = aNegative;
  bExponent = aExponent;
  bSignificand = aSignificand;
}
export function swapOperands(): void {
  const what = aClass;
  const sign = aNegative;
  const scale = aExponent;
  const bits = aSignificand;
  aClass = bClass;
  aNegative = bNegative;
  aExponent = bExponent;
  aSignificand = bSignificand;
  setB(what, sign, scale, bits);
}
/** DE, once it is known that nothing of higher priority happens. */
export function raiseDenormal(): void {
  if (anyDenormal) raise(DENORMAL);
}

/** Takes a binary32 or binary64 apart into operand a: fraction at the top of `bits` (bit 62 down), biased exponent field, its greatest value. */
export function unpackInterchange(sign: i32, field: i32, top: i32, fraction: u64): void {
  if (field == top) {
    setA(fraction == 0 ? IS_INFINITE : (fraction & 0x4000_0000_0000_0000) != 0 ? IS_QUIET : IS_SIGNALING, sign, 0, fraction);
  } else if (field != 0) {
    setA(IS_NUMBER, sign, field - (top >> 1), fraction | 0x8000_0000_0000_0000);
  } else if (fraction == 0 || denormalsAreZero != 0) {
    setA(IS_ZERO, sign, 0, 0);
  } else {
    anyDenormal = true;
    const shift = <i32>clz(fraction);
    setA(IS_NUMBER, sign, 1 - (top >> 1) - shift, fraction << shift);
  }
}
