// Micro-ops as records of four words (micro-op.ts has the drawing), as the micro-op machine reads them.
import type { MicroOps } from './micro-op-buffer.js';

export const RECORD_WORDS = 4;

/** Writes all of them from the word on. */
export const packRecords = (ops: MicroOps, to: Int32Array, from: number): void => {
  const { count, op, d, a, b, left, ripOffset, lo, hi } = ops;
  for (let i = 0, word = from; i < count; i++, word += RECORD_WORDS) {
    to[word] = op[i] | (d[i] << 16) | (a[i] << 24);
    to[word + 1] = b[i] | (left[i] << 8) | (ripOffset[i] << 16);
    to[word + 2] = lo[i];
    to[word + 3] = hi[i];
  }
};
