// What every micro-op does, once: a function that emits its WebAssembly and asks a Frame for its operands.
// Used twice: frames that read a record make the handlers of the micro-op machine (cold tier); frames that name locals and constants inline it into units (hot tier).
import { LpContextLayout, TlbEntry } from '../../../shared/layout/lp-context.js';
import { Slot, VpLayout } from '../../../shared/layout/vp.js';
import { Exit, MICRO_OP_NAMES, MICRO_OPS, type MicroOpName } from '../micro-op.js';
import { answerCpuid } from './cpuid-answer.js';
import { type Emit, type Frame, Helper } from './frame.js';
import { hostAddress, keepRecent, lookup, pushGva, recentAddress, tryRecent } from './tlb-lookup.js';
import { VECTOR_SEMANTICS } from './vector-semantics.js';
import { type Code, I32, I64 } from './wasm.js';

const BITS = [8, 16, 32, 64] as const;
const LOAD = ['i32_load8_u', 'i32_load16_u', 'i32_load', 'i64_load'] as const;
const STORE = ['i32_store8', 'i32_store16', 'i32_store', 'i64_store'] as const;

const binary64 = (op: Parameters<Code['op']>[0]): Emit => (c, f) => f.d(() => { f.a(); f.b(); c.op(op); });
const binary32 = (op: Parameters<Code['op']>[0]): Emit => (c, f) =>
  f.d32(() => { f.a32(); f.b32(); c.op(op); });
const unary = (op: Parameters<Code['op']>[0]): Emit => (c, f) => f.d(() => { f.a(); c.op(op); });
/** Values without bits above 31 compare as unsigned 32-bit ones, signed or not. */
const compare = (op: Parameters<Code['op']>[0], unsigned: Parameters<Code['op']>[0]): Emit => (c, f) =>
  f.d32(() => {
    if (f.fits32('a') && f.fits32('b')) { f.a32(); f.b32(); c.op(unsigned); }
    else { f.a(); f.b(); c.op(op); }
  });
/** Of the operands' low 32 bits. */
const compare32 = (op: Parameters<Code['op']>[0]): Emit => (c, f) =>
  f.d32(() => { f.a32(); f.b32(); c.op(op); });
const mask = (bits: number): Emit => (c, f) => f.d32(() => { f.a32(); c.i32(bits); c.op('i32_and'); });
/** Bitwise: 32 bits are enough where no higher one can be set. */
const bitwise = (op64: Parameters<Code['op']>[0], op32: Parameters<Code['op']>[0], either: boolean): Emit => (c, f) => {
  const a = f.fits32('a');
  const b = f.fits32('b');
  if ((a && b) || (either && (a || b))) f.d32(() => { f.a32(); f.b32(); c.op(op32); });
  else f.d(() => { f.a(); f.b(); c.op(op64); });
};
/** Pushes i32: whether the operand is not 0, as it is, or as 0 or 1. */
export const pushTruth = (c: Code, f: Frame, operand: 'a' | 'c'): void => {
  if (f.fits32(operand)) { if (operand === 'a') f.a32(); else f.c32(); }
  else { if (operand === 'a') f.a(); else f.c(); c.op('i64_eqz'); c.op('i32_eqz'); }
};
/** d = (a & ~mask) | ((b << shift) & mask). */
const insert = (maskLo: number, shift: number): Emit => (c, f) => {
  if (f.fits32('a')) {
    f.d32(() => {
      f.a32(); c.i32(~maskLo); c.op('i32_and');
      f.b32(); if (shift) { c.i32(shift); c.op('i32_shl'); } c.i32(maskLo); c.op('i32_and');
      c.op('i32_or');
    });
    return;
  }
  f.d(() => {
    f.a(); c.i64(~maskLo, -1); c.op('i64_and');
    f.b(); if (shift) { c.i64s(shift); c.op('i64_shl'); } c.i64(maskLo, 0); c.op('i64_and');
    c.op('i64_or');
  });
};
const effective64 = (scale: number): Emit => (c, f) =>
  f.d(() => { f.a(); f.b(); if (scale) { c.i64s(scale); c.op('i64_shl'); } c.op('i64_add'); f.immediate(); c.op('i64_add'); });
const effective32 = (scale: number, mask = 0): Emit => (c, f) =>
  f.d32(() => {
    f.a32(); f.b32(); if (scale) { c.i32(scale); c.op('i32_shl'); } c.op('i32_add'); f.immediateLo(); c.op('i32_add');
    if (mask) { c.i32(mask); c.op('i32_and'); }
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
const flagValue = (push: Emit): Emit => (c, f) => f.d32(() => { push(c, f); c.op('i32_wrap'); });

const SCRATCH = Slot.SCRATCH * 8;

const load = (width: number, forWrite: boolean): Emit => (c, f) => {
  const wide = width === 3;
  const type = wide ? I64 : I32;
  const recent = f.recent() > 0;
  if (recent) {
    tryRecent(c, f, width);
    c.hint(true);
    c.if(type);
    recentAddress(c, f); c.memory(LOAD[width], 0);
    c.op('else');
  }
  lookup(c, f, width, forWrite ? TlbEntry.WRITE_TAG : TlbEntry.READ_TAG);
  c.hint(true);
  c.if(type);
  if (recent) keepRecent(c, f);
  hostAddress(c, f); c.memory(LOAD[width], 0);
  c.op('else');
  f.beforeSlow(); pushGva(c, f); c.i32(width | (forWrite ? 16 : 0)); c.call(Helper.loadSlow); f.afterSlow();
  c.hint(false); c.if(); f.leaveHere(Exit.FAULT); c.op('end');
  f.vp(); c.memory(wide ? 'i64_load' : 'i32_load', SCRATCH);
  c.op('end');
  if (recent) c.op('end');
  if (wide) { c.set(f.y); f.d(() => c.get(f.y)); }
  else { c.set(f.w); f.d32(() => c.get(f.w)); }
};
const store = (width: number): Emit => (c, f) => {
  const put = (): void => { if (width === 3) f.b(); else f.b32(); c.memory(STORE[width], 0); };
  const recent = f.recent() > 0;
  if (recent) {
    tryRecent(c, f, width);
    c.hint(true);
    c.if();
    recentAddress(c, f); put();
    c.op('else');
  }
  lookup(c, f, width, TlbEntry.WRITE_TAG);
  c.hint(true);
  c.if();
  if (recent) keepRecent(c, f);
  hostAddress(c, f); put();
  c.op('else');
  f.beforeSlow(); f.vp(); f.b(); c.memory('i64_store', SCRATCH);
  pushGva(c, f); c.i32(width); c.call(Helper.storeSlow); f.afterSlow(); c.tee(f.entry);
  c.hint(false);
  c.if();
  c.get(f.entry); c.i32(2); c.op('i32_eq'); c.if(); f.leaveHere(Exit.SELF_MODIFIED); c.op('end');
  f.leaveHere(Exit.FAULT);
  c.op('end');
  c.op('end');
  if (recent) c.op('end');
};
const atomic = (width: number, operate: (c: Code, f: Frame) => void): Emit => (c, f) => {
  if (width) {
    f.a32(); c.i32((1 << width) - 1); c.op('i32_and');
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
  mov: (_, f) => { if (f.fits32('a')) f.d32(f.a32); else f.d(f.a); },
  movi: (_, f) => { if (f.fits32('immediate')) f.d32(f.immediateLo); else f.d(f.immediate); },
  add64: binary64('i64_add'), sub64: binary64('i64_sub'), 
  and64: bitwise('i64_and', 'i32_and', true), or64: bitwise('i64_or', 'i32_or', false), xor64: bitwise('i64_xor', 'i32_xor', false),
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
  zx8: mask(0xff), zx16: mask(0xffff), zx32: (_, f) => f.d32(f.a32),
  sx8: unary('i64_extend8_s'), sx16: unary('i64_extend16_s'), sx32: unary('i64_extend32_s'),
  ins8: insert(0xff, 0), ins8h: insert(0xff00, 8), ins16: insert(0xffff, 0),
  ext8h: (c, f) => f.d32(() => { f.a32(); c.i32(8); c.op('i32_shr_u'); c.i32(0xff); c.op('i32_and'); }),
  eq: compare('i64_eq', 'i32_eq'), ne: compare('i64_ne', 'i32_ne'), ltu: compare('i64_lt_u', 'i32_lt_u'), leu: compare('i64_le_u', 'i32_le_u'),
  lts: compare('i64_lt_s', 'i32_lt_u'), les: compare('i64_le_s', 'i32_le_u'),
  eq32: compare32('i32_eq'), ne32: compare32('i32_ne'), ltu32: compare32('i32_lt_u'), leu32: compare32('i32_le_u'), lts32: compare32('i32_lt_s'), les32: compare32('i32_le_s'),
  select: (c, f) => {
    if (f.fits32('a') && f.fits32('b')) f.d32(() => { f.a32(); f.b32(); pushTruth(c, f, 'c'); c.op('select'); });
    else f.d(() => { f.a(); f.b(); pushTruth(c, f, 'c'); c.op('select'); });
  },
  clz64: unary('i64_clz'), ctz64: unary('i64_ctz'), popcnt64: unary('i64_popcnt'),
  bswap32: (c, f) => f.d32(() => {
    f.a32(); c.i32(0xff00ff); c.op('i32_and'); c.i32(8); c.op('i32_rotr');
    f.a32(); c.i32(8); c.op('i32_rotl'); c.i32(0xff00ff); c.op('i32_and');
    c.op('i32_or');
  }),
  bswap64: (c, f) => {
    // Swap bytes in pairs, then pairs in quads, then halves.
    f.a(); c.i64(0x00ff00ff, 0x00ff00ff); c.op('i64_and'); c.i64s(8); c.op('i64_shl'); f.a(); c.i64s(8); c.op('i64_shr_u'); c.i64(0x00ff00ff, 0x00ff00ff); c.op('i64_and'); c.op('i64_or'); c.set(f.x);
    c.get(f.x); c.i64(0xffff, 0xffff); c.op('i64_and'); c.i64s(16); c.op('i64_shl'); c.get(f.x); c.i64s(16); c.op('i64_shr_u'); c.i64(0xffff, 0xffff); c.op('i64_and'); c.op('i64_or'); c.set(f.x);
    f.d(() => { c.get(f.x); c.i64s(32); c.op('i64_rotl'); });
  },
  ea64s0: effective64(0), ea64s1: effective64(1), ea64s2: effective64(2), ea64s3: effective64(3),
  ea32s0: effective32(0), ea32s1: effective32(1), ea32s2: effective32(2), ea32s3: effective32(3), ea16: effective32(0, 0xffff),
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
    c.hint(false);
    c.if();
    f.a(); c.op('f64_convert_i64_s'); f.immediateLo(); c.call(Helper.segmentSlow);
    c.hint(false); c.if(); f.leaveHere(Exit.FAULT); c.op('end');
    c.op('end');
  },
  trapif: (c, f) => {
    pushTruth(c, f, 'a');
    c.hint(false);
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
  cpuid: answerCpuid,
  call: (c, f) => { f.callFunction(); c.set(f.y); f.d(() => c.get(f.y)); },
  raiseby: (c, f) => {
    pushTruth(c, f, 'a');
    c.hint(false);
    c.if();
    f.vp(); f.a32(); c.memory('i32_store', VpLayout.at.faultVector);
    f.leaveHere(Exit.FAULT);
    c.op('end');
  },
  skipif: (c, f) => { pushTruth(c, f, 'a'); c.if(); f.leaveAfter(); c.op('end'); },
  jump: (_, f) => f.jump(),
  jumpr: (_, f) => f.jumpTo(),
  branch: (_, f) => f.branch(),
};
/** Micro-ops whose name ends in the width. */
const byWidth: Record<string, (width: number) => Emit> = {
  fadd: (w) => arithmeticFlags(w, false), fsub: (w) => arithmeticFlags(w, true), flogic: logicFlags, fcmp: (w) => arithmeticFlags(w, true, false), fsum: (w) => arithmeticFlags(w, false, false), faux: givenFlags,
  fauxif: (w) => (c, f) => {
    pushTruth(c, f, 'c'); c.if(); givenFlags(w)(c, f); c.op('end');
  },
  finc: (w) => stepFlags(w, false), fdec: (w) => stepFlags(w, true),
  ld: (w) => load(w, false), ldw: (w) => load(w, true), st: store,
  xadd: modify('add'), xchg: modify('xchg'), aand: modify('and'), aor: modify('or'), axor: modify('xor'),
  cas: (w) => atomic(w, (c, f) => { f.c(); f.b(); c.atomic('cmpxchg', w); }),
  buslock: () => (_, f) => f.leaveHere(Exit.BUS_LOCK),
};

/** Sets FLAG_AUX to the carry that the producer's operands give, for those whose carry is that simple. */
export const pushCarryOf = (op: number): Emit | undefined => {
  const m = /^(fcmp|fsum|flogic)(8|16|32|64)$/.exec(MICRO_OP_NAMES[op]);
  if (!m) return undefined;
  const width = BITS.indexOf(Number(m[2]) as 8);
  return (c, f) => {
    const low = (push32: () => void): void => { push32(); if (width < 2) { c.i32((1 << BITS[width]) - 1); c.op('i32_and'); } };
    const sum = (): void => { f.a32(); f.b32(); c.op('i32_add'); };
    f.setSlot(Slot.FLAG_AUX, () => {
      if (m[1] === 'flogic') { c.i64s(0); return; }
      if (width < 3) { if (m[1] === 'fsum') low(sum); else low(f.a32); low(m[1] === 'fsum' ? f.a32 : f.b32); c.op('i32_lt_u'); }
      else { f.a(); if (m[1] === 'fsum') { f.b(); c.op('i64_add'); f.a(); } else f.b(); c.op('i64_lt_u'); }
      c.op('i64_extend_i32_u');
    });
  };
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
/** Works on operands of 64 bits. */
export const WIDE_FLAGS: Uint8Array = matching(/^f[a-z]+64$/);
export const CONTEXT = LpContextLayout.at;
