// Per-processor generation counters CTR[p] (US7788464B2): odd while LP p is inside a fill of the partition, so that an invalidation can wait for the fills it may race with.
// Why counters and not a lock: a fill pays two atomic additions to words of its own; only the rarer invalidation looks at the other LPs.
import { assert } from '../../shared/kit/assert.js';
import { generationAt } from '../../shared/layout/vtlb.js';
import type { SharedWords } from './shared-words.js';

export class GenerationCounters {
  readonly lp: number;
  readonly #words: SharedWords;
  readonly #own: number;
  /** Whether this LP is inside (counter odd). */
  inside = false;
  /** Waits for other LPs' fills, and the microseconds they took. */
  waits = 0;
  waitUs = 0;

  constructor(words: SharedWords, lp: number) {
    this.#words = words;
    this.lp = lp;
    this.#own = generationAt(lp);
  }

  /** Even to odd. From here until `leave` the LP owns every SPT it can reach, and must not wait for anything. */
  enter(): void {
    this.#words.add(this.#own, 1);
    this.inside = true;
  }

  leave(): void {
    this.inside = false;
    this.#words.add(this.#own, 1);
  }

  /** Makes this LP's earlier plain stores (the guest's, to its page tables) visible to all before any later load: an atomic addition is a full barrier. */
  fence(): void {
    this.#words.add(this.#own, 0);
  }

  /**
   * Returns when every fill that other LPs of the bit set had begun is over. Call after the guest's page-table write is globally visible (see
   * `fence`) and BEFORE clearing: a fill that begins later reads the new entry, one that began earlier has published by then.
   */
  waitForPendingFills(lpsLow: number, lpsHigh: number): void {
    assert(!this.inside, `LP ${this.lp} waits for fills inside a fill`);
    this.#waitWord(lpsLow, 0);
    if (lpsHigh !== 0) this.#waitWord(lpsHigh, 32);
  }

  #waitWord(lps: number, base: number): void {
    for (let rest = lps; rest !== 0; rest &= rest - 1) {
      const lp = base + 31 - Math.clz32(rest & -rest);
      if (lp === this.lp) continue;
      const seen = this.#words.load(generationAt(lp));
      if ((seen & 1) === 0) continue;
      const start = performance.now();
      this.#words.awaitChange(generationAt(lp), seen);
      this.waits++;
      this.waitUs += (performance.now() - start) * 1000;
    }
  }
}
