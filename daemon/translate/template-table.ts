// The templates of one LP's blocks, by the code that they fit. One is made when a shape of code is translated for the second time: most shapes come once.
import { bytesOf, wordsOf } from '../../shared/kit/saved.js';
import type { BlockBuilder } from './block-builder.js';
import { BlockTemplate, type CodeWindow, type Shape } from './block-template.js';
import type { TranslatedBlock } from './translate-block.js';

/** Guests choose the shapes: when there are so many, all are forgotten. */
const TEMPLATES_MAX = 1024;
const SEEN = 4096;
const CHAINS = 512;

export interface TemplateTableSaved {
  readonly seen: Uint8Array;
  /** Numbers of templates, chain by chain. */
  readonly byWord: readonly (readonly number[])[];
  readonly byByte: readonly (readonly number[])[];
  readonly count: number;
  readonly size: number;
}

export class TemplateTable {
  /** Of the shapes translated lately, by their low bits. */
  readonly #seen = new Int32Array(SEEN);
  /** By the first word of code where all of it counts; where it does not, by the first byte. */
  readonly #byWord: (BlockTemplate | undefined)[] = new Array(CHAINS).fill(undefined);
  readonly #byByte: (BlockTemplate | undefined)[] = new Array(256).fill(undefined);
  #count = 0;
  /** Bytes that they take. */
  size = 0;
  // Which bits of a shape's words count: filled anew for each.
  readonly #masks: Int32Array;
  readonly #maskBytes: Uint8Array;
  readonly #words: Int32Array;

  /** `windowBytes`: of a whole window of code. */
  constructor(windowBytes: number) {
    this.#masks = new Int32Array(windowBytes / 4);
    this.#maskBytes = new Uint8Array(this.#masks.buffer);
    this.#words = new Int32Array(this.#masks.length);
  }

  /** Snapshots (shared/kit/saved). Numbers given to templates here go on from those in `numbers`. */
  save(numbers: Map<BlockTemplate, number>): TemplateTableSaved {
    const chains = (heads: readonly (BlockTemplate | undefined)[]): number[][] =>
      heads.map((head) => {
        const chain: number[] = [];
        for (let t = head; t !== undefined; t = t.next) {
          if (!numbers.has(t)) numbers.set(t, numbers.size);
          chain.push(numbers.get(t) as number);
        }
        return chain;
      });
    return { seen: bytesOf(this.#seen), byWord: chains(this.#byWord), byByte: chains(this.#byByte), count: this.#count, size: this.size };
  }
  restore({ seen, byWord, byByte, count, size }: TemplateTableSaved, templates: readonly BlockTemplate[]): void {
    const link = (heads: (BlockTemplate | undefined)[], chains: readonly (readonly number[])[]): void =>
      heads.forEach((_, at) => {
        heads[at] = undefined;
        for (let i = chains[at].length - 1; i >= 0; i--) {
          const template = templates[chains[at][i]];
          template.next = heads[at];
          heads[at] = template;
        }
      });
    this.#seen.set(wordsOf(seen));
    link(this.#byWord, byWord);
    link(this.#byByte, byByte);
    this.#count = count;
    this.size = size;
  }

  find(modeKey: number, code: CodeWindow, rip: number): BlockTemplate | undefined {
    for (let t = this.#byWord[chainOf(code.words[0])]; t !== undefined; t = t.next) if (t.fits(modeKey, code, rip)) return t;
    for (let t = this.#byByte[code.bytes[0]]; t !== undefined; t = t.next) if (t.fits(modeKey, code, rip)) return t;
    return undefined;
  }

  /** A block was translated from the code, for no template fits: makes one if its shape has been seen before. */
  consider(modeKey: number, builder: BlockBuilder, made: TranslatedBlock, code: CodeWindow): void {
    const window = this.#maskBytes.length;
    // What ends because no more is read depends on all that is.
    if (builder.constants.positionIsFixed || made.crossesPage || (!made.complete && code.bytes.length < window)) return;
    const length = made.complete ? made.bytes : window;
    if (length > window) return;
    const shape = this.#shapeOf(builder, code, length);
    const hash = this.#hash(modeKey, builder, shape);
    const at = hash & (SEEN - 1);
    if (this.#seen[at] !== hash) {
      this.#seen[at] = hash;
      return;
    }
    const template = BlockTemplate.of(modeKey, builder, made, shape, length);
    if (template !== undefined) this.#add(template, shape);
  }

  #add(template: BlockTemplate, { words, masks }: Shape): void {
    if (this.#count === TEMPLATES_MAX) this.#clear();
    const [chains, at] = masks[0] === -1 ? [this.#byWord, chainOf(words[0])] : [this.#byByte, words[0] & 0xff];
    template.next = chains[at];
    chains[at] = template;
    this.#count++;
    this.size += template.size;
  }
  #clear(): void {
    this.#byWord.fill(undefined);
    this.#byByte.fill(undefined);
    this.#count = 0;
    this.size = 0;
  }

  /** In buffers that the next one takes. */
  #shapeOf({ constants }: BlockBuilder, code: CodeWindow, length: number): Shape {
    const count = (length + 3) >>> 2;
    const masks = this.#masks.subarray(0, count);
    const words = this.#words.subarray(0, count);
    masks.fill(-1);
    this.#maskBytes.fill(0, length, count * 4);
    for (let n = 0; n < constants.openCount; n++) {
      const at = constants.open[n];
      if (constants.ranges[at] !== 0) this.#maskBytes.fill(0, at, at + 4);
    }
    for (let i = 0; i < count; i++) words[i] = code.words[i] & masks[i];
    return { words, masks };
  }
  #hash(modeKey: number, { constants }: BlockBuilder, { words, masks }: Shape): number {
    let hash = modeKey + 1;
    for (let i = 0; i < words.length; i++) hash = Math.imul((hash ^ words[i]) + masks[i], 0x9e37_79b1) ^ (hash >>> 15);
    for (let n = 0; n < constants.openCount; n++) hash = Math.imul(hash ^ constants.ranges[constants.open[n]], 0x85eb_ca6b) ^ (hash >>> 13);
    return hash;
  }
}

const chainOf = (word: number): number => Math.imul(word, 0x9e37_79b1) >>> 23;
