// What families hand to the builder and get from it.
import type { Width } from './micro-op.js';

/** A slot (>= 0) or a constant made by `constant` (< 0). */
export type Operand = number;

/** No operand; as a destination: a fresh temporary. */
export const NOWHERE: Operand = 0x7fff;

const WIDTH_BITS = [8, 16, 32, 64] as const;
export const bitsOf = (width: Width): number => WIDTH_BITS[width];

const HIGH = 4294967296;
/** Halves of a number that is exact. */
export const low = (n: number): number => n | 0;
export const high = (n: number): number => Math.floor(n / HIGH) | 0;
