// Brings a stale SAS up to date before it is used after a flush, and protects guest page tables again so that the next flush has nothing to do (US20080215848A1).
//
// Order, for each stale table whose writable mappings are known:
//   1. state := CLOSING: a fill that wants to grant W from here on undoes this step (tracking.ts);
//   2. wait for pending fills: those that saw the state before have published;
//   3. take W from the entries recorded; own write tags go with them, other LPs flush (flush-epochs.ts: those that may have some). Nobody can write the page unseen;
//   4. CLOSING -> TRACKED, unless step 1 was undone, even if another LP is closing the page by now: a right that was granted in between is not taken back yet;
//   5. wait for pending fills: those that had read the table before step 4 have published;
//   6. clear the SAS's mark; make the mark of each SPT this LP's own, THEN look at the state (not TRACKED: mark again), THEN compare its entries with the table,
//      THEN clear the mark if it is still this LP's.
// Steps 1 and 6 are inside a fill of this LP's own, so that tables are not freed; waits and handshakes are outside. All of it comes after a wait for pending fills, which may
// be about to mark, and before another: an LP that has taken a mark away is past step 6 then.
import type { Views } from '../../../shared/layout/struct.js';
import { goneOverBy, Sas, Spt, sasAt, sptHeaderAt, TrackMode, TrackState, trackAt, vtlbWord } from '../../../shared/layout/vtlb.js';
import type { FlushHandshake } from '../../machine/flush-handshake.js';
import type { SharedWords } from '../../machine/shared-words.js';
import { Counter, type VtlbCounting } from './counters.js';
import type { Discovery } from './discovery.js';
import type { FillLock } from './fill-lock.js';
import type { FlushEpochs } from './flush-epochs.js';
import type { Invalidation } from './invalidation.js';
import { eachPart } from './node-links.js';
import { isEmpty } from './spt-entries.js';
import type { TablePolicy } from './table-policy.js';
import type { TlbBanks } from './tlb-banks.js';
import type { Tracking } from './tracking.js';
import type { Validation } from './validation.js';
import type { WritableMappings } from './writable-mappings.js';
import { endRound, isFlooded } from './write-floods.js';

const SAS_LIMIT = vtlbWord('sasLimit');

/** Fills that are waited for: those that are about to mark (before all steps), to grant W (step 2), that have read the table (5), that have taken a mark away (after all). */
export const FillWait = { MARKS: 0, GRANTS: 1, READERS: 2, MARKS_TAKEN: 3 } as const;
export type FillWait = 0 | 1 | 2 | 3;

export interface RevalidationParts {
  readonly views: Views;
  readonly words: SharedWords;
  readonly handshake: FlushHandshake;
  readonly lock: FillLock;
  readonly tables: TablePolicy;
  readonly tracking: Tracking;
  readonly mappings: WritableMappings;
  readonly invalidation: Invalidation;
  readonly validation: Validation;
  readonly discovery: Discovery;
  readonly epochs: FlushEpochs;
  readonly banks: TlbBanks;
  readonly counting: VtlbCounting;
}

export class Revalidation {
  readonly #p: RevalidationParts;
  readonly #marked: number[] = [];
  readonly #closing: number[] = [];

  constructor(parts: RevalidationParts) {
    this.#p = parts;
  }

  /** On return the SAS's entries are what the guest's tables say, as far as this VP may have noticed that they changed. Outside fills. */
  run(sas: number): void {
    const { views, discovery } = this.#p;
    // A fill that read an entry before this VP changed it has published, and marked its table, after this.
    this.awaitFills(FillWait.MARKS);
    let untracked = 0;
    eachPart(views, sas, (part) => {
      untracked += this.#part(part);
    });
    // Another LP that has taken marks away has gone over their tables after this.
    this.awaitFills(FillWait.MARKS_TAKEN);
    if (untracked > 0) discovery.visited(untracked);
  }

  /** As `run` for all SASes and nodes, whoever has them loaded: for flushes on behalf of other VPs. */
  runAll(): void {
    const { words, discovery } = this.#p;
    this.awaitFills(FillWait.MARKS);
    let untracked = 0;
    const limit = words.load(SAS_LIMIT);
    for (let sas = 0; sas < limit; sas++) untracked += this.#part(sas);
    this.awaitFills(FillWait.MARKS_TAKEN);
    if (untracked > 0) discovery.visited(untracked);
  }

  /** Returns how many tables were met whose writable mappings are not known. */
  #part(part: number): number {
    const { words, lock } = this.#p;
    if (words.load(sasAt(part) + Sas.stale) === 0) return 0;
    this.#protect(part);
    this.awaitFills(FillWait.READERS);
    lock.begin();
    const untracked = this.#validate(part);
    lock.end();
    return untracked;
  }

  protected awaitFills(_which: FillWait): void {
    this.#p.lock.awaitPendingFills();
  }
  /** True if any had to be asked. */
  protected flushOthers(): boolean {
    return this.#p.epochs.shootDown(this.#p.tables.protectsAtOnce);
  }

  /** The SPTs of the SAS that are marked, its root too. Inside a fill. */
  #collect(sas: number): readonly number[] {
    const { words, views } = this.#p;
    const marked = this.#marked;
    marked.length = 0;
    // Evicted meanwhile: what its entry says may be another's by now. One that is not stays as it is until the fill is over.
    if (words.load(sasAt(sas) + Sas.users) < 0) return marked;
    const root = views.u32[(sasAt(sas) + Sas.root) >>> 2];
    if (words.load(sptHeaderAt(root) + Spt.stale) !== 0) marked.push(root);
    for (let spt = words.load(sasAt(sas) + Sas.spts); spt !== 0; spt = words.load(sptHeaderAt(spt) + Spt.sasNext))
      if (words.load(sptHeaderAt(spt) + Spt.stale) !== 0) marked.push(spt);
    return marked;
  }

  /** Steps 1 to 4. */
  #protect(sas: number): void {
    const { views, handshake, lock, tables, tracking, counting } = this.#p;
    const closing = this.#closing;
    closing.length = 0;
    lock.begin();
    for (const spt of this.#collect(sas)) {
      const h = sptHeaderAt(spt);
      // What was made from it is gone: it may be written freely until something is made from it again.
      if (isEmpty(views, spt)) continue;
      const gfn = views.u32[(h + Spt.gptGfn) >>> 2];
      if (tracking.close(gfn, handshake.lp)) closing.push(gfn);
    }
    lock.end();
    if (closing.length === 0) return;
    this.awaitFills(FillWait.GRANTS);
    if (tables.protectsAtOnce) for (const gfn of closing) this.#revoke([gfn]);
    else this.#revoke(closing);
    lock.begin();
    // A page that began anew meanwhile (discovery.ts) is not CLOSING any more.
    for (const gfn of closing) if (tracking.closed(gfn, handshake.lp)) counting.add(Counter.tablesProtected);
    lock.end();
  }

  /** Step 3, by one shootdown: in between, entries of other hardware TLBs may still let the pages be written, which is why they are not TRACKED yet. */
  #revoke(pages: readonly number[]): void {
    const { mappings, epochs, banks, counting, handshake } = this.#p;
    for (const gfn of pages) mappings.revoke(gfn, epochs);
    if ((handshake.othersLow() | handshake.othersHigh()) === 0) return;
    // This LP's own write tags are gone, in every bank: it keeps step.
    banks.keepStep(() => epochs.advance());
    if (this.flushOthers()) counting.add(Counter.protectShootdowns);
  }

  /**
   * Step 6. Returns how many tables were met whose writable mappings are not known. What another LP is going over just now is gone over again: who sees the SAS
   * without its mark waits for this LP, and perhaps not for the other one.
   */
  #validate(sas: number): number {
    const { words, views, handshake, tracking, validation } = this.#p;
    let untracked = 0;
    let cleared = 0;
    if (tracking.mode === TrackMode.OFF) return 0;
    const mine = goneOverBy(handshake.lp);
    this.takeSpaceMark(sas);
    for (const spt of this.#collect(sas)) {
      const h = sptHeaderAt(spt);
      this.takeMark(spt, mine);
      if (!isEmpty(views, spt)) {
        const gfn = views.u32[(h + Spt.gptGfn) >>> 2];
        if (this.stillWritable(gfn)) tracking.markStale(spt);
        // Marked by a write, or for want of knowing who writes.
        const written = words.load(trackAt(gfn)) !== TrackState.UNTRACKED;
        if (!written) untracked++;
        cleared += written && isFlooded(views, spt) ? this.#unshadow(spt) : validation.validate(spt);
        if (written) endRound(views, spt);
      }
      this.finish(spt, mine);
    }
    if (cleared > 0) words.add(sasAt(sas) + Sas.version, 1);
    return untracked;
  }

  /** Before the tables of the space are looked through: a table that is marked from here on marks the space again. */
  protected takeSpaceMark(sas: number): void {
    this.#p.words.store(sasAt(sas) + Sas.stale, 0);
  }
  /** Before the page's state is looked at: a write from here on marks the table again. */
  protected takeMark(spt: number, mine: number): void {
    this.#p.words.store(sptHeaderAt(spt) + Spt.stale, mine);
  }

  #unshadow(spt: number): number {
    this.#p.counting.add(Counter.tablesUnshadowed);
    return this.#p.invalidation.clearSubtree(spt, 1);
  }

  /** Unless it was marked meanwhile, or is another LP's by now. */
  protected finish(spt: number, mine: number): void {
    this.#p.words.compareExchange(sptHeaderAt(spt) + Spt.stale, mine, 0);
  }

  protected stillWritable(gfn: number): boolean {
    return this.#p.words.load(trackAt(gfn)) !== TrackState.TRACKED;
  }
}
