// The guest's page table behind a shadow page table, read without an access: whether what the SPT has is still what the guest's table says.
// Why one place: going over a table, keeping a link to a shared node and merging tables ask the same question, and one wrong answer is a stale translation.
import { PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { PagingMode, Role, Spt, sptHeaderAt } from '../../../shared/layout/vtlb.js';
import type { SharedWords } from '../../machine/shared-words.js';
import type { OverlayMap } from '../overlay-map.js';
import { A20_CLOSED, busOf } from './bus.js';
import { GuestEntry } from './guest-entry.js';
import { isTable } from './role.js';

export class GuestTable {
  readonly #views: Views;
  readonly #words: SharedWords;
  readonly #overlays: OverlayMap;
  #role = 0;
  #level = 0;
  #narrow = false;
  #there = false;
  #bus = -1;
  /** Word of the table, and its first entry that the SPT shadows. */
  #table = 0;
  #first = 0;
  /** After `read`. */
  readonly entry = new GuestEntry();

  constructor(views: Views, words: SharedWords, overlays: OverlayMap) {
    this.#views = views;
    this.#words = words;
    this.#overlays = overlays;
  }

  /** Turns to the table that the SPT shadows. False when there is none that the guest could edit. */
  open(spt: number): boolean {
    const { i32, u32 } = this.#views;
    const h = sptHeaderAt(spt) >>> 2;
    this.#level = i32[h + (Spt.role >> 2)] & Role.LEVEL;
    // Nothing above a root takes rights away; its role has none.
    this.#role = i32[h + (Spt.role >> 2)] | (this.#level === 4 ? Role.ACCESS : 0);
    if (!isTable(this.#role)) return false;
    const gfn = u32[h + (Spt.gptGfn >> 2)];
    this.#bus = busOf(this.#words.load(A20_CLOSED));
    // Overlays are no place for page tables (guest-walk.ts).
    this.#there = this.#overlays.holdsTables(gfn);
    this.#narrow = (this.#role & Role.MODE) >>> Role.MODE_SHIFT === PagingMode.LEGACY;
    this.#table = (PartitionMap.RAM + gfn * 4096) >>> 2;
    this.#first = ((this.#role >>> Role.QUADRANT_SHIFT) & 3) * (this.#level === 2 ? 256 : 512);
    return true;
  }
  /** Role of the SPT, a root's with the rights that it has. */
  get role(): number {
    return this.#role;
  }

  /** Reads the entry that entry `index` of the SPT is made from. */
  read(index: number): GuestEntry {
    const { i32 } = this.#views;
    const from = this.#table + (this.#narrow ? this.#first + (this.#level === 2 ? index >> 1 : index) : index * 2);
    // Beyond RAM the bus reads as ones.
    this.entry.read(this.#role, this.#there ? i32[from] : -1, this.#there ? i32[from + 1] : -1, this.#bus);
    return this.entry;
  }

  /** After `read(index)`: whether the entry leads to what the SPT below shadows, with the rights that it was made for. */
  leadsTo(below: number, index: number): boolean {
    const { entry } = this;
    const h = sptHeaderAt(below) >>> 2;
    let gfn = entry.frame;
    let wanted = (this.#role & Role.SAS) | entry.rights | (this.#level - 1);
    if (entry.large) {
      wanted |= Role.DIRECT;
      if (this.#narrow) gfn += (index & 1) * 512;
    } else if (this.#narrow) wanted |= (index & 1) << Role.QUADRANT_SHIFT;
    return entry.usable && this.#views.i32[h + (Spt.role >> 2)] === wanted && this.#views.u32[h + (Spt.gptGfn >> 2)] === gfn;
  }
}
