// 128-bit integers as far as floating-point arithmetic needs them: products, quotients and roots of 64-bit significands.

/** Bits 127:64 of a product. */
export function multiplyHigh(a: u64, b: u64): u64 {
  const al = a & 0xffff_ffff;
  const ah = a >> 32;
  const bl = b & 0xffff_ffff;
  const bh = b >> 32;
  const cross = ah * bl + ((al * bl) >> 32);
  return ah * bh + (cross >> 32) + ((al * bh + (cross & 0xffff_ffff)) >> 32);
}

/** Remainder of the last `divideWide`. */
export let remainder: u64 = 0;

/** (high : low) / divisor for a divisor with bit 63 set and high < divisor (Knuth, TAOCP 2, 4.3.1 D, with digits of 32 bits). */
export function divideWide(high: u64, low: u64, divisor: u64): u64 {
  const dh = divisor >> 32;
  const dl = divisor & 0xffff_ffff;
  let digit = high / dh;
  let rest = high - digit * dh;
  while (digit >> 32 != 0 || digit * dl > ((rest << 32) | (low >> 32))) {
    digit--;
    rest += dh;
    if (rest >> 32 != 0) break;
  }
  const middle = ((high << 32) | (low >> 32)) - digit * divisor;
  let second = middle / dh;
  rest = middle - second * dh;
  while (second >> 32 != 0 || second * dl > ((rest << 32) | (low & 0xffff_ffff))) {
    second--;
    rest += dh;
    if (rest >> 32 != 0) break;
  }
  remainder = ((middle << 32) | (low & 0xffff_ffff)) - second * divisor;
  return (digit << 32) + second;
}

/** Set by `rootWide`: the root was not exact. */
export let rootInexact: bool = false;

/** floor(sqrt(high : low)) for high >= 2^62. Newton's step from the processor's own square root, then the exact remainder decides. */
export function rootWide(high: u64, low: u64): u64 {
  const estimate = Math.sqrt(<f64>high) * 4294967296.0;
  let root: u64 = estimate >= 18446744073709551615.0 ? u64.MAX_VALUE : <u64>estimate;
  // One step: root += (n - root^2) / (2 root), the difference taken modulo 2^128 and small.
  const squareHigh = multiplyHigh(root, root);
  const squareLow = root * root;
  const borrow: u64 = low < squareLow ? 1 : 0;
  const difference = <f64>(<i64>(high - squareHigh - borrow)) * 18446744073709551616.0 + <f64>(low - squareLow);
  const step = <i64>Math.floor(difference / (2.0 * <f64>root));
  const next = root + step;
  // The step must not wrap round past 2^64.
  root = step > 0 && next < root ? u64.MAX_VALUE : next;
  while (exceeds(root, high, low)) root--;
  while (root != u64.MAX_VALUE && !exceeds(root + 1, high, low)) root++;
  rootInexact = root * root != low || multiplyHigh(root, root) != high;
  return root;
}
function exceeds(root: u64, high: u64, low: u64): bool {
  const squareHigh = multiplyHigh(root, root);
  return squareHigh > high || (squareHigh == high && root * root > low);
}
