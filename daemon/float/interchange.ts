// binary32 and binary64 (SDM 1 4.2.2): taken apart into operands, put together from results.
import { blocked } from './control';
import { exponent, INDEFINITE, INFINITE, kind, NUMBER, negative, round, significand } from './number';
import { moveAToB, noDenormals, unpackInterchange } from './operands';

export function unpack64(a: u64): void {
  unpackInterchange(i32(a >> 63), i32(a >> 52) & 0x7ff, 0x7ff, (a << 11) & 0x7fff_ffff_ffff_ffff);
}
export function unpack32(a: u64): void {
  unpackInterchange(i32(a >> 31) & 1, i32(a >> 23) & 0xff, 0xff, (a << 40) & 0x7fff_ffff_ffff_ffff);
}
export function unpackPair64(a: u64, b: u64): void {
  noDenormals();
  unpack64(b);
  moveAToB();
  unpack64(a);
}
export function unpackPair32(a: u64, b: u64): void {
  noDenormals();
  unpack32(b);
  moveAToB();
  unpack32(a);
}

/** The result, rounded; 0 when there is none. */
export function pack64(): u64 {
  if (kind == INDEFINITE) return 0xfff8_0000_0000_0000;
  if (blocked()) return 0;
  const sign = (<u64>negative) << 63;
  if (kind == INFINITE) return sign | 0x7ff0_0000_0000_0000;
  if (kind != NUMBER) return sign;
  round(53, -1022, 1023);
  return sign | (significand >> 63 == 0 ? 0 : (<u64>(exponent + 1023)) << 52) | ((significand << 1) >> 12);
}
export function pack32(): u64 {
  if (kind == INDEFINITE) return 0xffc0_0000;
  if (blocked()) return 0;
  const sign = (<u64>negative) << 31;
  if (kind == INFINITE) return sign | 0x7f80_0000;
  if (kind != NUMBER) return sign;
  round(24, -126, 127);
  return sign | (significand >> 63 == 0 ? 0 : (<u64>(exponent + 127)) << 23) | ((significand << 1) >> 41);
}
