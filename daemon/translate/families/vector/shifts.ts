// Packed shifts: by an immediate, by the low quadword of another register, and of whole registers by bytes.
// References: SDM 2B PSLLW, PSRAW, PSLLDQ. Counts beyond the lane's width give zero, or the sign.
import { VectorSlot } from '../../../../shared/layout/vp.js';
import type { Operand } from '../../operand.js';
import type { VectorShiftName } from '../../vector-builder.js';
import type { Families } from '../instruction-context.js';
import { clearUpper, immediate8, source, target, unary, type VectorFamily, vectorFamilies } from './form.js';

/** Micro-ops of the shifts by bits, by mnemonic. */
export const SHIFTS = {
  psllw: 'vshl16',
  pslld: 'vshl32',
  psllq: 'vshl64',
  psrlw: 'vshr16',
  psrld: 'vshr32',
  psrlq: 'vshr64',
  psraw: 'vsar16',
  psrad: 'vsar32',
} as const satisfies Readonly<Record<string, VectorShiftName>>;

const shift =
  (name: VectorShiftName): VectorFamily =>
  (x, form) => {
    const { builder } = x;
    const byImmediate = form.operands[form.operands.length - 1] === 'imm8';
    // The count is read before the destination changes: they may be one register.
    const count: Operand = byImmediate
      ? builder.constant(immediate8(x, form))
      : builder.fromVector('vgetl', source(x, form, form.count - 1)[0]);
    const a = source(x, form, byImmediate ? form.count - 1 : form.count - 2);
    for (let half = 0; half < form.halves; half++) builder.vectorShift(name, a[half], count, target(x, half));
    clearUpper(x, form, form.halves);
  };

const bytesRight: VectorFamily = unary((x, a, d, form) => {
  x.builder.vector('valign', a, VectorSlot.ZERO, d, Math.min(immediate8(x, form), 16));
});
const bytesLeft: VectorFamily = unary((x, a, d, form) => {
  x.builder.vector('valign', VectorSlot.ZERO, a, d, 16 - Math.min(immediate8(x, form), 16));
});

export const vectorShiftFamilies: Families = vectorFamilies({
  ...Object.fromEntries(Object.entries(SHIFTS).map(([mnemonic, name]) => [mnemonic, shift(name)])),
  pslldq: bytesLeft,
  psrldq: bytesRight,
});
