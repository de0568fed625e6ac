// GFNI on sixteen bytes at once: products in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 and affine maps over GF(2) (SDM 2A GF2P8MULB, GF2P8AFFINEQB, GF2P8AFFINEINVQB).

function double(x: v128): v128 {
  return v128.xor(i8x16.add(x, x), v128.and(i8x16.shr_s(x, 7), i8x16.splat(0x1b)));
}
export function multiply(a: v128, b: v128): v128 {
  let product = i8x16.splat(0);
  // From the highest bit of b down: all ones in the bytes that have it.
  for (let bit = 0; bit < 8; bit++) {
    product = v128.xor(double(product), v128.and(a, i8x16.shr_s(b, 7)));
    b = i8x16.add(b, b);
  }
  return product;
}
/** x^254, which is 0 for 0: the product of x^2, x^4 ... x^128. */
function invert(x: v128): v128 {
  let power = multiply(x, x);
  let inverse = power;
  for (let n = 2; n < 8; n++) {
    power = multiply(power, power);
    inverse = multiply(inverse, power);
  }
  return inverse;
}
/** Bit i of each result is the parity of the byte and row 7 - i of the quadword's matrix, and bit i of the constant. */
function affineHalf(x: u64, matrix: u64, constant: i32): u64 {
  let result: u64 = 0;
  for (let byte = 0; byte < 64; byte += 8) {
    const value = (x >> byte) & 0xff;
    let mapped: u64 = 0;
    for (let bit = 0; bit < 8; bit++) mapped |= (popcnt<u64>(value & (matrix >> (8 * (7 - bit)))) & 1) << bit;
    result |= (mapped ^ <u64>constant) << byte;
  }
  return result;
}
export function affine(x: v128, matrix: v128, constant: i32, inverted: bool): v128 {
  const from = inverted ? invert(x) : x;
  const low = affineHalf(i64x2.extract_lane(from, 0), i64x2.extract_lane(matrix, 0), constant);
  const high = affineHalf(i64x2.extract_lane(from, 1), i64x2.extract_lane(matrix, 1), constant);
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}
