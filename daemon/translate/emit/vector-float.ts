// Float instructions of SSE and AVX: the host's own operation where nothing can be seen of a difference, daemon/float otherwise.
// Why this is exact: with all exceptions masked, rounding to nearest, denormals kept and PE raised already (`plain`), an operation on normal numbers with a
// normal result leaves no trace in MXCSR and gives the IEEE result, which is the host's. Everything else is the slow half's: NaNs, infinities, denormals,
// zeros where they matter, results near the limits. References: SDM 1 11.5, 4.9; the idea is QEMU's "hardfloat" (fpu/softfloat.c).
//
// The micro-op machine does not know the operation when its handler is made, and always takes the slow half.
import { FloatShape, floatArgument, floatOperation, VectorFloat } from '../../../shared/layout/vector-float.js';
import { VectorSlot, VpLayout } from '../../../shared/layout/vp.js';
import { Exit } from '../micro-op.js';
import type { Emit, Frame } from './frame.js';
import type { Code, PlainName, SimdName } from './wasm.js';

const F = VectorFloat;
const SCRATCH = VpLayout.at.vectors + VectorSlot.SCRATCH * 16;
const RESULT = VpLayout.at.vectors + VectorSlot.RESULT * 16;

/** What a lane width brings along: opcodes by their prefix, and the limits of its normal numbers. */
interface Format {
  readonly vector: 'f32x4' | 'f64x2';
  readonly scalar: 'f32' | 'f64';
  readonly least: readonly number[];
  readonly greatest: readonly number[];
  readonly signless: readonly number[];
  readonly all: number;
  readonly bitmask: SimdName;
}
const quad = (bytes: readonly number[]): number[] => Array.from({ length: 16 }, (_, i) => bytes[i % bytes.length]);
const SINGLE: Format = {
  vector: 'f32x4',
  scalar: 'f32',
  least: quad([0, 0, 0x80, 0]),
  greatest: quad([0xff, 0xff, 0x7f, 0x7f]),
  signless: quad([0xff, 0xff, 0xff, 0x7f]),
  all: 15,
  bitmask: 'i32x4_bitmask',
};
const DOUBLE: Format = {
  vector: 'f64x2',
  scalar: 'f64',
  least: quad([0, 0, 0, 0, 0, 0, 0x10, 0]),
  greatest: quad([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xef, 0x7f]),
  signless: quad([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
  all: 3,
  bitmask: 'i64x2_bitmask',
};

type Push = () => void;

/** Emits into one function: the quick half of a descriptor, with `slow` as the label to branch to when it must not be used. */
class Quick {
  readonly c: Code;
  readonly f: Frame;
  readonly format: Format;
  readonly scalar: boolean;

  constructor(c: Code, f: Frame, format: Format, scalar: boolean) {
    this.c = c;
    this.f = f;
    this.format = format;
    this.scalar = scalar;
  }
  simd(name: string): void {
    this.c.simd(`${this.format.vector}_${name}` as SimdName);
  }
  op(name: string): void {
    this.c.op(`${this.format.scalar}_${name}` as PlainName);
  }
  /** Push lane 0 of a vector as a float. */
  lane(push: Push): void {
    push();
    this.c.lane(this.format === DOUBLE ? 'f64x2_extract' : 'f32x4_extract', 0);
  }
  magnitude(push: Push): void {
    push();
    this.c.v128(this.format.signless);
    this.c.simd('v128_and');
  }
  /** Branches to `slow` unless MXCSR is plain. */
  requirePlain(slow: number): void {
    this.f.plain();
    this.c.op('i32_eqz');
    this.c.brIf(slow);
  }
  /** Branches to `slow` unless the operands and the result are normal numbers. */
  requireNormal(slow: number, operands: readonly Push[], result: Push): void {
    const { c, format } = this;
    this.magnitude(operands[0]);
    for (const operand of operands.slice(1)) {
      this.magnitude(operand);
      this.simd('pmin');
    }
    if (this.scalar) {
      // A NaN among the operands makes the result one, which the second test finds.
      c.lane(format === DOUBLE ? 'f64x2_extract' : 'f32x4_extract', 0);
      this.scalarConstant(format.least);
      this.op('lt');
      c.brIf(slow);
      this.lane(() => this.magnitude(result));
      c.tee(this.f.float(format.scalar));
      this.scalarConstant(format.least);
      this.op('ge');
      c.get(this.f.float(format.scalar));
      this.scalarConstant(format.greatest);
      this.op('le');
      c.op('i32_and');
      c.op('i32_eqz');
      c.brIf(slow);
      return;
    }
    this.magnitude(result);
    this.simd('pmin');
    c.v128(format.least);
    this.simd('ge');
    this.magnitude(result);
    c.v128(format.greatest);
    this.simd('le');
    c.simd('v128_and');
    c.simd(format.bitmask);
    c.i32(format.all);
    c.op('i32_ne');
    c.brIf(slow);
  }
  /** Branches to `slow` unless the operands are zeros, normal numbers or infinities. */
  requireOrdered(slow: number, operands: readonly Push[]): void {
    const { c, format } = this;
    for (const [n, operand] of operands.entries()) {
      this.magnitude(operand);
      c.v128(format.least);
      this.simd('ge');
      operand();
      c.v128(new Uint8Array(16));
      this.simd('eq');
      c.simd('v128_or');
      if (n > 0) c.simd('v128_and');
    }
    c.simd(format.bitmask);
    if (this.scalar) {
      c.i32(1);
      c.op('i32_and');
      c.op('i32_eqz');
    } else {
      c.i32(format.all);
      c.op('i32_ne');
    }
    c.brIf(slow);
  }
  scalarConstant(bytes: readonly number[]): void {
    if (this.format === DOUBLE) this.c.f64(bytes);
    else this.c.f32(bytes);
  }
  /** d := the vector, or a with lane 0 from the vector. */
  result(push: Push): void {
    const { c, f, format } = this;
    if (!this.scalar) push();
    else {
      f.va();
      push();
      c.lane(format === DOUBLE ? 'f64x2_extract' : 'f32x4_extract', 0);
      c.lane(format === DOUBLE ? 'f64x2_replace' : 'f32x4_replace', 0);
    }
    c.set(f.v);
  }
}

const ARITHMETIC: Readonly<Record<number, string>> = { [F.ADD]: 'add', [F.SUBTRACT]: 'sub', [F.MULTIPLY]: 'mul', [F.DIVIDE]: 'div' };
/** Predicates 0 to 7 as comparisons of (a, b) that are ordered. */
const PREDICATES = ['eq', 'lt', 'le', '', 'ne', 'ge', 'gt', ''] as const;

/** Appends the quick half for a vector result into f.v; false when there is none. */
const quickVector = (q: Quick, descriptor: number, slow: number): boolean => {
  const { c, f } = q;
  const operation = floatOperation(descriptor);
  const arithmetic = ARITHMETIC[operation];
  if (arithmetic !== undefined) {
    q.requirePlain(slow);
    if (q.scalar) {
      f.va();
      q.lane(f.va);
      q.lane(f.vb);
      q.op(arithmetic);
      c.lane(q.format === DOUBLE ? 'f64x2_replace' : 'f32x4_replace', 0);
    } else {
      f.va();
      f.vb();
      q.simd(arithmetic);
    }
    c.set(f.v);
    q.requireNormal(slow, [f.va, f.vb], () => c.get(f.v));
    return true;
  }
  switch (operation) {
    case F.SQUARE_ROOT: {
      // Of a positive normal number or infinity: the root is in range by itself.
      q.requirePlain(slow);
      if (q.scalar) {
        q.lane(f.vb);
        q.scalarConstant(q.format.least);
        q.op('ge');
        c.op('i32_eqz');
        c.brIf(slow);
        f.va();
        q.lane(f.vb);
        q.op('sqrt');
        c.lane(q.format === DOUBLE ? 'f64x2_replace' : 'f32x4_replace', 0);
      } else {
        f.vb();
        c.v128(q.format.least);
        q.simd('ge');
        c.simd(q.format.bitmask);
        c.i32(q.format.all);
        c.op('i32_ne');
        c.brIf(slow);
        f.vb();
        q.simd('sqrt');
      }
      c.set(f.v);
      return true;
    }
    case F.MINIMUM:
    case F.MAXIMUM:
      if ((descriptor & FloatShape.SECOND) !== 0) q.requirePlain(slow);
      // a < b ? a : b is WebAssembly's pmin(b, a).
      q.requireOrdered(slow, [f.va, f.vb]);
      q.result(() => {
        f.vb();
        f.va();
        q.simd(operation === F.MINIMUM ? 'pmin' : 'pmax');
      });
      return true;
    case F.COMPARE: {
      const predicate = PREDICATES[floatArgument(descriptor) & 7];
      if (predicate === '' || floatArgument(descriptor) > 7) return false;
      if ((descriptor & FloatShape.SECOND) !== 0) q.requirePlain(slow);
      q.requireOrdered(slow, [f.va, f.vb]);
      q.result(() => {
        f.va();
        f.vb();
        q.simd(predicate);
      });
      return true;
    }
    case F.TO_DOUBLE:
      if (!q.scalar) return false;
      q.requireOrdered(slow, [f.vb]);
      f.va();
      q.lane(f.vb);
      c.op('f64_promote');
      c.lane('f64x2_replace', 0);
      c.set(f.v);
      return true;
    case F.TO_SINGLE: {
      if (!q.scalar) return false;
      q.requirePlain(slow);
      f.va();
      q.lane(f.vb);
      c.op('f32_demote');
      c.lane('f32x4_replace', 0);
      c.set(f.v);
      // A normal single comes of a normal double.
      const single = new Quick(c, f, SINGLE, true);
      single.lane(() => single.magnitude(() => c.get(f.v)));
      c.tee(f.float('f32'));
      single.scalarConstant(SINGLE.least);
      c.op('f32_gt');
      c.get(f.float('f32'));
      single.scalarConstant(SINGLE.greatest);
      c.op('f32_le');
      c.op('i32_and');
      c.op('i32_eqz');
      c.brIf(slow);
      return true;
    }
    case F.FROM_INTEGERS:
      q.requirePlain(slow);
      f.vb();
      c.simd('f32x4_convert_i32x4_s');
      c.set(f.v);
      return true;
    case F.TO_INTEGERS:
    case F.TRUNCATE_TO_INTEGERS: {
      if (q.format === DOUBLE) return false;
      q.requirePlain(slow);
      // 2^31 and beyond, and NaNs, have no integer.
      q.magnitude(f.vb);
      c.v128(quad([0, 0, 0, 0x4f]));
      q.simd('lt');
      c.simd(q.format.bitmask);
      c.i32(q.format.all);
      c.op('i32_ne');
      c.brIf(slow);
      f.vb();
      if (operation === F.TO_INTEGERS) c.simd('f32x4_nearest');
      c.simd('i32x4_trunc_sat_f32x4_s');
      c.set(f.v);
      return true;
    }
  }
  return false;
};

/** Appends the quick half for a general result into f.y; false when there is none. */
const quickGeneral = (q: Quick, descriptor: number, slow: number): boolean => {
  const { c, f } = q;
  const operation = floatOperation(descriptor);
  switch (operation) {
    case F.COMPARE_QUIET:
    case F.COMPARE_SIGNALING:
      q.requireOrdered(slow, [f.va, f.vb]);
      // CF when less, ZF when equal.
      q.lane(f.va);
      q.lane(f.vb);
      q.op('lt');
      q.lane(f.va);
      q.lane(f.vb);
      q.op('eq');
      c.i32(6);
      c.op('i32_shl');
      c.op('i32_or');
      c.op('i64_extend_i32_u');
      c.set(f.y);
      return true;
    case F.TO_I32:
    case F.TO_I64:
    case F.TRUNCATE_TO_I32:
    case F.TRUNCATE_TO_I64: {
      const wide = operation === F.TO_I64 || operation === F.TRUNCATE_TO_I64;
      q.requirePlain(slow);
      // Well inside the range, rounded or not.
      q.lane(() => q.magnitude(f.vb));
      if (q.format === DOUBLE) c.f64(wide ? [0, 0, 0, 0, 0, 0, 0xe0, 0x43] : [0, 0, 0xc0, 0xff, 0xff, 0xff, 0xdf, 0x41]);
      else c.f32(wide ? [0, 0, 0, 0x5f] : [0, 0, 0, 0x4f]);
      q.op('lt');
      c.op('i32_eqz');
      c.brIf(slow);
      q.lane(f.vb);
      if (operation === F.TO_I32 || operation === F.TO_I64) q.op('nearest');
      c.truncate(q.format.scalar, wide);
      if (!wide) c.op('i64_extend_i32_u');
      c.set(f.y);
      return true;
    }
  }
  return false;
};

/** Calls the slow half, with its general result left on the stack, and leaves for an unmasked exception. */
const slowHalf = (c: Code, f: Frame, operands: readonly (readonly [offset: number, push: Push])[], integer: Push): void => {
  for (const [offset, push] of operands) {
    f.vp();
    push();
    c.store128(offset);
  }
  f.callVectorFloat(integer);
  c.set(f.y);
  f.vp();
  c.memory('i32_load', VpLayout.at.floatTrap);
  c.if();
  f.vp();
  f.vp();
  c.memory('i32_load', VpLayout.at.floatTrap);
  c.memory('i32_store', VpLayout.at.faultVector);
  f.leaveHere(Exit.FAULT);
  c.op('end');
};

/** The quick half if there is one, the slow half behind it. */
const halves = (c: Code, f: Frame, quick: (q: Quick, descriptor: number, slow: number) => boolean, slow: Push): void => {
  const descriptor = f.constant();
  if (descriptor === undefined) {
    slow();
    return;
  }
  const done = c.block();
  const label = c.block();
  const q = new Quick(c, f, (descriptor & FloatShape.DOUBLE) !== 0 ? DOUBLE : SINGLE, (descriptor & FloatShape.SCALAR) !== 0);
  if (quick(q, descriptor, label)) c.br(done);
  c.op('end');
  slow();
  c.op('end');
};

/** d = float operation on (a, b). */
export const vectorFloat: Emit = (c, f) => {
  halves(c, f, quickVector, () => {
    slowHalf(
      c,
      f,
      [
        [SCRATCH, f.va],
        [SCRATCH + 16, f.vb],
      ],
      () => c.i64s(0),
    );
    f.vp();
    c.load128(RESULT);
    c.set(f.v);
  });
  f.vd(() => c.get(f.v));
};
/** General d = float operation on (a, b). */
export const vectorFloatToGeneral: Emit = (c, f) => {
  halves(c, f, quickGeneral, () =>
    slowHalf(
      c,
      f,
      [
        [SCRATCH, f.va],
        [SCRATCH + 16, f.vb],
      ],
      () => c.i64s(0),
    ),
  );
  f.d(() => c.get(f.y));
};
/** d = a with lane 0 from the general operand b. */
export const vectorFloatFromGeneral: Emit = (c, f) => {
  const quick = (q: Quick, _: number, slow: number): boolean => {
    q.requirePlain(slow);
    f.va();
    f.b();
    c.op(q.format === DOUBLE ? 'f64_convert_i64_s' : 'f32_convert_i64_s');
    c.lane(q.format === DOUBLE ? 'f64x2_replace' : 'f32x4_replace', 0);
    c.set(f.v);
    return true;
  };
  halves(c, f, quick, () => {
    slowHalf(c, f, [[SCRATCH, f.va]], f.b);
    f.vp();
    c.load128(RESULT);
    c.set(f.v);
  });
  f.vd(() => c.get(f.v));
};
