// The steps of AES as the instructions have them: one round each (FIPS 197; SDM 2A AESENC and its like). State byte i is row i % 4 of column i / 4.
import { substitute, substituteInverse } from './aes-box';

function shiftRows(x: v128): v128 {
  return i8x16.shuffle(x, x, 0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11);
}
function shiftRowsBack(x: v128): v128 {
  return i8x16.shuffle(x, x, 0, 13, 10, 7, 4, 1, 14, 11, 8, 5, 2, 15, 12, 9, 6, 3);
}
/** Every byte times x in GF(2^8). */
function double(x: v128): v128 {
  return v128.xor(i8x16.add(x, x), v128.and(i8x16.shr_s(x, 7), i8x16.splat(0x1b)));
}
function mixColumns(x: v128): v128 {
  const twice = double(x);
  const once = v128.xor(twice, x);
  const next = i8x16.shuffle(once, once, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
  const second = i8x16.shuffle(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  const third = i8x16.shuffle(x, x, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
  return v128.xor(v128.xor(twice, next), v128.xor(second, third));
}
/** The inverse matrix is the matrix times (4 at distance 2, 5 at its own place). */
export function mixColumnsBack(x: v128): v128 {
  const across = v128.xor(x, i8x16.shuffle(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  return mixColumns(v128.xor(x, double(double(across))));
}
export function encrypt(state: v128, key: v128, last: bool): v128 {
  const x = substitute(shiftRows(state));
  return v128.xor(last ? x : mixColumns(x), key);
}
export function decrypt(state: v128, key: v128, last: bool): v128 {
  const x = substituteInverse(shiftRowsBack(state));
  return v128.xor(last ? x : mixColumnsBack(x), key);
}
/** AESKEYGENASSIST: dwords 1 and 3 substituted, and the same rotated with the round constant. */
export function keyAssist(x: v128, constant: i32): v128 {
  const s = substitute(i8x16.shuffle(x, x, 4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15));
  const rotated = i8x16.shuffle(s, s, 0, 1, 2, 3, 5, 6, 7, 4, 8, 9, 10, 11, 13, 14, 15, 12);
  return v128.xor(rotated, i32x4(0, constant, 0, constant));
}
