// FMA: products and sums with one rounding (SDM 2C VFMADD132PD and its like). The digits say which operands are multiplied: 132 is 1 x 3 + 2.
// The third operand travels in the vector slot RESULT; always the slow half's work (daemon/float), for WebAssembly has no such operation.
import { FloatShape, VectorFloat } from '../../../../shared/layout/vector-float.js';
import { VectorSlot } from '../../../../shared/layout/vp.js';
import type { Families } from '../instruction-context.js';
import { assign, clearUpper, halfOf, source, target, type VectorFamily, vectorFamilies } from './form.js';

const { DOUBLE, SCALAR, FIRST, SECOND, ARGUMENT_SHIFT } = FloatShape;
/** Argument bits: sign of the product, of the addend; addend's sign turned in even lanes, in odd lanes. */
const SIGNS = { fmadd: 0, fmsub: 2, fnmadd: 1, fnmsub: 3, fmaddsub: 4, fmsubadd: 8 } as const;
/** Operand numbers of a, b, c in a x b + c. */
const ORDERS = { 132: [0, 2, 1], 213: [1, 0, 2], 231: [1, 2, 0] } as const;
const SHAPES = { ps: 0, pd: DOUBLE, ss: SCALAR, sd: SCALAR | DOUBLE } as const;

const fused =
  (signs: number, order: readonly number[], shape: number): VectorFamily =>
  (x, form) => {
    const { builder } = x;
    const memory = source(x, form, 2);
    const [a, b, c] = order.map((n) => (n === 2 ? memory : source(x, form, n)));
    const results = a.map((slot, half) => {
      builder.vector('vmov', c[half], 0, VectorSlot.RESULT);
      const which = form.halves === 1 ? 0 : half === 0 ? FIRST : SECOND;
      return builder.vectorFloat(VectorFloat.FUSED | shape | which | (signs << ARGUMENT_SHIFT), slot, b[half]);
    });
    if ((shape & SCALAR) === 0) {
      assign(x, form, results);
      return;
    }
    // The rest is the destination's own.
    builder.vector('vshuf32', halfOf(x, 0, 0), results[0], target(x), (shape & DOUBLE) !== 0 ? 0x3254 : 0x3214);
    clearUpper(x, form, 1);
  };

const families: Record<string, VectorFamily> = {};
for (const [name, signs] of Object.entries(SIGNS))
  for (const [digits, order] of Object.entries(ORDERS))
    for (const [suffix, shape] of Object.entries(SHAPES)) families[`${name}${digits}${suffix}`] = fused(signs, order, shape);
export const fusedFamilies: Families = vectorFamilies(families);
