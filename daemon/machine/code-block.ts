// One translated block as the code cache keeps it: few fields, for most blocks are run once; what can be read off its records in the arena is.

import { Slot } from '../../shared/layout/vp.js';
import type { BlockTemplate } from '../translate/block-template.js';
import { BLOCK_HEADER_SIZE, BlockHeader, OBSERVED } from '../translate/emit/block-layout.js';
import type { SourceBlock } from '../translate/emit/region.js';
import { WRITES_D } from '../translate/liveness.js';
import { IMMEDIATE_FORM, OP_MASK, Op, RECORD_SIZE } from '../translate/micro-op.js';

/** A page that a block's unit reaches into beyond the block's own: linear page number, frame, version. */
export interface SpannedPage {
  readonly page: number;
  readonly gfn: number;
  readonly version: number;
}
const NO_SPAN: readonly SpannedPage[] = [];
const NO_TARGETS: readonly number[] = [];
/** A CALL's push stands so many records before its end at most. */
const PUSH_REACH = 8;

/**
 * Cold runs of a block before its region is compiled. What compiling a region costs is some thousand of its blocks' cold runs: a kernel's boot, which enters most of its code
 * some hundred times, takes two thirds of the time that it takes with 400, and loops do not notice.
 */
export const HOT_RUNS = 4000;

/** Runs that are left of a block which is not to be compiled. */
export const NEVER_HOT = 0x7fffffff;

export const Unit = {
  /** None yet. */
  NONE: -1,
  /** Never: V8 refused it, or the block crosses a page. */
  NEVER: -2,
} as const;

export class CodeBlock implements SourceBlock {
  readonly rip: number;
  readonly linear: number;
  /** Guest page frame of the first byte, -1 when it is not memory that can be watched. */
  readonly gfn: number;
  readonly modeKey: number;
  /** The page's version when its bytes were read. */
  version: number;
  /** Address in the arena. */
  readonly header: number;
  /** What it was copied from, if it was. */
  readonly template: BlockTemplate | undefined;
  /** Second page of an instruction that crosses, -1 otherwise, and its version when its bytes were read. */
  gfn2 = -1;
  version2 = 0;
  /** Table index of the unit that starts here, or Unit. */
  unit: number = Unit.NONE;
  /** Pages that the unit spans beyond the block's own. */
  span = NO_SPAN;
  /** The next one that begins in the same line of the page. */
  next: CodeBlock | undefined = undefined;
  readonly #i32: Int32Array;
  readonly #hotRuns: number;

  constructor(
    i32: Int32Array,
    hotRuns: number,
    rip: number,
    linear: number,
    gfn: number,
    modeKey: number,
    version: number,
    header: number,
    template?: BlockTemplate,
  ) {
    this.#i32 = i32;
    this.#hotRuns = hotRuns;
    this.rip = rip;
    this.linear = linear;
    this.gfn = gfn;
    this.modeKey = modeKey;
    this.version = version;
    this.header = header;
    this.template = template;
  }

  /** Whether the block's bytes or its unit's include some of the page. */
  reaches(gfn: number): boolean {
    if (gfn === this.gfn || gfn === this.gfn2) return true;
    for (const s of this.span) if (s.gfn === gfn) return true;
    return false;
  }

  #word(offset: number): number {
    return this.#i32[(this.header + offset) >>> 2];
  }
  get wide(): boolean {
    return (this.modeKey & 3) === 2;
  }
  get bytes(): number {
    return this.#word(BlockHeader.SIZES) >>> 16;
  }
  get instructions(): number {
    return this.#word(BlockHeader.INSTRUCTIONS);
  }
  get runs(): number {
    const left = this.#word(BlockHeader.RUNS);
    return left > this.#hotRuns ? this.#hotRuns : this.#hotRuns - left;
  }
  get records(): number {
    return this.header + BLOCK_HEADER_SIZE;
  }
  get count(): number {
    return this.#word(BlockHeader.SIZES) & 0xffff;
  }

  #record(index: number): number {
    return BLOCK_HEADER_SIZE + index * RECORD_SIZE;
  }
  #op(index: number): number {
    return this.#word(this.#record(index)) & 0xffff;
  }
  #wrap(rip: number): number {
    return (this.modeKey & 3) === 2 ? rip : rip >>> 0;
  }
  get targets(): readonly number[] {
    const last = this.count - 1;
    const lo = this.#word(this.#record(last) + 8);
    const hi = this.#word(this.#record(last) + 12);
    switch (this.#op(last)) {
      case Op.jump:
        return [hi * 4294967296 + (lo >>> 0)];
      case Op.branch:
        return [this.#wrap(this.rip + lo), this.#wrap(this.rip + hi)];
      default:
        return NO_TARGETS;
    }
  }
  get indirect(): boolean {
    return this.#op(this.count - 1) === Op.jumpr;
  }
  get observed(): readonly number[] {
    if (!this.indirect) return NO_TARGETS;
    const times = new Map<number, number>();
    for (let i = 0; i < OBSERVED; i++) {
      const at = this.#record(this.count) + i * 8;
      const rip = this.#word(at + 4) * 4294967296 + (this.#word(at) >>> 0);
      if (rip !== 0) times.set(rip, (times.get(rip) ?? 0) + 1);
    }
    return [...times.keys()].sort((a, b) => (times.get(b) ?? 0) - (times.get(a) ?? 0) || a - b);
  }
  /** A RET moves the stack pointer before it jumps, and is not a CALL. */
  get returns(): boolean {
    if (!this.indirect || this.returnRip >= 0) return false;
    const last = this.count - 1;
    const before = this.#record(last - 1);
    return (
      last > 0 &&
      ((this.#word(before) >>> 16) & 0xff) === Slot.RSP &&
      WRITES_D[this.#op(last - 1) & OP_MASK] === 1 &&
      this.#word(before + 4) >>> 16 === this.#word(this.#record(last) + 4) >>> 16
    );
  }
  /** A CALL stores its own end address: that is how it looks in micro-ops. */
  get returnRip(): number {
    const last = this.count - 1;
    const op = this.#op(last);
    if (op !== Op.jump && op !== Op.jumpr) return -1;
    const end = this.#wrap(this.rip + this.bytes);
    for (let i = last - 1; i >= Math.max(0, last - PUSH_REACH + 1); i--) {
      const before = this.#op(i);
      if (before < (Op.st8 | IMMEDIATE_FORM) || before > (Op.st64 | IMMEDIATE_FORM)) continue;
      if (this.#word(this.#record(i) + 8) === (end | 0)) return end;
    }
    return -1;
  }
}
