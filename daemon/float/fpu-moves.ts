// Loads, stores and constants: FLD FILD FBLD FST FSTP FIST FISTP FISTTP FBSTP FLD1 .. FLDZ FCMOVcc, FXAM, FFREE, FINCSTP, FDECSTP (SDM 2A).
// Stores to memory come in two parts round the store, which may fault: a function gives the value (and says whether there is one), x87Commit does the rest.
import { integerInexact, integerUp, outOfRange, toInteger } from './arithmetic';
import {
  blocked,
  CHOP,
  DENORMAL,
  INVALID,
  masked,
  OVERFLOW,
  PRECISION,
  raise,
  raised,
  rounding,
  setRoundedUp,
  UNDERFLOW,
  withdraw,
} from './control';
import { unpackA, writeIndefinite } from './extended';
import {
  begin,
  C0,
  C1,
  C2,
  C3,
  finish,
  finishKeeping,
  finishQuick,
  finishWith,
  isEmpty,
  markEmpty,
  markFull,
  pop,
  setSkip,
  stackAt,
  stackOverflow,
  stackUnderflow,
  turn,
  writeRegister,
} from './fpu-state';
import { pack32, pack64, unpack32, unpack64 } from './interchange';
import { setNormalized } from './number';
import {
  aClass,
  aExponent,
  aNegative,
  anyDenormal,
  aSignificand,
  IS_INFINITE,
  IS_NUMBER,
  IS_QUIET,
  IS_UNSUPPORTED,
  IS_ZERO,
  noDenormals,
} from './operands';

const TOP: u64 = 0x8000_0000_0000_0000;

/** Pushes a value that is exact. */
function push(vp: i32, where: i64, significand: u64, signExponent: u64): void {
  begin(vp);
  pushBegun(vp, where, significand, signExponent);
}
function pushBegun(vp: i32, where: i64, significand: u64, signExponent: u64): void {
  if (!isEmpty(vp, -1)) {
    stackOverflow();
    significand = 0xc000_0000_0000_0000;
    signExponent = 0xffff;
  }
  pushChecked(vp, where, significand, signExponent);
}
function pushChecked(vp: i32, where: i64, significand: u64, signExponent: u64): void {
  // An unmasked denormal operand exception does not keep a load from happening.
  if ((raised & ~masked & INVALID) == 0) {
    turn(vp, -1);
    writeRegister(stackAt(vp, 0), significand, signExponent);
    markFull(vp, 0);
  }
  finish(vp, where);
}
/** Pushes operand a, which came from a narrower format: signaling NaNs become quiet. */
function pushOperand(vp: i32, where: i64): void {
  const sign = aNegative << 15;
  // With no register free the operand is not looked at.
  if (!isEmpty(vp, -1) || aClass == IS_ZERO) {
    pushBegun(vp, where, 0, <u64>sign);
    return;
  }
  if (aClass == IS_NUMBER) {
    if (anyDenormal) raise(DENORMAL);
    pushBegun(vp, where, aSignificand, <u64>(sign | (aExponent + 16383)));
  } else if (aClass == IS_INFINITE) pushBegun(vp, where, TOP, <u64>(sign | 0x7fff));
  else {
    if (aClass != IS_QUIET) raise(INVALID);
    pushBegun(vp, where, aSignificand | 0xc000_0000_0000_0000, <u64>(sign | 0x7fff));
  }
}
/** Pushes what raises nothing; false when no register is free. */
function pushQuick(vp: i32, where: i64, significand: u64, signExponent: u64): bool {
  if (!isEmpty(vp, -1)) return false;
  turn(vp, -1);
  writeRegister(stackAt(vp, 0), significand, signExponent);
  markFull(vp, 0);
  finishQuick(vp, where, 0);
  return true;
}
export function x87Load32(vp: i32, bits: u64, where: i64): i64 {
  const field = (bits >> 23) & 0xff;
  if (field - 1 < 0xfe && pushQuick(vp, where, (bits << 40) | TOP, ((bits >> 16) & 0x8000) | (field + 0x3f80))) return 0;
  begin(vp);
  noDenormals();
  unpack32(bits);
  pushOperand(vp, where);
  return 0;
}
export function x87Load64(vp: i32, bits: u64, where: i64): i64 {
  const field = (bits >> 52) & 0x7ff;
  if (field - 1 < 0x7fe && pushQuick(vp, where, (bits << 11) | TOP, ((bits >> 48) & 0x8000) | (field + 0x3c00))) return 0;
  begin(vp);
  noDenormals();
  unpack64(bits);
  pushOperand(vp, where);
  return 0;
}
/** In two parts: x87LoadHigh notes sign and exponent, which a second micro-op has loaded. */
let highPart: u64 = 0;
export function x87LoadHigh(vp: i32, bits: u64, b: i64): i64 {
  highPart = bits;
  return 0;
}
export function x87Load80(vp: i32, bits: u64, where: i64): i64 {
  push(vp, where, bits, highPart & 0xffff);
  return 0;
}
/** FILD: the integer, sign-extended. */
export function x87LoadInteger(vp: i32, value: i64, where: i64): i64 {
  const sign: u64 = value < 0 ? 0x8000 : 0;
  const magnitude: u64 = value < 0 ? 0 - <u64>value : <u64>value;
  const shift = clz(magnitude);
  if (magnitude == 0) push(vp, where, 0, 0);
  else push(vp, where, magnitude << shift, sign | (16383 + 63 - shift));
  return 0;
}
/** FBLD: 18 digits; the high part has the last two and the sign. Digits above 9 count as they come. */
export function x87LoadDecimal(vp: i32, bits: u64, where: i64): i64 {
  let value: u64 = ((highPart >> 4) & 15) * 10 + (highPart & 15);
  for (let i = 60; i >= 0; i -= 4) value = value * 10 + ((bits >> i) & 15);
  const sign = highPart & 0x8000;
  const shift = clz(value);
  if (value == 0) push(vp, where, 0, sign);
  else push(vp, where, value << shift, sign | (16383 + 63 - shift));
  return 0;
}
/** FLD ST(i) */
export function x87LoadRegister(vp: i32, a: i64, where: i64): i64 {
  const i = <i32>where & 7;
  const at = stackAt(vp, i);
  if (!isEmpty(vp, i) && pushQuick(vp, where, load<u64>(at), load<u64>(at, 8))) return 0;
  begin(vp);
  // An empty source is what is reported, even when no register is free.
  if (isEmpty(vp, i)) {
    stackUnderflow();
    pushChecked(vp, where, 0xc000_0000_0000_0000, 0xffff);
    return 0;
  }
  pushBegun(vp, where, load<u64>(at), load<u64>(at, 8));
  return 0;
}
/** FLD1 FLDL2T FLDL2E FLDPI FLDLG2 FLDLN2 FLDZ, by ModR/M bits 2:0. Irrational ones are rounded by RC from the 66 bits that the processor has (SDM 2A, FLD1). */
export function x87LoadConstant(vp: i32, a: i64, where: i64): i64 {
  begin(vp);
  const n = <i32>where & 7;
  let bits: u64 = TOP;
  let field: u64 = 0x3fff;
  let below = false;
  if (n == 1) {
    bits = 0xd49a_784b_cd1b_8afe;
    field = 0x4000;
    below = true;
  } else if (n == 2) bits = 0xb8aa_3b29_5c17_f0bc;
  else if (n == 3) {
    bits = 0xc90f_daa2_2168_c235;
    field = 0x4000;
  } else if (n == 4) {
    bits = 0x9a20_9a84_fbcf_f799;
    field = 0x3ffd;
  } else if (n == 5) {
    bits = 0xb172_17f7_d1cf_79ac;
    field = 0x3ffe;
  } else if (n == 6) {
    bits = 0;
    field = 0;
  }
  if (n >= 1 && n <= 5) {
    // To nearest, L2T is rounded down and the others are rounded up.
    if (rounding == 2 && below) bits++;
    else if ((rounding == 1 || rounding == CHOP) && !below) bits--;
  }
  pushBegun(vp, where, bits, field);
  return 0;
}

/** FST, FSTP ST(i): ModR/M bit 3 pops, and all codes but DD do. */
export function x87StoreRegister(vp: i32, a: i64, where: i64): i64 {
  const i = <i32>where & 7;
  const at = stackAt(vp, i);
  const pops = (<i32>where & 8) != 0 || (<i32>where & 0x700) != 0x500;
  if (!isEmpty(vp, 0)) {
    const from = stackAt(vp, 0);
    writeRegister(at, load<u64>(from), load<u64>(from, 8));
    markFull(vp, i);
    if (pops) pop(vp);
    finishQuick(vp, where, 0);
    return 0;
  }
  begin(vp);
  // FSTPNCE, an alias of old (D9 D8), minds no empty register: it just pops.
  if ((<i32>where & 0x700) != 0x100) {
    stackUnderflow();
    if (!blocked()) {
      writeIndefinite(at);
      markFull(vp, i);
    }
  }
  if (!blocked() && pops) pop(vp);
  finish(vp, where);
  return 0;
}

/** After the store to memory: exceptions, and the pop when a is 1. */
export function x87Commit(vp: i32, pops: i64, where: i64): i64 {
  if (pops != 0) pop(vp);
  finish(vp, where);
  return 0;
}
/** Whether the store happens; if not, the instruction ends here. */
function decide(vp: i32, where: i64, stored: bool): void {
  setSkip(vp, !stored);
  if (!stored) finish(vp, where);
}
/** ST0 becomes operand a; false when it is empty. */
function takeTop(vp: i32): bool {
  begin(vp);
  noDenormals();
  if (isEmpty(vp, 0)) {
    stackUnderflow();
    return false;
  }
  unpackA(stackAt(vp, 0));
  return true;
}
/** Whether the rounded value may go to memory. Out of the format's range and unmasked, it is as if it had not been rounded. */
function storable(): bool {
  if ((raised & ~masked & (OVERFLOW | UNDERFLOW)) == 0) return !blocked();
  withdraw(PRECISION);
  setRoundedUp(0);
  return false;
}
export function x87Store32(vp: i32, a: i64, where: i64): u64 {
  let result: u64 = 0xffc0_0000;
  if (takeTop(vp)) {
    const sign = (<u64>aNegative) << 31;
    if (aClass == IS_UNSUPPORTED) raise(INVALID);
    else if (aClass >= IS_QUIET) {
      if (aClass != IS_QUIET) raise(INVALID);
      result = sign | 0x7fc0_0000 | ((aSignificand << 1) >> 41);
    } else if (aClass == IS_INFINITE) result = sign | 0x7f80_0000;
    else {
      setNormalized(aNegative, aExponent, aClass == IS_ZERO ? 0 : aSignificand, 0);
      result = pack32();
    }
  }
  decide(vp, where, storable());
  return result;
}
export function x87Store64(vp: i32, a: i64, where: i64): u64 {
  let result: u64 = 0xfff8_0000_0000_0000;
  if (takeTop(vp)) {
    const sign = (<u64>aNegative) << 63;
    if (aClass == IS_UNSUPPORTED) raise(INVALID);
    else if (aClass >= IS_QUIET) {
      if (aClass != IS_QUIET) raise(INVALID);
      result = sign | 0x7ff8_0000_0000_0000 | ((aSignificand << 1) >> 12);
    } else if (aClass == IS_INFINITE) result = sign | 0x7ff0_0000_0000_0000;
    else {
      setNormalized(aNegative, aExponent, aClass == IS_ZERO ? 0 : aSignificand, 0);
      result = pack64();
    }
  }
  decide(vp, where, storable());
  return result;
}
/** FSTP m80: significand, then (x87StoreHigh) sign and exponent. */
export function x87Store80(vp: i32, a: i64, where: i64): u64 {
  begin(vp);
  let result: u64 = 0xc000_0000_0000_0000;
  highPart = 0xffff;
  if (isEmpty(vp, 0)) stackUnderflow();
  else {
    result = load<u64>(stackAt(vp, 0));
    highPart = load<u64>(stackAt(vp, 0), 8);
  }
  decide(vp, where, !blocked());
  return result;
}
export function x87StoreHigh(vp: i32, a: i64, b: i64): u64 {
  return highPart;
}
/** FIST, FISTP, FISTTP: a = bits of the destination, negative to truncate. Zero-extended. */
export function x87StoreInteger(vp: i32, width: i64, where: i64): u64 {
  const chop = width < 0;
  const bits = <i32>(chop ? -width : width);
  let result: u64 = TOP >> (64 - bits);
  if (takeTop(vp)) {
    if (aClass > IS_NUMBER) raise(INVALID);
    else {
      const value = toInteger(bits, chop ? CHOP : rounding);
      if (outOfRange) raise(INVALID);
      else {
        result = <u64>value & (u64.MAX_VALUE >> (64 - bits));
        if (integerInexact) raise(PRECISION);
        setRoundedUp(integerUp ? 1 : 0);
      }
    }
  }
  decide(vp, where, !blocked());
  return result;
}
/** FBSTP: digits, then (x87StoreHigh) the last two and the sign. */
export function x87StoreDecimal(vp: i32, a: i64, where: i64): u64 {
  let result: u64 = 0xc000_0000_0000_0000;
  highPart = 0xffff;
  if (takeTop(vp)) {
    const value = aClass > IS_NUMBER ? 0 : toInteger(64, rounding);
    let magnitude: u64 = value < 0 ? 0 - <u64>value : <u64>value;
    if (aClass > IS_NUMBER || outOfRange || magnitude > 999_999_999_999_999_999) raise(INVALID);
    else {
      if (integerInexact) raise(PRECISION);
      setRoundedUp(integerUp ? 1 : 0);
      result = 0;
      for (let i = 0; i < 64; i += 4) {
        result |= (magnitude % 10) << i;
        magnitude /= 10;
      }
      highPart = (magnitude % 10) | ((magnitude / 10) << 4) | ((<u64>aNegative) << 15);
    }
  }
  decide(vp, where, !blocked());
  return result;
}

/** FCMOVcc: a = whether the condition holds. */
export function x87MoveIf(vp: i32, condition: i64, where: i64): i64 {
  begin(vp);
  const i = <i32>where & 7;
  const at = stackAt(vp, 0);
  if (isEmpty(vp, 0) || isEmpty(vp, i)) {
    stackUnderflow();
    if (!blocked()) {
      writeIndefinite(at);
      markFull(vp, 0);
    }
  } else if (condition != 0) {
    const from = stackAt(vp, i);
    writeRegister(at, load<u64>(from), load<u64>(from, 8));
  }
  finishKeeping(vp, where);
  return 0;
}
/** FXAM: C1 is the sign, C3 C2 C0 the class: unsupported 000, NaN 001, normal 010, infinity 011, zero 100, empty 101, denormal 110. */
export function x87Examine(vp: i32, a: i64, where: i64): i64 {
  begin(vp);
  const at = stackAt(vp, 0);
  const field = load<i32>(at, 8) & 0x7fff;
  let codes = (load<i32>(at, 8) & 0x8000) != 0 ? C1 : 0;
  noDenormals();
  unpackA(at);
  if (isEmpty(vp, 0)) codes |= C3 | C0;
  else if (aClass == IS_ZERO) codes |= C3;
  else if (aClass == IS_NUMBER) codes |= field == 0 ? C3 | C2 : C2;
  else if (aClass == IS_INFINITE) codes |= C2 | C0;
  else if (aClass != IS_UNSUPPORTED) codes |= C0;
  finishWith(vp, where, C0 | C1 | C2 | C3, codes);
  return 0;
}
/** FFREE (DD), FFREEP (DF): ModR/M bits 2:0 name the register. */
export function x87Free(vp: i32, a: i64, where: i64): i64 {
  begin(vp);
  markEmpty(vp, <i32>where & 7);
  if ((<i32>where & 0x200) != 0) pop(vp);
  // Current processors clear C1 here, though it is undefined.
  finishWith(vp, where, C1, 0);
  return 0;
}
/** FINCSTP, FDECSTP: a = 1 or -1. Tags stay. */
export function x87Turn(vp: i32, by: i64, where: i64): i64 {
  begin(vp);
  turn(vp, <i32>by);
  finishWith(vp, where, C1, 0);
  return 0;
}
/** FNOP */
export function x87Nothing(vp: i32, a: i64, where: i64): i64 {
  begin(vp);
  finishWith(vp, where, 0, 0);
  return 0;
}
