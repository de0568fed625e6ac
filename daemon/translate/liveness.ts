// What the builder knows of each micro-op's effects: which slots it reads and writes, how wide its result is, whether it may be left out.
// Why: families state flags and copies freely; one backward pass over the finished block drops those that nobody can see.
import { Slot, TEMPS, VECTOR_TEMPS, VectorSlot } from '../../shared/layout/vp.js';
import type { MicroOps } from './block-builder.js';
import { IMMEDIATE_FORM, MICRO_OP_NAMES, MICRO_OPS, type MicroOpName, OP_MASK, Op } from './micro-op.js';

const table = (f: (name: MicroOpName, shape: string) => boolean): Uint8Array =>
  Uint8Array.from(MICRO_OP_NAMES, (n) => (f(n, MICRO_OPS[n]) ? 1 : 0));

const MEMORY = /^(ldw?|st|xadd|xchg|aand|aor|axor|cas)(8|16|32|64)$|^v(ld|st)128a?$/;
const LEAVES = /^(vfloat|vfloatg|vfloati|segcheck|trapif|usable|raiseby|skipif|sys|jump|jumpr|branch|buslock)$/;
const FLAG_READER = /^(fget|fcarry|fo|fb|fz|fbe|fs|fp|fl|fle)$/;
const FLAG_PRODUCER = /^(fadd|fsub|flogic|finc|fdec|fcmp|fsum|faux|fauxif)(8|16|32|64)$|^fset$|^fmerge$/;
const KEEPS_SOME_FLAGS = /^(finc|fdec|fauxif)(8|16|32|64)$|^fmerge$/;

/** 1 when the micro-op writes slot d. */
export const WRITES_D: Uint8Array = table((_, shape) => shape.startsWith('d'));
const WRITES_VECTOR = table((_, shape) => shape.startsWith('D'));
const READS_VECTOR_A = table((_, shape) => shape.includes('X'));
const READS_VECTOR_B = table((_, shape) => shape.includes('Y'));
const READS_VECTOR_C = table((_, shape) => shape.includes('Z'));
const READS_A = table((_, shape) => shape.includes('a'));
const READS_B = table((_, shape) => /b/i.test(shape));
const READS_C = table((_, shape) => shape.includes('c'));
const PRODUCES_FLAGS = table((n) => FLAG_PRODUCER.test(n));
const KEEPS_FLAGS = table((n) => KEEPS_SOME_FLAGS.test(n));
/** Uses the flags, or may leave the block, where the flags must be exact. */
const NEEDS_FLAGS = table((n) => FLAG_READER.test(n) || MEMORY.test(n) || LEAVES.test(n));
/** Only writes d: goes when nobody reads it. */
const PURE = table((n, shape) => /^d/i.test(shape) && !MEMORY.test(n) && !/^(call|vfloat[gi]?)$/.test(n));

/** Width of the result by op number: 0..64 bits that may be set; 255 = depends on the operands. */
const RESULT_BITS = Uint8Array.from(MICRO_OP_NAMES, (n) => {
  const m = /(8|16|32|64)$/.exec(n);
  const width = m ? Number(m[1]) : 64;
  if (/^(mov|movi|select|ins8|ins8h|ins16|and64|and32|or64|or32|xor64|xor32|shr64|shr32|zx\d+|divu64|remu64)$/.test(n)) return 255;
  if (/^(eq|ne|ltu|leu|lts|les)(32)?$|^(fcarry|fo|fb|fz|fbe|fs|fp|fl|fle)$/.test(n)) return 1;
  if (n === 'vany') return 1;
  if (n.startsWith('vmask')) return 16;
  if (/^(clz64|ctz64|popcnt64)$/.test(n)) return 7;
  if (n === 'fget') return 12;
  if (n === 'ext8h') return 8;
  if (n.startsWith('ea32')) return 32;
  if (n === 'ea16') return 16;
  if (n.startsWith('ea64') || n.startsWith('sx')) return 64;
  if (MEMORY.test(n) || /^(add|sub|shl|sar|rotl|rotr|mul|bswap)32$/.test(n)) return width;
  return 64;
});

const bitsOfConstant = (lo: number, hi: number): number => (hi !== 0 ? 64 - Math.clz32(hi) : 32 - Math.clz32(lo));

/** How many low bits of the result may be set, given those of the slots. */
export const resultBits = (bits: Uint8Array, op: number, a: number, b: number, lo: number, hi: number): number => {
  const fixed = RESULT_BITS[op & OP_MASK];
  if (fixed !== 255) return fixed;
  const immediate = (op & IMMEDIATE_FORM) !== 0;
  switch (op & OP_MASK) {
    case Op.movi:
      return bitsOfConstant(lo, hi);
    case Op.mov:
    case Op.divu64:
      return bits[a];
    case Op.remu64:
      return Math.min(bits[a], bits[b]);
    case Op.zx8:
      return Math.min(bits[a], 8);
    case Op.zx16:
      return Math.min(bits[a], 16);
    case Op.zx32:
      return Math.min(bits[a], 32);
    case Op.select:
      return Math.max(bits[a], bits[b]);
    case Op.ins8:
      return Math.max(bits[a], 8);
    case Op.ins8h:
    case Op.ins16:
      return Math.max(bits[a], 16);
    case Op.and64:
      return Math.min(bits[a], immediate ? bitsOfConstant(lo, hi) : bits[b]);
    case Op.and32:
      return Math.min(32, bits[a], immediate ? bitsOfConstant(lo, 0) : bits[b]);
    case Op.or64:
    case Op.xor64:
      return Math.max(bits[a], immediate ? bitsOfConstant(lo, hi) : bits[b]);
    case Op.or32:
    case Op.xor32:
      return Math.min(32, Math.max(bits[a], immediate ? bitsOfConstant(lo, 0) : bits[b]));
    case Op.shr64:
      return immediate ? Math.max(0, bits[a] - (lo & 63)) : bits[a];
    case Op.shr32:
      return immediate ? Math.max(0, Math.min(32, bits[a]) - (lo & 31)) : Math.min(32, bits[a]);
  }
  return 64;
};

const DROPPED = 0xffff;

/**
 * Removes flag producers whose flags are replaced before anything can see them, and writes to temporaries that are not read again.
 * Registers are never dropped: any faulting micro-op may show them. One pass back, one forward. Returns the new count.
 */
export const dropDead = (ops: MicroOps, live: Uint8Array, liveVectors: Uint8Array): number => {
  live.fill(0);
  liveVectors.fill(0);
  let flagsLive = true;
  let dropped = false;
  for (let i = ops.count - 1; i >= 0; i--) {
    const form = ops.op[i];
    const op = form & OP_MASK;
    const d = ops.d[i];
    if (PRODUCES_FLAGS[op] === 1) {
      if (!flagsLive) {
        ops.op[i] = DROPPED;
        dropped = true;
        continue;
      }
      flagsLive = KEEPS_FLAGS[op] === 1;
    } else if (WRITES_D[op] === 1) {
      if (d >= Slot.TEMP && d < Slot.TEMP + TEMPS) {
        if (live[d] === 0 && PURE[op] === 1) {
          ops.op[i] = DROPPED;
          dropped = true;
          continue;
        }
        live[d] = 0;
      }
    } else if (WRITES_VECTOR[op] === 1) {
      if (d >= VectorSlot.TEMP && d < VectorSlot.TEMP + VECTOR_TEMPS) {
        if (liveVectors[d] === 0 && PURE[op] === 1) {
          ops.op[i] = DROPPED;
          dropped = true;
          continue;
        }
        liveVectors[d] = 0;
      }
    }
    if (NEEDS_FLAGS[op] === 1) flagsLive = true;
    if (READS_A[op] === 1) live[ops.a[i]] = 1;
    if (READS_B[op] === 1 && (form & IMMEDIATE_FORM) === 0) live[ops.b[i]] = 1;
    if (READS_C[op] === 1) live[ops.lo[i] & 0xff] = 1;
    if (READS_VECTOR_A[op] === 1) liveVectors[ops.a[i]] = 1;
    if (READS_VECTOR_B[op] === 1) liveVectors[ops.b[i]] = 1;
    if (READS_VECTOR_C[op] === 1) liveVectors[ops.lo[i] & 0xff] = 1;
  }
  if (!dropped) return ops.count;
  let out = 0;
  for (let i = 0; i < ops.count; i++) {
    if (ops.op[i] === DROPPED) continue;
    if (out !== i) moveRecord(ops, i, out);
    out++;
  }
  return out;
};

const moveRecord = (ops: MicroOps, from: number, to: number): void => {
  ops.op[to] = ops.op[from];
  ops.d[to] = ops.d[from];
  ops.a[to] = ops.a[from];
  ops.b[to] = ops.b[from];
  ops.left[to] = ops.left[from];
  ops.ripOffset[to] = ops.ripOffset[from];
  ops.lo[to] = ops.lo[from];
  ops.hi[to] = ops.hi[from];
};
