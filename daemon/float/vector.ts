// SSE and AVX instructions on whole vectors: the slow half of the micro-op `vfloat`. Operands are in the VP block's vector slots SCRATCH and
// SCRATCH + 1, the result goes to RESULT; MXCSR gets its flags, and FLOAT_TRAP the vector of an unmasked exception, or 0.
// References: SDM 1 11.5.2 (SIMD exceptions: all lanes are looked at, those before computation first), SDM 2A/2B of each instruction.
import { BEFORE, PRECISION } from './control';
import { fused32, fused64 } from './fused';
import { halfToSingle, singleToHalf } from './half';
import * as L from './layout';
import {
  quickInexact,
  quickProduct32,
  quickProduct64,
  quickQuotient32,
  quickQuotient64,
  quickResult,
  quickSum32,
  quickSum64,
} from './quick';
import * as S from './scalar';

const XM: i32 = 19;
const UD: i32 = 6;
/** MXCSR but for the exceptions raised so far: all masked, rounding to nearest, denormals as they are. */
const MODES: i32 = 0xffc0;
const PLAIN: i32 = 0x1f80;
const MASKS: i32 = 0x1f80;

function a32(vp: i32, lane: i32): u64 {
  return <u64>load<u32>(vp + lane * 4, L.SCRATCH);
}
function b32(vp: i32, lane: i32): u64 {
  return <u64>load<u32>(vp + lane * 4, L.SCRATCH + 16);
}
function a64(vp: i32, lane: i32): u64 {
  return load<u64>(vp + lane * 8, L.SCRATCH);
}
function b64(vp: i32, lane: i32): u64 {
  return load<u64>(vp + lane * 8, L.SCRATCH + 16);
}
function put32(vp: i32, lane: i32, value: u64): void {
  store<u32>(vp + lane * 4, <u32>value, L.RESULT);
}
function put64(vp: i32, lane: i32, value: u64): void {
  store<u64>(vp + lane * 8, value, L.RESULT);
}
function isPlain(vp: i32): bool {
  return (load<i32>(vp, L.MXCSR) & MODES) == PLAIN;
}
function addFlags(vp: i32, flags: i32): void {
  store<i32>(vp, load<i32>(vp, L.FLOAT_FLAGS) | flags, L.FLOAT_FLAGS);
}

/** Exceptions of the whole instruction go to MXCSR; an unmasked one is a trap. */
function settle(vp: i32, half: i32): void {
  let flags = load<i32>(vp, L.FLOAT_FLAGS);
  const mxcsr = load<i32>(vp, L.MXCSR);
  if (half == L.FLOAT_IS_SECOND) {
    flags |= load<i32>(vp, L.FLOAT_PENDING);
    store<i32>(vp, 0, L.FLOAT_PENDING);
  }
  const unmasked = flags & ~(mxcsr >> 7);
  if (half == L.FLOAT_IS_FIRST && (mxcsr & MASKS) != MASKS) {
    store<i32>(vp, flags, L.FLOAT_PENDING);
    store<i32>(vp, 0, L.FLOAT_TRAP);
    return;
  }
  // Nothing is computed when an operand alone is reason enough to trap.
  if ((unmasked & BEFORE) != 0) flags &= BEFORE;
  store<i32>(vp, mxcsr | flags, L.MXCSR);
  store<i32>(vp, unmasked == 0 ? 0 : (load<i32>(vp, L.CR4) & L.OSXMMEXCPT) != 0 ? XM : UD, L.FLOAT_TRAP);
}

const LESS: i32 = 0;
const EQUAL: i32 = 1;
const GREATER: i32 = 2;
const UNORDERED: i32 = 3;
/** Whether CMPPS's predicate is true of the relation (SDM 2A, CMPPD, table of predicates). */
function holds(predicate: i32, order: i32): bool {
  const low = predicate & 7;
  // Bit 3 turns the answer for unordered operands round where it is not the predicate itself (FALSE, TRUE, ORD, UNORD).
  if (low == 3 || low == 7) {
    const ordered = low == 7;
    if ((predicate & 8) != 0) return ordered;
    return ordered == (order != UNORDERED);
  }
  if (order == UNORDERED) return low >= 4 != ((predicate & 8) != 0);
  const positive = low & 3;
  const truth = positive == 0 ? order == EQUAL : positive == 1 ? order == LESS : order != GREATER;
  return truth != low >= 4;
}
/** Whether the predicate finds quiet NaNs invalid. */
function signals(predicate: i32): bool {
  const low = predicate & 3;
  return (low == 1 || low == 2) != ((predicate & 16) != 0);
}

function lane64(vp: i32, operation: i32, argument: i32, a: u64, b: u64, plain: bool): u64 {
  if (plain && operation <= L.FLOAT_DIVIDE) {
    const x = reinterpret<f64>(a);
    const y = reinterpret<f64>(b);
    const quick =
      operation == L.FLOAT_ADD
        ? quickSum64(x, y)
        : operation == L.FLOAT_SUBTRACT
          ? quickSum64(x, -y)
          : operation == L.FLOAT_MULTIPLY
            ? quickProduct64(x, y)
            : quickQuotient64(x, y);
    if (quick) {
      if (quickInexact) addFlags(vp, PRECISION);
      return quickResult;
    }
  }
  switch (operation) {
    case L.FLOAT_ADD:
      return S.f64Add(vp, a, b);
    case L.FLOAT_SUBTRACT:
      return S.f64Subtract(vp, a, b);
    case L.FLOAT_MULTIPLY:
      return S.f64Multiply(vp, a, b);
    case L.FLOAT_DIVIDE:
      return S.f64Divide(vp, a, b);
    case L.FLOAT_MINIMUM:
      return S.f64Minimum(vp, a, b);
    case L.FLOAT_MAXIMUM:
      return S.f64Maximum(vp, a, b);
    case L.FLOAT_SQUARE_ROOT:
      return S.f64SquareRoot(vp, b, 0);
    case L.FLOAT_ROUND:
      return S.f64Round(vp, b, argument);
  }
  const order = <i32>(signals(argument) ? S.f64CompareSignaling(vp, a, b) : S.f64CompareQuiet(vp, a, b));
  return holds(argument, order) ? u64.MAX_VALUE : 0;
}
function lane32(vp: i32, operation: i32, argument: i32, a: u64, b: u64, plain: bool): u64 {
  if (plain && operation <= L.FLOAT_DIVIDE) {
    const x = reinterpret<f32>(<u32>a);
    const y = reinterpret<f32>(<u32>b);
    const quick =
      operation == L.FLOAT_ADD
        ? quickSum32(x, y)
        : operation == L.FLOAT_SUBTRACT
          ? quickSum32(x, -y)
          : operation == L.FLOAT_MULTIPLY
            ? quickProduct32(x, y)
            : quickQuotient32(x, y);
    if (quick) {
      if (quickInexact) addFlags(vp, PRECISION);
      return quickResult;
    }
  }
  switch (operation) {
    case L.FLOAT_ADD:
      return S.f32Add(vp, a, b);
    case L.FLOAT_SUBTRACT:
      return S.f32Subtract(vp, a, b);
    case L.FLOAT_MULTIPLY:
      return S.f32Multiply(vp, a, b);
    case L.FLOAT_DIVIDE:
      return S.f32Divide(vp, a, b);
    case L.FLOAT_MINIMUM:
      return S.f32Minimum(vp, a, b);
    case L.FLOAT_MAXIMUM:
      return S.f32Maximum(vp, a, b);
    case L.FLOAT_SQUARE_ROOT:
      return S.f32SquareRoot(vp, b, 0);
    case L.FLOAT_ROUND:
      return S.f32Round(vp, b, argument);
  }
  const order = <i32>(signals(argument) ? S.f32CompareSignaling(vp, a, b) : S.f32CompareQuiet(vp, a, b));
  return holds(argument, order) ? u64.MAX_VALUE : 0;
}

/** The same operation on so many lanes. */
function lanewise(vp: i32, operation: i32, argument: i32, double: bool, count: i32): void {
  const plain = isPlain(vp);
  for (let lane = 0; lane < count; lane++) {
    const own = operation == L.FLOAT_ADD_SUBTRACT ? ((lane & 1) == 0 ? L.FLOAT_SUBTRACT : L.FLOAT_ADD) : operation;
    if (double) put64(vp, lane, lane64(vp, own, argument, a64(vp, lane), b64(vp, lane), plain));
    else put32(vp, lane, lane32(vp, own, argument, a32(vp, lane), b32(vp, lane), plain));
  }
}

/** An exception so far is unmasked: what would come next is not computed. */
function stopped(vp: i32): bool {
  return (load<i32>(vp, L.FLOAT_FLAGS) & ~(load<i32>(vp, L.MXCSR) >> 7)) != 0;
}
/** Product of a lane, or 0 when the argument does not name it. */
function product32(vp: i32, argument: i32, lane: i32): u64 {
  return (argument & (16 << lane)) == 0 ? 0 : S.f32Multiply(vp, a32(vp, lane), b32(vp, lane));
}
/**
 * DPPS: products of the lanes that the argument's upper half names, their sum by pairs, to the lanes that its lower half names.
 * Of several NaNs each lane of the result has its own: every lane adds in an order that begins near itself (as processors do; SDM leaves it open).
 */
function dot32(vp: i32, argument: i32): void {
  let p0 = product32(vp, argument, 0);
  let p1 = product32(vp, argument, 1);
  let p2 = product32(vp, argument, 2);
  let p3 = product32(vp, argument, 3);
  if (stopped(vp)) return;
  const t0 = S.f32Add(vp, p1, p0);
  const t1 = S.f32Add(vp, p0, p1);
  const t2 = S.f32Add(vp, p3, p2);
  const t3 = S.f32Add(vp, p2, p3);
  if (stopped(vp)) return;
  p0 = S.f32Add(vp, t0, t2);
  p1 = S.f32Add(vp, t1, t3);
  p2 = S.f32Add(vp, t2, t0);
  p3 = S.f32Add(vp, t3, t1);
  put32(vp, 0, (argument & 1) != 0 ? p0 : 0);
  put32(vp, 1, (argument & 2) != 0 ? p1 : 0);
  put32(vp, 2, (argument & 4) != 0 ? p2 : 0);
  put32(vp, 3, (argument & 8) != 0 ? p3 : 0);
}
function dot64(vp: i32, argument: i32): void {
  const p0 = (argument & 16) == 0 ? 0 : S.f64Multiply(vp, a64(vp, 0), b64(vp, 0));
  const p1 = (argument & 32) == 0 ? 0 : S.f64Multiply(vp, a64(vp, 1), b64(vp, 1));
  if (stopped(vp)) return;
  const s0 = S.f64Add(vp, p0, p1);
  const s1 = S.f64Add(vp, p1, p0);
  put64(vp, 0, (argument & 1) != 0 ? s0 : 0);
  put64(vp, 1, (argument & 2) != 0 ? s1 : 0);
}

/** FMA: the addend is in RESULT, lane by lane replaced. */
function fused(vp: i32, argument: i32, double: bool, count: i32): void {
  for (let lane = 0; lane < count; lane++) {
    const turned = (lane & 1) == 0 ? argument & 4 : argument & 8;
    const signs = (argument & 3) | (turned != 0 ? 2 : 0);
    if (double) put64(vp, lane, fused64(vp, a64(vp, lane), b64(vp, lane), load<u64>(vp + lane * 8, L.RESULT), signs));
    else put32(vp, lane, fused32(vp, a32(vp, lane), b32(vp, lane), <u64>load<u32>(vp + lane * 4, L.RESULT), signs));
  }
}

/** Conversions between vectors, of the source's low lanes (operand b). */
function convert(vp: i32, operation: i32, double: bool, count: i32): void {
  if (operation == L.FLOAT_TO_DOUBLE) {
    for (let lane = count - 1; lane >= 0; lane--) put64(vp, lane, S.f32ToF64(vp, b32(vp, lane), 0));
    return;
  }
  // Of doubles there are two, and their results leave the upper half empty.
  if (double && count > 1) store<u64>(vp, 0, L.RESULT + 8);
  for (let lane = 0; lane < count; lane++) {
    let result: u64 = 0;
    if (operation == L.FLOAT_TO_SINGLE) result = S.f64ToF32(vp, b64(vp, lane), 0);
    else if (operation == L.FLOAT_FROM_INTEGERS) result = S.i64ToF32(vp, <i64>(<i32>b32(vp, lane)), 0);
    else if (operation == L.FLOAT_TO_INTEGERS) result = double ? S.f64ToI32(vp, b64(vp, lane), 0) : S.f32ToI32(vp, b32(vp, lane), 0);
    else result = double ? S.f64TruncateToI32(vp, b64(vp, lane), 0) : S.f32TruncateToI32(vp, b32(vp, lane), 0);
    put32(vp, lane, result);
  }
}

function convertHalves(vp: i32, operation: i32, argument: i32): void {
  if (operation == L.FLOAT_TO_HALVES) store<u64>(vp, 0, L.RESULT + 8);
  for (let lane = 0; lane < 4; lane++) {
    if (operation == L.FLOAT_FROM_HALVES) put32(vp, lane, halfToSingle(vp, <u64>load<u16>(vp + 2 * lane, L.SCRATCH + 16)));
    else store<u16>(vp + 2 * lane, <u16>singleToHalf(vp, b32(vp, lane), argument), L.RESULT);
  }
}

/** COMISS and its like: ZF PF CF of the relation. */
function compareFlags(order: i32): i64 {
  return order == UNORDERED ? 0x45 : order == EQUAL ? 0x40 : order == LESS ? 1 : 0;
}
function toGeneral(vp: i32, operation: i32, double: bool): i64 {
  const a = double ? a64(vp, 0) : a32(vp, 0);
  const b = double ? b64(vp, 0) : b32(vp, 0);
  switch (operation) {
    case L.FLOAT_COMPARE_QUIET:
      return compareFlags(<i32>(double ? S.f64CompareQuiet(vp, a, b) : S.f32CompareQuiet(vp, a, b)));
    case L.FLOAT_COMPARE_SIGNALING:
      return compareFlags(<i32>(double ? S.f64CompareSignaling(vp, a, b) : S.f32CompareSignaling(vp, a, b)));
    case L.FLOAT_TO_I32:
      return double ? S.f64ToI32(vp, b, 0) : S.f32ToI32(vp, b, 0);
    case L.FLOAT_TO_I64:
      return double ? S.f64ToI64(vp, b, 0) : S.f32ToI64(vp, b, 0);
    case L.FLOAT_TRUNCATE_TO_I32:
      return double ? S.f64TruncateToI32(vp, b, 0) : S.f32TruncateToI32(vp, b, 0);
  }
  return double ? S.f64TruncateToI64(vp, b, 0) : S.f32TruncateToI64(vp, b, 0);
}

/** One instruction, by its descriptor (shared/layout/vector-float). `integer`: its general operand. Returns its general result. */
export function vectorFloat(vp: i32, descriptor: i64, integer: i64): i64 {
  const operation = <i32>descriptor & 0xff;
  const argument = <i32>(descriptor >> L.FLOAT_ARGUMENT_SHIFT) & 0xff;
  const double = (descriptor & L.FLOAT_IS_DOUBLE) != 0;
  const scalar = (descriptor & L.FLOAT_IS_SCALAR) != 0;
  store<i32>(vp, 0, L.FLOAT_FLAGS);
  // A scalar keeps the rest of the first operand.
  if (scalar && operation != L.FLOAT_FUSED) {
    store<u64>(vp, load<u64>(vp, L.SCRATCH), L.RESULT);
    store<u64>(vp, load<u64>(vp, L.SCRATCH + 8), L.RESULT + 8);
  }
  let result: i64 = 0;
  if (operation == L.FLOAT_FROM_I64) {
    if (double) put64(vp, 0, S.i64ToF64(vp, integer, 0));
    else put32(vp, 0, S.i64ToF32(vp, integer, 0));
  } else if (operation >= L.FLOAT_COMPARE_QUIET) result = toGeneral(vp, operation, double);
  else if (operation == L.FLOAT_DOT) {
    if (double) dot64(vp, argument);
    else dot32(vp, argument);
  } else if (operation == L.FLOAT_FUSED) fused(vp, argument, double, scalar ? 1 : double ? 2 : 4);
  else if (operation == L.FLOAT_FROM_HALVES || operation == L.FLOAT_TO_HALVES) convertHalves(vp, operation, argument);
  else if (operation >= L.FLOAT_TO_SINGLE) convert(vp, operation, double, scalar ? 1 : double || operation == L.FLOAT_TO_DOUBLE ? 2 : 4);
  else lanewise(vp, operation, argument, double, scalar ? 1 : double ? 2 : 4);
  settle(vp, <i32>descriptor & (L.FLOAT_IS_FIRST | L.FLOAT_IS_SECOND));
  return result;
}
