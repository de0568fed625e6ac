// A lock for each SPT (`vtlb.lock=fine`): the classic way to let fills of different tables go on side by side, as a measure for the generation counters.
// Why counters as well: the locks order fills and invalidations; that a table is not freed while an LP stands in it is still the counters' doing, as RCU is in Linux.
//
// Rules: locks are taken from the root down, and nobody trusts an entry for where to go next before its table is locked.
//   A fill keeps the deepest table on its way, and what it links below, from before it reads the guest's tables until it has published. An invalidation that
//   begins after the guest's write passes that table, hence after the fill. Holders wait for nothing but locks further down.
import { Spt, sptHeaderAt } from '../../../shared/layout/vtlb.js';
import type { SharedWords } from '../../machine/shared-words.js';
import { Counter, type VtlbCounting } from './counters.js';
import type { FillLock } from './fill-lock.js';

export class SptLocks {
  readonly #words: SharedWords;
  readonly #fillLock: FillLock;
  readonly #counting: VtlbCounting;

  constructor(words: SharedWords, fillLock: FillLock, counting: VtlbCounting) {
    this.#words = words;
    this.#fillLock = fillLock;
    this.#counting = counting;
  }

  /** Between `begin` and `end` of the fill lock: whether tables are locked. */
  get inForce(): boolean {
    return this.#fillLock.fine;
  }

  /** Nothing happens while locks are not in force. */
  lock(spt: number): void {
    if (!this.#fillLock.fine) return;
    this.#counting.waitedCycles(Counter.lockQueueCycles, this.#counting.costs.sptLock(spt, false));
    const at = sptHeaderAt(spt) + Spt.lock;
    if (this.#words.compareExchange(at, 0, 1) === 0) return;
    const start = performance.now();
    do this.#words.awaitChange(at, 1);
    while (this.#words.compareExchange(at, 0, 1) !== 0);
    this.#counting.waitedForLock(Counter.sptLockWaits, start);
  }

  /** What is locked stays so until the fill is over: others wait longer. */
  keep(spt: number): void {
    if (this.#fillLock.fine) this.#counting.waitedCycles(Counter.lockQueueCycles, this.#counting.costs.sptLock(spt, true));
  }

  unlock(spt: number): void {
    if (this.#fillLock.fine) this.#words.store(sptHeaderAt(spt) + Spt.lock, 0);
  }
}
