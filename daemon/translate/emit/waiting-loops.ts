// Which loops of a region only wait: they read memory, and do nothing that the next time round would not do again as long as they read the same.
// Why a proof and no guess: a VP that is found in one may be taken off its processor, for nothing but another VP or a device can end the loop.
//
// A loop is proved to wait when
//   - it stores nothing, and asks the slow half for nothing but PAUSE;
//   - no register that it writes is read in it before it is written, in the same time round.
// Then all that an iteration computes follows from registers that the loop leaves alone and from what it loads: with the same loads the next one goes the same way
// and ends in the same state. A loop that counts, walks a list or looks at the time reads a register that the time before has written, or asks the slow half.
// Registers are looked at by parts: MOV AL, m keeps the rest of RAX, and that is no progress.
import type { Views } from '../../../shared/layout/struct.js';
import { SLOTS, Slot } from '../../../shared/layout/vp.js';
import { IMMEDIATE_FORM, MICRO_OP_NAMES, OP_MASK, Op, RECORD_SIZE, SysOp, sysOp } from '../micro-op.js';
import type { Region, SourceBlock } from './region.js';
import { IS_VECTOR, PRODUCES_FLAGS, SHAPES } from './semantics.js';

/** Parts of a slot: bits 7:0, 15:8, 63:16. */
const LOW = 1;
const SECOND = 2;
const HIGH = 4;
const ALL = LOW | SECOND | HIGH;

const table = (pattern: RegExp): Uint8Array => Uint8Array.from(MICRO_OP_NAMES, (name) => (pattern.test(name) ? 1 : 0));
/** They do something beside what they compute: store, run alone, or call what may. */
const ACTS = table(/^(st|ldw|xadd|xchg|aand|aor|axor|cas)(8|16|32|64)$|^(cpuid|buslock|call|skipif)$/);
const READS_FLAGS = table(/^(fget|fcarry|fo|fb|fz|fbe|fs|fp|fl|fle)$|^(finc|fdec|fauxif)(8|16|32|64)$|^fmerge$/);
const FLAGS = [Slot.FLAG_RESULT, Slot.FLAG_AUX];
/** The part that goes into d; the other parts are those of a. */
const INSERTS = new Map<number, { readonly into: number; readonly from: number }>([
  [Op.ins8, { into: LOW, from: LOW }],
  [Op.ins8h, { into: SECOND, from: LOW }],
  [Op.ins16, { into: LOW | SECOND, from: LOW | SECOND }],
]);
/** Micro-ops that look at parts of a only. */
const LOOKS_AT = new Map<number, number>([
  [Op.zx8, LOW],
  [Op.sx8, LOW],
  [Op.ext8h, SECOND],
  [Op.zx16, LOW | SECOND],
  [Op.sx16, LOW | SECOND],
]);

/** A set of parts of slots. */
class Parts {
  readonly #bits = new Uint8Array(SLOTS);
  has(slot: number): number {
    return this.#bits[slot];
  }
  add(slot: number, parts: number): void {
    this.#bits[slot] |= parts;
  }
  /** Adds those of `more` that are not in `without`; whether any was new. */
  addAll(more: Parts, without: Parts = NOTHING): boolean {
    let grown = false;
    for (let slot = 0; slot < SLOTS; slot++) {
      const parts = more.#bits[slot] & ~without.#bits[slot];
      if ((parts & ~this.#bits[slot]) !== 0) grown = true;
      this.#bits[slot] |= parts;
    }
    return grown;
  }
  meets(other: Parts): boolean {
    return this.#bits.some((parts, slot) => (parts & other.#bits[slot]) !== 0);
  }
}
const NOTHING = new Parts();

/** What a block reads before it writes it, and what it writes. */
interface Uses {
  readonly reads: Parts;
  readonly writes: Parts;
}
/** undefined: the block does something. */
const usesOf = (block: SourceBlock, { u8, u16, i32 }: Views): Uses | undefined => {
  const reads = new Parts();
  const writes = new Parts();
  const read = (slot: number, parts: number): void => reads.add(slot, parts & ~writes.has(slot));
  for (let i = 0, at = block.records; i < block.count; i++, at += RECORD_SIZE) {
    const form = u16[at >>> 1];
    const op = form & OP_MASK;
    if (IS_VECTOR[op] === 1 || ACTS[op] === 1 || (op === Op.sys && sysOp(i32[(at + 8) >>> 2]) !== SysOp.PAUSE)) return undefined;
    const shape = SHAPES[op];
    const d = u8[at + 2];
    const a = u8[at + 3];
    const insert = INSERTS.get(op);
    const keeps = insert !== undefined && d === a;
    if (shape.includes('a') && !keeps) read(a, insert === undefined ? (LOOKS_AT.get(op) ?? ALL) : ALL & ~insert.into);
    if (shape.includes('b') || (shape.includes('B') && (form & IMMEDIATE_FORM) === 0)) read(u8[at + 4], insert?.from ?? ALL);
    if (shape.includes('c')) read(u8[at + 8], ALL);
    if (READS_FLAGS[op] === 1) for (const slot of FLAGS) read(slot, ALL);
    if (shape.includes('d')) writes.add(d, keeps ? insert.into : ALL);
    if (PRODUCES_FLAGS[op] === 1) for (const slot of FLAGS) writes.add(slot, ALL);
  }
  return { reads, writes };
};

/** Blocks of the loop that goes back to the header from the given ones: those that lead there without the header. */
const blocksOf = (header: number, from: readonly number[], predecessors: readonly (readonly number[])[]): Set<number> => {
  const members = new Set([header]);
  const queue = [...from];
  for (let block = queue.pop(); block !== undefined; block = queue.pop()) {
    if (members.has(block)) continue;
    members.add(block);
    queue.push(...predecessors[block]);
  }
  return members;
};

const waits = (header: number, members: ReadonlySet<number>, graph: Region, uses: (block: number) => Uses | undefined): boolean => {
  const written = new Parts();
  // What is read from a block's start on, in this time round, before it is written.
  const exposed = new Map<number, Parts>();
  for (const member of members) {
    const of = uses(member);
    if (of === undefined) return false;
    written.addAll(of.writes);
    const reads = new Parts();
    reads.addAll(of.reads);
    exposed.set(member, reads);
  }
  for (let again = true; again; ) {
    again = false;
    for (const member of members)
      for (const to of graph.successors[member]) {
        if (to === header || !members.has(to)) continue;
        if (exposed.get(member)!.addAll(exposed.get(to)!, uses(member)!.writes)) again = true;
      }
  }
  return !exposed.get(header)!.meets(written);
};

/**
 * For each block that is the head of a loop which only waits, and in no other such loop: the blocks that go back to it in doing so. Others that go back to it have done
 * something (test and test-and-set: waits while the lock is taken, tries to take it, waits again).
 */
export const waitingLoops = (graph: Region, views: Views): readonly (ReadonlySet<number> | undefined)[] => {
  const found: (ReadonlySet<number> | undefined)[] = graph.blocks.map(() => undefined);
  if (!graph.loopHeader.includes(true)) return found;
  const predecessors: number[][] = graph.blocks.map(() => []);
  graph.successors.forEach((out, from) => {
    for (const to of out) if (to >= 0) predecessors[to].push(from);
  });
  const known = new Map<number, Uses | undefined>();
  const uses = (block: number): Uses | undefined => {
    if (!known.has(block)) known.set(block, usesOf(graph.blocks[block], views));
    return known.get(block);
  };
  const inside = new Set<number>();
  // Reverse post-order: outer loops come before those in them.
  graph.loopHeader.forEach((isHeader, header) => {
    if (!isHeader || inside.has(header)) return;
    let back: number[] = [];
    for (const from of predecessors[header].filter((one) => one >= header)) {
      const more = [...back, from];
      if (waits(header, blocksOf(header, more, predecessors), graph, uses)) back = more;
    }
    if (back.length === 0) return;
    found[header] = new Set(back);
    for (const member of blocksOf(header, back, predecessors)) inside.add(member);
  });
  return found;
};
