// FCOM FUCOM FICOM FTST with their pops, FCOMI FUCOMI (SDM 2A).
import { EQUAL, GREATER, LESS, relation } from './arithmetic';
import { blocked, INVALID, raise } from './control';
import { anySpecial, unpackA, unpackB } from './extended';
import { unpackMemory } from './fpu-arithmetic';
import { isNormal } from './fpu-quick';
import { areFull, begin, C0, C1, C2, C3, finishKeeping, finishWith, isEmpty, pop, stackAt, stackUnderflow } from './fpu-state';
import { FPU_INSTRUCTION_POINTER } from './layout';
import { aClass, bClass, IS_SIGNALING, IS_ZERO, noDenormals, raiseDenormal, setB } from './operands';

/** C3 C2 C0 of the operands' relation; `ordered`: quiet NaNs are invalid too. */
function codesOf(ordered: bool): i32 {
  if (anySpecial()) {
    if (ordered || aClass >= IS_SIGNALING || bClass >= IS_SIGNALING) raise(INVALID);
    return C0 | C2 | C3;
  }
  raiseDenormal();
  const order = relation();
  return order == LESS ? C0 : order == EQUAL ? C3 : 0;
}
/** Condition codes and pops of a comparison that has set its exceptions; an unmasked one keeps the stack, but not the codes, from changing. */
function conclude(vp: i32, where: i64, codes: i32, pops: i32): void {
  if (!blocked()) for (let i = 0; i < pops; i++) pop(vp);
  finishWith(vp, where, C0 | C1 | C2 | C3, codes);
}

/** FCOM, FUCOM ST(i): a = pops | 4 when ordered. */
export function x87CompareRegister(vp: i32, how: i64, where: i64): i64 {
  begin(vp);
  const i = <i32>where & 7;
  let codes = C0 | C2 | C3;
  if (isEmpty(vp, 0) || isEmpty(vp, i)) stackUnderflow();
  else {
    noDenormals();
    unpackA(stackAt(vp, 0));
    unpackB(stackAt(vp, i));
    codes = codesOf((how & 4) != 0);
  }
  conclude(vp, where, codes, <i32>how & 3);
  return 0;
}
/** FCOM, FICOM with memory: ModR/M bit 3 pops. */
export function x87CompareMemory(vp: i32, bits: u64, where: i64): i64 {
  begin(vp);
  let codes = C0 | C2 | C3;
  if (isEmpty(vp, 0)) stackUnderflow();
  else {
    unpackMemory(bits, where);
    unpackA(stackAt(vp, 0));
    codes = codesOf(true);
  }
  conclude(vp, where, codes, (<i32>where >> 3) & 1);
  return 0;
}
/** FTST: with +0 */
export function x87Test(vp: i32, a: i64, where: i64): i64 {
  begin(vp);
  let codes = C0 | C2 | C3;
  if (isEmpty(vp, 0)) stackUnderflow();
  else {
    noDenormals();
    unpackA(stackAt(vp, 0));
    setB(IS_ZERO, 0, 0, 0);
    codes = codesOf(true);
  }
  conclude(vp, where, codes, 0);
  return 0;
}
/** Relation of two normal numbers, -1 when they are not. */
function quickRelation(first: i32, second: i32): i32 {
  const a = load<u64>(first);
  const b = load<u64>(second);
  const aWord = load<i32>(first, 8);
  const bWord = load<i32>(second, 8);
  if (!isNormal(aWord, a) || !isNormal(bWord, b)) return -1;
  if (((aWord ^ bWord) & 0x8000) != 0) return (aWord & 0x8000) != 0 ? LESS : GREATER;
  const size = aWord != bWord ? (aWord < bWord ? LESS : GREATER) : a == b ? EQUAL : a < b ? LESS : GREATER;
  // LESS and GREATER are 0 and 2.
  return (aWord & 0x8000) != 0 ? GREATER - size : size;
}
/** FCOMI, FUCOMI: a as for x87CompareRegister; gives ZF, PF and CF at their EFLAGS places. */
export function x87CompareFlags(vp: i32, how: i64, where: i64): i64 {
  const i = <i32>where & 7;
  if (areFull(vp, i)) {
    const quick = quickRelation(stackAt(vp, 0), stackAt(vp, i));
    if (quick >= 0) {
      if ((how & 3) != 0) pop(vp);
      store<i64>(vp, where >> 16, FPU_INSTRUCTION_POINTER);
      return quick == LESS ? 1 : quick == EQUAL ? 0x40 : 0;
    }
  }
  begin(vp);
  let codes = C0 | C2 | C3;
  if (isEmpty(vp, 0) || isEmpty(vp, i)) stackUnderflow();
  else {
    noDenormals();
    unpackA(stackAt(vp, 0));
    unpackB(stackAt(vp, i));
    codes = codesOf((how & 4) != 0);
  }
  if (!blocked() && (how & 3) != 0) pop(vp);
  finishKeeping(vp, where);
  return ((codes & C0) != 0 ? 1 : 0) | ((codes & C2) != 0 ? 4 : 0) | ((codes & C3) != 0 ? 0x40 : 0);
}
