// The hardware TLB of one LP in one partition: a direct-mapped table in the LP context that compiled code looks up inline, and this code fills and flushes.
// Why per partition: the host addresses it holds are offsets in that partition's memory. Caches 4 KiB granules of whatever page size. Reference: SDM 3A 4.10.2.
import {
  LpContextLayout,
  recentOffset,
  TLB_ENTRIES,
  TLB_ENTRY_SIZE,
  TLB_MODE_SIZE,
  TLB_MODES,
  TlbEntry,
} from '../../shared/layout/lp-context.js';
import { lpContextAt, PageFlag, PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import { DeviceTlb } from './device-tlb.js';
import type { SharedWords } from './shared-words.js';

/** Halves of the table. */
export const TlbMode = { SUPERVISOR: 0, USER: 1 } as const;
/** Bits of an entry's flags word. */
export const TlbFlag = { GLOBAL: 1 } as const;

/** Whoever caches by linear address beside the TLB (instruction fetch): told of every flush, so that nothing outlives the TLB's entries. */
export interface FetchCache {
  flushAll(): void;
  flushPage(gva: number): void;
}

/** Entries remembered since the last flush; beyond that a flush clears the whole table. */
const LOG_MAX = 512;

export class HardwareTlb {
  readonly #i32: Int32Array;
  readonly #words: SharedWords;
  readonly #base: number;
  readonly #fetch: FetchCache | null;
  /** Translations to devices: emptied by whatever could take one away. */
  readonly devices: DeviceTlb = new DeviceTlb();
  // Numbers of the entries used since the last flush (mode << 10 | index): a flush after a short stay costs what the stay used.
  readonly #log = new Uint16Array(LOG_MAX);
  #logged = 0;
  /** Flushes of everything or of all non-global entries, since start. */
  flushes = 0;

  constructor(views: Views, words: SharedWords, lp: number, fetch: FetchCache | null = null) {
    this.#i32 = views.i32;
    this.#words = words;
    this.#base = lpContextAt(lp) + LpContextLayout.at.tlbs;
    this.#fetch = fetch;
    this.#i32.fill(-1, this.#base >>> 2, (this.#base + TLB_MODES * TLB_MODE_SIZE) >>> 2);
    const none = (lpContextAt(lp) + LpContextLayout.at.noTlb) >>> 2;
    this.#i32.fill(-1, none, none + (TLB_MODE_SIZE >> 2));
  }

  /**
   * Enters the translation of one 4 KiB granule. `spa` is any address in its page; `writable` says that the SPTE has W and D set. The write tag is left
   * empty when the page holds watched code. Sets the page's TLB_WRITE flag in the same atomic step that reads CODE: whoever marks the page CODE later sees it.
   */
  insert(mode: number, gva: number, spa: number, writable: boolean, gfn: number, global = false): void {
    const i = this.#i32;
    const low = gva & -4096;
    const high = Math.floor(gva / 4294967296);
    const index = (low >>> 12) & (TLB_ENTRIES - 1);
    const at = (this.#base + mode * TLB_MODE_SIZE + index * TLB_ENTRY_SIZE) >>> 2;
    if (this.#logged < LOG_MAX) this.#log[this.#logged] = (mode << 10) | index;
    this.#logged++;
    i[at] = low;
    i[at + 1] = high;
    if (writable && this.#mayWrite(gfn)) {
      i[at + 2] = low;
      i[at + 3] = high;
    } else {
      i[at + 2] = -1;
      i[at + 3] = -1;
    }
    i[at + (TlbEntry.ADDEND >> 2)] = ((spa & -4096) - low) | 0;
    i[at + (TlbEntry.GFN >> 2)] = gfn;
    i[at + (TlbEntry.FLAGS >> 2)] = global ? TlbFlag.GLOBAL : 0;
  }

  /** For a write that no entry is kept of: whoever begins to watch the page waits for this LP as if one were. */
  claimWrite(gfn: number): void {
    this.#mayWrite(gfn);
  }
  #mayWrite(gfn: number): boolean {
    const flags = PartitionMap.PAGE_FLAGS + gfn * 4;
    // Most pages have TLB_WRITE set already: a plain look saves the read-modify-write. If CODE comes after it, its setter sees TLB_WRITE and asks for a flush.
    const seen = this.#words.read(flags);
    if ((seen & PageFlag.CODE) !== 0) return false;
    if ((seen & PageFlag.TLB_WRITE) !== 0) return true;
    return (this.#words.or(flags, PageFlag.TLB_WRITE) & PageFlag.CODE) === 0;
  }

  flushAll(): void {
    this.flushes++;
    if (this.#logged > LOG_MAX) this.#i32.fill(-1, this.#base >>> 2, (this.#base + TLB_MODES * TLB_MODE_SIZE) >>> 2);
    else {
      for (let k = 0; k < this.#logged; k++) this.#clear(this.#entry(this.#log[k]));
      this.#forgetRecent();
    }
    this.#logged = 0;
    this.devices.flush();
    this.#fetch?.flushAll();
  }

  /** As MOV CR3 does with CR4.PGE set: global translations stay. */
  flushNonGlobal(): void {
    this.flushes++;
    const i = this.#i32;
    const whole = this.#logged > LOG_MAX;
    const count = whole ? TLB_MODES * TLB_ENTRIES : this.#logged;
    let kept = 0;
    for (let k = 0; k < count; k++) {
      const n = whole ? k : this.#log[k];
      const at = this.#entry(n);
      if (i[at] === -1) continue;
      if ((i[at + (TlbEntry.FLAGS >> 2)] & TlbFlag.GLOBAL) === 0) this.#clear(at);
      else {
        if (kept < LOG_MAX) this.#log[kept] = n;
        kept++;
      }
    }
    this.#logged = kept;
    this.#forgetRecent();
    this.devices.flush();
    this.#fetch?.flushAll();
  }

  /** All of one half: a change of what supervisor (or user) accesses may do. */
  flushMode(mode: number): void {
    this.flushes++;
    const from = (this.#base + mode * TLB_MODE_SIZE) >>> 2;
    this.#i32.fill(-1, from, from + (TLB_MODE_SIZE >> 2));
    this.#forgetRecent();
    this.devices.flush();
    this.#fetch?.flushAll();
  }

  flushPage(gva: number): void {
    const i = this.#i32;
    const low = gva & -4096;
    const high = Math.floor(gva / 4294967296);
    const index = (low >>> 12) & (TLB_ENTRIES - 1);
    for (let mode = 0; mode < TLB_MODES; mode++) {
      const at = (this.#base + mode * TLB_MODE_SIZE + index * TLB_ENTRY_SIZE) >>> 2;
      if (i[at] === low && i[at + 1] === high) this.#clear(at);
    }
    this.#forgetRecent();
    this.devices.flush();
    this.#fetch?.flushPage(gva);
  }

  /** Takes the right to write the page without a look away from this LP; reads go on. */
  dropWrites(gfn: number): void {
    const i = this.#i32;
    const count = this.#logged > LOG_MAX ? TLB_MODES * TLB_ENTRIES : this.#logged;
    for (let k = 0; k < count; k++) {
      const n = this.#logged > LOG_MAX ? k : this.#log[k];
      const at = this.#entry(n);
      if (i[at + (TlbEntry.GFN >> 2)] !== gfn) continue;
      i[at + 2] = -1;
      i[at + 3] = -1;
    }
    this.#forgetRecent();
  }

  /** Word of the entry by its number in the log. */
  #entry(n: number): number {
    return (this.#base + (n >>> 10) * TLB_MODE_SIZE + (n & (TLB_ENTRIES - 1)) * TLB_ENTRY_SIZE) >>> 2;
  }
  /** Pages that compiled units have kept apart: they are as good as the entries that they came from. */
  #forgetRecent(): void {
    for (let mode = 0; mode < TLB_MODES; mode++) {
      const half = this.#base + mode * TLB_MODE_SIZE;
      this.#i32.fill(-1, (half + recentOffset(false, 0)) >>> 2, (half + TLB_MODE_SIZE) >>> 2);
    }
  }
  #clear(at: number): void {
    const i = this.#i32;
    i[at] = -1;
    i[at + 1] = -1;
    i[at + 2] = -1;
    i[at + 3] = -1;
  }
}
