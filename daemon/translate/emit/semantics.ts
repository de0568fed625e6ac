// What every micro-op does, once: a function that emits its WebAssembly and asks a Frame for its operands.
// Used twice: frames that read a record make the handlers of the micro-op machine (cold tier); frames that name locals and constants inline it into units (hot tier).
import { LpContextLayout, TlbEntry } from '../../../shared/layout/lp-context.js';
import { Slot, VpLayout } from '../../../shared/layout/vp.js';
import { Exit, MICRO_OP_NAMES, MICRO_OPS, type MicroOpName } from '../micro-op.js';
import { type Emit, type Frame, Helper } from './frame.js';
import { hostAddress, lookup, pushGva } from './tlb-lookup.js';
import { VECTOR_SEMANTICS } from './vector-semantics.js';
import { type Code, I32, I64 } from './wasm.js';

const BITS = [8, 16, 32, 64] as const;
const LOAD = ['i64_load8_u', 'i64_load16_u', 'i64_load32_u', 'i64_load'] as const;
const STORE = ['i64_store8', 'i64_store16', 'i64_store32', 'i64_store'] as const;

const binary64 = (op: Parameters<Code['op']>[0]): Emit => (c, f) => f.d(() => { f.a(); f.b(); c.op(op); });
const binary32 = (op: Parameters<Code['op']>[0]): Emit => (c, f) =>
  f.d(() => { f.a(); c.op('i32_wrap'); f.b(); c.op('i32_wrap'); c.op(op); c.op('i64_extend_i32_u'); });
const unary = (op: Parameters<Code['op']>[0]): Emit => (c, f) => f.d(() => { f.a(); c.op(op); });
const compare = (op: Parameters<Code['op']>[0]): Emit => (c, f) => f.d(() => { f.a(); f.b(); c.op(op); c.op('i64_extend_i32_u'); });
/** Of the operands' low 32 bits. */
const compare32 = (op: Parameters<Code['op']>[0]): Emit => (c, f) =>
  f.d(() => { f.a(); c.op('i32_wrap'); f.b(); c.op('i32_wrap'); c.op(op); c.op('i64_extend_i32_u'); });
const mask = (lo: number, hi: number): Emit => (c, f) => f.d(() => { f.a(); c.i64(lo, hi); c.op('i64_and'); });
/** d = (a & ~mask) | ((b << shift) & mask). */
const insert = (maskLo: number, shift: number): Emit => (c, f) =>
  f.d(() => {
    f.a(); c.i64(~maskLo, -1); c.op('i64_and');
    f.b(); if (shift) { c.i64s(shift); c.op('i64_shl'); } c.i64(maskLo, 0); c.op('i64_and');
    c.op('i64_or');
  });
const effective = (scale: number, bits: 16 | 32 | 64): Emit => (c, f) =>
  f.d(() => {
    f.a(); f.b(); if (scale) { c.i64s(scale); c.op('i64_shl'); } c.op('i64_add'); f.immediate(); c.op('i64_add');
    if (bits === 32) { c.op('i32_wrap'); c.op('i64_extend_i32_u'); }
    if (bits === 16) { c.i64s(0xffff); c.op('i64_and'); }
  });

const umulh = (c: Code, f: Frame): void => {
  // (ah:al) x (bh:bl): carry of the low three partial products into the high one.
  const half = (push: () => void, high: boolean): void => { push(); if (high) { c.i64s(32); c.op('i64_shr_u'); } else { c.i64(-1, 0); c.op('i64_and'); } };
  half(f.a, false); half(f.b, false); c.op('i64_mul'); c.i64s(32); c.op('i64_shr_u');
  half(f.a, true); half(f.b, false); c.op('i64_mul'); c.op('i64_add'); c.set(f.x); // x = ah*bl + (al*bl >> 32)
  half(f.a, false); half(f.b, true); c.op('i64_mul'); half(() => c.get(f.x), false); c.op('i64_add'); c.i64s(32); c.op('i64_shr_u');
  half(f.a, true); half(f.b, true); c.op('i64_mul'); c.op('i64_add'); half(() => c.get(f.x), true); c.op('i64_add');
};

const signExtend = (c: Code, width: number): void => {
  if (width === 0) c.op('i64_extend8_s');
  else if (width === 1) c.op('i64_extend16_s');
  else if (width === 2) c.op('i64_extend32_s');
};

/** Flags of ADD/ADC (carry vector) and SUB/SBB/CMP (borrow vector): bit n of the vector is the carry out of bit n. */
const arithmeticFlags = (width: number, subtract: boolean, given = true): Emit => (c, f) => {
  const bits = BITS[width];
  if (!given) { f.a(); f.b(); c.op(subtract ? 'i64_sub' : 'i64_add'); c.set(f.z); }
  const result = given ? f.c : (): void => c.get(f.z);
  const invert = (push: () => void): void => { push(); c.i64s(-1); c.op('i64_xor'); };
  const a = (): void => (subtract ? invert(f.a) : f.a());
  a(); f.b(); c.op('i64_and');
  a(); f.b(); c.op('i64_or'); if (subtract) result(); else invert(result); c.op('i64_and');
  c.op('i64_or'); c.set(f.x);
  f.setSlot(Slot.FLAG_RESULT, () => { result(); signExtend(c, width); });
  f.setSlot(Slot.FLAG_AUX, () => {
    // CF = vector bit n-1
    c.get(f.x); c.i64s(bits - 1); c.op('i64_shr_u'); c.i64s(1); c.op('i64_and'); c.tee(f.y);
    // OF = bits n-1 and n-2 differ
    c.get(f.x); c.i64s(bits - 2); c.op('i64_shr_u'); c.get(f.y); c.op('i64_xor'); c.i64s(1); c.op('i64_and'); c.i64s(11); c.op('i64_shl'); c.op('i64_or');
    // AF = bit 3
    c.get(f.x); c.i64s(1); c.op('i64_shl'); c.i64s(0x10); c.op('i64_and'); c.op('i64_or');
  });
};
const logicFlags = (width: number): Emit => (c, f) => {
  f.setSlot(Slot.FLAG_RESULT, () => { f.a(); signExtend(c, width); });
  f.setSlot(Slot.FLAG_AUX, () => c.i64s(0));
};
const stepFlags = (width: number, decrement: boolean): Emit => (c, f) => {
  f.setSlot(Slot.FLAG_AUX, () => {
    f.slot(Slot.FLAG_AUX); c.i64s(1); c.op('i64_and');
    f.a(); c.i64s(15); c.op('i64_and'); c.i64s(decrement ? 15 : 0); c.op('i64_eq'); c.op('i64_extend_i32_u'); c.i64s(4); c.op('i64_shl'); c.op('i64_or');
    f.a();
    // Overflow: 0x80..0 after INC, 0x7f..f after DEC.
    if (width === 3) c.i64(decrement ? -1 : 0, decrement ? 0x7fffffff : 0x80000000);
    else if (width === 2) c.i64(decrement ? 0x7fffffff : 0x80000000 | 0, 0);
    else c.i64s(decrement ? (1 << (BITS[width] - 1)) - 1 : 1 << (BITS[width] - 1));
    c.op('i64_eq'); c.op('i64_extend_i32_u'); c.i64s(11); c.op('i64_shl'); c.op('i64_or');
  });
  f.setSlot(Slot.FLAG_RESULT, () => { f.a(); signExtend(c, width); });
};

const AUX_FLAGS = 0x811; // CF, AF, OF
const givenFlags = (width: number): Emit => (c, f) => {
  f.setSlot(Slot.FLAG_RESULT, () => { f.a(); signExtend(c, width); });
  f.setSlot(Slot.FLAG_AUX, () => { f.b(); c.i64s(AUX_FLAGS); c.op('i64_and'); });
};

// Flags as they are derived from FLAG_RESULT and FLAG_AUX; each pushes i64 0 or 1.
const auxBit = (bit: number): Emit => (c, f) => { f.slot(Slot.FLAG_AUX); if (bit) { c.i64s(bit); c.op('i64_shr_u'); } c.i64s(1); c.op('i64_and'); };
const pushCf = auxBit(0);
const pushOf = auxBit(11);
const pushZf: Emit = (c, f) => { f.slot(Slot.FLAG_RESULT); c.op('i64_eqz'); c.op('i64_extend_i32_u'); };
const pushSf: Emit = (c, f) => { f.slot(Slot.FLAG_RESULT); c.i64s(63); c.op('i64_shr_u'); auxBit(7)(c, f); c.op('i64_xor'); };
const pushPf: Emit = (c, f) => {
  f.slot(Slot.FLAG_RESULT); c.i64s(0xff); c.op('i64_and'); c.op('i64_popcnt'); auxBit(2)(c, f); c.op('i64_xor'); c.i64s(1); c.op('i64_xor'); c.i64s(1); c.op('i64_and');
};
const pushLess: Emit = (c, f) => { pushSf(c, f); pushOf(c, f); c.op('i64_xor'); };
const both = (...parts: Emit[]): Emit => (c, f) => parts.forEach((p, i) => { p(c, f); if (i) c.op('i64_or'); });
const flagValue = (push: Emit): Emit => (c, f) => f.d(() => push(c, f));

const SCRATCH = Slot.SCRATCH * 8;

const load = (width: number, forWrite: boolean): Emit => (c, f) => {
  lookup(c, f, width, forWrite ? TlbEntry.WRITE_TAG : TlbEntry.READ_TAG);
  c.hint(true);
  c.if(I64);
  hostAddress(c, f); c.memory(LOAD[width], 0);
  c.op('else');
  f.beforeSlow(); pushGva(c, f); c.i32(width | (forWrite ? 16 : 0)); c.call(Helper.loadSlow); f.afterSlow();
  c.hint(false); c.if(); f.leaveHere(Exit.FAULT); c.op('end');
  f.vp(); c.memory('i64_load', SCRATCH);
  c.op('end');
  c.set(f.y);
  f.d(() => c.get(f.y));
};
const store = (width: number): Emit => (c, f) => {
  lookup(c, f, width, TlbEntry.WRITE_TAG);
  c.hint(true);
  c.if();
  hostAddress(c, f); f.b(); c.memory(STORE[width], 0);
  c.op('else');
  f.beforeSlow(); f.vp(); f.b(); c.memory('i64_store', SCRATCH);
  pushGva(c, f); c.i32(width); c.call(Helper.storeSlow); f.afterSlow(); c.tee(f.entry);
  c.hint(false);
  c.if();
  c.get(f.entry); c.i32(2); c.op('i32_eq'); c.if(); f.leaveHere(Exit.SELF_MODIFIED); c.op('end');
  f.leaveHere(Exit.FAULT);
  c.op('end');
  c.op('end');
};
const atomic = (width: number, operate: (c: Code, f: Frame) => void): Emit => (c, f) => {
  if (width) {
    f.a(); c.op('i32_wrap'); c.i32((1 << width) - 1); c.op('i32_and');
    c.hint(false); c.if(); f.leaveHere(Exit.BUS_LOCK); c.op('end');
  }
  lookup(c, f, width, TlbEntry.WRITE_TAG);
  c.hint(true);
  c.if(I32);
  hostAddress(c, f);
  c.op('else');
  f.beforeSlow(); pushGva(c, f); c.i32(width); c.call(Helper.atomicSlow); f.afterSlow(); c.tee(f.entry);
  c.op('i32_eqz'); c.if(); f.leaveHere(Exit.FAULT); c.op('end');
  c.get(f.entry); c.i32(-1); c.op('i32_eq'); c.if(); f.leaveHere(Exit.BUS_LOCK); c.op('end');
  c.get(f.entry);
  c.op('end');
  operate(c, f);
  c.set(f.y);
  f.d(() => c.get(f.y));
};
const modify = (name: 'add' | 'xchg' | 'and' | 'or' | 'xor') => (width: number): Emit => atomic(width, (c, f) => { f.b(); c.atomic(name, width); });

const semantics: Partial<Record<MicroOpName, Emit>> = {
  ...VECTOR_SEMANTICS,
  mov: (_, f) => f.d(f.a),
  movi: (_, f) => f.d(f.immediate),
  add64: binary64('i64_add'), sub64: binary64('i64_sub'), and64: binary64('i64_and'), or64: binary64('i64_or'), xor64: binary64('i64_xor'),
  shl64: binary64('i64_shl'), shr64: binary64('i64_shr_u'), sar64: binary64('i64_shr_s'), rotl64: binary64('i64_rotl'), rotr64: binary64('i64_rotr'), mul64: binary64('i64_mul'),
  add32: binary32('i32_add'), sub32: binary32('i32_sub'), and32: binary32('i32_and'), or32: binary32('i32_or'), xor32: binary32('i32_xor'),
  shl32: binary32('i32_shl'), shr32: binary32('i32_shr_u'), sar32: binary32('i32_shr_s'), rotl32: binary32('i32_rotl'), rotr32: binary32('i32_rotr'), mul32: binary32('i32_mul'),
  umulh: (c, f) => { umulh(c, f); c.set(f.y); f.d(() => c.get(f.y)); },
  smulh: (c, f) => {
    umulh(c, f);
    f.a(); c.i64s(63); c.op('i64_shr_s'); f.b(); c.op('i64_and'); c.op('i64_sub');
    f.b(); c.i64s(63); c.op('i64_shr_s'); f.a(); c.op('i64_and'); c.op('i64_sub');
    c.set(f.y); f.d(() => c.get(f.y));
  },
  divu64: binary64('i64_div_u'), remu64: binary64('i64_rem_u'), divs64: binary64('i64_div_s'), rems64: binary64('i64_rem_s'),
  zx8: mask(0xff, 0), zx16: mask(0xffff, 0), zx32: mask(-1, 0),
  sx8: unary('i64_extend8_s'), sx16: unary('i64_extend16_s'), sx32: unary('i64_extend32_s'),
  ins8: insert(0xff, 0), ins8h: insert(0xff00, 8), ins16: insert(0xffff, 0),
  ext8h: (c, f) => f.d(() => { f.a(); c.i64s(8); c.op('i64_shr_u'); c.i64s(0xff); c.op('i64_and'); }),
  eq: compare('i64_eq'), ne: compare('i64_ne'), ltu: compare('i64_lt_u'), leu: compare('i64_le_u'), lts: compare('i64_lt_s'), les: compare('i64_le_s'),
  eq32: compare32('i32_eq'), ne32: compare32('i32_ne'), ltu32: compare32('i32_lt_u'), leu32: compare32('i32_le_u'), lts32: compare32('i32_lt_s'), les32: compare32('i32_le_s'),
  select: (c, f) => f.d(() => { f.a(); f.b(); f.c(); c.op('i64_eqz'); c.op('i32_eqz'); c.op('select'); }),
  clz64: unary('i64_clz'), ctz64: unary('i64_ctz'), popcnt64: unary('i64_popcnt'),
  bswap32: (c, f) => f.d(() => {
    f.a(); c.op('i32_wrap'); c.i32(0xff00ff); c.op('i32_and'); c.i32(8); c.op('i32_rotr');
    f.a(); c.op('i32_wrap'); c.i32(8); c.op('i32_rotl'); c.i32(0xff00ff); c.op('i32_and');
    c.op('i32_or'); c.op('i64_extend_i32_u');
  }),
  bswap64: (c, f) => {
    // Swap bytes in pairs, then pairs in quads, then halves.
    f.a(); c.i64(0x00ff00ff, 0x00ff00ff); c.op('i64_and'); c.i64s(8); c.op('i64_shl'); f.a(); c.i64s(8); c.op('i64_shr_u'); c.i64(0x00ff00ff, 0x00ff00ff); c.op('i64_and'); c.op('i64_or'); c.set(f.x);
    c.get(f.x); c.i64(0xffff, 0xffff); c.op('i64_and'); c.i64s(16); c.op('i64_shl'); c.get(f.x); c.i64s(16); c.op('i64_shr_u'); c.i64(0xffff, 0xffff); c.op('i64_and'); c.op('i64_or'); c.set(f.x);
    f.d(() => { c.get(f.x); c.i64s(32); c.op('i64_rotl'); });
  },
  ea64s0: effective(0, 64), ea64s1: effective(1, 64), ea64s2: effective(2, 64), ea64s3: effective(3, 64),
  ea32s0: effective(0, 32), ea32s1: effective(1, 32), ea32s2: effective(2, 32), ea32s3: effective(3, 32), ea16: effective(0, 16),
  fset: (c, f) => {
    f.setSlot(Slot.FLAG_AUX, () => {
      // PF delta = PF ^ ZF because the result below is 0 (even) when ZF, 1 (odd) otherwise; SF delta = SF.
      f.a(); c.i64s(0x895); c.op('i64_and'); f.a(); c.i64s(4); c.op('i64_shr_u'); c.i64s(4); c.op('i64_and'); c.op('i64_xor');
    });
    f.setSlot(Slot.FLAG_RESULT, () => { f.a(); c.i64s(6); c.op('i64_shr_u'); c.i64s(1); c.op('i64_and'); c.i64s(1); c.op('i64_xor'); });
  },
  fmerge: (c, f) => f.setSlot(Slot.FLAG_AUX, () => {
    f.slot(Slot.FLAG_AUX); f.b(); c.i64s(AUX_FLAGS); c.op('i64_and'); c.i64s(-1); c.op('i64_xor'); c.op('i64_and');
    f.a(); f.b(); c.op('i64_and'); c.i64s(AUX_FLAGS); c.op('i64_and'); c.op('i64_or');
  }),
  fget: (c, f) => f.d(() => {
    f.slot(Slot.FLAG_AUX); c.i64s(0x811); c.op('i64_and');
    pushPf(c, f); c.i64s(2); c.op('i64_shl'); c.op('i64_or');
    pushZf(c, f); c.i64s(6); c.op('i64_shl'); c.op('i64_or');
    pushSf(c, f); c.i64s(7); c.op('i64_shl'); c.op('i64_or');
  }),
  fcarry: flagValue(pushCf),
  fo: flagValue(pushOf), fb: flagValue(pushCf), fz: flagValue(pushZf), fbe: flagValue(both(pushCf, pushZf)), fs: flagValue(pushSf), fp: flagValue(pushPf),
  fl: flagValue(pushLess), fle: flagValue(both(pushLess, pushZf)),
  fence: (c) => c.fence(),
  segcheck: (c, f) => {
    // limit slot = READ_LIMIT + segment + 6 x write + 12 x execute
    f.a(); f.immediate(); c.i64s(16); c.op('i64_shr_u'); c.op('i64_add');
    f.vp(); f.immediateLo(); c.i32(15); c.op('i32_and'); f.immediateLo(); c.i32(8); c.op('i32_shr_u'); c.i32(3); c.op('i32_and'); c.i32(6); c.op('i32_mul'); c.op('i32_add'); c.i32(3); c.op('i32_shl'); c.op('i32_add');
    c.memory('i64_load', Slot.READ_LIMIT * 8);
    c.op('i64_gt_s');
    c.if();
    f.a(); c.op('f64_convert_i64_s'); f.immediateLo(); c.call(Helper.segmentSlow);
    c.hint(false); c.if(); f.leaveHere(Exit.FAULT); c.op('end');
    c.op('end');
  },
  trapif: (c, f) => {
    f.a(); c.op('i64_eqz'); c.op('i32_eqz');
    c.if();
    f.vp(); f.immediateLo(); c.i32(0xffff); c.op('i32_and'); c.memory('i32_store', VpLayout.at.faultVector);
    f.vp(); f.immediateLo(); c.i32(16); c.op('i32_shr_u'); c.memory('i32_store', VpLayout.at.faultError);
    f.leaveHere(Exit.FAULT);
    c.op('end');
  },
  count: (c, f) => {
    f.context(); f.record(); c.memory('i32_store', CONTEXT.counted);
    f.record(); f.record(); c.memory('i64_load', 8); c.i64s(1); c.op('i64_add'); c.memory('i64_store', 8);
  },
  sys: (_, f) => f.callSys(),
  call: (c, f) => { f.callFunction(); c.set(f.y); f.d(() => c.get(f.y)); },
  raiseby: (c, f) => {
    f.a(); c.op('i64_eqz'); c.op('i32_eqz');
    c.if();
    f.vp(); f.a(); c.op('i32_wrap'); c.memory('i32_store', VpLayout.at.faultVector);
    f.leaveHere(Exit.FAULT);
    c.op('end');
  },
  skipif: (c, f) => { f.a(); c.op('i64_eqz'); c.op('i32_eqz'); c.if(); f.leaveAfter(); c.op('end'); },
  jump: (_, f) => f.jump(),
  jumpr: (_, f) => f.jumpTo(),
  branch: (_, f) => f.branch(),
};
/** Micro-ops whose name ends in the width. */
const byWidth: Record<string, (width: number) => Emit> = {
  fadd: (w) => arithmeticFlags(w, false), fsub: (w) => arithmeticFlags(w, true), flogic: logicFlags, fcmp: (w) => arithmeticFlags(w, true, false), fsum: (w) => arithmeticFlags(w, false, false), faux: givenFlags,
  fauxif: (w) => (c, f) => {
    f.c(); c.op('i64_eqz'); c.op('i32_eqz'); c.if(); givenFlags(w)(c, f); c.op('end');
  },
  finc: (w) => stepFlags(w, false), fdec: (w) => stepFlags(w, true),
  ld: (w) => load(w, false), ldw: (w) => load(w, true), st: store,
  xadd: modify('add'), xchg: modify('xchg'), aand: modify('and'), aor: modify('or'), axor: modify('xor'),
  cas: (w) => atomic(w, (c, f) => { f.c(); f.b(); c.atomic('cmpxchg', w); }),
  buslock: () => (_, f) => f.leaveHere(Exit.BUS_LOCK),
};

const find = (name: MicroOpName): Emit | undefined => {
  const own = semantics[name];
  if (own) return own;
  if (name in byWidth) return byWidth[name](0);
  const m = /^([a-z]+)(8|16|32|64)$/.exec(name);
  return m && byWidth[m[1]] ? byWidth[m[1]](BITS.indexOf(Number(m[2]) as 8)) : undefined;
};
/** Emitters by op number. */
export const SEMANTICS: readonly Emit[] = MICRO_OP_NAMES.map((name) => {
  const emit = find(name);
  if (!emit) throw new TypeError(`micro-op ${name} has no semantics`);
  return emit;
});
/** Shapes by op number. */
export const SHAPES: readonly string[] = MICRO_OP_NAMES.map((name) => MICRO_OPS[name]);
/** Works on vector slots. */
export const IS_VECTOR: Uint8Array = Uint8Array.from(SHAPES, (shape) => (/[DXYZ]/.test(shape) ? 1 : 0));
const matching = (pattern: RegExp): Uint8Array => Uint8Array.from(MICRO_OP_NAMES, (name) => (pattern.test(name) ? 1 : 0));
/** Sets flags. */
export const PRODUCES_FLAGS: Uint8Array = matching(/^(fadd|fsub|flogic|finc|fdec|fcmp|fsum|faux|fauxif)(8|16|32|64)$|^fset$|^fmerge$/);
/** Sets all flags from its operands alone, or all but the carry (INC, DEC): a unit may put it off. */
export const DEFERRABLE: Uint8Array = matching(/^(fadd|fsub|flogic|finc|fdec|fcmp|fsum|faux)(8|16|32|64)$/);
/** Keeps some of the flags that were there. */
export const KEEPS_FLAGS: Uint8Array = matching(/^(finc|fdec|fauxif)(8|16|32|64)$|^fmerge$/);
export const CONTEXT = LpContextLayout.at;
