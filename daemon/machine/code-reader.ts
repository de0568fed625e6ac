// Private copies of guest code, so that another processor's stores cannot change it while it is decoded. What is not RAM reads as ones.
// Why by words: a block's bytes are copied for each translation, and most blocks are translated more often than they are run.
import { PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import type { CodeWindow } from '../translate/block-template.js';
import type { CodeSource } from '../translate/decode/code-source.js';

/** Bytes read for one block: more than nearly all blocks take; longer ones are cut in two. A multiple of 4. */
export const FETCH_BYTES = 64;
/** Of the next page, for an instruction that goes on there. */
const FOLLOWING_BYTES = 14;

export class CodeReader implements CodeSource, CodeWindow {
  readonly #views: Views;
  readonly #fetchPage: (linear: number) => number;
  /** What was opened last, from its first byte on. */
  readonly words: Int32Array = new Int32Array(FETCH_BYTES / 4);
  readonly #window = new Uint8Array(this.words.buffer);
  #linear = 0;
  bytes: Uint8Array;

  constructor(views: Views, fetchPage: (linear: number) => number) {
    this.#views = views;
    this.#fetchPage = fetchPage;
    this.bytes = this.#window;
  }

  /** `bytes` are those from the linear address on, within its page; those of the next one only if the first instruction goes on there. Of so many words. */
  open(linear: number, gfn: number, count: number = FETCH_BYTES / 4): this {
    const offset = linear & 4095;
    this.#linear = linear;
    const { words } = this;
    this.bytes = offset <= 4096 - FETCH_BYTES ? this.#window : this.#window.subarray(0, 4096 - offset);
    if (gfn < 0) {
      words.fill(-1);
      return this;
    }
    const { i32 } = this.#views;
    const at = (PartitionMap.RAM + gfn * 4096 + offset) >>> 2;
    // Words behind the page are not looked at; behind the memory there are none, and they read as 0.
    if ((offset & 3) === 0) for (let i = 0; i < count; i++) words[i] = i32[at + i];
    else {
      const shift = (offset & 3) * 8;
      let word = i32[at];
      for (let i = 0; i < count; i++) {
        const next = i32[at + i + 1];
        words[i] = (word >>> shift) | (next << (32 - shift));
        word = next;
      }
    }
    return this;
  }

  following(): Uint8Array {
    const next = this.#linear - (this.#linear & 4095) + 4096;
    return this.copy(this.#fetchPage(next), 0, FOLLOWING_BYTES);
  }

  copy(gfn: number, from: number, bytes: number): Uint8Array {
    const at = PartitionMap.RAM + gfn * 4096 + from;
    return gfn < 0 ? new Uint8Array(bytes).fill(0xff) : this.#views.u8.slice(at, at + bytes);
  }
}
