// Frees shadow page tables in two stages: unlink, wait until nobody can be using them, then poison and free (US7788464B2).
// Why batches: the wait costs a round over all LPs; it is paid once for an eighth of the pool. `vtlb.reclaim=immediate` pays it for each table.
//
//   LIVE --unlink (CAS of the parent's SPTE, or the SAS is evicted)--> CONDEMNED --pending fills over--> out of the lists
//        --fills and purges that may stand in the lists over, walkers of other LPs out (handshake)--> poisoned, FREE
//
// Runs under the structure lock, outside guest mode and outside any fill.
import { PAGE_TABLE_ENTRIES, Pte } from '../../../shared/layout/paging.js';
import { PartitionLayout } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import {
  gptIndexAt,
  Role,
  SAS_MAX,
  Sas,
  Spt,
  SptState,
  sasAt,
  sptHeaderAt,
  sptOfEntry,
  sptPageAt,
  vtlbWord,
} from '../../../shared/layout/vtlb.js';
import type { SharedWords } from '../../machine/shared-words.js';
import type { HardwareTlb } from '../../machine/tlb.js';
import { Counter, type VtlbCounting } from './counters.js';
import type { FillLock } from './fill-lock.js';
import type { FlushEpochs } from './flush-epochs.js';
import { eachNode, leadsToNode } from './node-links.js';
import type { SptPool } from './spt-pool.js';
import type { TablePolicy } from './table-policy.js';
import { takeUse } from './write-floods.js';

/** Share of the pool, as far as it may be used, that a reclaim frees, and at least so many. */
const SHARE = 8;
const LEAST = 8;
/** An SPT of an evicted SAS: its list went with the SAS. */
const NO_SAS = 0xffff_ffff;

/** Fills and clearings that are waited for: those that link below what was unlinked, those that stand in the lists that it has left. */
export const RetireWait = { LINKS: 0, LISTS: 1 } as const;
export type RetireWait = 0 | 1;

export class Reclaim {
  readonly #views: Views;
  readonly #words: SharedWords;
  readonly #pool: SptPool;
  readonly #policy: TablePolicy;
  readonly #lock: FillLock;
  readonly #tlb: Pick<HardwareTlb, 'flushAll'>;
  readonly #epochs: FlushEpochs;
  readonly #counting: VtlbCounting;

  constructor(
    views: Views,
    words: SharedWords,
    pool: SptPool,
    policy: TablePolicy,
    lock: FillLock,
    tlb: Pick<HardwareTlb, 'flushAll'>,
    epochs: FlushEpochs,
    counting: VtlbCounting,
  ) {
    this.#views = views;
    this.#words = words;
    this.#pool = pool;
    this.#policy = policy;
    this.#lock = lock;
    this.#tlb = tlb;
    this.#epochs = epochs;
    this.#counting = counting;
  }

  /**
   * Frees SPTs until a share of the pool is free: condemned ones, then SASes that no LP has loaded, those of an older generation and then the oldest first, then
   * those the clock hand finds unused.
   */
  run(): void {
    const target = Math.max(LEAST, Math.floor(this.#pool.bound / SHARE));
    if (this.#pool.available >= target) return;
    this.#counting.add(Counter.reclaims);
    const batch: number[] = [];
    this.#takeCondemned(batch);
    while (batch.length + this.#pool.available < target) {
      const sas = this.oldestIdle();
      if (sas < 0 || !this.evict(sas, batch)) break;
    }
    if (batch.length + this.#pool.available < target) this.#takeVictims(batch, target - this.#pool.available);
    this.retire(batch);
  }

  /**
   * Takes a SAS that no LP has loaded out of use (its entry is free then) and adds its SPTs to the batch.
   * False when an LP loaded it meanwhile.
   */
  evict(sas: number, batch: number[]): boolean {
    const at = sasAt(sas);
    if (this.#words.compareExchange(at + Sas.users, 0, -1) !== 0) return false;
    this.#counting.add(Counter.sasEvicted);
    // No LP has it loaded, so no fill is under way in it: nothing is added to its list any more.
    for (let spt = this.#words.exchange(at + Sas.spts, 0); spt !== 0; ) {
      const h = sptHeaderAt(spt);
      const next = this.#words.load(h + Spt.sasNext);
      this.#views.u32[(h + Spt.sas) >>> 2] = NO_SAS;
      // One that was replaced before is on the condemned stack, or in the batch, already.
      if (this.#words.compareExchange(h + Spt.state, SptState.LIVE, SptState.CONDEMNED) === SptState.LIVE) batch.push(spt);
      spt = next;
    }
    const root = this.#views.u32[(at + Sas.root) >>> 2];
    this.#words.store(sptHeaderAt(root) + Spt.state, SptState.CONDEMNED);
    batch.push(root);
    // A shared node goes with the last space that has linked it.
    eachNode(this.#views, sas, (node) => {
      if (this.#words.add(sasAt(node) + Sas.users, -1) === 1) this.evict(node, batch);
    });
    return true;
  }

  /** Stage two for unlinked, condemned SPTs, and for what hangs below them. */
  retire(batch: number[]): void {
    this.takeReplaced(batch);
    if (batch.length === 0) return;
    this.awaitFills(RetireWait.LINKS);
    // Nothing is linked below them any more: the subtrees can be gathered. All of them before any is freed: links to what is freed stay where they are, and
    // by then another LP may have made a table of it.
    for (let n = 0; n < batch.length; n++) this.#gather(batch[n], batch);
    if (this.#policy.reclaimsAtOnce) for (const spt of batch) this.#free([spt]);
    else this.#free(batch);
  }

  /** What a fill had replaced in a SAS that is in the batch leads to SPTs of the batch: it must not be gathered from after they are freed. */
  protected takeReplaced(batch: number[]): void {
    this.#takeCondemned(batch);
  }

  #free(batch: readonly number[]): void {
    this.#leaveLists(batch);
    this.awaitFills(RetireWait.LISTS);
    // Whoever unlinked them has added to the versions of their SASes.
    for (const spt of batch) this.#epochs.touch(this.#views.u32[(sptHeaderAt(spt) + Spt.sas) >>> 2]);
    this.awaitWalkers();
    for (const spt of batch) this.#pool.free(spt);
    this.#counting.add(Counter.reclaimVictims, batch.length);
  }

  protected awaitFills(_which: RetireWait): void {
    this.#lock.quiesce();
  }
  /**
   * A hardware walk in guest mode may stand in an unlinked SPT: out of guest mode, past an acknowledgement, or in another SAS, there is none. The flush is needed
   * for large pages: without their SPT an INVLPG would not know that the TLBs hold more granules of the page.
   */
  protected awaitWalkers(): void {
    this.#tlb.flushAll();
    this.#epochs.shootDown(this.#policy.reclaimsAtOnce);
  }

  #takeCondemned(batch: number[]): void {
    const before = batch.length;
    for (let spt = this.#words.exchange(vtlbWord('condemned'), 0); spt !== 0; spt = this.#words.load(sptHeaderAt(spt) + Spt.next))
      batch.push(spt);
    this.#words.add(vtlbWord('condemnedCount'), before - batch.length);
  }

  /** SAS that no LP has loaded, of an older generation or else the one used least recently, of those that are wanted; -1 none. */
  oldestIdle(isWanted: (sas: number) => boolean = () => true): number {
    const { i32 } = this.#views;
    let oldest = -1;
    let age = -1;
    const now = this.#words.load(vtlbWord('tick'));
    const generation = this.#words.load(vtlbWord('generation'));
    for (let sas = 0; sas < SAS_MAX; sas++) {
      const at = sasAt(sas) >>> 2;
      if (i32[at + (Sas.users >> 2)] !== 0 || !isWanted(sas)) continue;
      // Of an older generation: nobody will ever load it.
      if (i32[at + (Sas.generation >> 2)] !== generation) return sas;
      const its = (now - i32[at + (Sas.lastUse >> 2)]) >>> 0;
      if (its <= age) continue;
      age = its;
      oldest = sas;
    }
    return oldest;
  }

  /** Two rounds of the clock hand: SPTs that no fill has used since the last pass. */
  #takeVictims(batch: number[], wanted: number): void {
    const { i32, u32 } = this.#views;
    const count = u32[vtlbWord('sptCount') >>> 2];
    let hand = u32[vtlbWord('clockHand') >>> 2];
    for (let n = 2 * count; n > 0 && batch.length < wanted; n--) {
      hand = hand + 1 < count ? hand + 1 : 1;
      const h = sptHeaderAt(hand) >>> 2;
      if (i32[h + (Spt.state >> 2)] !== SptState.LIVE || u32[h + (Spt.parent >> 2)] === 0) continue;
      if (!takeUse(this.#views, hand) && this.unlink(hand)) batch.push(hand);
    }
    u32[vtlbWord('clockHand') >>> 2] = hand;
  }

  /** Stage one: takes the SPT from its parent. False when a fill replaced it first (that fill condemns it), or its maker has not linked it yet. */
  protected unlink(spt: number): boolean {
    const h = sptHeaderAt(spt);
    const at = this.#views.u32[(h + Spt.parent) >>> 2];
    const entry = this.#words.load(at);
    if ((entry & Pte.P) === 0 || sptOfEntry(entry) !== spt) return false;
    if (this.#words.compareExchange(at, entry, 0) !== entry) return false;
    this.#words.store(h + Spt.state, SptState.CONDEMNED);
    // Edits of its guest table will not find it any more: TLBs that were filled from it are not in step.
    this.#words.add(sasAt(this.#views.u32[(h + Spt.sas) >>> 2]) + Sas.version, 1);
    return true;
  }

  #gather(spt: number, batch: number[]): void {
    if ((this.#views.i32[(sptHeaderAt(spt) + Spt.role) >>> 2] & Role.LEVEL) === 1) return;
    const page = sptPageAt(spt);
    for (let i = 0; i < PAGE_TABLE_ENTRIES; i++) {
      // Plainly: nobody links anything below it any more.
      const entry = this.#views.i32[(page + i * 8) >>> 2];
      if ((entry & Pte.P) === 0) continue;
      if (leadsToNode(this.#views, entry)) continue;
      const child = sptOfEntry(entry);
      if (this.#words.compareExchange(sptHeaderAt(child) + Spt.state, SptState.LIVE, SptState.CONDEMNED) === SptState.LIVE)
        batch.push(child);
    }
  }

  /** Takes condemned SPTs out of their SAS's list and out of the index of their guest page table. Fills may push at the heads meanwhile; nobody else removes. */
  #leaveLists(batch: readonly number[]): void {
    const { i32, u32 } = this.#views;
    const leaving = new Set(batch);
    const spaces = new Set<number>();
    const ramPages = u32[PartitionLayout.at.ramSize >>> 2] >>> 12;
    for (const spt of batch) {
      const h = sptHeaderAt(spt) >>> 2;
      const role = i32[h + (Spt.role >> 2)];
      if (u32[h + (Spt.parent >> 2)] === 0) continue; // roots are in no list
      if (u32[h + (Spt.sas >> 2)] !== NO_SAS) spaces.add(u32[h + (Spt.sas >> 2)]);
      const gptGfn = i32[h + (Spt.gptGfn >> 2)];
      if ((role & Role.DIRECT) === 0 && gptGfn < ramPages) this.#remove(gptIndexAt(gptGfn), Spt.gptNext, leaving);
    }
    for (const sas of spaces) this.leaveSpace(sas, leaving);
  }

  /** Takes tables out of a space's list. Whoever stands in one of them goes on from there: its link stays until fills and purges have been waited for. */
  leaveSpace(sas: number, leaving: ReadonlySet<number>): void {
    this.#remove(sasAt(sas) + Sas.spts, Spt.sasNext, leaving);
  }

  #remove(head: number, link: number, leaving: ReadonlySet<number>): void {
    let from = head;
    for (let spt = this.#words.load(head); spt !== 0; ) {
      const next = this.#words.load(sptHeaderAt(spt) + link);
      if (!leaving.has(spt)) from = sptHeaderAt(spt) + link;
      else if (this.#words.compareExchange(from, spt, next) !== spt) {
        // A fill has pushed in front of the head: find the place again.
        from = head;
        spt = this.#words.load(head);
        continue;
      }
      spt = next;
    }
  }
}
