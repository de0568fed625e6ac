// Conversions between floats, and between floats and integers. References: SDM 2A CVTDQ2PD to CVTTSS2SI.
// 256-bit sources with 128-bit results are converted in halves that are put side by side; 128-bit sources of 256-bit results are taken apart.
import { FloatShape, VectorFloat } from '../../../../shared/layout/vector-float.js';
import { VectorSlot } from '../../../../shared/layout/vp.js';
import { REGISTER_WIDTH } from '../../decode/registers.js';
import type { Families, InstructionContext } from '../instruction-context.js';
import {
  assign,
  clearUpper,
  halfOf,
  immediate8,
  source,
  storeHalves,
  target,
  type VectorFamily,
  type VectorForm,
  vectorFamilies,
  writeGeneral,
} from './form.js';

const { DOUBLE, SCALAR, FIRST, SECOND } = FloatShape;
const F = VectorFloat;

/** The same number of lanes of the same width. */
const sameSize =
  (operation: number): VectorFamily =>
  (x, form) => {
    const b = source(x, form, 1);
    assign(
      x,
      form,
      b.map((slot, half) => x.builder.vectorFloat(operation | (form.halves === 1 ? 0 : half === 0 ? FIRST : SECOND), slot, slot)),
    );
  };
/** Doubles to what is half as wide. */
const narrowing =
  (operation: number): VectorFamily =>
  (x, form) => {
    const { builder } = x;
    const b = source(x, form, 1);
    const parts = b.map((slot, half) =>
      builder.vectorFloat(operation | DOUBLE | (b.length === 1 ? 0 : half === 0 ? FIRST : SECOND), slot, slot),
    );
    assign(x, form, [parts.length === 1 ? parts[0] : builder.vector('vshuf32', parts[0], parts[1], undefined, 0x5410)]);
  };
/** Low lanes to doubles. */
const widening =
  (convert: (x: InstructionContext, slot: number, half: number) => number): VectorFamily =>
  (x, form) => {
    const { builder } = x;
    const [low] = source(x, form, 1);
    const parts = [low];
    if (form.halves === 2) parts.push(builder.vector('valign', low, VectorSlot.ZERO, undefined, 8));
    assign(
      x,
      form,
      parts.map((slot, half) => convert(x, slot, form.halves === 1 ? 0 : half === 0 ? FIRST : SECOND)),
    );
  };

const scalar =
  (operation: number): VectorFamily =>
  (x, form) => {
    const [b] = source(x, form, form.count - 1);
    assign(x, form, [x.builder.vectorFloat(operation | SCALAR, halfOf(x, form.count - 2, 0), b)]);
  };
const toGeneral =
  (to32: number, to64: number, shape: number): VectorFamily =>
  (x, form) => {
    const [b] = source(x, form, 1);
    const operation = REGISTER_WIDTH[x.register(0)] === 3 ? to64 : to32;
    writeGeneral(x, 0, x.builder.vectorFloatToGeneral(operation | shape | SCALAR, b, b));
  };
/** CVTSI2SS, CVTSI2SD from 32 or 64 bits. */
const fromGeneral =
  (shape: number): VectorFamily =>
  (x, form: VectorForm) => {
    const { builder } = x;
    const wide = form.operands[form.count - 1].includes('64');
    const value = builder.signExtended(wide ? 3 : 2, x.read(form.count - 1, wide ? 3 : 2));
    builder.vectorFloatFromGeneral(F.FROM_I64 | shape | SCALAR, halfOf(x, form.count - 2, 0), value, !wide && shape === DOUBLE, target(x));
    clearUpper(x, form, 1);
  };

/** VCVTPS2PH: the low half of a register, or 64 or 128 bits of memory. */
const toHalves: VectorFamily = (x, form) => {
  const { builder } = x;
  const b = source(x, form, 1);
  // What the conversion adds to MXCSR must not be there when the store faults.
  if (x.isMemory(0)) {
    const address = x.address(8 * b.length, true);
    for (let at = 0; at < b.length; at++) builder.load(3, builder.value('add64', address, builder.constant(8 * at)), true);
  }
  const operation = F.TO_HALVES | (immediate8(x, form) << FloatShape.ARGUMENT_SHIFT);
  const parts = b.map((slot, half) => builder.vectorFloat(operation | (b.length === 1 ? 0 : half === 0 ? FIRST : SECOND), slot, slot));
  const all = parts.length === 1 ? parts[0] : builder.vector('vshuf32', parts[0], parts[1], undefined, 0x5410);
  if (!x.isMemory(0)) assign(x, { ...form, halves: 1 }, [all]);
  else if (parts.length === 2) storeHalves(x, [all], false);
  else builder.store(3, x.address(8, true), builder.fromVector('vgetl', all));
};

export const floatConversionFamilies: Families = vectorFamilies({
  cvtdq2ps: sameSize(F.FROM_INTEGERS),
  cvtps2dq: sameSize(F.TO_INTEGERS),
  cvttps2dq: sameSize(F.TRUNCATE_TO_INTEGERS),
  cvtpd2ps: narrowing(F.TO_SINGLE),
  cvtpd2dq: narrowing(F.TO_INTEGERS),
  cvttpd2dq: narrowing(F.TRUNCATE_TO_INTEGERS),
  cvtps2pd: widening((x, slot, half) => x.builder.vectorFloat(F.TO_DOUBLE | half, slot, slot)),
  cvtdq2pd: widening((x, slot) => x.builder.vector('vi32f64', slot)),
  cvtph2ps: widening((x, slot, half) => x.builder.vectorFloat(F.FROM_HALVES | half, slot, slot)),
  cvtps2ph: toHalves,
  cvtsd2ss: scalar(F.TO_SINGLE | DOUBLE),
  cvtss2sd: scalar(F.TO_DOUBLE),
  cvtsd2si: toGeneral(F.TO_I32, F.TO_I64, DOUBLE),
  cvtss2si: toGeneral(F.TO_I32, F.TO_I64, 0),
  cvttsd2si: toGeneral(F.TRUNCATE_TO_I32, F.TRUNCATE_TO_I64, DOUBLE),
  cvttss2si: toGeneral(F.TRUNCATE_TO_I32, F.TRUNCATE_TO_I64, 0),
  cvtsi2ss: fromGeneral(0),
  cvtsi2sd: fromGeneral(DOUBLE),
});
