// What is at a guest-physical frame: RAM, an overlay page (TLFS 5.2.1), the ROM, or nothing that is memory. Walks of guest page tables ask before they take a frame for RAM.
// Why two looks before the list: walks are frequent and overlays few. A count says whether there are any, then a bit of the page's flags whether there is one here.
// Orders: whoever maps or unmaps one changes the list first and flushes the partition afterwards. A fill that saw the list as it was is in an address space of the
// generation before (vtlb/whole-flush.ts).
import { HypervLayout, OVERLAYS_MAX, PartitionOverlay } from '../../shared/layout/hyperv.js';
import { PageFlag, PartitionLayout, PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import type { SharedWords } from '../machine/shared-words.js';
import { RomMap } from './rom-map.js';

const MAPPED = PartitionMap.HYPERV + HypervLayout.at.mapped;
const MAPPED_HIGH = PartitionMap.HYPERV + HypervLayout.at.mappedHigh;
const OVERLAYS = PartitionMap.HYPERV + HypervLayout.at.overlays;
/** Frames from here on are at 4 GiB or above and have no flags. */
const FLAGGED = 1 << 20;

/** Who may store to what is there: everybody; nobody, which is a fault; or it is memory that stores pass by, on their way to the platform. */
export const Stores = { ALLOWED: 0, REFUSED: 1, PASS_BY: 2 } as const;

export class OverlayMap {
  readonly #words: SharedWords;
  readonly #rom: RomMap;
  readonly #count: number;
  readonly ramPages: number;
  /** After `find`. */
  stores: (typeof Stores)[keyof typeof Stores] = Stores.ALLOWED;

  constructor(views: Views, words: SharedWords) {
    this.#words = words;
    this.#rom = new RomMap(views, words);
    this.ramPages = views.u32[PartitionLayout.at.ramSize >>> 2] >>> 12;
    this.#count = Math.min(views.u32[PartitionLayout.at.overlayPages >>> 2], OVERLAYS_MAX);
  }

  get hasRom(): boolean {
    return this.#rom.pages !== 0;
  }
  /** Whether any is mapped, or there is a ROM: otherwise RAM is all memory. */
  get any(): boolean {
    return this.#rom.pages !== 0 || (this.#count !== 0 && this.#words.read(MAPPED) !== 0);
  }
  /** The frame in partition memory that is seen at a guest-physical one, and `stores`; -1 where there is no memory. */
  find(gfn: number): number {
    this.stores = Stores.ALLOWED;
    const overlay = this.any ? this.at(gfn) : -1;
    if (overlay >= 0) {
      if (this.isReadOnly(overlay)) this.stores = Stores.REFUSED;
      return this.frameOf(overlay);
    }
    if (!this.#rom.has(gfn)) return gfn >= 0 && gfn < this.ramPages ? gfn : -1;
    if (!this.#rom.isWritable(gfn)) this.stores = Stores.PASS_BY;
    return this.#rom.find(gfn);
  }
  /** Overlays and ROM are no place for page tables: they read as what is beyond RAM. */
  holdsTables(gfn: number): boolean {
    return gfn < this.ramPages && (!this.any || (this.find(gfn) === gfn && this.stores === Stores.ALLOWED));
  }
  /** Number of the overlay page that is seen at the frame, or -1. */
  at(gfn: number): number {
    if (gfn < FLAGGED) {
      if ((this.#words.read(PartitionMap.PAGE_FLAGS + gfn * 4) & PageFlag.OVERLAID) === 0) return -1;
    } else if (this.#words.read(MAPPED_HIGH) === 0) return -1;
    for (let overlay = 0; overlay < this.#count; overlay++) if (this.#words.read(OVERLAYS + overlay * 4) === gfn + 1) return overlay;
    return -1;
  }
  /** Guests may only read and execute the hypercall page and the reference TSC page (TLFS 3.13, 12.7.1). */
  isReadOnly(overlay: number): boolean {
    return overlay === PartitionOverlay.HYPERCALL || overlay === PartitionOverlay.REFERENCE_TSC;
  }
  /** Frame of an overlay in partition memory, behind guest RAM. */
  frameOf(overlay: number): number {
    return this.ramPages + overlay;
  }

  /** Maps the overlay at a frame, or nowhere (-1). False: it is there already. Under the partition's Hyper-V lock; the caller flushes the partition afterwards. */
  map(overlay: number, gfn: number): boolean {
    const words = this.#words;
    const before = words.load(OVERLAYS + overlay * 4) - 1;
    if (before === gfn) return false;
    if (gfn >= 0) {
      words.add(MAPPED, 1);
      if (gfn < FLAGGED) words.or(PartitionMap.PAGE_FLAGS + gfn * 4, PageFlag.OVERLAID);
      else words.add(MAPPED_HIGH, 1);
    }
    words.store(OVERLAYS + overlay * 4, gfn + 1);
    if (before < 0) return true;
    if (before >= FLAGGED) words.add(MAPPED_HIGH, -1);
    else if (!this.#covers(before) && !this.#rom.has(before)) words.and(PartitionMap.PAGE_FLAGS + before * 4, ~PageFlag.OVERLAID);
    words.add(MAPPED, -1);
    return true;
  }
  #covers(gfn: number): boolean {
    for (let overlay = 0; overlay < this.#count; overlay++) if (this.#words.load(OVERLAYS + overlay * 4) === gfn + 1) return true;
    return false;
  }
}
