// Text fields of the layouts: UTF-8, ended by a zero byte.
import type { Views } from '../../shared/layout/struct.js';

export const readText = (views: Views, at: number, bytes: number): string => {
  // TextDecoder refuses shared memory: slice copies.
  const copy = views.u8.slice(at, at + bytes);
  const end = copy.indexOf(0);
  return new TextDecoder().decode(copy.subarray(0, end < 0 ? bytes : end));
};

export const writeText = (views: Views, at: number, bytes: number, text: string): void => {
  const encoded = new TextEncoder().encode(text).subarray(0, bytes - 1);
  views.u8.fill(0, at, at + bytes);
  views.u8.set(encoded, at);
};
