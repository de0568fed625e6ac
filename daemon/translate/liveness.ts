// What the builder knows of each micro-op's effects: which slots it reads and writes, how wide its result is, whether it may be left out.
// Why: families state flags and copies freely; one backward pass over the finished block drops those that nobody can see.
import { SLOTS, Slot, TEMPS, VECTOR_SLOTS, VECTOR_TEMPS, VectorSlot } from '../../shared/layout/vp.js';
import { IMMEDIATE_FORM, MICRO_OP_NAMES, MICRO_OPS, type MicroOpName, OP_MASK, Op } from './micro-op.js';
import type { MicroOps } from './micro-op-buffer.js';

const table = (f: (name: MicroOpName, shape: string) => boolean): Uint8Array =>
  Uint8Array.from(MICRO_OP_NAMES, (n) => (f(n, MICRO_OPS[n]) ? 1 : 0));

const MEMORY = /^(ldw?|st|xadd|xchg|aand|aor|axor|cas)(8|16|32|64)$|^v(ld|st)128a?$/;
const LEAVES = /^(vfloat|vfloatg|vfloati|segcheck|trapif|usable|raiseby|skipif|sys|cpuid|jump|jumpr|branch|buslock)$/;
const FLAG_READER = /^(fget|fcarry|fo|fb|fz|fbe|fs|fp|fl|fle)$/;
const FLAG_PRODUCER = /^(fadd|fsub|flogic|finc|fdec|fcmp|fsum|faux|fauxif)(8|16|32|64)$|^fset$|^fmerge$/;
const KEEPS_SOME_FLAGS = /^(finc|fdec|fauxif)(8|16|32|64)$|^fmerge$/;

/** 1 when the micro-op writes slot d. */
export const WRITES_D: Uint8Array = table((_, shape) => shape.startsWith('d'));
/** All that the backward pass asks, as bits by op number: it looks once for each micro-op. */
const Effect = {
  WRITES_D: 1,
  READS_A: 2,
  READS_B: 4,
  READS_C: 8,
  PRODUCES_FLAGS: 0x10,
  KEEPS_FLAGS: 0x20,
  /** Uses the flags, or may leave the block, where the flags must be exact. */
  NEEDS_FLAGS: 0x40,
  /** Only writes d: goes when nobody reads it. */
  PURE: 0x80,
  WRITES_VECTOR: 0x100,
  READS_VECTOR_A: 0x200,
  READS_VECTOR_B: 0x400,
  READS_VECTOR_C: 0x800,
} as const;
const READS_VECTORS = Effect.READS_VECTOR_A | Effect.READS_VECTOR_B | Effect.READS_VECTOR_C;
const EFFECTS = Uint16Array.from(MICRO_OP_NAMES, (n) => {
  const shape = MICRO_OPS[n];
  const memory = MEMORY.test(n);
  return (
    (shape.startsWith('d') ? Effect.WRITES_D : 0) |
    (shape.includes('a') ? Effect.READS_A : 0) |
    (/b/i.test(shape) ? Effect.READS_B : 0) |
    (shape.includes('c') ? Effect.READS_C : 0) |
    (FLAG_PRODUCER.test(n) ? Effect.PRODUCES_FLAGS : 0) |
    (KEEPS_SOME_FLAGS.test(n) ? Effect.KEEPS_FLAGS : 0) |
    (FLAG_READER.test(n) || memory || LEAVES.test(n) ? Effect.NEEDS_FLAGS : 0) |
    (/^d/i.test(shape) && !memory && !/^(call|vfloat[gi]?)$/.test(n) ? Effect.PURE : 0) |
    (shape.startsWith('D') ? Effect.WRITES_VECTOR : 0) |
    (shape.includes('X') ? Effect.READS_VECTOR_A : 0) |
    (shape.includes('Y') ? Effect.READS_VECTOR_B : 0) |
    (shape.includes('Z') ? Effect.READS_VECTOR_C : 0)
  );
});

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

/** Whether the width of the result depends on the operands' values. */
export const dependsOnOperands = (op: number): boolean => RESULT_BITS[op & OP_MASK] === 255;
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

/** Finds what nobody can see; one for each builder. */
export class DeadCode {
  // A slot is live when its word is the stamp of the block at hand: nothing has to be cleared for the next one.
  readonly #live = new Uint32Array(SLOTS);
  readonly #liveVectors = new Uint32Array(VECTOR_SLOTS);
  #stamp = 0;

  /**
   * Removes flag producers whose flags are replaced before anything can see them, and writes to temporaries that are not read again.
   * Registers are never dropped: any faulting micro-op may show them. One pass back, one forward. Returns the new count.
   */
  drop(ops: MicroOps): number {
    const live = this.#live;
    const stamp = this.#nextStamp();
    let flagsLive = true;
    let dropped = false;
    for (let i = ops.count - 1; i >= 0; i--) {
      const form = ops.op[i];
      const effects = EFFECTS[form & OP_MASK];
      if ((effects & Effect.PRODUCES_FLAGS) !== 0) {
        if (!flagsLive) {
          ops.op[i] = DROPPED;
          dropped = true;
          continue;
        }
        flagsLive = (effects & Effect.KEEPS_FLAGS) !== 0;
      } else if ((effects & Effect.WRITES_D) !== 0) {
        const d = ops.d[i];
        if (d >= Slot.TEMP && d < Slot.TEMP + TEMPS) {
          if (live[d] !== stamp && (effects & Effect.PURE) !== 0) {
            ops.op[i] = DROPPED;
            dropped = true;
            continue;
          }
          live[d] = 0;
        }
      } else if ((effects & Effect.WRITES_VECTOR) !== 0 && this.#vectorIsDead(ops.d[i], effects)) {
        ops.op[i] = DROPPED;
        dropped = true;
        continue;
      }
      if ((effects & Effect.NEEDS_FLAGS) !== 0) flagsLive = true;
      if ((effects & Effect.READS_A) !== 0) live[ops.a[i]] = stamp;
      if ((effects & Effect.READS_B) !== 0 && (form & IMMEDIATE_FORM) === 0) live[ops.b[i]] = stamp;
      if ((effects & Effect.READS_C) !== 0) live[ops.lo[i] & 0xff] = stamp;
      if ((effects & READS_VECTORS) !== 0) this.#readsVectors(ops, i, effects);
    }
    return dropped ? compact(ops) : ops.count;
  }

  #nextStamp(): number {
    if (this.#stamp === 0xffff_ffff) {
      this.#live.fill(0);
      this.#liveVectors.fill(0);
      this.#stamp = 0;
    }
    this.#stamp++;
    return this.#stamp;
  }
  /** The vector is written: whether in vain; before that nobody reads it. */
  #vectorIsDead(d: number, effects: number): boolean {
    if (d < VectorSlot.TEMP || d >= VectorSlot.TEMP + VECTOR_TEMPS) return false;
    if (this.#liveVectors[d] !== this.#stamp && (effects & Effect.PURE) !== 0) return true;
    this.#liveVectors[d] = 0;
    return false;
  }
  #readsVectors(ops: MicroOps, i: number, effects: number): void {
    const live = this.#liveVectors;
    if ((effects & Effect.READS_VECTOR_A) !== 0) live[ops.a[i]] = this.#stamp;
    if ((effects & Effect.READS_VECTOR_B) !== 0) live[ops.b[i]] = this.#stamp;
    if ((effects & Effect.READS_VECTOR_C) !== 0) live[ops.lo[i] & 0xff] = this.#stamp;
  }
}

const compact = (ops: MicroOps): number => {
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
  ops.origin[to] = ops.origin[from];
};
