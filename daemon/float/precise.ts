// Magnitudes of 128 bits, floating and fixed, and the power series of the transcendental functions on them.
// Why 128 bits: results are rounded to 64, so that errors of some 2^-120 are never seen but next to a tie.
// A floating magnitude is (exponent, high : low) with bit 63 of `high` set: (high : low) / 2^127 x 2^exponent. A fixed one is (high : low) / 2^127, below 2.
import { multiplyHigh } from './wide';

const TOP: u64 = 0x8000_0000_0000_0000;

/** Result of the last operation. */
export let scale: i32 = 0;
export let high: u64 = 0;
export let low: u64 = 0;

export function set(e: i32, h: u64, l: u64): void {
  scale = e;
  high = h;
  low = l;
}
/** (a * b) / 2^128 */
function product(ah: u64, al: u64, bh: u64, bl: u64): void {
  const middle = ah * bh;
  const first = multiplyHigh(ah, bl);
  const second = multiplyHigh(al, bh);
  const partial = middle + first;
  low = partial + second;
  high = multiplyHigh(ah, bh) + u64(partial < middle) + u64(low < partial);
}
function shiftLeft(by: i32): void {
  if (by >= 64) {
    high = low;
    low = 0;
    by -= 64;
  }
  if (by == 0) return;
  high = (high << by) | (low >> (64 - by));
  low <<= by;
}
function shiftRight(by: i32): void {
  if (by >= 128) {
    high = 0;
    low = 0;
    return;
  }
  if (by >= 64) {
    low = high;
    high = 0;
    by -= 64;
  }
  if (by == 0) return;
  low = (low >> by) | (high << (64 - by));
  high >>= by;
}
function normalize(): void {
  if ((high | low) == 0) return;
  const by = high != 0 ? <i32>clz(high) : 64 + <i32>clz(low);
  shiftLeft(by);
  scale -= by;
}

/** a * b */
export function multiplyBy(ae: i32, ah: u64, al: u64, be: i32, bh: u64, bl: u64): void {
  product(ah, al, bh, bl);
  scale = ae + be + 1;
  normalize();
}
/** a + b */
export function addTo(ae: i32, ah: u64, al: u64, be: i32, bh: u64, bl: u64): void {
  if (ae < be) {
    addTo(be, bh, bl, ae, ah, al);
    return;
  }
  set(ae, bh, bl);
  shiftRight(ae - be);
  low += al;
  const carry = u64(low < al);
  const sum = ah + high;
  high = sum + carry;
  if (sum < ah || high < sum) {
    shiftRight(1);
    high |= TOP;
    scale++;
  }
}
/** a - b for a >= b; a little less than a when b is too small to show. Zero has high and low 0. */
export function subtractFrom(ae: i32, ah: u64, al: u64, be: i32, bh: u64, bl: u64): void {
  set(ae, bh, bl);
  shiftRight(ae - be);
  if ((high | low) == 0) low = 1;
  const borrow = u64(al < low);
  low = al - low;
  high = ah - high - borrow;
  normalize();
}
/** a / b */
export function divideBy(ae: i32, ah: u64, al: u64, be: i32, bh: u64, bl: u64): void {
  let rh = ah;
  let rl = al;
  let qh: u64 = 0;
  let ql: u64 = 0;
  let carry = false;
  for (let i = 0; i < 128; i++) {
    qh = (qh << 1) | (ql >> 63);
    ql <<= 1;
    if (carry || rh > bh || (rh == bh && rl >= bl)) {
      rh = rh - bh - u64(rl < bl);
      rl -= bl;
      ql |= 1;
    }
    carry = rh >> 63 != 0;
    rh = (rh << 1) | (rl >> 63);
    rl <<= 1;
  }
  set(ae - be, qh, ql);
  normalize();
}
export function isLess(ae: i32, ah: u64, al: u64, be: i32, bh: u64, bl: u64): bool {
  if (ae != be) return ae < be;
  return ah != bh ? ah < bh : al < bl;
}

/** high : low /= divisor, which has at most 32 bits. */
function divideSmall(divisor: u64): void {
  let rest: u64 = high >> 32;
  const q3 = rest / divisor;
  rest = ((rest % divisor) << 32) | (high & 0xffff_ffff);
  const q2 = rest / divisor;
  rest = ((rest % divisor) << 32) | (low >> 32);
  const q1 = rest / divisor;
  rest = ((rest % divisor) << 32) | (low & 0xffff_ffff);
  high = (q3 << 32) | q2;
  low = (q1 << 32) | (rest / divisor);
}
/** A floating magnitude below 1 as a fraction of 2^128. */
export function toFraction(e: i32, h: u64, l: u64): void {
  high = h;
  low = l;
  shiftRight(-1 - e);
}
/** 1 + f or 1 - f for the fixed f in high : low. */
function fromOne(plus: bool): void {
  if (plus) {
    high += TOP;
    return;
  }
  const borrow = u64(low != 0);
  low = 0 - low;
  high = TOP - high - borrow;
}

/** (e^y - 1) / y as a fixed number: 1 + y/2 (1 + y/3 (1 + ...)); u is |y|'s fraction. */
export function seriesExponential(uh: u64, ul: u64, positive: bool): void {
  let th = TOP;
  let tl: u64 = 0;
  for (let k = 30; k >= 2; k--) {
    product(uh, ul, th, tl);
    divideSmall(k);
    fromOne(positive);
    th = high;
    tl = low;
  }
}
/** Sum of u^n / (2n + 1), alternating or not: atan(s) / s and atanh(s) / s for the fraction u = s^2. */
export function seriesTangent(uh: u64, ul: u64, alternating: bool): void {
  let th: u64 = 0;
  let tl: u64 = 0;
  for (let n = 24; n >= 1; n--) {
    high = TOP;
    low = 0;
    divideSmall(2 * n + 1);
    const ch = high;
    const cl = low;
    product(uh, ul, th, tl);
    if (alternating) {
      tl = cl - low;
      th = ch - high - u64(cl < low);
    } else {
      tl = cl + low;
      th = ch + high + u64(tl < cl);
    }
  }
  product(uh, ul, th, tl);
  fromOne(!alternating);
}
/** sin(r) / r (first = 2) or cos(r) (first = 1) as a fixed number for the fraction u = r^2: 1 - u / (first (first + 1)) (1 - ...). */
export function seriesCircular(uh: u64, ul: u64, first: i32): void {
  let th = TOP;
  let tl: u64 = 0;
  for (let k = first + 28; k >= first; k -= 2) {
    product(uh, ul, th, tl);
    divideSmall(k * (k + 1));
    fromOne(false);
    th = high;
    tl = low;
  }
}
/** The fixed number in high : low as a floating one; 1 becomes what is just below it, for no series is ever exactly 1. */
export function fixedToFloating(below: bool): void {
  if (low == 0 && high == TOP && below) {
    high = TOP - 1;
    low = u64.MAX_VALUE;
  }
  scale = 0;
  normalize();
}
