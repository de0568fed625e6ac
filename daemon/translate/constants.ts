// The constants of one block, and where their values come from: most of a block's micro-ops are the same for every value of a 32-bit immediate or displacement,
// and wherever the block stands. What was made from one can then be made again from other bytes without decoding them (block-template.ts).
// Why closed by default: a constant keeps its origin only on ways that do not look at its value; whoever looks makes the value part of what the block was made for.

/** Where a constant's value comes from: one of these, and for the first two the offset of the four bytes in the block, shifted. */
export const Origin = {
  /** From nowhere else: it is what it is. */
  FIXED: 0,
  /** Four bytes of the code, zero-extended. */
  UNSIGNED: 1,
  /** Four bytes of the code, sign-extended. */
  SIGNED: 2,
  /** RIP of the block plus a number. */
  POSITION: 3,
} as const;
export const ORIGIN_MASK = 3;
export const ORIGIN_SHIFT = 2;

/** Ranges of a value that micro-ops are chosen by: bits of a set. */
export const Range = { ZERO: 1, BYTE: 2, WORD: 4, LARGE: 8 } as const;
const NOT_ZERO = Range.BYTE | Range.WORD | Range.LARGE;
export const rangeOf = (value: number): number => {
  const unsigned = value >>> 0;
  return unsigned === 0 ? Range.ZERO : unsigned <= 0xff ? Range.BYTE : unsigned <= 0xffff ? Range.WORD : Range.LARGE;
};
/** The largest value of a range. */
export const largestOf = (range: number): number => (range === Range.BYTE ? 0xff : range === Range.WORD ? 0xffff : -1);

/** Offsets in a block are below this. */
const BLOCK_BYTES_MAX = 128;

export class Constants {
  /** The block is made for where it stands. */
  positionIsFixed = false;
  /** Offsets of the values that were met open, in `openCount` places, and by offset the set of ranges that the block's micro-ops hold for: empty = closed. */
  readonly open: Uint8Array = new Uint8Array(BLOCK_BYTES_MAX);
  openCount = 0;
  readonly ranges: Uint8Array = new Uint8Array(BLOCK_BYTES_MAX);

  #count = 0;
  readonly #lo: number[] = [];
  readonly #hi: number[] = [];
  readonly #origin: number[] = [];

  begin(positionIsFixed: boolean): void {
    this.#count = 0;
    this.openCount = 0;
    this.positionIsFixed = positionIsFixed;
  }

  /** An operand below 0. */
  add(lo: number, hi: number, origin: number): number {
    const n = this.#count++;
    this.#lo[n] = lo | 0;
    this.#hi[n] = hi | 0;
    this.#origin[n] = origin;
    return -n - 1;
  }
  /** Without closing it. */
  lo(x: number): number {
    return this.#lo[-x - 1];
  }
  hi(x: number): number {
    return this.#hi[-x - 1];
  }
  origin(x: number): number {
    return this.#origin[-x - 1];
  }

  /** Origin of a value that is the four bytes at the offset in the block. That of 0 is FIXED: too much depends on it. */
  originOf(value: number, at: number, signed: boolean): number {
    if (value === 0) return Origin.FIXED;
    let n = this.openCount - 1;
    while (n >= 0 && this.open[n] !== at) n--;
    if (n < 0) {
      this.open[this.openCount++] = at;
      this.ranges[at] = NOT_ZERO;
    }
    return (signed ? Origin.SIGNED : Origin.UNSIGNED) | (at << ORIGIN_SHIFT);
  }
  /** The block's micro-ops hold for values of the range. */
  narrow(origin: number, range: number): void {
    this.ranges[origin >>> ORIGIN_SHIFT] &= range;
  }
  /** The block's micro-ops hold for this value only. */
  close(x: number): void {
    const origin = this.#origin[-x - 1];
    if (origin === Origin.FIXED) return;
    if (origin === Origin.POSITION) this.positionIsFixed = true;
    else this.ranges[origin >>> ORIGIN_SHIFT] = 0;
  }
}
