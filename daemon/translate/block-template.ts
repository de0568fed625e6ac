// A translated block with holes: the records that all code has which differs from it only in 32-bit immediates, displacements, and where it stands.
// Why: generated code is made from patterns, patched code changes in its immediates; copying records is some ten times faster than decoding and translating.
// What may be left open is decided by the families as they go (constants.ts): all other bytes are compared.
import { bytesOf, wordsOf } from '../../shared/kit/saved.js';
import type { BlockBuilder } from './block-builder.js';
import { ORIGIN_MASK, ORIGIN_SHIFT, Origin, rangeOf } from './constants.js';
import { OP_MASK, Op } from './micro-op.js';
import { packRecords, RECORD_WORDS } from './records.js';
import type { TranslatedBlock } from './translate-block.js';

/** A private copy of code from an instruction on; `bytes` are those of `words` that are there. */
export interface CodeWindow {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
}

/** A hole: the record's word that its value goes to, its origin, and of a POSITION the distance from the block's RIP. */
const HOLE_FIELDS = 3;
const CANONICAL_LIMIT = 2 ** 47;
const HIGH = 4294967296;
/** Of the object, its arrays and its place in the table, on Node 20. */
const OVERHEAD_BYTES = 500;

/** RIPs of the block's jumps, calls and addresses relative to RIP, from the block's own: the extremes. */
interface Reach {
  least: number;
  most: number;
}

/** Whether none of them wraps round or leaves the block's half of the canonical addresses: elsewhere, distances are not all. */
const isInReach = (rip: number, { least, most }: Reach, wide: boolean): boolean =>
  rip < 0 ? rip + least >= -CANONICAL_LIMIT && rip + most < 0 : rip + least > 0 && rip + most < (wide ? CANONICAL_LIMIT : HIGH);

/** The builder's finished block goes to RIPs that far away. */
const reachOf = (builder: BlockBuilder): Reach => {
  const reach = { least: 0, most: 0 };
  const reaches = (distance: number): void => {
    if (distance < reach.least) reach.least = distance;
    if (distance > reach.most) reach.most = distance;
  };
  const { count, op, lo, hi, origin, blockRip } = builder;
  for (let i = 0; i < count; i++) {
    if (origin[i] === Origin.POSITION) reaches(hi[i] * HIGH + (lo[i] >>> 0) - blockRip);
    else if ((op[i] & OP_MASK) === Op.branch) {
      reaches(lo[i]);
      reaches(hi[i]);
    }
  }
  return reach;
};

/** What of the code's bytes decides about the block: words, and which bits of them count. */
export interface Shape {
  readonly words: Int32Array;
  readonly masks: Int32Array;
}

/** Snapshots (shared/kit/saved). Words as bytes. */
export interface TemplateSaved {
  /** Mode, bytes, instructions, records, size, length, reach: least, most. */
  readonly numbers: readonly number[];
  readonly indirect: boolean;
  readonly wide: boolean;
  readonly words: Uint8Array;
  readonly masks: Uint8Array;
  readonly records: Uint8Array;
  readonly open: readonly number[];
  readonly holes: readonly number[];
}

export class BlockTemplate {
  readonly modeKey: number;
  readonly bytes: number;
  readonly instructions: number;
  readonly count: number;
  /** Ends in an indirect jump. */
  readonly indirect: boolean;
  /** Bytes that it takes. */
  readonly size: number;
  /** The next one in its chain of the table. */
  next: BlockTemplate | undefined = undefined;
  readonly #shape: Shape;
  /** Bytes that must be there. */
  readonly #length: number;
  /** Offsets of the open values, each followed by the ranges that it may be in. */
  readonly #open: readonly number[];
  readonly #records: Int32Array;
  readonly #holes: readonly number[];
  readonly #reach: Reach;
  readonly #wide: boolean;

  private constructor({ numbers, indirect, wide, words, masks, records, open, holes }: TemplateSaved) {
    const [modeKey, bytes, instructions, count, size, length, least, most] = numbers;
    this.modeKey = modeKey;
    this.bytes = bytes;
    this.instructions = instructions;
    this.count = count;
    this.indirect = indirect;
    this.size = size;
    this.#shape = { words: wordsOf(words), masks: wordsOf(masks) };
    this.#length = length;
    this.#reach = { least, most };
    this.#wide = wide;
    this.#records = wordsOf(records);
    this.#open = open;
    this.#holes = holes;
  }

  /** Of the block just made, unless it cannot stand anywhere else. */
  static of(modeKey: number, builder: BlockBuilder, made: TranslatedBlock, shape: Shape, length: number): BlockTemplate | undefined {
    const reach = reachOf(builder);
    if (!isInReach(builder.blockRip, reach, builder.mode.bits === 64)) return undefined;
    const { constants, count, lo, hi, origin, blockRip } = builder;
    const records = new Int32Array(count * RECORD_WORDS);
    packRecords(builder, records, 0);
    const open: number[] = [];
    for (let n = 0; n < constants.openCount; n++) {
      const at = constants.open[n];
      if (constants.ranges[at] !== 0) open.push(at, constants.ranges[at]);
    }
    const holes: number[] = [];
    for (let i = 0; i < count; i++) {
      if (origin[i] === Origin.FIXED) continue;
      const distance = origin[i] === Origin.POSITION ? hi[i] * HIGH + (lo[i] >>> 0) - blockRip : 0;
      holes.push(i * RECORD_WORDS + 2, origin[i], distance);
    }
    const size = OVERHEAD_BYTES + 4 * records.length + 8 * (shape.words.length + open.length + holes.length);
    return new BlockTemplate({
      numbers: [modeKey, made.bytes, made.instructions, count, size, length, reach.least, reach.most],
      indirect: (builder.op[count - 1] & OP_MASK) === Op.jumpr,
      wide: builder.mode.bits === 64,
      words: bytesOf(shape.words),
      masks: bytesOf(shape.masks),
      records: bytesOf(records),
      open,
      holes,
    });
  }
  static restored(saved: TemplateSaved): BlockTemplate {
    return new BlockTemplate(saved);
  }

  /** Snapshots (shared/kit/saved). */
  get saved(): TemplateSaved {
    const { modeKey, bytes, instructions, count, indirect, size } = this;
    return {
      numbers: [modeKey, bytes, instructions, count, size, this.#length, this.#reach.least, this.#reach.most],
      indirect,
      wide: this.#wide,
      words: bytesOf(this.#shape.words),
      masks: bytesOf(this.#shape.masks),
      records: bytesOf(this.#records),
      open: this.#open,
      holes: this.#holes,
    };
  }

  /** Whether the code at RIP would be translated to these records. */
  fits(modeKey: number, code: CodeWindow, rip: number): boolean {
    if (this.modeKey !== modeKey) return false;
    const { words, masks } = this.#shape;
    const here = code.words;
    for (let i = 0; i < words.length; i++) if ((here[i] & masks[i]) !== words[i]) return false;
    if (code.bytes.length < this.#length) return false;
    const open = this.#open;
    for (let i = 0; i < open.length; i += 2) if ((rangeOf(valueAt(code.bytes, open[i])) & open[i + 1]) === 0) return false;
    return isInReach(rip, this.#reach, this.#wide);
  }

  /** Words of code that decide about it and are put into it. */
  get window(): number {
    return this.#shape.words.length;
  }

  /** Puts the code's values into records that were written for other code that fits, at the same RIP. */
  patch(to: Int32Array, from: number, code: CodeWindow): void {
    const holes = this.#holes;
    for (let i = 0; i < holes.length; i += HOLE_FIELDS) {
      const origin = holes[i + 1];
      if ((origin & ORIGIN_MASK) !== Origin.POSITION) this.#putValue(to, from + holes[i], origin, code);
    }
  }

  /** Writes the records for the code at RIP from the word on. */
  write(to: Int32Array, from: number, code: CodeWindow, rip: number): void {
    const records = this.#records;
    for (let i = 0; i < records.length; i++) to[from + i] = records[i];
    const holes = this.#holes;
    for (let i = 0; i < holes.length; i += HOLE_FIELDS) {
      const word = from + holes[i];
      const origin = holes[i + 1];
      const kind = origin & ORIGIN_MASK;
      if (kind === Origin.POSITION) {
        const position = rip + holes[i + 2];
        to[word] = position | 0;
        to[word + 1] = Math.floor(position / HIGH);
      } else this.#putValue(to, word, origin, code);
    }
  }
  #putValue(to: Int32Array, word: number, origin: number, code: CodeWindow): void {
    const value = valueAt(code.bytes, origin >>> ORIGIN_SHIFT);
    to[word] = value;
    if ((origin & ORIGIN_MASK) === Origin.SIGNED) to[word + 1] = value >> 31;
  }
}

const valueAt = (bytes: Uint8Array, at: number): number => bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
