// What one LP's translated code takes, kept where root reads it: guest bytes, records, metadata, WebAssembly; and when it is too much.
import { CODE_COUNTS, type CodeCount, LpContextLayout } from '../../shared/layout/lp-context.js';
import type { Views } from '../../shared/layout/struct.js';

/** Bytes of WebAssembly that units may have together: V8 makes several times as much machine code of them. More is only reached by guests that make hot code without end. */
export const UNIT_BYTES_MAX = 16 << 20;
/** A CodeBlock on V8's heap, and a unit's instance, exports and table slot: measured on Node 20. */
const BLOCK_METADATA = 152;
const UNIT_METADATA = 1500;
/**
 * Optimised machine code for each byte of a unit: 2.13 to 2.19 in the bench guests (--trace-wasm-compilation-times on Node 20; baseline code, 2.7 to 3.4, goes when
 * optimised code has taken its place).
 */
const MACHINE_BYTES = 2.2;

const NUMBER = Object.fromEntries(CODE_COUNTS.map((name, i) => [name, i])) as Record<CodeCount, number>;
// By number, not by name: a block is counted for each translation.
const { blocks: BLOCKS, guestBytes: GUEST_BYTES, recordBytes: RECORD_BYTES, metadataBytes: METADATA_BYTES } = NUMBER;

export class CodeAccount {
  readonly #u32: Uint32Array;
  readonly #base: number;
  readonly #unitBytesMax: number;
  /** Size of each unit by its table index: a unit made again takes the place of the old one. */
  readonly #units: number[] = [];

  constructor(views: Views, context: number, unitBytesMax: number = UNIT_BYTES_MAX) {
    this.#u32 = views.u32;
    this.#unitBytesMax = unitBytesMax;
    this.#base = (context + LpContextLayout.at.codeCounts) >>> 2;
  }

  #add(name: CodeCount, n: number): void {
    this.#u32[this.#base + NUMBER[name]] += n;
  }

  block(guestBytes: number, recordBytes: number): void {
    const base = this.#base;
    const u32 = this.#u32;
    u32[base + BLOCKS]++;
    u32[base + GUEST_BYTES] += guestBytes;
    u32[base + RECORD_BYTES] += recordBytes;
    u32[base + METADATA_BYTES] += BLOCK_METADATA;
  }
  unit(index: number, bytes: number): void {
    const old = this.#units[index];
    if (old === undefined) {
      this.#add('units', 1);
      this.#add('metadataBytes', UNIT_METADATA);
    }
    this.#add('unitBytes', bytes - (old ?? 0));
    this.#add('machineBytes', Math.round(bytes * MACHINE_BYTES) - Math.round((old ?? 0) * MACHINE_BYTES));
    this.#units[index] = bytes;
  }
  /** Units are there again as the counts in memory say (a snapshot). */
  restore(unitBytes: readonly number[]): void {
    this.#units.splice(0, Number.POSITIVE_INFINITY, ...unitBytes);
  }
  /** Templates of blocks take so many bytes more, or less. */
  templates(bytes: number): void {
    this.#add('metadataBytes', bytes);
  }
  /** Units take as much as they may. */
  get isFull(): boolean {
    return this.#u32[this.#base + NUMBER.unitBytes] >= this.#unitBytesMax;
  }
  dropped(): void {
    this.#u32.fill(0, this.#base, this.#base + NUMBER.drops);
    this.#units.length = 0;
    this.#add('drops', 1);
  }
}
