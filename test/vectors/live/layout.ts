// Where live cases stand: pages, segments, and what the data page holds before a case. harness/live.c has the same for the real processor.
import { CODE_PAGE, DATA_PAGE } from '../load.js';

export type Bits = 16 | 32 | 64;
export const BITS: readonly Bits[] = [64, 32, 16];

/** Bytes of code pages from CODE_PAGE on: readable, not writable, all INT3 but for the case's code. */
export const CODE_BYTES = 4 * 4096;
/** Offset of a single instruction in the code pages: room for branches both ways. */
export const ENTRY = 0x800;
export const WORDS = 512;
export const PAGES = 256;
/** CF PF AF ZF SF OF. */
export const ARITHMETIC_FLAGS = 0x8d5;
/** Flags that a case may set before it runs: the arithmetic ones and DF. */
export const INITIAL_FLAGS = 0xcd5;
/** FXSAVE image, then the upper halves of YMM0..15: as in harness/live.c. */
export const VECTOR_BYTES = 768;

export interface SegmentState {
  readonly selector: number;
  readonly base: number;
  readonly limit: number;
  /** As in the VP block: descriptor bits 8..23. */
  readonly access: number;
}
const FLAT: SegmentState = { selector: 0x2b, base: 0, limit: 0xffff_ffff, access: 0xc0f3 };
const NULL: SegmentState = { selector: 0, base: 0, limit: 0, access: 0x1_0000 };
const DATA_16: SegmentState = { selector: 0x0f, base: DATA_PAGE, limit: 0xffff, access: 0x00f3 };
/** A limit inside the page, and an expand-down segment: offsets from 0x400 on. */
const LIMITED: SegmentState = { selector: 0x17, base: DATA_PAGE + 0x100, limit: 0x9ff, access: 0x40f3 };
const EXPAND_DOWN: SegmentState = { selector: 0x1f, base: DATA_PAGE, limit: 0x3ff, access: 0x40f7 };

/** ES CS SS DS FS GS. */
export const SEGMENTS: Readonly<Record<Bits, readonly SegmentState[]>> = {
  64: [NULL, { selector: 0x33, base: 0, limit: 0xffff_ffff, access: 0xa0fb }, FLAT, NULL, NULL, { ...NULL, base: DATA_PAGE + 0x100 }],
  32: [FLAT, { selector: 0x23, base: 0, limit: 0xffff_ffff, access: 0xc0fb }, FLAT, FLAT, LIMITED, EXPAND_DOWN],
  16: [DATA_16, { selector: 0x07, base: CODE_PAGE, limit: 0xffff, access: 0x00fb }, DATA_16, DATA_16, LIMITED, EXPAND_DOWN],
};
/** Base that RIP counts from. */
export const codeBase = (bits: Bits): number => (bits === 16 ? 0 : CODE_PAGE);
/** RSP of the data page's byte at `offset`. */
export const stackAt = (bits: Bits, offset: number): number => (bits === 16 ? 0 : DATA_PAGE) + offset;

const EDGES = [
  0n,
  0xffff_ffff_ffff_ffffn,
  0x8000_0000_8000_0000n,
  0x7fff_ffff_7fff_ffffn,
  0x8000_0000_0000_0000n,
  0x3ff0_0000_0000_0000n,
  0x7ff0_0000_0000_0000n,
  0x7ff8_0000_0000_0001n,
  0xfff0_0000_0000_0001n,
  0x0000_0000_0000_0001n,
  0x3f80_0000_7f80_0000n,
  0xff80_0001_7fc0_0000n,
  0x0000_0001_0080_0000n,
  0x8080_8080_8080_8080n,
  0x7fff_8000_7fff_8000n,
  0xc3e0_0000_0000_0000n,
];
const made: (Int32Array | undefined)[] = new Array(PAGES);

/** Page `number` as 32-bit words: zeros, ones, one repeated value, or random words among edge values of integers and floating point. */
export const pageWords = (number: number): Int32Array => {
  const known = made[number];
  if (known !== undefined) return known;
  const words = new BigUint64Array(WORDS);
  let x = (Math.imul(number, 0x9e37_79b1) + 1) >>> 0;
  const next = (): number => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x;
  };
  for (let i = 0; i < WORDS; i++) {
    const first = next();
    const lo = (first ^ (first >>> 15)) >>> 0;
    const second = next();
    const hi = (second ^ (second >>> 13)) >>> 0;
    const random = (BigInt(hi) << 32n) | BigInt(lo);
    switch (number & 7) {
      case 0:
        break;
      case 1:
        words[i] = 0xffff_ffff_ffff_ffffn;
        break;
      case 2:
        words[i] = i > 0 ? words[0] : random;
        break;
      default:
        words[i] = ((second >>> 9) & 3) === 0 ? EDGES[(second >>> 12) & 15] : random;
    }
  }
  const page = new Int32Array(words.buffer);
  made[number] = page;
  return page;
};
