// Which memory accesses of a unit look at a *recent page* before the TLB: one that such an access hit last (shared/layout/lp-context).
// Why: an address in it is ready for use one subtraction later, where the TLB takes a hash and two loads that wait for each other.
// It pays where an access mostly stays in its page: on the stack, and in loops so small that each of their accesses can have an entry of its own.
import { RECENT_READS, RECENT_WRITES, recentOffset } from '../../../shared/layout/lp-context.js';
import type { Views } from '../../../shared/layout/struct.js';
import { Slot } from '../../../shared/layout/vp.js';
import { WRITES_D } from '../liveness.js';
import { IMMEDIATE_FORM, MICRO_OP_NAMES, OP_MASK, Op, RECORD_SIZE } from '../micro-op.js';
import type { Region } from './region.js';

/** Accesses of a loop, those to the stack aside, beyond which none of them gets an entry. */
const LOOP_ACCESSES_MAX = 6;
/** Entries of addresses relative to RSP and RBP; the others come after them. */
const STACK_ENTRY = 0;
const FRAME_ENTRY = 1;
const FIRST_ENTRY = 2;

const matching = (pattern: RegExp): Uint8Array => Uint8Array.from(MICRO_OP_NAMES, (name) => (pattern.test(name) ? 1 : 0));
const READS = matching(/^ld(8|16|32|64)$/);
const WRITES = matching(/^(ldw|st)(8|16|32|64)$/);

/** By block, then by number of the record: offset of its entry from the TLB half, 0 = none. */
export type RecentPages = readonly (Uint16Array | undefined)[];

/** Blocks of each loop that has no other loop inside, by the loop's first block. */
const innermostLoops = (graph: Region): Set<number>[] => {
  const predecessors: number[][] = graph.blocks.map(() => []);
  graph.successors.forEach((out, from) => {
    for (const to of out) if (to >= 0) predecessors[to].push(from);
  });
  const loops = graph.blocks.flatMap((_, header) => {
    if (!graph.loopHeader[header]) return [];
    const inside = new Set([header]);
    const queue = predecessors[header].filter((from) => from >= header);
    for (let block = queue.pop(); block !== undefined; block = queue.pop()) {
      if (inside.has(block)) continue;
      inside.add(block);
      queue.push(...predecessors[block]);
    }
    return [inside];
  });
  return loops.filter((loop) => loops.every((other) => other === loop || [...other].some((block) => !loop.has(block))));
};

export const recentPages = (graph: Region, { u8, u16 }: Views): RecentPages => {
  const pages: (Uint16Array | undefined)[] = graph.blocks.map(() => undefined);
  const others: { block: number; record: number; write: boolean }[][] = graph.blocks.map(() => []);
  const assign = (block: number, record: number, write: boolean, entry: number): void => {
    const of = pages[block] ?? new Uint16Array(graph.blocks[block].count);
    pages[block] = of;
    of[record] = recentOffset(write, entry);
  };
  graph.blocks.forEach((block, i) => {
    // What each slot is a number further than.
    const base = new Uint8Array(Slot.READ_LIMIT).map((_, slot) => slot);
    for (let record = 0, at = block.records; record < block.count; record++, at += RECORD_SIZE) {
      const form = u16[at >>> 1];
      const op = form & OP_MASK;
      const a = u8[at + 3];
      const write = WRITES[op] === 1;
      if (write || READS[op] === 1) {
        if (base[a] === Slot.RSP) assign(i, record, write, STACK_ENTRY);
        else if (base[a] === Slot.RBP) assign(i, record, write, FRAME_ENTRY);
        else others[i].push({ block: i, record, write });
      }
      if (WRITES_D[op] !== 1) continue;
      const d = u8[at + 2];
      const moved = op === Op.mov || form === (Op.add32 | IMMEDIATE_FORM) || form === (Op.add64 | IMMEDIATE_FORM);
      base[d] = moved ? base[a] : d;
    }
  });
  let reads = FIRST_ENTRY;
  let writes = FIRST_ENTRY;
  for (const loop of innermostLoops(graph)) {
    const accesses = [...loop].flatMap((block) => others[block]);
    if (accesses.length > LOOP_ACCESSES_MAX) continue;
    for (const { block, record, write } of accesses) {
      if (write ? writes === RECENT_WRITES : reads === RECENT_READS) continue;
      assign(block, record, write, write ? writes++ : reads++);
    }
  }
  return pages;
};
