// Flushes on behalf of VPs that other LPs run, or that nobody runs just now: what the flush hypercalls are made of (TLFS 9.4.6).
//
// A flush of everything:   every address space that is marked stale is gone over, whoever has it loaded; a flush of pages clears them in every space. Then the hardware TLBs of
//   the targets' LPs are flushed by handshake. Shadow tables are the partition's, so no target has to run for its flush: one that is not running finds its space
//   without the old entries, and a hardware TLB that holds some is of an older version than the space (loaded-space.ts).
//   Spaces of other CR3s than the one named are flushed, too: a guest that keeps two for each process (page-table isolation) names one of them.
//
// Order: shadow tables first, THEN the targets' LPs are looked up, THEN they flush. An LP that takes up a target after it was looked up reads the space's version after it
// was added to.
import { TrackMode } from '../../../shared/layout/vtlb.js';
import type { FlushHandshake } from '../../machine/flush-handshake.js';
import type { HardwareTlb } from '../../machine/tlb.js';
import { Counter, type VtlbCounting } from './counters.js';
import type { FillLock } from './fill-lock.js';
import type { Invalidation } from './invalidation.js';
import { Flush } from './loaded-space.js';
import type { Revalidation } from './revalidation.js';
import type { Tracking } from './tracking.js';
import type { Vtlb } from './vtlb.js';

export interface RemoteFlushParts {
  readonly tlb: HardwareTlb;
  readonly handshake: FlushHandshake;
  readonly lock: FillLock;
  readonly invalidation: Invalidation;
  readonly revalidation: Revalidation;
  readonly tracking: Tracking;
  readonly vtlb: Vtlb;
  readonly counting: VtlbCounting;
}

export class RemoteFlush {
  readonly #p: RemoteFlushParts;

  constructor(parts: RemoteFlushParts) {
    this.#p = parts;
  }

  /** No address space has, from now on, what the guest's tables no longer say. This LP's hardware TLB is in step. Outside fills. */
  everySpace(): void {
    const { revalidation, tracking, vtlb } = this.#p;
    // Where nothing is tracked, what this VP's own flush of everything forgets is every VP's.
    const tracks = tracking.mode !== TrackMode.OFF;
    if (tracks) revalidation.runAll();
    vtlb.flush(tracks ? Flush.NON_GLOBAL : Flush.ALL);
  }

  /** As `everySpace`, for so many pages from the address on; addresses are canonical. */
  pages(gva: number, count: number): void {
    const { counting, invalidation, lock, tlb } = this.#p;
    counting.add(Counter.invalidations);
    lock.beginClear();
    let large = false;
    for (let page = 0; page < count; page++) if (invalidation.clearPageEverywhere(gva + page * 4096)) large = true;
    lock.end();
    if (large) tlb.flushAll();
    else for (let page = 0; page < count; page++) tlb.flushPage(gva + page * 4096);
  }

  /** LPs (bit set in two words) flush their hardware TLBs before they use them again; on return those in guest mode have. After the shadow tables. */
  hardwareTlbs(low: number, high: number): void {
    const { handshake } = this.#p;
    const others = [low & handshake.othersLow(), high & handshake.othersHigh()] as const;
    if ((others[0] | others[1]) !== 0) handshake.requestFlush(...others);
  }
}
