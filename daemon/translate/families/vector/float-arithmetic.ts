// Float arithmetic, comparison and rounding of SSE and AVX: packed and scalar forms of one operation each.
// References: SDM 2A/2B by mnemonic; SDM 1 11.5 for exceptions. What they do to MXCSR is in emit/vector-float and daemon/float.
import { FloatShape, VectorFloat } from '../../../../shared/layout/vector-float.js';
import { Slot } from '../../../../shared/layout/vp.js';
import type { Families, InstructionContext } from '../instruction-context.js';
import { assign, immediate8, source, type VectorFamily, type VectorForm, vectorFamilies } from './form.js';

type Argument = (x: InstructionContext, form: VectorForm) => number;
const { DOUBLE, SCALAR, FIRST, SECOND, ARGUMENT_SHIFT } = FloatShape;

/** Of a 256-bit instruction each half says which it is; both results are there before either register half changes. */
const halfFlag = (form: VectorForm, half: number): number => (form.halves === 1 ? 0 : half === 0 ? FIRST : SECOND);
/** Register := float operation on each half. */
export const inHalves = (x: InstructionContext, form: VectorForm, descriptor: number, a: readonly number[], b: readonly number[]): void => {
  const results = b.map((slot, half) => x.builder.vectorFloat(descriptor | halfFlag(form, half), a[half], slot));
  assign(x, form, results);
};

const binary =
  (operation: number, shape: number, argument?: Argument): VectorFamily =>
  (x, form) => {
    const b = source(x, form, form.count - 1);
    const a = source(x, form, form.count - 2);
    inHalves(x, form, operation | shape | ((argument?.(x, form) ?? 0) << ARGUMENT_SHIFT), a, b);
  };
/** One source; scalar forms keep the rest of the first operand. */
const unary =
  (operation: number, shape: number, argument?: Argument): VectorFamily =>
  (x, form) => {
    const b = source(x, form, form.count - 1);
    const a = (shape & SCALAR) !== 0 ? source(x, form, form.count - 2) : b;
    inHalves(x, form, operation | shape | ((argument?.(x, form) ?? 0) << ARGUMENT_SHIFT), a, b);
  };

/** HADDPS and its like: even lanes of both operands with the odd ones. */
const horizontal =
  (operation: number, shape: number): VectorFamily =>
  (x, form) => {
    const { builder } = x;
    const b = source(x, form, form.count - 1);
    const a = source(x, form, form.count - 2);
    const double = (shape & DOUBLE) !== 0;
    const pick = (lanes: number): number[] => a.map((slot, half) => builder.vector('vshuf32', slot, b[half], undefined, lanes));
    inHalves(x, form, operation | shape, pick(double ? 0x5410 : 0x6420), pick(double ? 0x7632 : 0x7531));
  };

/** COMISS, UCOMISS: ZF, PF, CF; the other three flags are cleared. */
const compareFlags =
  (operation: number, shape: number): VectorFamily =>
  (x, form) => {
    const { builder } = x;
    const [b] = source(x, form, 1);
    const [a] = source(x, form, 0);
    builder.flags('set', 2, Slot.ZERO, Slot.ZERO, builder.vectorFloatToGeneral(operation | shape | SCALAR, a, b));
  };

/** Legacy encodings know the first eight predicates. */
const predicate: Argument = (x, form) => immediate8(x, form) & (form.vex ? 31 : 7);
const immediate: Argument = (x, form) => immediate8(x, form);
const roundingControl: Argument = (x, form) => immediate8(x, form) & 15;

const F = VectorFloat;
const SHAPES = { ps: 0, pd: DOUBLE, ss: SCALAR, sd: SCALAR | DOUBLE } as const;
const each = (name: string, make: (shape: number) => VectorFamily): Readonly<Record<string, VectorFamily>> =>
  Object.fromEntries(Object.entries(SHAPES).map(([suffix, shape]) => [`${name}${suffix}`, make(shape)]));
const packed = (name: string, make: (shape: number) => VectorFamily): Readonly<Record<string, VectorFamily>> => ({
  [`${name}ps`]: make(0),
  [`${name}pd`]: make(DOUBLE),
});

export const floatArithmeticFamilies: Families = vectorFamilies({
  ...each('add', (shape) => binary(F.ADD, shape)),
  ...each('sub', (shape) => binary(F.SUBTRACT, shape)),
  ...each('mul', (shape) => binary(F.MULTIPLY, shape)),
  ...each('div', (shape) => binary(F.DIVIDE, shape)),
  ...each('min', (shape) => binary(F.MINIMUM, shape)),
  ...each('max', (shape) => binary(F.MAXIMUM, shape)),
  ...each('cmp', (shape) => binary(F.COMPARE, shape, predicate)),
  ...each('sqrt', (shape) => unary(F.SQUARE_ROOT, shape)),
  ...each('round', (shape) => unary(F.ROUND, shape, roundingControl)),
  ...packed('addsub', (shape) => binary(F.ADD_SUBTRACT, shape)),
  ...packed('hadd', (shape) => horizontal(F.ADD, shape)),
  ...packed('hsub', (shape) => horizontal(F.SUBTRACT, shape)),
  ...packed('dp', (shape) => binary(F.DOT, shape, immediate)),
  comiss: compareFlags(F.COMPARE_SIGNALING, 0),
  comisd: compareFlags(F.COMPARE_SIGNALING, DOUBLE),
  ucomiss: compareFlags(F.COMPARE_QUIET, 0),
  ucomisd: compareFlags(F.COMPARE_QUIET, DOUBLE),
});
