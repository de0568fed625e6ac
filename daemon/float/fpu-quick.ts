// The usual case of x87 arithmetic, short: both operands normal, all exceptions masked, 64-bit precision, rounding to nearest, and a result that is normal.
// Why apart from `arithmetic`: it holds nothing in globals and decides nothing about formats; everything else goes the long way and gives the same.
import { FPU_CONTROL } from './layout';
import { multiplyHigh } from './wide';

const TOP: u64 = 0x8000_0000_0000_0000;
const BIAS: i32 = 0x3fff;
const LAST: i32 = 0x7ffe;
/** Control word bits: exceptions, precision, rounding; and what they are in the usual case. */
const CONTROL_MASK: i32 = 0xf3f;
const CONTROL_USUAL: i32 = 0x33f;
const PRECISION: i32 = 0x20;
const C1: i32 = 0x200;
/** No result: the long way. */
export const NOT_QUICK: i32 = -1;

export function isUsual(vp: i32): bool {
  return (load<i32>(vp, FPU_CONTROL) & CONTROL_MASK) == CONTROL_USUAL;
}
/** Whether sign and exponent, significand are those of a normal number. */
export function isNormal(word: i32, bits: u64): bool {
  return (bits & TOP) != 0 && <u32>((word & 0x7fff) - 1) < <u32>LAST;
}

/** Rounds and writes hi:lo x 2^(field - BIAS - 63), bit 63 of hi set. Gives the status bits to add. */
function deliver(at: i32, sign: i32, field: i32, hi: u64, lo: u64): i32 {
  let status = 0;
  if (lo != 0) {
    status = PRECISION;
    if (lo > TOP || (lo == TOP && (hi & 1) != 0)) {
      status = PRECISION | C1;
      hi++;
      if (hi == 0) {
        hi = TOP;
        field++;
      }
    }
  }
  if (<u32>(field - 1) >= <u32>LAST) return NOT_QUICK;
  store<u64>(at, hi);
  store<u64>(at, <u64>(sign | field), 8);
  return status;
}

/** at := a + b; words are sign and exponent of normal numbers. */
export function quickAdd(at: i32, aWord: i32, a: u64, bWord: i32, b: u64): i32 {
  let distance = (aWord & 0x7fff) - (bWord & 0x7fff);
  if (distance < 0 || (distance == 0 && a < b)) {
    // The larger one first.
    distance = -distance;
    const word = aWord;
    const bits = a;
    aWord = bWord;
    a = b;
    bWord = word;
    b = bits;
  }
  if (distance > 63) return NOT_QUICK;
  const field = aWord & 0x7fff;
  const sign = aWord & 0x8000;
  const rest: u64 = distance == 0 ? 0 : b << (64 - distance);
  b >>= distance;
  if (sign == (bWord & 0x8000)) {
    const sum = a + b;
    if (sum >= a) return deliver(at, sign, field, sum, rest);
    return deliver(at, sign, field + 1, (sum >> 1) | TOP, (sum << 63) | (rest >> 1) | (rest & 1));
  }
  let lo: u64 = 0 - rest;
  let hi = a - b - u64(rest != 0);
  if ((hi | lo) == 0) {
    store<u64>(at, 0);
    store<u64>(at, 0, 8);
    return 0;
  }
  if (hi == 0) {
    // A distance of 1 and all of 64 bits cancelled.
    const far = <i32>clz(lo);
    return deliver(at, sign, field - 64 - far, lo << far, 0);
  }
  const shift = <i32>clz(hi);
  if (shift != 0) {
    hi = (hi << shift) | (lo >> (64 - shift));
    lo <<= shift;
  }
  return deliver(at, sign, field - shift, hi, lo);
}

/** at := a * b */
export function quickMultiply(at: i32, aWord: i32, a: u64, bWord: i32, b: u64): i32 {
  const sign = (aWord ^ bWord) & 0x8000;
  const field = (aWord & 0x7fff) + (bWord & 0x7fff) - BIAS;
  const hi = multiplyHigh(a, b);
  const lo = a * b;
  if ((hi & TOP) != 0) return deliver(at, sign, field + 1, hi, lo);
  return deliver(at, sign, field, (hi << 1) | (lo >> 63), lo << 1);
}
