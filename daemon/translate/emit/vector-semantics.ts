// What every vector micro-op does, once for both tiers, as semantics.ts for the others.
// Why nearly all are one line: they are those operations that WebAssembly and x86 share; the differences are worked out here, lane by lane.
import { TlbEntry } from '../../../shared/layout/lp-context.js';
import { VectorSlot, VpLayout } from '../../../shared/layout/vp.js';
import { Exit } from '../micro-op.js';
import type { VECTOR_MICRO_OPS } from '../vector-micro-ops.js';
import { type Emit, type Frame, Helper } from './frame.js';
import { hostAddress, lookup, pushGva } from './tlb-lookup.js';
import { vectorFloat, vectorFloatFromGeneral, vectorFloatToGeneral } from './vector-float.js';
import { type Code, type SimdName, V128 } from './wasm.js';

const GP = 13;
const UD = 6;
const NM = 7;
const W128 = 4;
export const SCRATCH: number = VpLayout.at.vectors + VectorSlot.SCRATCH * 16;
const ZEROS = new Uint8Array(16);

const unary =
  (op: SimdName): Emit =>
  (c, f) =>
    f.vd(() => {
      f.va();
      c.simd(op);
    });
const binary =
  (op: SimdName): Emit =>
  (c, f) =>
    f.vd(() => {
      f.va();
      f.vb();
      c.simd(op);
    });
const splat =
  (op: SimdName, wrap: boolean): Emit =>
  (c, f) =>
    f.vd(() => {
      f.a();
      if (wrap) c.op('i32_wrap');
      c.simd(op);
    });
const shuffle =
  (lanes: readonly number[]): Emit =>
  (c, f) =>
    f.vd(() => {
      f.va();
      f.vb();
      c.shuffle(lanes);
    });
const mask =
  (op: SimdName): Emit =>
  (c, f) =>
    f.d(() => {
      f.va();
      c.simd(op);
      c.op('i64_extend_i32_u');
    });
const half =
  (n: 0 | 1): Emit =>
  (c, f) =>
    f.d(() => {
      f.va();
      c.lane('i64x2_extract', n);
    });
const put =
  (n: 0 | 1): Emit =>
  (c, f) =>
    f.vd(() => {
      f.va();
      f.b();
      c.lane('i64x2_replace', n);
    });
const repeated = (bytes: readonly number[]): number[] => Array.from({ length: 16 }, (_, i) => bytes[i % bytes.length]);
const range = (f: (i: number) => number): number[] => Array.from({ length: 16 }, (_, i) => f(i));
/** Bytes 16..31 name the second operand's. */
const HIGH_WORDS = range((i) => (i >> 1) * 4 + 2 + (i & 1));
const EVEN_DWORDS = range((i) => (i >> 2) * 8 + (i & 3)).map((n) => n & 15);

/** Shifts count as many bits as they are told: beyond the lane's width nothing (the sign) is left. */
const logicalShift =
  (op: SimdName, bits: number): Emit =>
  (c, f) =>
    f.vd(() => {
      f.va();
      f.b();
      c.op('i32_wrap');
      c.simd(op);
      c.v128(ZEROS);
      f.b();
      c.i64s(bits);
      c.op('i64_lt_u');
      c.op('select');
    });
const arithmeticShift =
  (op: SimdName, bits: number): Emit =>
  (c, f) =>
    f.vd(() => {
      f.va();
      f.b();
      c.op('i32_wrap');
      c.i32(bits - 1);
      f.b();
      c.i64s(bits);
      c.op('i64_lt_u');
      c.op('select');
      c.simd(op);
    });

/** High halves of 16-bit products, from both halves' 32-bit ones. */
const highProducts =
  (low: SimdName, high: SimdName): Emit =>
  (c, f) =>
    f.vd(() => {
      f.va();
      f.vb();
      c.simd(low);
      f.va();
      f.vb();
      c.simd(high);
      c.shuffle(HIGH_WORDS);
    });
const evenProducts =
  (op: SimdName): Emit =>
  (c, f) =>
    f.vd(() => {
      f.va();
      f.va();
      c.shuffle(EVEN_DWORDS);
      f.vb();
      f.vb();
      c.shuffle(EVEN_DWORDS);
      c.simd(op);
    });

/** PMADDUBSW: 16-bit products of unsigned by signed bytes are exact, only their sums saturate. */
const dot8: Emit = (c, f) =>
  f.vd(() => {
    f.va();
    c.v128(repeated([0xff, 0]));
    c.simd('v128_and');
    f.vb();
    c.i32(8);
    c.simd('i16x8_shl');
    c.i32(8);
    c.simd('i16x8_shr_s');
    c.simd('i16x8_mul');
    f.va();
    c.i32(8);
    c.simd('i16x8_shr_u');
    f.vb();
    c.i32(8);
    c.simd('i16x8_shr_s');
    c.simd('i16x8_mul');
    c.simd('i16x8_add_sat_s');
  });
const sumOfDifferences: Emit = (c, f) => {
  f.va();
  f.vb();
  c.simd('i8x16_sub_sat_u');
  f.vb();
  f.va();
  c.simd('i8x16_sub_sat_u');
  c.simd('v128_or');
  c.simd('i16x8_extadd_pairwise_i8x16_u');
  c.simd('i32x4_extadd_pairwise_i16x8_u');
  c.set(f.v);
  f.vd(() => {
    c.get(f.v);
    c.v128(repeated([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
    c.simd('v128_and');
    c.get(f.v);
    c.i32(32);
    c.simd('i64x2_shr_u');
    c.simd('i64x2_add');
  });
};
/** PMULHRSW does not saturate -1 x -1, which is the one product that WebAssembly's does. */
const roundedProducts: Emit = (c, f) =>
  f.vd(() => {
    f.va();
    f.vb();
    c.simd('i16x8_q15mulr_sat_s');
    f.va();
    f.vb();
    c.simd('v128_and');
    f.va();
    f.vb();
    c.simd('i16x8_eq');
    c.simd('v128_and');
    c.v128(repeated([0, 0x80]));
    c.simd('i16x8_eq');
    c.simd('v128_xor');
  });

const FPU_REGISTERS = VpLayout.at.fpuRegisters;
const mmAddress = (c: Code, f: Frame): void => {
  f.vp();
  f.immediateLo();
  c.i32(4);
  c.op('i32_shl');
  c.op('i32_add');
};

const raise = (c: Code, f: Frame, vector: () => void): void => {
  f.vp();
  vector();
  c.memory('i32_store', VpLayout.at.faultVector);
  f.vp();
  c.i32(0);
  c.memory('i32_store', VpLayout.at.faultError);
  f.leaveHere(Exit.FAULT);
};
/** #GP(0), whatever the segment, when the address is not a multiple of 16 (SDM 2A 2.4, exceptions type 1 and 4). */
const requireAligned = (c: Code, f: Frame): void => {
  f.a32();
  c.i32(15);
  c.op('i32_and');
  c.hint(false);
  c.if();
  raise(c, f, () => c.i32(GP | 0x100));
  c.op('end');
};
const load =
  (aligned: boolean): Emit =>
  (c, f) => {
    if (aligned) requireAligned(c, f);
    lookup(c, f, W128, TlbEntry.READ_TAG);
    c.hint(true);
    c.if(V128);
    hostAddress(c, f);
    c.load128(0);
    c.op('else');
    f.beforeSlow();
    pushGva(c, f);
    c.i32(W128);
    c.call(Helper.loadSlow);
    f.afterSlow();
    c.hint(false);
    c.if();
    f.leaveHere(Exit.FAULT);
    c.op('end');
    f.vp();
    c.load128(SCRATCH);
    c.op('end');
    c.set(f.v);
    f.vd(() => c.get(f.v));
  };
const store =
  (aligned: boolean): Emit =>
  (c, f) => {
    if (aligned) requireAligned(c, f);
    lookup(c, f, W128, TlbEntry.WRITE_TAG);
    c.hint(true);
    c.if();
    hostAddress(c, f);
    f.vb();
    c.store128(0);
    c.op('else');
    f.beforeSlow();
    f.vp();
    f.vb();
    c.store128(SCRATCH);
    pushGva(c, f);
    c.i32(W128);
    c.call(Helper.storeSlow);
    f.afterSlow();
    c.tee(f.entry);
    c.if();
    c.get(f.entry);
    c.i32(2);
    c.op('i32_eq');
    c.if();
    f.leaveHere(Exit.SELF_MODIFIED);
    c.op('end');
    f.leaveHere(Exit.FAULT);
    c.op('end');
    c.op('end');
  };

export const VECTOR_SEMANTICS: { readonly [K in keyof typeof VECTOR_MICRO_OPS]: Emit } = {
  usable: (c, f) => {
    const unusable = (): void => {
      f.vp();
      c.memory('i32_load', VpLayout.at.unusable);
    };
    unusable();
    f.immediateLo();
    f.immediateLo();
    c.i32(8);
    c.op('i32_shl');
    c.op('i32_or');
    c.op('i32_and');
    c.hint(false);
    c.if();
    raise(c, f, () => {
      c.i32(UD);
      c.i32(NM);
      unusable();
      f.immediateLo();
      c.op('i32_and');
      c.op('select');
    });
    c.op('end');
  },
  vmov: (_, f) => f.vd(f.va),
  vconst: (c, f) =>
    f.vd(() => {
      f.immediate();
      c.simd('i64x2_splat');
    }),
  vfrom64: (c, f) =>
    f.vd(() => {
      c.v128(ZEROS);
      f.a();
      c.lane('i64x2_replace', 0);
    }),
  vsplat8: splat('i8x16_splat', true),
  vsplat16: splat('i16x8_splat', true),
  vsplat32: splat('i32x4_splat', true),
  vsplat64: splat('i64x2_splat', false),
  vgetl: half(0),
  vgeth: half(1),
  vputl: put(0),
  vputh: put(1),
  vld128: load(false),
  vld128a: load(true),
  vst128: store(false),
  vst128a: store(true),
  vshuf16: (_, f) => f.vd(() => f.pickLanes(2)),
  vshuf32: (_, f) => f.vd(() => f.pickLanes(4)),
  valign: (_, f) => f.vd(() => f.pickBytes()),
  vzipl8: shuffle(range((i) => (i >> 1) + (i & 1) * 16)),
  vziph8: shuffle(range((i) => (i >> 1) + 8 + (i & 1) * 16)),
  vpick8: (c, f) =>
    f.vd(() => {
      f.va();
      f.vb();
      c.v128(repeated([0x8f]));
      c.simd('v128_and');
      c.simd('i8x16_swizzle');
    }),
  vand: binary('v128_and'),
  vor: binary('v128_or'),
  vxor: binary('v128_xor'),
  vandn: (c, f) =>
    f.vd(() => {
      f.vb();
      f.va();
      c.simd('v128_andnot');
    }),
  vselect: (c, f) =>
    f.vd(() => {
      f.va();
      f.vb();
      f.vc();
      c.simd('v128_bitselect');
    }),
  vany: mask('v128_any_true'),
  vmask8: mask('i8x16_bitmask'),
  vmask32: mask('i32x4_bitmask'),
  vmask64: mask('i64x2_bitmask'),
  vadd8: binary('i8x16_add'),
  vadd16: binary('i16x8_add'),
  vadd32: binary('i32x4_add'),
  vadd64: binary('i64x2_add'),
  vsub8: binary('i8x16_sub'),
  vsub16: binary('i16x8_sub'),
  vsub32: binary('i32x4_sub'),
  vsub64: binary('i64x2_sub'),
  vaddsat8s: binary('i8x16_add_sat_s'),
  vaddsat8u: binary('i8x16_add_sat_u'),
  vaddsat16s: binary('i16x8_add_sat_s'),
  vaddsat16u: binary('i16x8_add_sat_u'),
  vsubsat8s: binary('i8x16_sub_sat_s'),
  vsubsat8u: binary('i8x16_sub_sat_u'),
  vsubsat16s: binary('i16x8_sub_sat_s'),
  vsubsat16u: binary('i16x8_sub_sat_u'),
  vmin8s: binary('i8x16_min_s'),
  vmin8u: binary('i8x16_min_u'),
  vmin16s: binary('i16x8_min_s'),
  vmin16u: binary('i16x8_min_u'),
  vmin32s: binary('i32x4_min_s'),
  vmin32u: binary('i32x4_min_u'),
  vmax8s: binary('i8x16_max_s'),
  vmax8u: binary('i8x16_max_u'),
  vmax16s: binary('i16x8_max_s'),
  vmax16u: binary('i16x8_max_u'),
  vmax32s: binary('i32x4_max_s'),
  vmax32u: binary('i32x4_max_u'),
  vavg8: binary('i8x16_avgr_u'),
  vavg16: binary('i16x8_avgr_u'),
  veq8: binary('i8x16_eq'),
  veq16: binary('i16x8_eq'),
  veq32: binary('i32x4_eq'),
  veq64: binary('i64x2_eq'),
  vgt8: binary('i8x16_gt_s'),
  vgt16: binary('i16x8_gt_s'),
  vgt32: binary('i32x4_gt_s'),
  vgt64: binary('i64x2_gt_s'),
  vabs8: unary('i8x16_abs'),
  vabs16: unary('i16x8_abs'),
  vabs32: unary('i32x4_abs'),
  vmul16: binary('i16x8_mul'),
  vmul32: binary('i32x4_mul'),
  vmulh16s: highProducts('i32x4_extmul_low_i16x8_s', 'i32x4_extmul_high_i16x8_s'),
  vmulh16u: highProducts('i32x4_extmul_low_i16x8_u', 'i32x4_extmul_high_i16x8_u'),
  vmulr16: roundedProducts,
  vmulw32s: evenProducts('i64x2_extmul_low_i32x4_s'),
  vmulw32u: evenProducts('i64x2_extmul_low_i32x4_u'),
  vdot16: binary('i32x4_dot_i16x8_s'),
  vdot8: dot8,
  vsad8: sumOfDifferences,
  vpack16s: binary('i8x16_narrow_i16x8_s'),
  vpack16u: binary('i8x16_narrow_i16x8_u'),
  vpack32s: binary('i16x8_narrow_i32x4_s'),
  vpack32u: binary('i16x8_narrow_i32x4_u'),
  vsx8: unary('i16x8_extend_low_i8x16_s'),
  vsx16: unary('i32x4_extend_low_i16x8_s'),
  vsx32: unary('i64x2_extend_low_i32x4_s'),
  vzx8: unary('i16x8_extend_low_i8x16_u'),
  vzx16: unary('i32x4_extend_low_i16x8_u'),
  vzx32: unary('i64x2_extend_low_i32x4_u'),
  vshl16: logicalShift('i16x8_shl', 16),
  vshl32: logicalShift('i32x4_shl', 32),
  vshl64: logicalShift('i64x2_shl', 64),
  vshr16: logicalShift('i16x8_shr_u', 16),
  vshr32: logicalShift('i32x4_shr_u', 32),
  vshr64: logicalShift('i64x2_shr_u', 64),
  vsar16: arithmeticShift('i16x8_shr_s', 16),
  vsar32: arithmeticShift('i32x4_shr_s', 32),
  mmget: (c, f) =>
    f.d(() => {
      mmAddress(c, f);
      c.memory('i64_load', FPU_REGISTERS);
    }),
  mmput: (c, f) => {
    mmAddress(c, f);
    f.a();
    c.memory('i64_store', FPU_REGISTERS);
    // Sign and exponent read as ones (SDM 1 9.6.2).
    mmAddress(c, f);
    c.i64s(0xffff);
    c.memory('i64_store', FPU_REGISTERS + 8);
  },
  mmenter: (c, f) => {
    f.vp();
    c.i32(0);
    c.memory('i32_store', VpLayout.at.fpuTop);
    f.vp();
    c.i32(0xff);
    c.memory('i32_store', VpLayout.at.fpuValid);
  },
  mmleave: (c, f) => {
    f.vp();
    c.i32(0);
    c.memory('i32_store', VpLayout.at.fpuTop);
    f.vp();
    c.i32(0);
    c.memory('i32_store', VpLayout.at.fpuValid);
  },
  vfloat: vectorFloat,
  vfloatg: vectorFloatToGeneral,
  vfloati: vectorFloatFromGeneral,
  vi32f64: unary('f64x2_convert_low_i32x4_s'),
  vputi32: (c, f) =>
    f.vd(() => {
      f.va();
      f.b();
      c.op('i32_wrap');
      c.op('f64_convert_i32_s');
      c.lane('f64x2_replace', 0);
    }),
};
