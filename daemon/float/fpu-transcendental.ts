// How the transcendental instructions take their operands off the stack and give their result: correctly rounded but for rare ties; the processor promises less than one
// unit in the last place. Each has a file of its own: `fpu-exponential`, `fpu-logarithm`, `fpu-arc-tangent`, `fpu-angle`.
import { blocked, INVALID, raise } from './control';
import { anySpecial, unpackA, unpackB, writeIndefinite, writeNan, writeNanOfOne, writeResult } from './extended';
import { begin, finish, finishWith, isEmpty, markFull, pop, stackAt, stackUnderflow } from './fpu-state';
import { INDEFINITE, setNumber, setSpecial } from './number';
import { aClass, IS_QUIET, noDenormals } from './operands';
import { high, low, scale } from './precise';

/** The explicit integer bit of a significand: 1 as a fraction. */
export const TOP: u64 = 0x8000_0000_0000_0000;

/** What `precise` holds becomes the result, known to be inexact. */
export function settle(sign: i32, by: i32): void {
  setNumber(sign, scale + by, high, low | 1);
}

/** A function of ST0 alone, which changes C1 and perhaps C2: ready with operand a; false when there is nothing more to do. */
export function takeOne(vp: i32, where: i64, codes: i32): bool {
  begin(vp);
  noDenormals();
  const at = stackAt(vp, 0);
  if (isEmpty(vp, 0)) {
    stackUnderflow();
    if (!blocked()) {
      writeIndefinite(at);
      markFull(vp, 0);
    }
    finishWith(vp, where, codes, 0);
    return false;
  }
  unpackA(at);
  if (aClass < IS_QUIET) return true;
  writeNanOfOne(at);
  finishWith(vp, where, codes, 0);
  return false;
}

/** A function of ST1 and ST0 whose result replaces ST1; then ST0 is popped. Operand a is ST0, b is ST1. */
export function takeTwo(vp: i32, where: i64): bool {
  begin(vp);
  const at = stackAt(vp, 1);
  if (isEmpty(vp, 0) || isEmpty(vp, 1)) {
    stackUnderflow();
    if (!blocked()) {
      writeIndefinite(at);
      markFull(vp, 1);
      pop(vp);
    }
    finish(vp, where);
    return false;
  }
  noDenormals();
  unpackA(stackAt(vp, 0));
  unpackB(at);
  if (!anySpecial()) return true;
  if (writeNan(at)) pop(vp);
  finish(vp, where);
  return false;
}
export function concludeTwo(vp: i32, where: i64): i64 {
  if (writeResult(stackAt(vp, 1), 64)) pop(vp);
  finish(vp, where);
  return 0;
}
export function invalid(): void {
  raise(INVALID);
  setSpecial(INDEFINITE, 1);
}
