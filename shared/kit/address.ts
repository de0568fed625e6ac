// Branded number types, so that a guest virtual address is never handed where a guest physical one is meant.
// A GVA is a JavaScript number holding the sign-extended 48-bit canonical address: exact in a double (SDM 1 3.3.7.1).

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** Guest virtual (linear) address, sign-extended canonical; for 16/32-bit guests 0..2^32-1. */
export type Gva = Branded<number, 'Gva'>;
/** Guest physical address, bytes, 0..2^52-1. */
export type Gpa = Branded<number, 'Gpa'>;
/** System physical address: a byte offset in the partition's memory, 0..2^32-1. */
export type Spa = Branded<number, 'Spa'>;
/** Index of a virtual processor in its partition, 0..63. */
export type VpIndex = Branded<number, 'VpIndex'>;
/** Index of a logical processor of the machine, 0..63. */
export type LpIndex = Branded<number, 'LpIndex'>;

export const gva = (n: number): Gva => n as Gva;
export const gpa = (n: number): Gpa => n as Gpa;
export const spa = (n: number): Spa => n as Spa;
export const vpIndex = (n: number): VpIndex => n as VpIndex;
export const lpIndex = (n: number): LpIndex => n as LpIndex;

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
