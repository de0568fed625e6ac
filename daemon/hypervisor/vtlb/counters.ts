// The vTLB's accounts: counters, and what its work costs in virtual time. Each LP adds to its own column without atomics; readers sum the columns.
// Why named after what the TLFS's hypervisor counts: `hvtop` and metrics print them as they are.
import type { Views } from '../../../shared/layout/struct.js';
import { FILL_WAIT_BUCKETS, fillWaitsAt, VTLB_COUNTERS, type VtlbCounter, vtlbCountersAt } from '../../../shared/layout/vtlb.js';
import type { VirtualCosts } from './virtual-costs.js';

/** Number of each counter. */
export const Counter = Object.fromEntries(VTLB_COUNTERS.map((name, i) => [name, i])) as { readonly [K in VtlbCounter]: number };

export class VtlbCounting {
  readonly #u32: Uint32Array;
  readonly #base: number;
  readonly #waits: number;
  #serializes = false;
  readonly costs: VirtualCosts;

  constructor(views: Views, lp: number, costs: VirtualCosts) {
    this.costs = costs;
    this.#u32 = views.u32;
    this.#base = vtlbCountersAt(lp) >>> 2;
    this.#waits = fillWaitsAt(lp) >>> 2;
  }
  add(counter: number, n = 1): void {
    this.#u32[this.#base + counter] += n;
  }

  /** The waits of the section, for fills and for locks, are those of an instruction that serializes. */
  serializing(section: () => void): void {
    this.#serializes = true;
    section();
    this.#serializes = false;
  }
  /** An invalidation waited for the pending fills of so many LPs, so long in all. */
  waitedForFills(lps: number, us: number): void {
    this.add(Counter.pendingFillWaits, lps);
    this.add(Counter.pendingFillWaitUs, Math.round(us));
    const bucket = Math.min(FILL_WAIT_BUCKETS - 1, us < 1 ? 0 : 32 - Math.clz32(us));
    this.#u32[this.#waits + bucket]++;
    this.#waited(lps, us);
  }
  /** A wait for the holder of a lock, which is counted by `counter`, since `start` (performance.now). */
  waitedForLock(counter: number, start: number): void {
    this.add(counter);
    this.#waited(1, (performance.now() - start) * 1000);
  }
  #waited(waits: number, us: number): void {
    if (!this.#serializes) return;
    this.add(Counter.serializingWaits, waits);
    this.add(Counter.serializingWaitUs, Math.round(us));
  }
  /** As both in virtual time. */
  waitedCycles(counter: number, cycles: number): void {
    if (cycles === 0) return;
    this.add(counter, cycles);
    if (this.#serializes) this.add(Counter.serializingWaitCycles, cycles);
  }
}
