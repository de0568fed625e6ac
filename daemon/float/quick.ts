// The four operations on zeros and normal numbers when everything is masked and rounding is to nearest: the host's own result, and whether it is exact.
// Why: until PE has been raised once, code that computes exactly would otherwise pay for the integer arithmetic every time.
// Reference: Knuth, TAOCP 2 4.2.2 (the error of a sum is a float); a product is exact when its bits, trailing zeros aside, fit.

/** The result of the last operation that was quick, and whether it was rounded. */
export let quickResult: u64 = 0;
export let quickInexact: bool = false;

const LEAST64: f64 = 2.2250738585072014e-308;
const LARGE64: f64 = 4.49423283715579e307; // 2^1022: the error terms of sums below it do not overflow
const LEAST32: f32 = 1.1754943508222875e-38;
const LARGE32: f32 = 8.507059173023462e37; // 2^126
const FRACTION64: u64 = 0x000f_ffff_ffff_ffff;
const TOP64: u64 = 0x0010_0000_0000_0000;

function usable64(a: f64): bool {
  const magnitude = abs(a);
  return (magnitude >= LEAST64 && magnitude <= LARGE64) || a == 0;
}
function usable32(a: f32): bool {
  const magnitude = abs(a);
  return (magnitude >= LEAST32 && magnitude <= LARGE32) || a == 0;
}
/** Whether a x b = r is exact: normal numbers all. */
function exactProduct64(a: f64, b: f64, r: f64): bool {
  const x = reinterpret<u64>(a);
  const y = reinterpret<u64>(b);
  const zeros = <i32>(ctz((x & FRACTION64) | TOP64) + ctz((y & FRACTION64) | TOP64));
  const exponents = (<i32>(x >> 52) & 0x7ff) + (<i32>(y >> 52) & 0x7ff) - 1023;
  const bits = (<i32>(reinterpret<u64>(r) >> 52) & 0x7ff) == exponents ? 105 : 106;
  return bits - zeros <= 53;
}
function done64(r: f64, inexact: bool): bool {
  quickResult = reinterpret<u64>(r);
  quickInexact = inexact;
  return true;
}
function done32(r: f32, inexact: bool): bool {
  quickResult = reinterpret<u32>(r);
  quickInexact = inexact;
  return true;
}

/** False when the operation has to be done properly. */
export function quickSum64(a: f64, b: f64): bool {
  if (!usable64(a) || !usable64(b)) return false;
  const r = a + b;
  const rest = r - a;
  return done64(r, a - (r - rest) + (b - rest) != 0);
}
export function quickProduct64(a: f64, b: f64): bool {
  if (!usable64(a) || !usable64(b)) return false;
  const r = a * b;
  if (a == 0 || b == 0) return done64(r, false);
  if (!(abs(r) > LEAST64) || !(abs(r) <= LARGE64)) return false;
  return done64(r, !exactProduct64(a, b, r));
}
export function quickQuotient64(a: f64, b: f64): bool {
  if (!usable64(a) || !usable64(b) || b == 0) return false;
  const r = a / b;
  if (a == 0) return done64(r, false);
  if (!(abs(r) > LEAST64) || !(abs(r) <= LARGE64)) return false;
  const back = r * b;
  return done64(r, back != a || !exactProduct64(r, b, back));
}
export function quickSum32(a: f32, b: f32): bool {
  if (!usable32(a) || !usable32(b)) return false;
  const r = a + b;
  const rest = r - a;
  return done32(r, a - (r - rest) + (b - rest) != 0);
}
/** A product of two singles is exact in double precision. */
export function quickProduct32(a: f32, b: f32): bool {
  if (!usable32(a) || !usable32(b)) return false;
  const r = a * b;
  if (a == 0 || b == 0) return done32(r, false);
  if (!(abs(r) > LEAST32) || !(abs(r) <= LARGE32)) return false;
  return done32(r, <f64>r != <f64>a * <f64>b);
}
export function quickQuotient32(a: f32, b: f32): bool {
  if (!usable32(a) || !usable32(b) || b == 0) return false;
  const r = a / b;
  if (a == 0) return done32(r, false);
  if (!(abs(r) > LEAST32) || !(abs(r) <= LARGE32)) return false;
  return done32(r, <f64>r * <f64>b != <f64>a);
}
