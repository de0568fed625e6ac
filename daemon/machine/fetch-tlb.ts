// The instruction TLB of one LP: which guest page frame code of a linear page is fetched from. Why: a fetch that has to walk costs as much as translating a block.
// An entry holds for one mode id of the code cache, which takes a new one at every flush: entries are cleared only when ids are used again.
import { bytesOf, doublesOf, wordsOf } from '../../shared/kit/saved.js';

const ENTRIES = 256;

export interface FetchTlbSaved {
  readonly pages: Uint8Array;
  readonly modeIds: Uint8Array;
  readonly frames: Uint8Array;
}

export class FetchTlb {
  readonly #pages = new Float64Array(ENTRIES).fill(Number.NaN);
  readonly #modeIds = new Int32Array(ENTRIES);
  readonly #frames = new Int32Array(ENTRIES);

  /** Snapshots (shared/kit/saved). */
  get saved(): FetchTlbSaved {
    return { pages: bytesOf(this.#pages), modeIds: bytesOf(this.#modeIds), frames: bytesOf(this.#frames) };
  }
  set saved({ pages, modeIds, frames }: FetchTlbSaved) {
    this.#pages.set(doublesOf(pages));
    this.#modeIds.set(wordsOf(modeIds));
    this.#frames.set(wordsOf(frames));
  }

  /** Guest page frame, or -1 when it is not known. */
  find(linear: number, modeId: number): number {
    const page = Math.floor(linear / 4096);
    const at = page & (ENTRIES - 1);
    return this.#pages[at] === page && this.#modeIds[at] === modeId ? this.#frames[at] : -1;
  }
  insert(linear: number, modeId: number, gfn: number): void {
    const page = Math.floor(linear / 4096);
    const at = page & (ENTRIES - 1);
    this.#pages[at] = page;
    this.#modeIds[at] = modeId;
    this.#frames[at] = gfn;
  }
  clear(): void {
    this.#pages.fill(Number.NaN);
  }
}
