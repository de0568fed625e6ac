// Exact counts of retired instructions: each translated block counts its own executions (the `count` micro-op), and what a block did is multiplied out when its records are given up.
// Why not instruction by instruction: a counter a block costs a few host instructions, and nothing at all where nobody asked, because the micro-op is then not there.
//
// A block that is left in its middle (a fault, a slow half that asks to leave) has counted instructions that it did not retire: each such exit is noted with the
// block, which `count` has named in the LP context, and the first instruction that was not retired.
// A repeated string instruction counts once for each round of it, as it does on the LP's clock.
import { LpContextLayout } from '../../shared/layout/lp-context.js';
import type { Views } from '../../shared/layout/struct.js';
import { InstructionMix } from '../translate/decode/instruction-mix.js';

/** Bound of what is kept by address: a guest may make new code without end. What finds no room is counted under no address. */
export const COUNTED_BLOCKS_MAX = 1 << 16;

interface CountedBlock {
  readonly rip: number;
  readonly linear: number;
  readonly bits: 16 | 32 | 64;
  readonly bytes: Uint8Array;
  /** Exits from its middle: offset x 2 + 1 if the instruction at the offset was retired -> how often. */
  early: Map<number, number> | undefined;
}

/** A place in the guest's code: linear address of a block. */
export interface BlockTotals {
  readonly linear: number;
  executions: number;
  retired: number;
}

export class InstructionCount {
  readonly #views: Views;
  readonly #counted: number;
  readonly #mix = new InstructionMix();
  /** Blocks in the arena by the address of their `count` record. */
  readonly #blocks = new Map<number, CountedBlock>();
  readonly mnemonics = new Map<string, number>();
  readonly classes = new Map<string, number>();
  readonly byAddress = new Map<number, BlockTotals>();
  retired = 0;
  /** Retired in blocks that found no room in `byAddress`. */
  elsewhere = 0;
  /** Ways out of guest code by number (translate/micro-op, Exit). */
  readonly exits: Float64Array = new Float64Array(16);

  constructor(views: Views, context: number) {
    this.#views = views;
    this.#counted = (context + LpContextLayout.at.counted) >>> 2;
  }

  /** A block has been written to the arena; `record` is the address of its first record. */
  translated(record: number, rip: number, linear: number, bits: 16 | 32 | 64, bytes: Uint8Array): void {
    this.#blocks.set(record, { rip, linear, bits, bytes, early: undefined });
  }

  /** The block entered last was left at the instruction at RIP, which was retired or not. */
  left(rip: number, retired: boolean): void {
    const block = this.#blocks.get(this.#views.u32[this.#counted]);
    if (block === undefined) return;
    block.early ??= new Map();
    const key = (rip - block.rip) * 2 + (retired ? 1 : 0);
    block.early.set(key, (block.early.get(key) ?? 0) + 1);
  }

  /** Multiplies out what the blocks in the arena have counted, and forgets them: their records are about to be overwritten, or the run is over. */
  fold(): void {
    for (const [record, block] of this.#blocks) {
      const word = (record + 8) >>> 2;
      const executions = this.#views.u32[word + 1] * 4294967296 + this.#views.u32[word];
      if (executions > 0) this.#add(block, executions);
      this.#views.u32[word] = this.#views.u32[word + 1] = 0;
    }
    this.#blocks.clear();
  }

  #add(block: CountedBlock, executions: number): void {
    let retired = 0;
    for (const { offset, mnemonic, class: kind } of this.#mix.of(block.bits, block.bytes)) {
      let count = executions;
      for (const [key, times] of block.early ?? []) {
        const last = key >> 1;
        if (offset > last || (offset === last && (key & 1) === 0)) count -= times;
      }
      if (count === 0) continue;
      retired += count;
      this.mnemonics.set(mnemonic, (this.mnemonics.get(mnemonic) ?? 0) + count);
      this.classes.set(kind, (this.classes.get(kind) ?? 0) + count);
    }
    this.retired += retired;
    const totals = this.byAddress.get(block.linear);
    if (totals !== undefined) {
      totals.executions += executions;
      totals.retired += retired;
    } else if (this.byAddress.size < COUNTED_BLOCKS_MAX) this.byAddress.set(block.linear, { linear: block.linear, executions, retired });
    else this.elsewhere += retired;
  }
}
