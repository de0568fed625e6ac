// Walks of the hardware walker, for the vTLB's counters: it is hardware and counts for itself, so its counts are carried over now and then.
import type { HardwareWalker } from '../../machine/walker.js';
import { Counter, type VtlbCounting } from './counters.js';

/** Walks that have not been carried over yet. */
export interface WalkCountsSaved {
  readonly walksToCount: number;
  readonly remoteWalksToCount: number;
}

export class WalkCounts {
  readonly #walker: HardwareWalker;
  readonly #counting: VtlbCounting;
  // Of the walker's counts, what has been carried over.
  #walks = 0;
  #remoteWalks = 0;

  constructor(walker: HardwareWalker, counting: VtlbCounting) {
    this.#walker = walker;
    this.#counting = counting;
  }

  carryOver(): void {
    const { walks, remoteWalks } = this.#walker;
    this.#counting.add(Counter.walks, walks - this.#walks);
    this.#counting.add(Counter.remoteWalks, remoteWalks - this.#remoteWalks);
    this.#walks = walks;
    this.#remoteWalks = remoteWalks;
  }

  /** Snapshots (shared/kit/saved). */
  get saved(): WalkCountsSaved {
    const { walks, remoteWalks } = this.#walker;
    return { walksToCount: walks - this.#walks, remoteWalksToCount: remoteWalks - this.#remoteWalks };
  }
  set saved({ walksToCount, remoteWalksToCount }: WalkCountsSaved) {
    this.#walks = this.#walker.walks - walksToCount;
    this.#remoteWalks = this.#walker.remoteWalks - remoteWalksToCount;
  }
}
