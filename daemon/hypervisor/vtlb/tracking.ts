// What is known of writes to guest pages that hold page tables, as fills see it (US20080215848A1, US7363463): the creation of writable mappings is intercepted, not the writes.
//
//          a fill shadows it             all mappings purged               a write, intercepted
//   NONE ----------------------> UNTRACKED --------------------> TRACKED -------------------------> DIRTY
//    |                                                              ^                                 | ^
//    |                                                              +--------- CLOSING <--------------+ |  CLOSING: its writable mappings are being taken away
//    +--- with a reverse map all mappings are known ----------------------------------------------------+
//
// TRACKED: no shadow entry and no hardware TLB has a right to write the page, so what was made from it is what it says. The first write is a page fault of the
// hypervisor's: all SPTs made from the page are marked stale, THEN the right is recorded and granted, and later writes run free. UNTRACKED: rights that were given before the page
// was known as a table may be there; its SPTs are always stale. What is stale is gone over when its SAS is next used after a flush (revalidation.ts): nobody notices before,
// for a processor need not see an edit before it flushes (SDM 3A 4.10.4.3).
//
// While the page is CLOSING, a fill that wants to grant W puts it back to DIRTY, and who closes finds that it has failed. So neither waits for the other.
import type { Views } from '../../../shared/layout/struct.js';
import {
  closingBy,
  gptIndexAt,
  PagingMode,
  Role,
  SAS_MAX,
  Sas,
  Spt,
  STALE,
  sasAt,
  sptHeaderAt,
  TrackMode,
  TrackState,
  trackAt,
  trackStateOf,
  vtlbWord,
} from '../../../shared/layout/vtlb.js';
import type { SharedWords } from '../../machine/shared-words.js';
import { Counter, type VtlbCounting } from './counters.js';
import type { WritableMappings } from './writable-mappings.js';
import { isLetGo } from './write-floods.js';

/** What a fill may put into the leaf for a page that the guest's tables let be written. NO_RECORD: nothing before all mappings were purged. */
export const Grant = { WRITABLE: 0, READ_ONLY: 1, ONCE: 2, NO_RECORD: 3 } as const;
export type Grant = 0 | 1 | 2 | 3;

const MODE = vtlbWord('trackMode');
const UNTRACKED = vtlbWord('untracked');
const VISITS = vtlbWord('untrackedVisits');

export class Tracking {
  protected readonly views: Views;
  protected readonly words: SharedWords;
  readonly #mappings: WritableMappings;
  readonly #counting: VtlbCounting;

  constructor(views: Views, words: SharedWords, mappings: WritableMappings, counting: VtlbCounting) {
    this.views = views;
    this.words = words;
    this.#mappings = mappings;
    this.#counting = counting;
  }

  /** TrackMode in force. It changes only while no fill is under way. */
  get mode(): number {
    return this.words.read(MODE);
  }

  /** An SPT shadows the page from now on, and is in its index already (a root: in its SAS). Before the guest's entries are trusted for it. */
  shadowed(gfn: number, spt: number): void {
    if (this.mode === TrackMode.OFF) return;
    const at = trackAt(gfn);
    let state = this.words.load(at);
    if (state === TrackState.NONE) {
      const known = this.mode === TrackMode.RMAP;
      state = this.words.compareExchange(at, TrackState.NONE, known ? TrackState.DIRTY : TrackState.UNTRACKED);
      if (state === TrackState.NONE && !known) {
        this.words.add(UNTRACKED, 1);
        this.words.add(VISITS, 1);
      }
    }
    if (state !== TrackState.TRACKED) this.markStale(spt);
  }

  /** An entry was put into the SPT, by a compare-and-swap (a barrier): while writes to its page may go unseen it must be gone over. */
  filled(gfn: number, spt: number): void {
    if (this.mode !== TrackMode.OFF && this.words.read(trackAt(gfn)) !== TrackState.TRACKED) this.markStale(spt);
  }

  /** Inside a fill that is about to grant the guest's right to write the page by the SPTE at `at`. `write`: the access is a write. */
  grant(gfn: number, at: number, gva: number, write: boolean): Grant {
    const { mode } = this;
    if (mode === TrackMode.OFF) return Grant.WRITABLE;
    const word = trackAt(gfn);
    // Inside the fill: whoever takes rights away changes the state first and then waits for it.
    for (let state = this.words.read(word); ; ) {
      switch (trackStateOf(state)) {
        case TrackState.TRACKED:
          if (!write) return Grant.READ_ONLY;
          state = this.words.compareExchange(word, TrackState.TRACKED, TrackState.DIRTY);
          if (state !== TrackState.TRACKED) continue;
          this.#counting.add(Counter.pageTableWriteIntercepts);
          this.markAll(gfn);
          return this.#open(mode, gfn, at, gva);
        case TrackState.DIRTY:
          if (mode !== TrackMode.WRITE) return this.#open(mode, gfn, at, gva);
          if (!write) return Grant.READ_ONLY;
          this.#counting.add(Counter.pageTableWriteIntercepts);
          return this.#open(mode, gfn, at, gva);
        case TrackState.CLOSING:
          if (!write) return Grant.READ_ONLY;
          if (this.words.compareExchange(word, state, TrackState.DIRTY) === state) state = TrackState.DIRTY;
          else state = this.words.load(word);
          continue;
        default:
          return mode === TrackMode.RMAP ? this.#open(mode, gfn, at, gva) : Grant.WRITABLE;
      }
    }
  }
  #open(mode: number, gfn: number, at: number, gva: number): Grant {
    if (mode === TrackMode.WRITE) {
      if (this.#isUsed(gfn)) return Grant.ONCE;
      this.#counting.add(Counter.tablesUnshadowed);
    }
    return this.#mappings.record(gfn, at, gva) ? Grant.WRITABLE : Grant.NO_RECORD;
  }

  /** This LP begins to take the page's writable mappings away: they are known. False when they are not, or when that is under way. */
  close(gfn: number, lp: number): boolean {
    return this.words.compareExchange(trackAt(gfn), TrackState.DIRTY, closingBy(lp)) === TrackState.DIRTY;
  }
  /** All of them are gone. False when one has been granted again since, whoever may close the page now. */
  closed(gfn: number, lp: number): boolean {
    return this.words.compareExchange(trackAt(gfn), closingBy(lp), TrackState.TRACKED) === closingBy(lp);
  }

  /** Somebody other than a processor is about to write the page: a device, a hypercall. Inside a fill, as the store is too (Vtlb.beginStore). */
  written(gfn: number): void {
    if (this.mode === TrackMode.OFF) return;
    const word = trackAt(gfn);
    for (let state = this.words.load(word); state === TrackState.TRACKED || trackStateOf(state) === TrackState.CLOSING; ) {
      const seen = this.words.compareExchange(word, state, TrackState.DIRTY);
      if (seen === state) break;
      state = seen;
    }
    this.markAll(gfn);
  }

  /** Marks every SPT made from the page. The page's state says already that it may be written. */
  protected markAll(gfn: number): void {
    this.#eachMade(gfn, (spt) => this.markStale(spt));
  }
  /** Whether an LP that has a space loaded may go by what was made from the page. If not, its writes need not be intercepted one by one, either: it is marked. */
  #isUsed(gfn: number): boolean {
    const { i32, u32 } = this.views;
    let used = false;
    this.#eachMade(gfn, (spt) => {
      const sas = u32[(sptHeaderAt(spt) + Spt.sas) >>> 2];
      used ||= !isLetGo(this.views, spt) && sas < SAS_MAX && i32[(sasAt(sas) + Sas.users) >>> 2] > 0;
    });
    return used;
  }
  #eachMade(gfn: number, visit: (spt: number) => void): void {
    const { words } = this;
    const { i32, u32 } = this.views;
    for (let spt = words.load(gptIndexAt(gfn)); spt !== 0; spt = words.load(sptHeaderAt(spt) + Spt.gptNext)) visit(spt);
    const limit = words.load(vtlbWord('sasLimit'));
    for (let sas = 0; sas < limit; sas++) {
      const at = sasAt(sas) >>> 2;
      if (i32[at + (Sas.users >> 2)] < 0 || (i32[at + (Sas.role >> 2)] & Role.MODE) >>> Role.MODE_SHIFT !== PagingMode.LONG) continue;
      const root = u32[at + (Sas.root >> 2)];
      if (u32[(sptHeaderAt(root) + Spt.gptGfn) >>> 2] === gfn) visit(root);
    }
  }

  /**
   * The SPT first, then its SAS. One that is marked already stays as it is: who clears the mark looks at the page's state afterwards, and that was written before.
   */
  markStale(spt: number): void {
    const { words } = this;
    const h = sptHeaderAt(spt);
    const sas = this.views.u32[(h + Spt.sas) >>> 2];
    // One of an evicted SAS is on its way out.
    if (sas >= SAS_MAX || words.read(h + Spt.stale) === STALE) return;
    words.store(h + Spt.stale, STALE);
    words.store(sasAt(sas) + Sas.stale, 1);
    this.#counting.add(Counter.staleMarks);
  }
}
