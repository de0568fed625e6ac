// FPATAN (SDM 2A): the angle of a point.
import { blocked } from './control';
import { concludeTwo, settle, TOP, takeTwo } from './fpu-transcendental';
import { setNumber, setSpecial, ZERO } from './number';
import {
  aClass,
  aExponent,
  aNegative,
  aSignificand,
  bClass,
  bExponent,
  bNegative,
  bSignificand,
  IS_INFINITE,
  IS_ZERO,
  raiseDenormal,
} from './operands';
import {
  addTo,
  divideBy,
  fixedToFloating,
  high,
  isLess,
  low,
  multiplyBy,
  scale,
  seriesTangent,
  set,
  subtractFrom,
  toFraction,
} from './precise';

const PI_HIGH: u64 = 0xc90f_daa2_2168_c234;
const PI_LOW: u64 = 0xc4c6_628b_80dc_1cd1;

/** atan of a magnitude up to 1 */
function arcTangent(e: i32, h: u64, l: u64): void {
  // The nearest quarter, its arc tangent, and (r - c) / (1 + r c).
  toFraction(e, h, l);
  const quarter = e >= 0 ? 4 : <i32>((high >> 61) + 1) >> 1;
  if (quarter == 0) {
    arcSeries(e, h, l);
    return;
  }
  // c = quarter / 4
  const shift = <i32>clz(<u64>quarter);
  const ce = 61 - shift;
  const ch = (<u64>quarter) << shift;
  multiplyBy(e, h, l, ce, ch, 0);
  addTo(0, TOP, 0, scale, high, low);
  const de = scale;
  const dh = high;
  const dl = low;
  const below = isLess(e, h, l, ce, ch, 0);
  if (e == ce && h == ch && l == 0) set(0, 0, 0);
  else if (below) subtractFrom(ce, ch, 0, e, h, l);
  else subtractFrom(e, h, l, ce, ch, 0);
  let be = -1;
  let bh: u64 = PI_HIGH;
  let bl: u64 = PI_LOW;
  if (quarter == 1) {
    be = -3;
    bh = 0xfadb_afc9_6406_eb15;
    bl = 0x6dc7_9ef5_f7a2_17e6;
  } else if (quarter == 2) {
    be = -2;
    bh = 0xed63_382b_0dda_7b45;
    bl = 0x6fe4_45ec_bc3a_8d03;
  } else if (quarter == 3) {
    bh = 0xa4bc_7d19_34f7_0924;
    bl = 0x19a8_7f2a_457d_ac9f;
  }
  if ((high | low) == 0) {
    set(be, bh, bl);
    return;
  }
  divideBy(scale, high, low, de, dh, dl);
  arcSeries(scale, high, low);
  if (below) subtractFrom(be, bh, bl, scale, high, low);
  else addTo(be, bh, bl, scale, high, low);
}
/** atan of a small magnitude */
function arcSeries(e: i32, h: u64, l: u64): void {
  multiplyBy(e, h, l, e, h, l);
  toFraction(scale, high, low);
  seriesTangent(high, low, true);
  fixedToFloating(true);
  multiplyBy(scale, high, low, e, h, l);
}

/** The angle of (ST0, ST1) */
export function x87ArcTangent(vp: i32, a: i64, where: i64): i64 {
  if (!takeTwo(vp, where)) return 0;
  raiseDenormal();
  if (blocked()) return concludeTwo(vp, where);
  const sign = bNegative;
  const left = aNegative != 0;
  if (bClass == IS_ZERO || (aClass == IS_INFINITE && bClass != IS_INFINITE)) {
    if (!left) setSpecial(ZERO, sign);
    else setNumber(sign, 1, PI_HIGH, PI_LOW);
  } else if (aClass == IS_ZERO || (bClass == IS_INFINITE && aClass != IS_INFINITE)) setNumber(sign, 0, PI_HIGH, PI_LOW);
  else if (bClass == IS_INFINITE) {
    if (!left) setNumber(sign, -1, PI_HIGH, PI_LOW);
    else {
      subtractFrom(1, PI_HIGH, PI_LOW, -1, PI_HIGH, PI_LOW);
      settle(sign, 0);
    }
  } else {
    const steep = isLess(aExponent, aSignificand, 0, bExponent, bSignificand, 0);
    if (steep) divideBy(aExponent, aSignificand, 0, bExponent, bSignificand, 0);
    else divideBy(bExponent, bSignificand, 0, aExponent, aSignificand, 0);
    arcTangent(scale, high, low);
    if (steep) {
      if (left) addTo(0, PI_HIGH, PI_LOW, scale, high, low);
      else subtractFrom(0, PI_HIGH, PI_LOW, scale, high, low);
    } else if (left) subtractFrom(1, PI_HIGH, PI_LOW, scale, high, low);
    settle(sign, 0);
  }
  return concludeTwo(vp, where);
}
