// Stores to guest memory by neither a processor nor its page walks: devices, hypercalls and debuggers. Page tables made from the page are stale, translated code in it is void,
// and who monitors it wakes. One gate for all of them, so that none forgets a part.
import type { SharedWords } from '../machine/shared-words.js';
import { WatchedCode } from '../machine/watched-code.js';
import type { Monitors } from './monitors.js';
import type { Vtlb } from './vtlb/vtlb.js';

export interface StoreWatchers {
  readonly words: SharedWords;
  readonly monitors: Monitors;
  readonly vtlb: Pick<Vtlb, 'beginStore' | 'endStore'>;
  kickOtherLps(): void;
}

export class StoreGate {
  readonly #watchers: StoreWatchers;
  readonly #code: WatchedCode;

  constructor(watchers: StoreWatchers) {
    this.#watchers = watchers;
    this.#code = new WatchedCode(watchers.words);
  }

  /** The bytes, within the frame of partition memory, change between the two calls. Nothing may wait or throw in between. */
  begin(gfn: number, offset: number, bytes: number): void {
    // First, for it may wait; the other must not once it has begun.
    this.#watchers.vtlb.beginStore(gfn);
    if (this.#code.beginStore(gfn, offset, bytes)) this.#watchers.kickOtherLps();
  }
  end(gfn: number, offset: number, bytes: number): void {
    this.#code.endStore();
    this.#watchers.vtlb.endStore();
    this.#watchers.monitors.stored(gfn, offset, bytes);
  }
}
