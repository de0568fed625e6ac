// Clears shadow translations: of one GVA (INVLPG), of an address space (MOV CR3), of everything. The caller has waited for pending fills and holds the fill lock.
// Why only leaves, and links to shared nodes: see shadow-tree.ts and node-links.ts. Entries are cleared by their low half; a not-present entry's high half means nothing.
import { PAGE_TABLE_ENTRIES, Pte } from '../../../shared/layout/paging.js';
import type { Views } from '../../../shared/layout/struct.js';
import {
  goneOverBy,
  PagingMode,
  Role,
  Sas,
  Spt,
  sasAt,
  sptHeaderAt,
  sptOfEntry,
  sptPageAt,
  vtlbWord,
} from '../../../shared/layout/vtlb.js';
import type { SharedWords } from '../../machine/shared-words.js';
import { Counter, type VtlbCounting } from './counters.js';
import { leadsToNode, type NodeLinks, placeOf } from './node-links.js';
import { isEmpty } from './spt-entries.js';
import type { SptLocks } from './spt-locks.js';

export class Invalidation {
  readonly #views: Views;
  readonly #words: SharedWords;
  readonly #lp: number;
  readonly #locks: SptLocks;
  readonly #links: NodeLinks;
  readonly #counting: VtlbCounting;
  /** After clearPage: entries cleared. */
  cleared = 0;
  /** After clearPage: SAS or shared node that the leaf table belongs to. */
  owner = 0;
  /** After clearPage: a link to a shared node was taken away, and with it more than the page. */
  unlinked = false;

  constructor(views: Views, words: SharedWords, lp: number, locks: SptLocks, links: NodeLinks, counting: VtlbCounting) {
    this.#views = views;
    this.#words = words;
    this.#lp = lp;
    this.#locks = locks;
    this.#links = links;
    this.#counting = counting;
  }

  /**
   * Clears the translations of the page of `gva` in one SAS. Others may hold a global one that this VP must not use again (SDM 3A 4.10.4.1): where tables are
   * tracked, their SAS is gone over before it is used.
   * True when it is mapped by a large page, all of whose granules are then cleared: the hardware TLB may hold any of them.
   */
  clearPage(sas: number, gva: number): boolean {
    this.cleared = 0;
    this.unlinked = false;
    this.owner = sas;
    return this.#clearIn(this.#views.u32[(sasAt(sas) + Sas.root) >>> 2], 4, gva & -4096, Math.floor(gva / 4294967296) | 0);
  }

  /** As `clearPage` in every SAS; hardware TLBs filled from those that lose it are out of step. */
  clearPageEverywhere(gva: number): boolean {
    const low = gva & -4096;
    const high = Math.floor(gva / 4294967296) | 0;
    let large = false;
    // A SAS beyond the limit is made after the wait for pending fills: what is filled in it is newer than the guest's change.
    const limit = this.#words.load(vtlbWord('sasLimit'));
    for (let sas = 0; sas < limit; sas++) {
      const at = sasAt(sas);
      // Paging off: translations never change.
      if (this.#views.i32[(at + Sas.users) >>> 2] < 0 || (this.#views.i32[(at + Sas.role) >>> 2] & Role.MODE) === 0) continue;
      // A node that no root leads to just now may be taken up again.
      const level = this.#views.i32[(at + Sas.role) >>> 2] & Role.LEVEL;
      if (level !== 0 && this.#views.i32[(at + Sas.pdpte) >>> 2] !== placeOf(gva, level)) continue;
      this.cleared = 0;
      this.owner = sas;
      if (this.#clearIn(this.#views.u32[(at + Sas.root) >>> 2], level === 0 ? 4 : level, low, high)) large = true;
      if (this.cleared > 0) this.#words.add(sasAt(this.owner) + Sas.version, 1);
    }
    return large;
  }

  #clearIn(root: number, top: number, low: number, high: number): boolean {
    const words = this.#words;
    const locks = this.#locks;
    let spt = root;
    let large = false;
    locks.lock(spt);
    for (let level = top - 1; level > 0; level--) {
      const at = sptPageAt(spt) + ((level === 3 ? high >>> 4 : level === 2 ? (high << 5) | (low >>> 27) : low >>> 18) & 0xff8);
      if (level === 1) large = this.#clearTwin(spt, at);
      const entry = words.read(at);
      if ((entry & Pte.P) === 0) {
        locks.unlock(spt);
        return large;
      }
      if (leadsToNode(this.#views, entry) && !this.#links.stands(root, level, high * 2 ** 32 + (low >>> 0))) {
        this.#links.cut(at);
        this.unlinked = true;
      }
      const below = sptOfEntry(entry);
      locks.lock(below);
      locks.unlock(spt);
      spt = below;
      if ((this.#views.i32[(sptHeaderAt(spt) + Spt.role) >>> 2] & Role.DIRECT) === 0) continue;
      this.owner = this.#views.u32[(sptHeaderAt(spt) + Spt.sas) >>> 2];
      this.cleared += this.#clearBelow(spt, level);
      locks.unlock(spt);
      return true;
    }
    this.owner = this.#views.u32[(sptHeaderAt(spt) + Spt.sas) >>> 2];
    this.cleared += this.clearEntry(sptPageAt(spt) + ((low >>> 9) & 0xff8));
    locks.unlock(spt);
    return large;
  }

  /** A page of 4 MiB has two SPTs: clears that of the other half, whether or not this half has one. True when there is one. */
  #clearTwin(directory: number, at: number): boolean {
    const { i32 } = this.#views;
    if ((i32[(sptHeaderAt(directory) + Spt.role) >>> 2] & Role.MODE) >>> Role.MODE_SHIFT !== PagingMode.LEGACY) return false;
    const entry = this.#words.read(at ^ 8);
    if ((entry & Pte.P) === 0) return false;
    const spt = sptOfEntry(entry);
    if ((i32[(sptHeaderAt(spt) + Spt.role) >>> 2] & Role.DIRECT) === 0) return false;
    this.owner = this.#views.u32[(sptHeaderAt(spt) + Spt.sas) >>> 2];
    this.cleared += this.clearSubtree(spt, 1);
    return true;
  }

  /** Clears all leaves below an SPT. Entries cleared. */
  clearSubtree(spt: number, level: number): number {
    this.#locks.lock(spt);
    const cleared = this.#clearBelow(spt, level);
    this.#locks.unlock(spt);
    return cleared;
  }
  #clearBelow(spt: number, level: number): number {
    if (level === 1) return isEmpty(this.#views, spt) ? 0 : this.#clearTable(spt, 0);
    const page = sptPageAt(spt);
    let cleared = 0;
    for (let i = 0; i < PAGE_TABLE_ENTRIES; i++) {
      const entry = this.#words.load(page + i * 8);
      if ((entry & Pte.P) === 0) continue;
      // What others share is not ours to clear, and they fill it again: the link goes.
      if (leadsToNode(this.#views, entry)) cleared += this.clearEntry(page + i * 8);
      else cleared += this.clearSubtree(sptOfEntry(entry), level - 1);
    }
    return cleared;
  }

  /** Clears a SAS's translations, all or only the non-global ones, and its links to nodes that are no longer true. SPTs that had no fill but global ones since their last purge are passed over. */
  purge(sas: number, all: boolean): void {
    const { i32 } = this.#views;
    const words = this.#words;
    if (this.#locks.inForce) this.passFills(sas);
    this.reviewLinks(sas);
    for (let spt = words.load(sasAt(sas) + Sas.spts); spt !== 0; ) {
      const h = sptHeaderAt(spt);
      if ((i32[(h + Spt.role) >>> 2] & Role.LEVEL) === 1) {
        if (all || words.load(h + Spt.unpurged) !== 0) {
          this.takeFills(h);
          this.#locks.lock(spt);
          this.#clearTable(spt, all ? 0 : Pte.G);
          this.#locks.unlock(spt);
          this.finishPurge(h);
        }
      }
      spt = words.load(h + Spt.sasNext);
    }
    this.#counting.add(Counter.purges);
  }

  /** Before the table is looked at: a fill from here on says again that it is there. Not 0 yet: another purge would pass a table by that is not clear. */
  protected takeFills(header: number): void {
    this.#words.store(header + Spt.unpurged, goneOverBy(this.#lp));
  }
  /** Unless something was filled meanwhile, or another LP purges it by now. */
  protected finishPurge(header: number): void {
    this.#words.compareExchange(header + Spt.unpurged, goneOverBy(this.#lp), 0);
  }
  protected reviewLinks(sas: number): void {
    this.#links.review(sas);
  }

  /** A fill may be about to link a table that is in no list yet; it holds one above, which is. */
  protected passFills(sas: number): void {
    const pass = (spt: number): void => {
      this.#locks.lock(spt);
      this.#locks.unlock(spt);
    };
    for (let spt = this.#words.load(sasAt(sas) + Sas.spts); spt !== 0; spt = this.#words.load(sptHeaderAt(spt) + Spt.sasNext)) pass(spt);
    pass(this.#views.u32[(sasAt(sas) + Sas.root) >>> 2]);
  }

  /** Clears a leaf table's present entries but those that have a bit of `keep`. */
  #clearTable(spt: number, keep: number): number {
    const { i32 } = this.#views;
    const page = sptPageAt(spt);
    this.#counting.costs.swept();
    let cleared = 0;
    for (let i = 0, at = page >>> 2; i < PAGE_TABLE_ENTRIES; i++, at += 2) {
      // A plain look first: an entry that a later fill installs meanwhile is fresh and may stay.
      const entry = i32[at];
      if ((entry & Pte.P) === 0 || (entry & keep) !== 0) continue;
      if ((this.#words.exchange(page + i * 8, 0) & Pte.P) !== 0) cleared++;
    }
    if (cleared > 0) this.#counting.add(Counter.purgedEntries, cleared);
    return cleared;
  }

  /** Clears one leaf. Entries cleared. */
  clearEntry(at: number): number {
    if ((this.#words.read(at) & Pte.P) === 0) return 0;
    return (this.#words.exchange(at, 0) & Pte.P) === 0 ? 0 : 1;
  }
}
