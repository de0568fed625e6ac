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
  /** An invalidation waited so long for pending fills. */
  waited(us: number): void {
    this.add(Counter.pendingFillWaitUs, Math.round(us));
    const bucket = Math.min(FILL_WAIT_BUCKETS - 1, us < 1 ? 0 : 32 - Math.clz32(us));
    this.#u32[this.#waits + bucket]++;
  }
}
