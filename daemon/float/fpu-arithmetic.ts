// FADD FMUL FSUB FSUBR FDIV FDIVR in all forms, FSQRT, FCHS, FABS, FXCH, FRNDINT, FSCALE, FXTRACT (SDM 2A).
import { add, divide, integerInexact, integerUp, magnitude, multiply, squareRoot, toInteger } from './arithmetic';
import { blocked, INVALID, PRECISION, raise, rounding, setRoundedUp, ZERO_DIVIDE } from './control';
import { anySpecial, unpackA, unpackB, writeIndefinite, writeNan, writeNanOfOne, writeResult } from './extended';
import { isNormal, isUsual, NOT_QUICK, quickAdd, quickMultiply } from './fpu-quick';
import {
  areFull,
  begin,
  finish,
  finishQuick,
  isEmpty,
  markFull,
  pop,
  precisionOf,
  stackAt,
  stackOverflow,
  stackUnderflow,
  turn,
  writeRegister,
} from './fpu-state';
import { unpack32, unpack64 } from './interchange';
import { INDEFINITE, INFINITE, setNormalized, setSpecial, ZERO } from './number';
import {
  aClass,
  aExponent,
  aNegative,
  aSignificand,
  bClass,
  bExponent,
  bNegative,
  IS_INFINITE,
  IS_NUMBER,
  IS_QUIET,
  IS_ZERO,
  moveAToB,
  noDenormals,
  raiseDenormal,
  setB,
  swapOperands,
} from './operands';

/** ModR/M bits 5:3 name the operation of a (ST0) and b; those with bit 0 set among the last four take them the other way round. */
function operate(where: i64): void {
  const operation = (<i32>where >> 3) & 7;
  if (operation == 0) add(0);
  else if (operation == 1) multiply();
  else {
    if ((operation & 1) != 0) swapOperands();
    if (operation < 6) add(1);
    else divide();
  }
}
function arithmetic(vp: i32, at: i32, where: i64): bool {
  if (anySpecial()) return writeNan(at);
  operate(where);
  return writeResult(at, precisionOf(vp));
}

/** Sign and exponent, significand of b when it is in memory and normal. */
let quickWord: i32 = 0;
let quickBits: u64 = 0;
/** The same of a memory operand; false when it is not a normal number of m32 or m64. */
function quickMemory(bits: u64, where: i64): bool {
  const form = (<i32>where >> 9) & 3;
  if (form == 2) {
    const field = <i32>(bits >> 52) & 0x7ff;
    if (<u32>(field - 1) >= 0x7fe) return false;
    quickWord = (<i32>(bits >> 48) & 0x8000) | (field + 0x3c00);
    quickBits = (bits << 11) | 0x8000_0000_0000_0000;
    return true;
  }
  if (form != 0) return false;
  const field = <i32>(bits >> 23) & 0xff;
  if (<u32>(field - 1) >= 0xfe) return false;
  quickWord = (<i32>(bits >> 16) & 0x8000) | (field + 0x3f80);
  quickBits = (bits << 40) | 0x8000_0000_0000_0000;
  return true;
}
/** FADD, FMUL, FSUB, FSUBR of ST0 and another normal number in the usual case: status bits, or NOT_QUICK. */
function quick(at: i32, top: i32, word: i32, bits: u64, where: i64): i32 {
  const aBits = load<u64>(top);
  const aWord = load<i32>(top, 8);
  if (!isNormal(aWord, aBits)) return NOT_QUICK;
  const operation = (<i32>where >> 3) & 7;
  if (operation == 1) return quickMultiply(at, aWord, aBits, word, bits);
  if (operation == 0) return quickAdd(at, aWord, aBits, word, bits);
  if (operation == 4) return quickAdd(at, aWord, aBits, word ^ 0x8000, bits);
  if (operation == 5) return quickAdd(at, aWord ^ 0x8000, aBits, word, bits);
  return NOT_QUICK;
}

/** D8, DC, DE with a register: the destination is ST(i) when opcode bit 2 is set, and bit 1 pops. */
export function x87ArithmeticRegister(vp: i32, a: i64, where: i64): i64 {
  const i = <i32>where & 7;
  if (isUsual(vp) && areFull(vp, i)) {
    const other = stackAt(vp, i);
    const bits = load<u64>(other);
    const word = load<i32>(other, 8);
    if (isNormal(word, bits)) {
      const top = stackAt(vp, 0);
      const status = quick((<i32>where & 0x400) != 0 ? other : top, top, word, bits, where);
      if (status != NOT_QUICK) {
        if ((<i32>where & 0x200) != 0) pop(vp);
        finishQuick(vp, where, status);
        return 0;
      }
    }
  }
  begin(vp);
  const at = stackAt(vp, (<i32>where & 0x400) != 0 ? i : 0);
  let done = true;
  if (isEmpty(vp, 0) || isEmpty(vp, i)) {
    stackUnderflow();
    done = !blocked();
    if (done) {
      writeIndefinite(at);
      markFull(vp, (<i32>where & 0x400) != 0 ? i : 0);
    }
  } else {
    noDenormals();
    unpackA(stackAt(vp, 0));
    unpackB(stackAt(vp, i));
    done = arithmetic(vp, at, where);
  }
  if (done && (<i32>where & 0x200) != 0) pop(vp);
  finish(vp, where);
  return 0;
}

/** A memory operand becomes b: opcode bits 2:1 say what it is (D8 m32, DA m32int, DC m64, DE m16int). */
export function unpackMemory(bits: u64, where: i64): void {
  noDenormals();
  const form = (<i32>where >> 9) & 3;
  if (form == 0) unpack32(bits);
  else if (form == 2) unpack64(bits);
  else {
    unpackInteger(form == 1 ? <i64>(<i32>bits) : <i64>(<i16>bits));
    return;
  }
  moveAToB();
}
/** An integer becomes b. */
export function unpackInteger(value: i64): void {
  if (value == 0) {
    setB(IS_ZERO, 0, 0, 0);
    return;
  }
  const sign = value < 0 ? 1 : 0;
  const magnitude: u64 = sign != 0 ? 0 - <u64>value : <u64>value;
  const shift = <i32>clz(magnitude);
  setB(IS_NUMBER, sign, 63 - shift, magnitude << shift);
}
export function x87ArithmeticMemory(vp: i32, bits: u64, where: i64): i64 {
  const at = stackAt(vp, 0);
  if (isUsual(vp) && areFull(vp, 0) && quickMemory(bits, where)) {
    const status = quick(at, at, quickWord, quickBits, where);
    if (status != NOT_QUICK) {
      finishQuick(vp, where, status);
      return 0;
    }
  }
  begin(vp);
  if (isEmpty(vp, 0)) {
    stackUnderflow();
    if (!blocked()) {
      writeIndefinite(at);
      markFull(vp, 0);
    }
  } else {
    unpackMemory(bits, where);
    unpackA(at);
    arithmetic(vp, at, where);
  }
  finish(vp, where);
  return 0;
}

/** ST0 is there and becomes operand a; otherwise the stack fault is answered with the indefinite, and the caller has nothing more to do. */
function takeTop(vp: i32, where: i64): bool {
  begin(vp);
  noDenormals();
  if (!isEmpty(vp, 0)) {
    unpackA(stackAt(vp, 0));
    return true;
  }
  stackUnderflow();
  if (!blocked()) {
    writeIndefinite(stackAt(vp, 0));
    markFull(vp, 0);
  }
  finish(vp, where);
  return false;
}

export function x87SquareRoot(vp: i32, a: i64, where: i64): i64 {
  if (!takeTop(vp, where)) return 0;
  const at = stackAt(vp, 0);
  if (aClass >= IS_QUIET) writeNanOfOne(at);
  else {
    squareRoot();
    writeResult(at, precisionOf(vp));
  }
  finish(vp, where);
  return 0;
}

/** FCHS and FABS touch the sign alone, whatever the operand. */
function sign(vp: i32, where: i64, keep: i32, flip: i32): void {
  begin(vp);
  const at = stackAt(vp, 0);
  if (isEmpty(vp, 0)) {
    stackUnderflow();
    if (!blocked()) {
      writeIndefinite(at);
      markFull(vp, 0);
    }
  } else store<i32>(at, (load<i32>(at, 8) & keep) ^ flip, 8);
  finish(vp, where);
}
export function x87ChangeSign(vp: i32, a: i64, where: i64): i64 {
  sign(vp, where, 0xffff, 0x8000);
  return 0;
}
export function x87Absolute(vp: i32, a: i64, where: i64): i64 {
  sign(vp, where, 0x7fff, 0);
  return 0;
}

/** Empty registers are exchanged as indefinites. */
export function x87Exchange(vp: i32, a: i64, where: i64): i64 {
  const i = <i32>where & 7;
  const first = stackAt(vp, 0);
  const second = stackAt(vp, i);
  const full = areFull(vp, i);
  if (!full) {
    begin(vp);
    stackUnderflow();
    if (blocked()) {
      finish(vp, where);
      return 0;
    }
    if (isEmpty(vp, 0)) writeIndefinite(first);
    if (isEmpty(vp, i)) writeIndefinite(second);
    markFull(vp, 0);
    markFull(vp, i);
  }
  const bits = load<u64>(first);
  const word = load<u64>(first, 8);
  writeRegister(first, load<u64>(second), load<u64>(second, 8));
  writeRegister(second, bits, word);
  if (full) finishQuick(vp, where, 0);
  else finish(vp, where);
  return 0;
}

export function x87RoundToInteger(vp: i32, a: i64, where: i64): i64 {
  if (!takeTop(vp, where)) return 0;
  const at = stackAt(vp, 0);
  if (aClass >= IS_QUIET) writeNanOfOne(at);
  else if (aClass == IS_NUMBER) {
    raiseDenormal();
    if (!blocked() && aExponent < 63) {
      toInteger(64, rounding);
      if (integerInexact) raise(PRECISION);
      const up = integerUp;
      setNormalized(aNegative, 63, magnitude, 0);
      writeResult(at, 64);
      setRoundedUp(up ? 1 : 0);
    }
  }
  finish(vp, where);
  return 0;
}

/** ST0 x 2^(ST1, truncated). */
export function x87Scale(vp: i32, a: i64, where: i64): i64 {
  begin(vp);
  const at = stackAt(vp, 0);
  if (isEmpty(vp, 0) || isEmpty(vp, 1)) {
    stackUnderflow();
    if (!blocked()) {
      writeIndefinite(at);
      markFull(vp, 0);
    }
    finish(vp, where);
    return 0;
  }
  noDenormals();
  unpackA(at);
  unpackB(stackAt(vp, 1));
  if (anySpecial()) writeNan(at);
  else {
    scale();
    writeResult(at, 64);
  }
  finish(vp, where);
  return 0;
}
function scale(): void {
  if (bClass == IS_INFINITE) {
    if (bNegative != 0 ? aClass == IS_INFINITE : aClass == IS_ZERO) {
      raise(INVALID);
      setSpecial(INDEFINITE, 1);
      return;
    }
    raiseDenormal();
    setSpecial(bNegative != 0 ? ZERO : INFINITE, aNegative);
    return;
  }
  raiseDenormal();
  if (aClass != IS_NUMBER) {
    setSpecial(aClass == IS_ZERO ? ZERO : INFINITE, aNegative);
    return;
  }
  const first = aNegative;
  const exponent = aExponent;
  const significand = aSignificand;
  let by = 0;
  if (bClass == IS_NUMBER) {
    // Beyond 2^16 every result overflows or underflows completely.
    if (bExponent > 16) by = bNegative != 0 ? -0x20000 : 0x20000;
    else {
      swapOperands();
      by = <i32>toInteger(64, 3);
    }
  }
  setNormalized(first, exponent + by, significand, 0);
}

/** ST0 := its exponent, then its significand is pushed. */
export function x87Extract(vp: i32, a: i64, where: i64): i64 {
  begin(vp);
  const at = stackAt(vp, 0);
  const above = stackAt(vp, -1);
  if (isEmpty(vp, 0) || !isEmpty(vp, -1)) {
    if (isEmpty(vp, 0)) stackUnderflow();
    else stackOverflow();
    if (!blocked()) {
      writeIndefinite(at);
      markFull(vp, 0);
      writeIndefinite(above);
      turn(vp, -1);
      markFull(vp, 0);
    }
    finish(vp, where);
    return 0;
  }
  noDenormals();
  unpackA(at);
  const word = load<u64>(at, 8);
  let done = true;
  if (aClass >= IS_QUIET) {
    done = writeNanOfOne(at);
    if (done) writeRegister(above, load<u64>(at), load<u64>(at, 8));
  } else if (aClass == IS_ZERO) {
    raise(ZERO_DIVIDE);
    done = !blocked();
    if (done) {
      writeRegister(above, 0, word);
      writeRegister(at, 0x8000_0000_0000_0000, 0xffff);
    }
  } else if (aClass == IS_INFINITE) {
    writeRegister(above, 0x8000_0000_0000_0000, word);
    writeRegister(at, 0x8000_0000_0000_0000, 0x7fff);
  } else {
    raiseDenormal();
    done = !blocked();
    if (done) {
      const power = aExponent;
      writeRegister(above, aSignificand, <u64>((aNegative << 15) | 0x3fff));
      setNormalized(power < 0 ? 1 : 0, 63, <u64>(power < 0 ? -power : power), 0);
      if (power == 0) setSpecial(ZERO, 0);
      writeResult(at, 64);
    }
  }
  if (done) {
    turn(vp, -1);
    markFull(vp, 0);
  }
  finish(vp, where);
  return 0;
}
