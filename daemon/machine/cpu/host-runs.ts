// String elements in host memory: copies, fills and compares of runs that lie inside one page on each side.
// Why: a page is looked up once for thousands of elements. Results are those of the element-by-element loop, also where the operands overlap.
import type { Views } from '../../../shared/layout/struct.js';
import type { Width } from '../../translate/micro-op.js';

/** Copies host memory, ranges that overlap included (Processor.copy). */
export type Copy = (to: number, from: number, bytes: number) => void;
/** Fills host memory with a byte (Processor.fill). */
export type Fill = (to: number, value: number, bytes: number) => void;

/** Copies forward, element by element of `1 << width` bytes: an overlap from below repeats the pattern between the operands. */
export const copyForward = (copy: Copy, from: number, to: number, bytes: number, width: Width): void => {
  const distance = to - from;
  if (distance <= 0 || distance >= bytes) {
    copy(to, from, bytes);
    return;
  }
  const size = 1 << width;
  if (distance < size) {
    for (let i = 0; i < bytes; i += size) copy(to + i, from + i, size);
    return;
  }
  // Everything between `from` and the last byte written has period `distance`: double it until it is long enough.
  let period = distance;
  for (let filled = 0; filled < bytes; period *= 2) {
    const length = Math.min(period, bytes - filled);
    copy(to + filled, from, length);
    filled += length;
  }
};

/**
 * Copies backward, element by element from the one at `from` and `to` down to lower addresses: an overlap from above repeats the pattern between the operands.
 * `bytes`: of all elements.
 */
export const copyBackward = (copy: Copy, from: number, to: number, bytes: number, width: Width): void => {
  const size = 1 << width;
  // Where the elements begin.
  const source = from + size - bytes;
  const target = to + size - bytes;
  const distance = from - to;
  if (distance <= 0 || distance >= bytes) {
    copy(target, source, bytes);
    return;
  }
  if (distance < size) {
    for (let i = 0; i < bytes; i += size) copy(to - i, from - i, size);
    return;
  }
  // Everything between the first byte written and the end of the source has period `distance`.
  const end = source + bytes;
  let period = distance;
  for (let filled = 0; filled < bytes; period *= 2) {
    const length = Math.min(period, bytes - filled);
    copy(target + bytes - filled - length, end - length, length);
    filled += length;
  }
};

/** What a run of elements is written with. */
export interface Writers {
  readonly views: Views;
  readonly copy: Copy;
  readonly fill: Fill;
}

/** Stores an element, given as halves, over and over. */
export const fillForward = (w: Writers, to: number, bytes: number, width: Width, lo: number, hi: number): void => {
  if (width === 3 && lo !== hi) {
    w.views.data.setUint32(to, lo, true);
    w.views.data.setUint32(to + 4, hi, true);
    copyForward(w.copy, to, to + 8, bytes - 8, 0);
    return;
  }
  const word = width === 0 ? Math.imul(lo & 0xff, 0x0101_0101) : width === 1 ? Math.imul(lo & 0xffff, 0x1_0001) : lo | 0;
  // Nearly all fills are with zeros.
  if (word === Math.imul(word & 0xff, 0x0101_0101)) w.fill(to, word & 0xff, bytes);
  else fillWord(w.views, to, bytes, word);
};
/** Fills with a doubleword that starts at `to`. By aligned doublewords: V8 fills shared memory element by element, and bytes take four times as long. */
const fillWord = ({ u8, u32 }: Views, to: number, bytes: number, word: number): void => {
  const end = to + bytes;
  const head = Math.min(-to & 3, bytes);
  for (let i = 0; i < head; i++) u8[to + i] = word >>> (8 * i);
  const turned = (word >>> (8 * head)) | (head === 0 ? 0 : word << (32 - 8 * head));
  const from = (to + head) >>> 2;
  const until = end >>> 2;
  if (from < until) u32.fill(turned, from, until);
  for (let at = Math.max(until * 4, to + head), i = 0; at + i < end; i++) u8[at + i] = turned >>> (8 * i);
};

/** Bits 31:0 of an element, unsigned. */
export const elementLo = (views: Views, at: number, width: Width): number =>
  width === 0 ? views.u8[at] : width === 1 ? views.data.getUint16(at, true) : views.data.getUint32(at, true);
/** Bits 63:32 of an element; 0 below 64 bits. */
export const elementHi = (views: Views, at: number, width: Width): number => (width === 3 ? views.data.getUint32(at + 4, true) : 0);

/** Index of the first of `count` element pairs whose equality is `wanted`, or `count`. */
export const findPair = (views: Views, a: number, b: number, count: number, width: Width, wanted: boolean): number => {
  if (width === 0) {
    const { u8 } = views;
    for (let i = 0; i < count; i++) if ((u8[a + i] === u8[b + i]) === wanted) return i;
    return count;
  }
  for (let i = 0; i < count; i++) {
    const at = i << width;
    const equal =
      elementLo(views, a + at, width) === elementLo(views, b + at, width) &&
      elementHi(views, a + at, width) === elementHi(views, b + at, width);
    if (equal === wanted) return i;
  }
  return count;
};
/** Index of the first of `count` elements whose equality with the value is `wanted`, or `count`. */
export const findValue = (views: Views, at: number, count: number, width: Width, lo: number, hi: number, wanted: boolean): number => {
  if (width === 0) {
    const { u8 } = views;
    for (let i = 0; i < count; i++) if ((u8[at + i] === lo) === wanted) return i;
    return count;
  }
  for (let i = 0; i < count; i++) {
    const equal = elementLo(views, at + (i << width), width) === lo && elementHi(views, at + (i << width), width) === hi;
    if (equal === wanted) return i;
  }
  return count;
};
