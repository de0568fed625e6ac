// Vector instructions on integers that WebAssembly's vectors lack, by number (shared/layout/vector-integer), and the two approximations of SSE.
// Operands are in the VP block's vector slots SCRATCH and SCRATCH + 1; the result goes to RESULT.
import { decrypt, encrypt, keyAssist, mixColumnsBack } from './aes';
import { affine, multiply } from './galois';
import * as L from './layout';
import { sha1Message1, sha1Message2, sha1NextE, sha1Rounds, sha256Message1, sha256Message2, sha256Rounds } from './sha';
import { compareStrings } from './strings';

/** 64 bits of the carry-less product of a and b: the low ones. Integer products with room for carries between the bits (Pornin, BearSSL: bmul64). */
function carrylessLow(a: u64, b: u64): u64 {
  const m0: u64 = 0x1111_1111_1111_1111;
  const m1 = m0 << 1;
  const m2 = m0 << 2;
  const m3 = m0 << 3;
  const a0 = a & m0;
  const a1 = a & m1;
  const a2 = a & m2;
  const a3 = a & m3;
  const b0 = b & m0;
  const b1 = b & m1;
  const b2 = b & m2;
  const b3 = b & m3;
  const z0 = (a0 * b0) ^ (a1 * b3) ^ (a2 * b2) ^ (a3 * b1);
  const z1 = (a0 * b1) ^ (a1 * b0) ^ (a2 * b3) ^ (a3 * b2);
  const z2 = (a0 * b2) ^ (a1 * b1) ^ (a2 * b0) ^ (a3 * b3);
  const z3 = (a0 * b3) ^ (a1 * b2) ^ (a2 * b1) ^ (a3 * b0);
  return (z0 & m0) | (z1 & m1) | (z2 & m2) | (z3 & m3);
}
function reverse(x: u64): u64 {
  x = ((x & 0x5555_5555_5555_5555) << 1) | ((x >> 1) & 0x5555_5555_5555_5555);
  x = ((x & 0x3333_3333_3333_3333) << 2) | ((x >> 2) & 0x3333_3333_3333_3333);
  x = ((x & 0x0f0f_0f0f_0f0f_0f0f) << 4) | ((x >> 4) & 0x0f0f_0f0f_0f0f_0f0f);
  return bswap(x);
}
function carryless(vp: i32, halves: i32): void {
  const a = load<u64>(vp + ((halves & 1) << 3), L.SCRATCH);
  const b = load<u64>(vp + ((halves & 16) >> 1), L.SCRATCH + 16);
  store<u64>(vp, carrylessLow(a, b), L.RESULT);
  // The high half is the low half of the mirrored product.
  store<u64>(vp, reverse(carrylessLow(reverse(a), reverse(b))) >> 1, L.RESULT + 8);
}

/** MPSADBW: eight sums of four absolute differences, of b's block against a's eleven bytes. */
function sumsOfDifferences(vp: i32, argument: i32): void {
  const block = vp + (argument & 3) * 4;
  const from = vp + (argument & 4);
  for (let n = 0; n < 8; n++) {
    let sum = 0;
    for (let k = 0; k < 4; k++) sum += abs(<i32>load<u8>(from + n + k, L.SCRATCH) - <i32>load<u8>(block + k, L.SCRATCH + 16));
    store<u16>(vp + 2 * n, <u16>sum, L.RESULT);
  }
}
/** PHMINPOSUW: the least word of b, and where it is first. */
function leastWord(vp: i32): void {
  let least: u32 = 0xffff_ffff;
  let place = 0;
  for (let n = 0; n < 8; n++) {
    const word = <u32>load<u16>(vp + 2 * n, L.SCRATCH + 16);
    if (word < least) {
      least = word;
      place = n;
    }
  }
  store<u64>(vp, <u64>least | ((<u64>place) << 16), L.RESULT);
  store<u64>(vp, 0, L.RESULT + 8);
}

/** RCPSS, RSQRTSS: twelve bits of the result, no exceptions; denormals are zeros on both sides (SDM 2B RCPPS, RSQRTPS). */
function approximate(bits: u32, root: bool): u32 {
  const sign = bits & 0x8000_0000;
  const magnitude = bits & 0x7fff_ffff;
  if (magnitude > 0x7f80_0000) return bits | 0x0040_0000;
  if (magnitude < 0x0080_0000) return sign | 0x7f80_0000;
  if (root && sign != 0) return 0xffc0_0000;
  if (magnitude == 0x7f80_0000) return sign;
  const x = <f64>reinterpret<f32>(bits);
  const exact = reinterpret<u32>(<f32>(root ? 1 / sqrt(x) : 1 / x));
  if ((exact & 0x7f80_0000) == 0) return sign;
  return (exact + 0x400) & 0xffff_f800;
}
function approximations(vp: i32, scalar: bool, root: bool): void {
  if (scalar) v128.store(vp, v128.load(vp, L.SCRATCH), L.RESULT);
  const count = scalar ? 1 : 4;
  for (let lane = 0; lane < count; lane++) store<u32>(vp + 4 * lane, approximate(load<u32>(vp + 4 * lane, L.SCRATCH + 16), root), L.RESULT);
}

/** VPSLLVD, VPSRLVD, VPSRAVD. */
function shiftEach32(vp: i32, operation: i32): void {
  for (let at = vp; at < vp + 16; at += 4) {
    const value = load<u32>(at, L.SCRATCH);
    const count = load<u32>(at, L.SCRATCH + 16);
    let result: u32 = 0;
    if (operation == L.INTEGER_SHIFT_SIGNED_32) result = <u32>(<i32>value >> <i32>min<u32>(count, 31));
    else if (count < 32) result = operation == L.INTEGER_SHIFT_LEFT_32 ? value << count : value >> count;
    store<u32>(at, result, L.RESULT);
  }
}
/** VPSLLVQ, VPSRLVQ. */
function shiftEach64(vp: i32, left: bool): void {
  for (let at = vp; at < vp + 16; at += 8) {
    const value = load<u64>(at, L.SCRATCH);
    const count = load<u64>(at, L.SCRATCH + 16);
    store<u64>(at, count > 63 ? 0 : left ? value << count : value >> count, L.RESULT);
  }
}

/** One instruction: `what` = operation | argument << 8. Returns its general result. */
export function vectorInteger(vp: i32, what: i64, second: i64): i64 {
  const operation = <i32>what & 0xff;
  const argument = <i32>(what >> 8) & 0xff;
  const a = v128.load(vp, L.SCRATCH);
  const b = v128.load(vp, L.SCRATCH + 16);
  switch (operation) {
    case L.INTEGER_AES_ENCRYPT:
      v128.store(vp, encrypt(a, b, false), L.RESULT);
      break;
    case L.INTEGER_AES_ENCRYPT_LAST:
      v128.store(vp, encrypt(a, b, true), L.RESULT);
      break;
    case L.INTEGER_AES_DECRYPT:
      v128.store(vp, decrypt(a, b, false), L.RESULT);
      break;
    case L.INTEGER_AES_DECRYPT_LAST:
      v128.store(vp, decrypt(a, b, true), L.RESULT);
      break;
    case L.INTEGER_AES_INVERSE_MIX:
      v128.store(vp, mixColumnsBack(b), L.RESULT);
      break;
    case L.INTEGER_AES_KEY:
      v128.store(vp, keyAssist(b, argument), L.RESULT);
      break;
    case L.INTEGER_CARRYLESS:
      carryless(vp, argument);
      break;
    case L.INTEGER_SUMS_OF_DIFFERENCES:
      sumsOfDifferences(vp, argument);
      break;
    case L.INTEGER_LEAST_WORD:
      leastWord(vp);
      break;
    case L.INTEGER_STRINGS:
      return compareStrings(vp, argument, (second & L.IMPLICIT_LENGTHS) != 0, <i32>second & 0xff, <i32>(second >> 8) & 0xff);
    case L.INTEGER_RECIPROCAL:
      approximations(vp, argument != 0, false);
      break;
    case L.INTEGER_RECIPROCAL_ROOT:
      approximations(vp, argument != 0, true);
      break;
    case L.INTEGER_SHIFT_LEFT_64:
    case L.INTEGER_SHIFT_RIGHT_64:
      shiftEach64(vp, operation == L.INTEGER_SHIFT_LEFT_64);
      break;
    case L.INTEGER_SHA1_ROUNDS:
      v128.store(vp, sha1Rounds(a, b, argument & 3), L.RESULT);
      break;
    case L.INTEGER_SHA1_NEXT:
      v128.store(vp, sha1NextE(a, b), L.RESULT);
      break;
    case L.INTEGER_SHA1_MESSAGE1:
      v128.store(vp, sha1Message1(a, b), L.RESULT);
      break;
    case L.INTEGER_SHA1_MESSAGE2:
      v128.store(vp, sha1Message2(a, b), L.RESULT);
      break;
    case L.INTEGER_SHA256_ROUNDS:
      v128.store(vp, sha256Rounds(a, b, second), L.RESULT);
      break;
    case L.INTEGER_SHA256_MESSAGE1:
      v128.store(vp, sha256Message1(a, b), L.RESULT);
      break;
    case L.INTEGER_SHA256_MESSAGE2:
      v128.store(vp, sha256Message2(a, b), L.RESULT);
      break;
    case L.INTEGER_GALOIS_PRODUCT:
      v128.store(vp, multiply(a, b), L.RESULT);
      break;
    case L.INTEGER_GALOIS_MAP:
    case L.INTEGER_GALOIS_INVERSE_MAP:
      v128.store(vp, affine(a, b, argument, operation == L.INTEGER_GALOIS_INVERSE_MAP), L.RESULT);
      break;
    default:
      shiftEach32(vp, operation);
  }
  return 0;
}
