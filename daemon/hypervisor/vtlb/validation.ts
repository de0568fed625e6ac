// Goes over a shadow page table that may be stale: what the guest's table still says stays, the rest is cleared ("page table validations" of the TLFS's counters).
// Why compare and not purge: of a table that was edited, most entries are as they were. An entry stays only if the walk that would make it again has nothing
// to set in the guest's table: whoever clears A or D wants to see the next access (SDM 3A 4.8).
import { PAGE_TABLE_ENTRIES, PTE_XD_HIGH, Pte } from '../../../shared/layout/paging.js';
import { PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { Role, Spt, sptHeaderAt, sptOfEntry, sptPageAt } from '../../../shared/layout/vtlb.js';
import type { SharedWords } from '../../machine/shared-words.js';
import type { OverlayMap } from '../overlay-map.js';
import { Counter, type VtlbCounting } from './counters.js';
import { GuestTable } from './guest-table.js';
import type { Invalidation } from './invalidation.js';
import { leadsToNode } from './node-links.js';

export class Validation {
  readonly #views: Views;
  readonly #invalidation: Invalidation;
  readonly #counting: VtlbCounting;
  readonly #overlays: OverlayMap;
  readonly #guest: GuestTable;

  constructor(views: Views, words: SharedWords, invalidation: Invalidation, overlays: OverlayMap, counting: VtlbCounting) {
    this.#views = views;
    this.#invalidation = invalidation;
    this.#counting = counting;
    this.#overlays = overlays;
    this.#guest = new GuestTable(views, words, overlays);
  }

  /** Clears what the SPT, or what hangs below it, grants and its guest table does not. Entries cleared. Inside a fill, after the pending ones. */
  validate(spt: number): number {
    const { i32 } = this.#views;
    const guest = this.#guest;
    if (!guest.open(spt)) return 0;
    this.#counting.add(Counter.validations);
    this.#counting.costs.swept();
    const { role } = guest;
    const level = role & Role.LEVEL;
    const page = sptPageAt(spt);
    let cleared = 0;
    for (let i = 0, at = page >>> 2; i < PAGE_TABLE_ENTRIES; i++, at += 2) {
      const entry = i32[at];
      if ((entry & Pte.P) === 0) continue;
      const { usable, frame } = guest.read(i);
      if (level > 1) cleared += this.#link(spt, level, i, entry);
      else {
        const mapped = (((entry & -4096) >>> 0) - PartitionMap.RAM) >>> 12;
        if (usable && this.#overlays.find(frame) === mapped && this.#granted(role, entry, i32[at + 1])) continue;
        cleared += this.#invalidation.clearEntry(page + i * 8);
      }
    }
    if (cleared > 0) this.#counting.add(Counter.staleEntriesPurged, cleared);
    return cleared;
  }

  /** What hangs below a link stays if the entry leads to where it led, with the same rights. */
  #link(spt: number, level: number, index: number, entry: number): number {
    const child = sptOfEntry(entry);
    if (this.#guest.leadsTo(child, index)) return this.#guest.entry.large ? this.#direct(child, level - 1) : 0;
    // What others share is not ours to clear.
    if (leadsToNode(this.#views, entry)) return this.#invalidation.clearEntry(sptPageAt(spt) + index * 8);
    return this.#invalidation.clearSubtree(child, level - 1);
  }

  /** Below an entry that maps a large page: frames and rights are the SPT's, D and G may have changed. */
  #direct(spt: number, level: number): number {
    const { i32 } = this.#views;
    const page = sptPageAt(spt);
    const role = i32[(sptHeaderAt(spt) + Spt.role) >>> 2];
    this.#counting.costs.swept();
    let cleared = 0;
    for (let i = 0, at = page >>> 2; i < PAGE_TABLE_ENTRIES; i++, at += 2) {
      const entry = i32[at];
      if ((entry & Pte.P) === 0) continue;
      if (level > 1) cleared += this.#direct(sptOfEntry(entry), level - 1);
      else if (!this.#granted(role, entry, i32[at + 1])) cleared += this.#invalidation.clearEntry(page + i * 8);
    }
    return cleared;
  }

  /** Whether a leaf grants no more than the guest's entry does (shadow-tree.ts makes them). */
  #granted(role: number, low: number, high: number): boolean {
    const { rights, dirty, global } = this.#guest.entry;
    const user = (rights & Role.U) !== 0;
    const writesAnything = (role & Role.WP) === 0;
    if ((low & Pte.U) !== 0 && !user) return false;
    if ((low & Pte.G) !== 0 && !global) return false;
    if ((high & PTE_XD_HIGH) === 0 && (rights & Role.X) === 0) return false;
    // A user page that only the supervisor reaches was lent to it for a write.
    const lent = user && (low & Pte.U) === 0;
    if (lent && (!writesAnything || (rights & Role.W) !== 0 || (role & Role.SMAP) !== 0)) return false;
    if (lent && (role & Role.SMEP) !== 0 && (high & PTE_XD_HIGH) === 0) return false;
    if ((low & Pte.W) === 0) return true;
    return dirty && ((rights & Role.W) !== 0 || (writesAnything && (!user || lent)));
  }
}
