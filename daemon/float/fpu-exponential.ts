// F2XM1 (SDM 2A): 2^x - 1.
import { blocked, PRECISION, raise } from './control';
import { writeResult } from './extended';
import { C1, finish, stackAt, writeRegister } from './fpu-state';
import { settle, TOP, takeOne } from './fpu-transcendental';
import { aClass, aExponent, aNegative, aSignificand, IS_INFINITE, IS_NUMBER, raiseDenormal } from './operands';
import { fixedToFloating, high, low, multiplyBy, scale, seriesExponential, toFraction } from './precise';

const LN2_HIGH: u64 = 0xb172_17f7_d1cf_79ab;
const LN2_LOW: u64 = 0xc9e3_b398_03f2_f6af;

/** 2^ST0 - 1 for -1 <= ST0 <= 1; what lies outside is undefined and stays. */
export function x87Exponential(vp: i32, a: i64, where: i64): i64 {
  if (!takeOne(vp, where, C1)) return 0;
  const at = stackAt(vp, 0);
  if (aClass == IS_INFINITE) {
    if (aNegative != 0) writeRegister(at, TOP, 0xbfff);
  } else if (aClass == IS_NUMBER) {
    raiseDenormal();
    if (!blocked() && aExponent < 0) {
      const sign = aNegative;
      multiplyBy(aExponent, aSignificand, 0, -1, LN2_HIGH, LN2_LOW);
      const e = scale;
      const h = high;
      const l = low;
      toFraction(e, h, l);
      seriesExponential(high, low, sign == 0);
      fixedToFloating(sign != 0);
      multiplyBy(scale, high, low, e, h, l);
      settle(sign, 0);
      writeResult(at, 64);
    } else if (!blocked()) {
      // 1 gives 1, -1 gives -1/2; beyond, current processors leave the operand. They say of all that it is inexact.
      raise(PRECISION);
      if (aSignificand == TOP && aExponent == 0 && aNegative != 0) writeRegister(at, TOP, 0xbffe);
    }
  }
  finish(vp, where);
  return 0;
}
