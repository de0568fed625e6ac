// binary16 and binary32: VCVTPH2PS, VCVTPS2PH (SDM 1 14.4, SDM 2C). Denormals of binary16 are always taken and made as they are.
import { beginSse, endSse, INVALID, keepDenormals, raise, setRounding } from './control';
import { pack32, unpack32 } from './interchange';
import { exponent, INFINITE, kind, NUMBER, negative, round, setNormalized, setSpecial, significand, ZERO } from './number';
import {
  aClass,
  aExponent,
  aNegative,
  aSignificand,
  IS_INFINITE,
  IS_QUIET,
  IS_SIGNALING,
  IS_ZERO,
  noDenormals,
  raiseDenormal,
  unpackInterchange,
} from './operands';

/** Operand a becomes the result, to be rounded. */
function passOn(): void {
  if (aClass == IS_ZERO) setSpecial(ZERO, aNegative);
  else if (aClass == IS_INFINITE) setSpecial(INFINITE, aNegative);
  else setNormalized(aNegative, aExponent, aSignificand, 0);
}
export function halfToSingle(vp: i32, a: u64): u64 {
  beginSse(vp);
  keepDenormals(true, true);
  noDenormals();
  unpackInterchange(i32(a >> 15) & 1, i32(a >> 10) & 31, 31, (a << 53) & 0x7fff_ffff_ffff_ffff);
  let result: u64;
  if (aClass >= IS_QUIET) {
    if (aClass == IS_SIGNALING) raise(INVALID);
    result = ((a & 0x8000) << 16) | 0x7fc0_0000 | ((a & 0x3ff) << 13);
  } else {
    passOn();
    result = pack32();
  }
  endSse(vp);
  return result;
}
/** `control`: bits 1:0 rounding, bit 2 takes MXCSR's. */
export function singleToHalf(vp: i32, a: u64, control: i32): u64 {
  beginSse(vp);
  keepDenormals(false, true);
  if ((control & 4) == 0) setRounding(control & 3);
  noDenormals();
  unpack32(a);
  const sign = (a >> 16) & 0x8000;
  let result: u64;
  if (aClass >= IS_QUIET) {
    if (aClass == IS_SIGNALING) raise(INVALID);
    result = sign | 0x7e00 | ((a >> 13) & 0x3ff);
  } else {
    raiseDenormal();
    passOn();
    if (kind == INFINITE) result = sign | 0x7c00;
    else if (kind != NUMBER) result = sign;
    else {
      round(11, -14, 15);
      const sign2 = (<u64>negative) << 15;
      result = sign2 | (significand >> 63 == 0 ? 0 : (<u64>(exponent + 15)) << 10) | ((significand << 1) >> 54);
    }
  }
  endSse(vp);
  return result;
}
