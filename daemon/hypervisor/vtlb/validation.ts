// Goes over a shadow page table that may be stale: what the guest's table still says stays, the rest is cleared ("page table validations" of the TLFS's counters).
// Why compare and not purge: of a table that was edited, most entries are as they were. An entry stays only if the walk that would make it again has nothing
// to set in the guest's table: whoever clears A or D wants to see the next access (SDM 3A 4.8).
import { PAGE_TABLE_ENTRIES, PTE_XD_HIGH, Pte } from '../../../shared/layout/paging.js';
import { PartitionLayout, PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { PagingMode, Role, Spt, sptHeaderAt, sptOfEntry, sptPageAt } from '../../../shared/layout/vtlb.js';
import type { SharedWords } from '../../machine/shared-words.js';
import type { OverlayMap } from '../overlay-map.js';
import { Counter, type VtlbCounting } from './counters.js';
import { GuestEntry } from './guest-entry.js';
import type { Invalidation } from './invalidation.js';
import { isTable } from './role.js';
import { leadsToNode } from './sharing.js';

const A20_CLOSED = PartitionMap.HEADER + PartitionLayout.at.a20Closed;
const A20_FRAME = 1 << (20 - 12);

export class Validation {
  readonly #views: Views;
  readonly #words: SharedWords;
  readonly #invalidation: Invalidation;
  readonly #counting: VtlbCounting;
  readonly #overlays: OverlayMap;
  readonly #guest = new GuestEntry();

  constructor(views: Views, words: SharedWords, invalidation: Invalidation, overlays: OverlayMap, counting: VtlbCounting) {
    this.#views = views;
    this.#words = words;
    this.#invalidation = invalidation;
    this.#counting = counting;
    this.#overlays = overlays;
  }

  /** Clears what the SPT, or what hangs below it, grants and its guest table does not. Entries cleared. Inside a fill, after the pending ones. */
  validate(spt: number): number {
    const { i32, u32 } = this.#views;
    const h = sptHeaderAt(spt) >>> 2;
    const level = i32[h + (Spt.role >> 2)] & Role.LEVEL;
    // Nothing above a root takes rights away; its role has none.
    const role = i32[h + (Spt.role >> 2)] | (level === 4 ? Role.ACCESS : 0);
    if (!isTable(role)) return 0;
    this.#counting.add(Counter.validations);
    const gfn = u32[h + (Spt.gptGfn >> 2)];
    const bus = this.#words.load(A20_CLOSED) === 0 ? -1 : ~A20_FRAME;
    const there = gfn < this.#overlays.ramPages;
    const narrow = (role & Role.MODE) >>> Role.MODE_SHIFT === PagingMode.LEGACY;
    const table = (PartitionMap.RAM + gfn * 4096) >>> 2;
    const first = ((role >>> Role.QUADRANT_SHIFT) & 3) * (level === 2 ? 256 : 512);
    const guest = this.#guest;
    const page = sptPageAt(spt);
    let cleared = 0;
    for (let i = 0, at = page >>> 2; i < PAGE_TABLE_ENTRIES; i++, at += 2) {
      const entry = i32[at];
      if ((entry & Pte.P) === 0) continue;
      // Beyond RAM the bus reads as ones.
      const from = table + (narrow ? first + (level === 2 ? i >> 1 : i) : i * 2);
      guest.read(role, there ? i32[from] : -1, there ? i32[from + 1] : -1, bus);
      if (level === 1) {
        const frame = (((entry & -4096) >>> 0) - PartitionMap.RAM) >>> 12;
        if (guest.usable && this.#overlays.place(guest.frame) === frame && this.#granted(role, entry, i32[at + 1])) continue;
        cleared += this.#invalidation.clearEntry(spt, page + i * 8);
      } else cleared += this.#link(spt, role, level, i, entry);
    }
    if (cleared > 0) this.#counting.add(Counter.staleEntriesPurged, cleared);
    return cleared;
  }

  /** What hangs below a link stays if the entry leads to where it led, with the same rights. */
  #link(spt: number, role: number, level: number, index: number, entry: number): number {
    const guest = this.#guest;
    const child = sptOfEntry(entry);
    const h = sptHeaderAt(child) >>> 2;
    const below = this.#views.i32[h + (Spt.role >> 2)];
    const narrow = (role & Role.MODE) >>> Role.MODE_SHIFT === PagingMode.LEGACY;
    let gfn = guest.frame;
    let wanted = (role & Role.SAS) | guest.rights | (level - 1);
    if (guest.large) {
      wanted |= Role.DIRECT;
      if (narrow) gfn += (index & 1) * 512;
    } else if (narrow) wanted |= (index & 1) << Role.QUADRANT_SHIFT;
    const same = guest.usable && below === wanted && this.#views.u32[h + (Spt.gptGfn >> 2)] === gfn;
    // What others share is not ours to clear.
    if (!same && leadsToNode(this.#views, entry)) return this.#invalidation.clearEntry(spt, sptPageAt(spt) + index * 8);
    if (!same) return this.#invalidation.clearSubtree(child, level - 1);
    return guest.large ? this.#direct(child, level - 1) : 0;
  }

  /** Below an entry that maps a large page: frames and rights are the SPT's, D and G may have changed. */
  #direct(spt: number, level: number): number {
    const { i32 } = this.#views;
    const page = sptPageAt(spt);
    const role = i32[(sptHeaderAt(spt) + Spt.role) >>> 2];
    let cleared = 0;
    for (let i = 0, at = page >>> 2; i < PAGE_TABLE_ENTRIES; i++, at += 2) {
      const entry = i32[at];
      if ((entry & Pte.P) === 0) continue;
      if (level > 1) cleared += this.#direct(sptOfEntry(entry), level - 1);
      else if (!this.#granted(role, entry, i32[at + 1])) cleared += this.#invalidation.clearEntry(spt, page + i * 8);
    }
    return cleared;
  }

  /** Whether a leaf grants no more than the guest's entry does (shadow-tree.ts makes them). */
  #granted(role: number, low: number, high: number): boolean {
    const { rights, dirty, global } = this.#guest;
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
