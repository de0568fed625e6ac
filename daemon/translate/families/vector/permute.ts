// AVX and AVX2: broadcasts, permutations within and across the halves of YMM registers, shifts by a count for each lane.
// References: SDM 2C VBROADCAST, VPERM2F128, VPERMD, VPERMILPS, VPSLLVW, by mnemonic.
import { VectorInteger } from '../../../../shared/layout/vector-integer.js';
import { VectorSlot } from '../../../../shared/layout/vp.js';
import type { Width } from '../../micro-op.js';
import type { Families, InstructionContext } from '../instruction-context.js';
import {
  Alignment,
  assign,
  halfOf,
  immediate8,
  lanewise,
  source,
  storeHalves,
  target,
  unary,
  type VectorFamily,
  vectorFamilies,
} from './form.js';
import { callVectorInteger } from './special.js';

/** Bytes n..n+3 of a dword, n..n+7 of a quadword. */
const DWORD_BYTES = [0x03020100, 0x03020100] as const;
const QWORD_BYTES = [0x03020100, 0x07060504] as const;

const SPLATS = ['vsplat8', 'vsplat16', 'vsplat32', 'vsplat64'] as const;
const broadcast =
  (width: Width): VectorFamily =>
  (x, form) => {
    const { builder } = x;
    const value = x.isMemory(1) ? x.read(1, width) : builder.fromVector('vgetl', halfOf(x, 1, 0));
    const all = builder.vectorFrom(SPLATS[width], value);
    assign(x, form, form.halves === 2 ? [all, all] : [all]);
  };
const broadcastHalf: VectorFamily = (x, form) => {
  const [half] = source(x, form, 1, Alignment.NEVER);
  assign(x, form, [half, half]);
};
const insertHalf: VectorFamily = (x, form) => {
  const { builder } = x;
  const [b] = source(x, form, 2, Alignment.NEVER);
  const high = (immediate8(x, form) & 1) !== 0;
  const kept = halfOf(x, 1, high ? 0 : 1);
  const copy = builder.vector('vmov', b);
  builder.vector('vmov', kept, 0, target(x, high ? 0 : 1));
  builder.vector('vmov', copy, 0, target(x, high ? 1 : 0));
};
const extractHalf: VectorFamily = (x, form) => {
  const half = halfOf(x, 1, immediate8(x, form) & 1);
  if (x.isMemory(0)) storeHalves(x, [half], false);
  else assign(x, { ...form, halves: 1 }, [half]);
};
/** VPERM2F128: each half is one of four, or zero. */
const pickHalves: VectorFamily = (x, form) => {
  const b = source(x, form, 2);
  const all = [...source(x, form, 1), ...b];
  const i = immediate8(x, form);
  const pick = (n: number): number => x.builder.vector('vmov', (n & 8) !== 0 ? VectorSlot.ZERO : all[n & 3]);
  assign(x, form, [pick(i), pick(i >> 4)]);
};
/** VPERMQ, VPERMPD: each quadword is one of four. */
const pickQuadwords: VectorFamily = (x, form) => {
  const b = source(x, form, 1);
  const i = immediate8(x, form);
  const half = (n: number): number => {
    const first = (i >> (4 * n)) & 3;
    const second = (i >> (4 * n + 2)) & 3;
    const lanes = (first & 1 ? 0x32 : 0x10) | ((second & 1 ? 0x76 : 0x54) << 8);
    return x.builder.vector('vshuf32', b[first >> 1], b[second >> 1], undefined, lanes);
  };
  assign(x, form, [half(0), half(1)]);
};

/** Byte numbers that pick the dwords whose numbers (two bits) are in the lanes of `indexes`. */
const dwordBytes = (x: InstructionContext, indexes: number): number => {
  const { builder } = x;
  const low = builder.vector('vand', indexes, builder.vectorConstant(3, 3));
  const spread = builder.vector('vmul32', low, builder.vectorConstant(0x04040404, 0x04040404));
  return builder.vector('vadd8', spread, builder.vectorConstant(...DWORD_BYTES));
};
const permuteSingles: VectorFamily = lanewise((x, a, b, d) => x.builder.vector('vpick8', a, dwordBytes(x, b), d));
/** The number of the double is bit 1 of the control. */
const permuteDoubles: VectorFamily = lanewise((x, a, b, d) => {
  const { builder } = x;
  const bit = builder.vector('vand', builder.vectorShift('vshr64', b, builder.constant(1)), builder.vectorConstant(1, 0));
  const both = builder.vector('vshuf32', bit, bit, undefined, 0x2200);
  const spread = builder.vector('vmul32', both, builder.vectorConstant(0x08080808, 0x08080808));
  builder.vector('vpick8', a, builder.vector('vadd8', spread, builder.vectorConstant(...QWORD_BYTES)), d);
});
const permuteSinglesByImmediate: VectorFamily = unary((x, a, d, form) => {
  const i = immediate8(x, form);
  x.builder.vector('vshuf32', a, a, d, (i & 3) | (((i >> 2) & 3) << 4) | (((i >> 4) & 3) << 8) | ((i >> 6) << 12));
});
const permuteDoublesByImmediate: VectorFamily = (x, form) => {
  const a = source(x, form, 1);
  const i = immediate8(x, form);
  const results = a.map((slot, half) => {
    const low = (i >> (2 * half)) & 1 ? 0x32 : 0x10;
    const high = (i >> (2 * half + 1)) & 1 ? 0x32 : 0x10;
    return x.builder.vector('vshuf32', slot, slot, undefined, low | (high << 8));
  });
  assign(x, form, results);
};
const byForm =
  (immediate: VectorFamily, vector: VectorFamily): VectorFamily =>
  (x, form) =>
    (form.operands[form.operands.length - 1] === 'imm8' ? immediate : vector)(x, form);

/** VPERMD, VPERMPS: each dword is one of eight, named by the first source. */
const permuteAcross: VectorFamily = (x, form) => {
  const { builder } = x;
  const b = source(x, form, 2);
  const indexes = source(x, form, 1);
  const results = indexes.map((index) => {
    const bytes = dwordBytes(x, index);
    const upper = builder.vectorShift('vsar32', builder.vectorShift('vshl32', index, builder.constant(29)), builder.constant(31));
    return builder.vectorSelect(builder.vector('vpick8', b[1], bytes), builder.vector('vpick8', b[0], bytes), upper);
  });
  assign(x, form, results);
};

const shiftEach =
  (operation: number): VectorFamily =>
  (x, form) => {
    const b = source(x, form, 2);
    const a = source(x, form, 1);
    const results = b.map((slot, half) => {
      callVectorInteger(x, operation, a[half], slot);
      return x.builder.vector('vmov', VectorSlot.RESULT);
    });
    assign(x, form, results);
  };

const V = VectorInteger;
export const vectorPermuteFamilies: Families = vectorFamilies({
  broadcastss: broadcast(2),
  broadcastsd: broadcast(3),
  broadcastf128: broadcastHalf,
  broadcasti128: broadcastHalf,
  pbroadcastb: broadcast(0),
  pbroadcastw: broadcast(1),
  pbroadcastd: broadcast(2),
  pbroadcastq: broadcast(3),
  insertf128: insertHalf,
  inserti128: insertHalf,
  extractf128: extractHalf,
  extracti128: extractHalf,
  perm2f128: pickHalves,
  perm2i128: pickHalves,
  permq: pickQuadwords,
  permpd: pickQuadwords,
  permilps: byForm(permuteSinglesByImmediate, permuteSingles),
  permilpd: byForm(permuteDoublesByImmediate, permuteDoubles),
  permd: permuteAcross,
  permps: permuteAcross,
  psllvd: shiftEach(V.SHIFT_LEFT_32),
  psllvq: shiftEach(V.SHIFT_LEFT_64),
  psrlvd: shiftEach(V.SHIFT_RIGHT_32),
  psrlvq: shiftEach(V.SHIFT_RIGHT_64),
  psravd: shiftEach(V.SHIFT_SIGNED_32),
});
