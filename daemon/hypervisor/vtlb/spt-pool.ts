// The pool of shadow page tables: free ones hang on a lock-free stack per NUMA node and hold poison, so that a write to a freed one shows.
// Why lock-free: SPTs are taken on the fill path, where an LP must not wait.
import { MAX_NODES } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import {
  freeCountAt,
  freeTopAt,
  POISON_HIGH,
  POISON_LOW,
  Spt,
  SptState,
  sptHeaderAt,
  sptPageAt,
  vtlbWord,
} from '../../../shared/layout/vtlb.js';
import type { FlushHandshake } from '../../machine/flush-handshake.js';
import type { SharedWords } from '../../machine/shared-words.js';
import { Counter, type VtlbCounting } from './counters.js';
import type { TablePolicy } from './table-policy.js';

const POISON = BigInt.asUintN(64, (BigInt(POISON_HIGH) << 32n) | BigInt(POISON_LOW >>> 0));

/** Fills a table page with poison. */
export const poison = (views: Views, spt: number): void => {
  const from = sptPageAt(spt) >>> 3;
  views.u64.fill(POISON, from, from + 512);
};

/**
 * However small `vtlb.pages` is: a root, the shared nodes of its space and the three tables of a fill for each LP, and some more, so that
 * LPs do not only take tables from each other.
 */
const PER_LP = 16;
const IN_USE = vtlbWord('sptsInUse');

export class SptPool {
  readonly #views: Views;
  readonly #words: SharedWords;
  readonly #policy: TablePolicy;
  readonly #handshake: FlushHandshake;
  readonly #counting: VtlbCounting;

  constructor(views: Views, words: SharedWords, policy: TablePolicy, handshake: FlushHandshake, counting: VtlbCounting) {
    this.#views = views;
    this.#words = words;
    this.#policy = policy;
    this.#handshake = handshake;
    this.#counting = counting;
  }

  /** Most SPTs that may be in use. */
  get bound(): number {
    const { pages } = this.#policy;
    const all = this.#views.u32[vtlbWord('sptCount') >>> 2] - 1;
    return pages < all ? Math.min(all, Math.max(pages, PER_LP * this.#handshake.lps())) : all;
  }
  /** SPTs that may be taken before the bound is reached; negative after `vtlb.pages` was lowered. */
  get available(): number {
    return this.bound - this.#words.load(IN_USE);
  }

  /** An SPT with an empty table, from the node if it has one; 0 when there is none to be had. Its header's link fields are cleared; the caller sets the rest. */
  allocate(node: number): number {
    if (this.#words.add(IN_USE, 1) >= this.bound) {
      this.#words.add(IN_USE, -1);
      return 0;
    }
    let spt = this.#pop(node);
    for (let other = 0; spt === 0 && other < MAX_NODES; other++) if (other !== node) spt = this.#pop(other);
    if (spt === 0) {
      this.#words.add(IN_USE, -1);
      return 0;
    }
    const i = this.#views.i32;
    const page = sptPageAt(spt) >>> 2;
    i.fill(0, page, page + 1024);
    const h = sptHeaderAt(spt) >>> 2;
    i[h + (Spt.lastUse >> 2)] = 1;
    i[h + (Spt.unpurged >> 2)] = 0;
    i[h + (Spt.sasNext >> 2)] = 0;
    i[h + (Spt.gptNext >> 2)] = 0;
    i[h + (Spt.next >> 2)] = 0;
    i[h + (Spt.stale >> 2)] = 0;
    i[h + (Spt.lock >> 2)] = 0;
    i[h + (Spt.state >> 2)] = SptState.LIVE;
    this.#counting.add(Counter.sptAllocated);
    return spt;
  }

  /** Gives back an SPT that no LP can reach. */
  free(spt: number): void {
    poison(this.#views, spt);
    const h = sptHeaderAt(spt);
    this.#words.store(h + Spt.state, SptState.FREE);
    this.#push(this.#views.u32[(h + Spt.node) >>> 2], spt);
    this.#words.add(IN_USE, -1);
    this.#counting.add(Counter.sptFreed);
  }

  // Stack top: SPT number, version. Every pop and push makes a new version: a top that went and came back is not taken for the old one.
  #pop(node: number): number {
    const top = freeTopAt(node);
    for (;;) {
      this.#words.load64(top);
      const { low, high } = this.#words;
      if (low === 0) return 0;
      const next = this.#words.load(sptHeaderAt(low) + Spt.next);
      if (!this.#words.compareExchange64(top, low, high, next, this.nextVersion(high))) continue;
      this.#words.add(freeCountAt(node), -1);
      return low;
    }
  }
  protected nextVersion(version: number): number {
    return (version + 1) | 0;
  }
  #push(node: number, spt: number): void {
    const top = freeTopAt(node);
    for (;;) {
      this.#words.load64(top);
      const { low, high } = this.#words;
      this.#words.store(sptHeaderAt(spt) + Spt.next, low);
      if (this.#words.compareExchange64(top, low, high, spt, this.nextVersion(high))) break;
    }
    this.#words.add(freeCountAt(node), 1);
  }
}
