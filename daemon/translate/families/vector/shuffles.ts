// Lanes put elsewhere: unpacks, packs, shuffles by immediate and by vector, blends, inserts and extracts, widening moves.
// References: SDM 2B, by mnemonic. Lane numbers of vshuf16 and vshuf32 run through both operands, four bits each.
import { Slot, VectorSlot } from '../../../../shared/layout/vp.js';
import type { Width } from '../../micro-op.js';
import type { VectorName } from '../../vector-builder.js';
import type { Families, InstructionContext } from '../instruction-context.js';
import {
  clearUpper,
  halfOf,
  immediate8,
  lanewise,
  source,
  target,
  unary,
  type VectorFamily,
  vectorFamilies,
  writeGeneral,
} from './form.js';

const one = (name: VectorName): VectorFamily => lanewise((x, a, b, d) => x.builder.vector(name, a, b, d));
const lanes = (name: 'vshuf16' | 'vshuf32', picked: number): VectorFamily =>
  lanewise((x, a, b, d) => x.builder.vector(name, a, b, d, picked | 0));
/** Lane numbers, lowest first, packed four bits each. */
const pack = (count: number, lane: (i: number) => number): number => {
  let packed = 0;
  for (let i = 0; i < count; i++) packed |= lane(i) << (4 * i);
  return packed;
};

/** PSHUFD: a dword of the source for each two bits of the immediate. */
const shuffleDwords: VectorFamily = unary((x, a, d, form) => {
  const i = immediate8(x, form);
  x.builder.vector(
    'vshuf32',
    a,
    a,
    d,
    pack(4, (n) => (i >> (2 * n)) & 3),
  );
});
const shuffleWords = (from: 0 | 4): VectorFamily =>
  unary((x, a, d, form) => {
    const i = immediate8(x, form);
    x.builder.vector(
      'vshuf16',
      a,
      a,
      d,
      pack(8, (n) => (n >= from && n < from + 4 ? from + ((i >> (2 * (n - from))) & 3) : n)),
    );
  });
const shuffleSingles: VectorFamily = lanewise((x, a, b, d, form) => {
  const i = immediate8(x, form);
  x.builder.vector(
    'vshuf32',
    a,
    b,
    d,
    pack(4, (n) => ((i >> (2 * n)) & 3) + (n < 2 ? 0 : 4)),
  );
});
/** SHUFPD and VPERMILPD take one bit for each double, of which a YMM register has four. */
const shuffleDoubles: VectorFamily = (x, form) => {
  const i = immediate8(x, form);
  const b = source(x, form, form.count - 1);
  const a = source(x, form, form.count - 2);
  for (let half = 0; half < form.halves; half++) {
    const low = ((i >> (2 * half)) & 1) * 2;
    const high = ((i >> (2 * half + 1)) & 1) * 2 + 4;
    x.builder.vector('vshuf32', a[half], b[half], target(x, half), low | ((low + 1) << 4) | (high << 8) | ((high + 1) << 12));
  }
  clearUpper(x, form, form.halves);
};

/** Blends by immediate: lanes of 16, 32 or 64 bits; `perHalf` bits of it belong to a half, 0 when all halves use the same. */
const blend =
  (name: 'vshuf16' | 'vshuf32', laneBits: 16 | 32 | 64, perHalf: number): VectorFamily =>
  (x, form) => {
    const i = immediate8(x, form);
    const b = source(x, form, form.count - 1);
    const a = source(x, form, form.count - 2);
    const count = name === 'vshuf16' ? 8 : 4;
    const span = laneBits === 64 ? 2 : 1;
    for (let half = 0; half < form.halves; half++) {
      const bits = i >> (perHalf * half);
      x.builder.vector(
        name,
        a[half],
        b[half],
        target(x, half),
        pack(count, (n) => n + ((bits >> Math.floor(n / span)) & 1 ? count : 0)),
      );
    }
    clearUpper(x, form, form.halves);
  };

/** Blends by the sign bits of a mask: XMM0 in legacy forms, the fourth operand with VEX. */
const blendBySign =
  (mask: (x: InstructionContext, m: number) => number): VectorFamily =>
  (x, form) => {
    const b = source(x, form, form.vex ? 2 : 1);
    const a = source(x, form, form.vex ? 1 : 0);
    for (let half = 0; half < form.halves; half++) {
      const m = mask(x, form.vex ? halfOf(x, 3, half) : VectorSlot.XMM);
      x.builder.vectorSelect(b[half], a[half], m, target(x, half));
    }
    clearUpper(x, form, form.halves);
  };
export const signsOf8 = (x: InstructionContext, m: number): number => x.builder.vector('vgt8', VectorSlot.ZERO, m);
export const signsOf32 = (x: InstructionContext, m: number): number => x.builder.vectorShift('vsar32', m, x.builder.constant(31));
export const signsOf64 = (x: InstructionContext, m: number): number => x.builder.vector('vgt64', VectorSlot.ZERO, m);

/** PALIGNR: bytes of first:second from the immediate on. */
const align: VectorFamily = lanewise((x, a, b, d, form) => {
  const from = immediate8(x, form);
  if (from >= 32) x.builder.vector('vmov', VectorSlot.ZERO, 0, d);
  else x.builder.vector('valign', b, a, d, from);
});

/** The general value of lane n, zero-extended. */
const extractLane = (x: InstructionContext, a: number, n: number, width: Width): number => {
  const { builder } = x;
  const at = n << (3 + width);
  const half = builder.fromVector(at < 64 ? 'vgetl' : 'vgeth', a);
  const shifted = (at & 63) === 0 ? half : builder.value('shr64', half, builder.constant(at & 63));
  return builder.slot(builder.zeroExtended(width, shifted));
};
const extract =
  (width: Width): VectorFamily =>
  (x, form) => {
    const n = immediate8(x, form) & ((16 >> width) - 1);
    if (x.isMemory(0)) {
      const address = x.address(1 << width, true);
      x.builder.store(width, address, extractLane(x, halfOf(x, 1, 0), n, width));
    } else writeGeneral(x, 0, extractLane(x, halfOf(x, 1, 0), n, width));
  };
const insert =
  (width: Width): VectorFamily =>
  (x, form) => {
    const { builder } = x;
    const n = immediate8(x, form) & ((16 >> width) - 1);
    const a = halfOf(x, form.count - 2, 0);
    const value = builder.zeroExtended(width, x.read(form.count - 1, width));
    const at = n << (3 + width);
    let whole = value;
    if (width !== 3) {
      const old = builder.fromVector(at < 64 ? 'vgetl' : 'vgeth', a);
      const ones = width === 2 ? 0xffff_ffff : (1 << (8 << width)) - 1;
      const turned = builder.value('rotr64', old, builder.constant(at & 63));
      const cleared = builder.value('and64', turned, builder.constant(-1 - ones));
      whole = builder.value('rotl64', builder.value('or64', cleared, value), builder.constant(at & 63));
    }
    builder.vectorPut(at < 64 ? 0 : 1, a, whole, target(x));
    clearUpper(x, form, 1);
  };
/** INSERTPS: lane of the source (memory: the only one) to a lane, then lanes cleared by the immediate's low bits. */
const insertSingle: VectorFamily = (x, form) => {
  const i = immediate8(x, form);
  const from = x.isMemory(form.count - 1) ? 0 : i >> 6;
  const [b] = source(x, form, form.count - 1);
  const to = (i >> 4) & 3;
  const whole = x.builder.vector(
    'vshuf32',
    halfOf(x, form.count - 2, 0),
    b,
    undefined,
    pack(4, (n) => (n === to ? 4 + from : n)),
  );
  x.builder.vector(
    'vshuf32',
    whole,
    VectorSlot.ZERO,
    target(x),
    pack(4, (n) => ((i >> n) & 1 ? 4 : n)),
  );
  clearUpper(x, form, 1);
};

/** PMOVSX, PMOVZX: the low lanes widened, in as many steps as it takes. A YMM result comes from up to 128 bits. */
const widen =
  (steps: readonly VectorName[]): VectorFamily =>
  (x, form) => {
    const { builder } = x;
    let value = source(x, form, 1)[0];
    for (const step of steps.slice(0, -1)) value = builder.vector(step, value);
    const last = steps[steps.length - 1];
    if (form.halves === 1) {
      builder.vector(last, value, 0, target(x));
      clearUpper(x, form, 1);
      return;
    }
    const high = builder.vector(last, builder.vector('valign', value, VectorSlot.ZERO, undefined, 8));
    builder.vector(last, value, 0, target(x));
    builder.vector('vmov', high, 0, target(x, 1));
  };

/** PTEST, VTESTPS, VTESTPD: ZF = no bit of a and b, CF = no bit of not a and b (sign bits only for the latter); the other flags are cleared. */
const test =
  (mask?: (x: InstructionContext, v: number) => number): VectorFamily =>
  (x, form) => {
    const { builder } = x;
    const b = source(x, form, 1);
    const a = source(x, form, 0);
    const any = (name: 'vand' | 'vandn'): number =>
      a
        .map((slot, half) => {
          const v = builder.vector(name, slot, b[half]);
          return builder.fromVector('vany', mask ? mask(x, v) : v);
        })
        .reduce((p, q) => builder.value('or64', p, q));
    const both = any('vand');
    const other = any('vandn');
    const zero = builder.value('shl64', builder.value('xor64', both, builder.constant(1)), builder.constant(6));
    builder.flags('set', 2, Slot.ZERO, Slot.ZERO, builder.value('or64', zero, builder.value('xor64', other, builder.constant(1))));
  };

export const vectorShuffleFamilies: Families = vectorFamilies({
  pshufb: one('vpick8'),
  punpcklbw: one('vzipl8'),
  punpckhbw: one('vziph8'),
  punpcklwd: lanes('vshuf16', 0xb3a29180),
  punpckhwd: lanes('vshuf16', 0xf7e6d5c4),
  punpckldq: lanes('vshuf32', 0x5140),
  punpckhdq: lanes('vshuf32', 0x7362),
  punpcklqdq: lanes('vshuf32', 0x5410),
  punpckhqdq: lanes('vshuf32', 0x7632),
  unpcklps: lanes('vshuf32', 0x5140),
  unpckhps: lanes('vshuf32', 0x7362),
  unpcklpd: lanes('vshuf32', 0x5410),
  unpckhpd: lanes('vshuf32', 0x7632),
  packsswb: one('vpack16s'),
  packuswb: one('vpack16u'),
  packssdw: one('vpack32s'),
  packusdw: one('vpack32u'),
  pshufd: shuffleDwords,
  pshuflw: shuffleWords(0),
  pshufhw: shuffleWords(4),
  shufps: shuffleSingles,
  shufpd: shuffleDoubles,
  palignr: align,
  blendps: blend('vshuf32', 32, 4),
  blendpd: blend('vshuf32', 64, 2),
  pblendw: blend('vshuf16', 16, 0),
  pblendd: blend('vshuf32', 32, 4),
  pblendvb: blendBySign(signsOf8),
  blendvps: blendBySign(signsOf32),
  blendvpd: blendBySign(signsOf64),
  pextrb: extract(0),
  pextrw: extract(1),
  pextrd: extract(2),
  pextrq: extract(3),
  extractps: extract(2),
  pinsrb: insert(0),
  pinsrw: insert(1),
  pinsrd: insert(2),
  pinsrq: insert(3),
  insertps: insertSingle,
  pmovsxbw: widen(['vsx8']),
  pmovsxbd: widen(['vsx8', 'vsx16']),
  pmovsxbq: widen(['vsx8', 'vsx16', 'vsx32']),
  pmovsxwd: widen(['vsx16']),
  pmovsxwq: widen(['vsx16', 'vsx32']),
  pmovsxdq: widen(['vsx32']),
  pmovzxbw: widen(['vzx8']),
  pmovzxbd: widen(['vzx8', 'vzx16']),
  pmovzxbq: widen(['vzx8', 'vzx16', 'vzx32']),
  pmovzxwd: widen(['vzx16']),
  pmovzxwq: widen(['vzx16', 'vzx32']),
  pmovzxdq: widen(['vzx32']),
  ptest: test(),
  testps: test(signsOf32),
  testpd: test(signsOf64),
});
