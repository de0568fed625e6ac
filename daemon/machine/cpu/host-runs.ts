// String elements in host memory: copies, fills and compares of runs that lie inside one page on each side.
// Why: a page is looked up once for thousands of elements. Results are those of the element-by-element loop, also where the operands overlap.
import type { Views } from '../../../shared/layout/struct.js';
import type { Width } from '../../translate/micro-op.js';

/** Copies forward, element by element of `1 << width` bytes: an overlap from below repeats the pattern between the operands. */
export const copyForward = (u8: Uint8Array, from: number, to: number, bytes: number, width: Width): void => {
  const distance = to - from;
  if (distance <= 0 || distance >= bytes) {
    u8.copyWithin(to, from, from + bytes);
    return;
  }
  const size = 1 << width;
  if (distance < size) {
    for (let i = 0; i < bytes; i += size) u8.copyWithin(to + i, from + i, from + i + size);
    return;
  }
  // Everything between `from` and the last byte written has period `distance`: double it until it is long enough.
  let period = distance;
  for (let filled = 0; filled < bytes; period *= 2) {
    const length = Math.min(period, bytes - filled);
    u8.copyWithin(to + filled, from, from + length);
    filled += length;
  }
};

/** Stores an element, given as halves, over and over. */
export const fillForward = (views: Views, to: number, bytes: number, width: Width, lo: number, hi: number): void => {
  const { u8, data } = views;
  const byte = lo & 0xff;
  if (width === 0 || isUniform(width, lo, hi, byte)) {
    u8.fill(byte, to, to + bytes);
    return;
  }
  storeHalves(data, to, width, lo, hi);
  copyForward(u8, to, to + (1 << width), bytes - (1 << width), 0);
};
const isUniform = (width: Width, lo: number, hi: number, byte: number): boolean => {
  const word = Math.imul(byte, 0x0101_0101);
  if (width === 1) return ((lo ^ word) & 0xffff) === 0;
  return (lo | 0) === word && (width === 2 || (hi | 0) === word);
};
const storeHalves = (data: DataView, at: number, width: Width, lo: number, hi: number): void => {
  if (width === 1) data.setUint16(at, lo, true);
  else data.setUint32(at, lo, true);
  if (width === 3) data.setUint32(at + 4, hi, true);
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
