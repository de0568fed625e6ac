// Where one LP's blocks are: headers and records one after the other, until there is no room and all are given up. At the end is the place of a block that is
// run once and not kept.
import { ARENA_SIZE, LpContextLayout } from '../../shared/layout/lp-context.js';
import type { Views } from '../../shared/layout/struct.js';
import type { BlockBuilder } from '../translate/block-builder.js';
import type { BlockTemplate, CodeWindow } from '../translate/block-template.js';
import { BLOCK_HEADER_SIZE, BlockHeader, OBSERVED } from '../translate/emit/block-layout.js';
import { Op, RECORD_SIZE } from '../translate/micro-op.js';
import { BUFFER_RECORDS } from '../translate/micro-op-buffer.js';
import { packRecords } from '../translate/records.js';

/** Of the block that is not kept: one instruction, whatever it is. */
const PASSING_SIZE = BLOCK_HEADER_SIZE + BUFFER_RECORDS * RECORD_SIZE + OBSERVED * 8;

export class BlockArena {
  readonly #i32: Int32Array;
  readonly #start: number;
  /** Where the next block goes. */
  next: number;

  constructor(views: Views, context: number) {
    this.#i32 = views.i32;
    this.#start = context + LpContextLayout.at.arena;
    this.next = this.#start;
  }

  /** Whether there is room for a block of so many records. */
  holds(records: number): boolean {
    return this.next + BLOCK_HEADER_SIZE + records * RECORD_SIZE + OBSERVED * 8 <= this.#start + ARENA_SIZE - PASSING_SIZE;
  }
  clear(): void {
    this.next = this.#start;
  }

  /** Writes the builder's finished block, for so many runs until it counts as hot; returns its address. */
  write(builder: BlockBuilder, runs: number, bytes: number, gfn: number): number {
    const header = this.#begin(builder.instructions, runs, builder.count, bytes, gfn);
    packRecords(builder, this.#i32, (header + BLOCK_HEADER_SIZE) >>> 2);
    this.#end(header, builder.count, builder.op[builder.count - 1] === Op.jumpr);
    return header;
  }
  /** As `write`, to the place of the block that is not kept: it holds until the next one. */
  writePassing(builder: BlockBuilder, runs: number, bytes: number, gfn: number): number {
    const { next } = this;
    this.next = this.#start + ARENA_SIZE - PASSING_SIZE;
    const header = this.write(builder, runs, bytes, gfn);
    this.next = next;
    return header;
  }
  /** As `write`, from a template that fits the code at RIP. */
  copy(template: BlockTemplate, code: CodeWindow, rip: number, runs: number, gfn: number): number {
    const header = this.#begin(template.instructions, runs, template.count, template.bytes, gfn);
    template.write(this.#i32, (header + BLOCK_HEADER_SIZE) >>> 2, code, rip);
    this.#end(header, template.count, template.indirect);
    return header;
  }

  #begin(instructions: number, runs: number, count: number, bytes: number, gfn: number): number {
    const header = this.next;
    const i32 = this.#i32;
    i32[(header + BlockHeader.INSTRUCTIONS) >>> 2] = instructions;
    i32[(header + BlockHeader.RUNS) >>> 2] = runs;
    i32[(header + BlockHeader.GFN) >>> 2] = gfn;
    i32[(header + BlockHeader.SIZES) >>> 2] = count | (bytes << 16);
    return header;
  }
  #end(header: number, count: number, indirect: boolean): void {
    this.next = header + BLOCK_HEADER_SIZE + count * RECORD_SIZE;
    if (!indirect) return;
    // Not `fill`: a call out of compiled code for so few words.
    const word = this.next >>> 2;
    for (let i = 0; i < OBSERVED * 2; i++) this.#i32[word + i] = 0;
    this.next += OBSERVED * 8;
  }
}
