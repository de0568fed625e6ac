// The hardware TLB of one LP in one partition: a direct-mapped table in the LP context that compiled code looks up inline, and this code fills and flushes.
// Why per partition: the host addresses it holds are offsets in that partition's memory. Caches 4 KiB granules of whatever page size. Reference: SDM 3A 4.10.2.
//
// Address spaces have banks: a switch to one whose bank is still there changes a base address and nothing else, as with the ASIDs and PCIDs of processors
// (SDM 3A 4.10.1). Who loads an address space names it (`select`); whether what its bank holds may still be used is for the one who names to know.
import {
  LpContextLayout,
  RECENT_ENTRY_SIZE,
  recentOffset,
  TLB_BANK_SIZE,
  TLB_BANKS,
  TLB_ENTRIES,
  TLB_ENTRY_SIZE,
  TLB_LOG_MAX,
  TLB_MODE_SIZE,
  TLB_MODES,
  TlbEntry,
  TlbFlag,
} from '../../shared/layout/lp-context.js';
import { lpContextAt, PageFlag, PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import { DeviceTlb } from './device-tlb.js';
import type { SharedWords } from './shared-words.js';

/** Halves of the table. */
export const TlbMode = { SUPERVISOR: 0, USER: 1 } as const;

/** Whoever caches by linear address beside the TLB (instruction fetch): told of every flush and switch, so that nothing outlives the TLB's entries. */
export interface FetchCache {
  /** All banks. */
  flushAll(): void;
  /** What is cached for one bank. */
  flushBank(bank: number): void;
  /** The page, for the bank in use. */
  flushPage(gva: number): void;
  /** The bank is in use from now on. */
  select(bank: number): void;
}

const NO_SPACE = -1;
/** Where the recent pages of a half begin, and those for writes. */
const RECENT_FROM = recentOffset(false, 0);
const RECENT_WRITES_FROM = recentOffset(true, 0);

/** One address space's part of the TLB. */
class Bank {
  readonly number: number;
  readonly base: number;
  /** Never cleared yet: what its memory holds is not a TLB. */
  fresh = true;
  // Numbers of the entries used since the last flush (mode << 10 | index): a flush after a short stay costs what the stay used. In the LP context, for entries are
  // made by daemon/shortcuts, too.
  readonly log: Uint16Array;
  readonly #u32: Uint32Array;
  readonly #i32: Int32Array;
  readonly #logged: number;
  readonly #space: number;
  readonly #lastUse: number;

  constructor({ buffer, u32, i32 }: Views, context: number, number: number) {
    this.number = number;
    this.base = context + LpContextLayout.at.tlbs + number * TLB_BANK_SIZE;
    this.log = new Uint16Array(buffer, context + LpContextLayout.at.bankLogs + number * TLB_LOG_MAX * 2, TLB_LOG_MAX);
    this.#u32 = u32;
    this.#i32 = i32;
    this.#space = (context + LpContextLayout.at.bankSpaces + number * 4) >>> 2;
    this.#lastUse = (context + LpContextLayout.at.bankUses + number * 4) >>> 2;
    this.space = NO_SPACE;
    this.lastUse = 0;
    this.#logged = (context + LpContextLayout.at.bankLogged + number * 4) >>> 2;
    this.logged = 0;
  }
  /** Name of the address space, NO_SPACE: the bank is empty. */
  get space(): number {
    return this.#i32[this.#space];
  }
  set space(space: number) {
    this.#i32[this.#space] = space;
  }
  get lastUse(): number {
    return this.#u32[this.#lastUse];
  }
  set lastUse(clock: number) {
    this.#u32[this.#lastUse] = clock;
  }
  get logged(): number {
    return this.#u32[this.#logged];
  }
  set logged(count: number) {
    this.#u32[this.#logged] = count;
  }
  /** Word of the entry by its number in the log. */
  entry(n: number): number {
    return (this.base + (n >>> 10) * TLB_MODE_SIZE + (n & (TLB_ENTRIES - 1)) * TLB_ENTRY_SIZE) >>> 2;
  }
}

export class HardwareTlb {
  readonly #i32: Int32Array;
  readonly #words: SharedWords;
  readonly #fetch: FetchCache | null;
  /** Word that says that this LP has something to look at. */
  readonly #kick: number;
  /** Word that says which bank is in use. */
  readonly #bankInUse: number;
  readonly #banks: readonly Bank[];
  /** Counts the times that another bank was taken up. */
  readonly #clock: number;
  /** Translations to devices: emptied by whatever could take one away. */
  readonly devices: DeviceTlb;
  /** Flushes of everything, of a bank or of all non-global entries, since start. */
  flushes = 0;

  constructor(views: Views, words: SharedWords, lp: number, fetch: FetchCache | null = null) {
    this.#i32 = views.i32;
    this.#words = words;
    this.#fetch = fetch;
    const context = lpContextAt(lp);
    this.#kick = (context + LpContextLayout.at.kick) >>> 2;
    this.#bankInUse = (context + LpContextLayout.at.bank) >>> 2;
    this.devices = new DeviceTlb(views, context);
    this.#banks = Array.from({ length: TLB_BANKS }, (_, n) => new Bank(views, context, n));
    this.#clock = (context + LpContextLayout.at.bankClock) >>> 2;
    this.#i32[this.#clock] = 0;
    this.#i32[this.#bankInUse] = 0;
    // A bank is first cleared when it is first used: memory that no guest needs is never touched.
    this.#clearBank(this.#bank);
    const none = (context + LpContextLayout.at.noTlb) >>> 2;
    this.#i32.fill(-1, none, none + (TLB_MODE_SIZE >> 2));
  }

  /** Snapshots (shared/kit/saved). */
  get saved(): { readonly fresh: readonly boolean[] } {
    return { fresh: this.#banks.map(({ fresh }) => fresh) };
  }
  set saved({ fresh }: { readonly fresh: readonly boolean[] }) {
    for (const bank of this.#banks) bank.fresh = fresh[bank.number];
  }

  /** Name of the address space whose translations a bank may hold, negative: none. */
  spaceOf(bank: number): number {
    return this.#banks[bank].space;
  }
  /** The bank in use. */
  get bank(): number {
    return this.#bank.number;
  }
  /** MOV CR3 of daemon/shortcuts takes up another, too. */
  get #bank(): Bank {
    return this.#banks[this.#i32[this.#bankInUse]];
  }

  /**
   * An address space is in use from now on: `space` is its name, a number of its own. True when what its bank holds was entered for the space and not flushed
   * since; false: the bank is empty.
   */
  select(space: number): boolean {
    if (this.#bank.space === space) return true;
    let bank = this.#banks[0];
    for (const b of this.#banks) {
      if (b.space === space) {
        this.#use(b);
        return true;
      }
      if (b.lastUse < bank.lastUse) bank = b;
    }
    this.#flush(bank);
    this.#fetch?.flushBank(bank.number);
    bank.space = space;
    this.#use(bank);
    return false;
  }
  #use(bank: Bank): void {
    bank.lastUse = ++this.#i32[this.#clock];
    this.#i32[this.#bankInUse] = bank.number;
    this.#fetch?.select(bank.number);
  }

  /**
   * Enters the translation of one 4 KiB granule. `spa` is any address in its page; `writable` says that the SPTE has W and D set. The write tag is left
   * empty when the page holds watched code. Sets the page's TLB_WRITE flag in the same atomic step that reads CODE: whoever marks the page CODE later sees it.
   */
  insert(mode: number, gva: number, spa: number, writable: boolean, gfn: number, global = false): void {
    const i = this.#i32;
    const bank = this.#bank;
    const low = gva & -4096;
    const high = Math.floor(gva / 4294967296);
    const index = (low >>> 12) & (TLB_ENTRIES - 1);
    const at = (bank.base + mode * TLB_MODE_SIZE + index * TLB_ENTRY_SIZE) >>> 2;
    if (bank.logged < TLB_LOG_MAX) bank.log[bank.logged] = (mode << 10) | index;
    bank.logged++;
    i[at] = low;
    i[at + 1] = high;
    // While a kick is pending, code may have been given up and unwatched that this LP is still in: it must look at its own stores there.
    const mayWrite = writable && i[this.#kick] === 0 && this.#mayWrite(gfn);
    i[at + 2] = mayWrite ? low : -1;
    i[at + 3] = mayWrite ? high : -1;
    i[at + (TlbEntry.ADDEND >> 2)] = ((spa & -4096) - low) | 0;
    i[at + (TlbEntry.GFN >> 2)] = gfn;
    i[at + (TlbEntry.FLAGS >> 2)] = (global ? TlbFlag.GLOBAL : 0) | (writable && !mayWrite ? TlbFlag.WATCHED : 0);
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

  /** Every bank. Those that are not in use are cleared when they are taken again. */
  flushAll(): void {
    this.flushes++;
    const { space } = this.#bank;
    for (const bank of this.#banks) bank.space = NO_SPACE;
    this.#flush(this.#bank);
    this.#bank.space = space;
    this.devices.flush();
    this.#fetch?.flushAll();
  }

  /** All of the bank in use. */
  flushSpace(): void {
    this.flushes++;
    this.#flush(this.#bank);
    this.devices.flush();
    this.#fetch?.flushBank(this.#bank.number);
  }

  /** The bank in use is emptied and goes on in use for another address space: in the midst of an instruction, which may have looked up where the bank is. */
  rename(space: number): void {
    this.flushSpace();
    this.#bank.space = space;
  }

  /** As MOV CR3 does with CR4.PGE set: global translations of the bank in use stay. */
  flushNonGlobal(): void {
    this.flushes++;
    const i = this.#i32;
    const bank = this.#bank;
    const whole = bank.logged > TLB_LOG_MAX;
    const count = whole ? TLB_MODES * TLB_ENTRIES : bank.logged;
    let kept = 0;
    for (let k = 0; k < count; k++) {
      const n = whole ? k : bank.log[k];
      const at = bank.entry(n);
      if (i[at] === -1) continue;
      if ((i[at + (TlbEntry.FLAGS >> 2)] & TlbFlag.GLOBAL) === 0) this.#clear(at);
      else {
        if (kept < TLB_LOG_MAX) bank.log[kept] = n;
        kept++;
      }
    }
    bank.logged = kept;
    this.#forgetRecent(bank);
    this.devices.flush();
    this.#fetch?.flushBank(bank.number);
  }

  /** All of one half of the bank in use: a change of what supervisor (or user) accesses may do. */
  flushMode(mode: number): void {
    this.flushes++;
    const from = (this.#bank.base + mode * TLB_MODE_SIZE) >>> 2;
    this.#i32.fill(-1, from, from + (TLB_MODE_SIZE >> 2));
    this.#forgetRecent(this.#bank);
    this.devices.flush();
    this.#fetch?.flushBank(this.#bank.number);
  }

  /** One page of the bank in use. */
  flushPage(gva: number): void {
    const i = this.#i32;
    const low = gva & -4096;
    const high = Math.floor(gva / 4294967296);
    const index = (low >>> 12) & (TLB_ENTRIES - 1);
    for (let mode = 0; mode < TLB_MODES; mode++) {
      const at = (this.#bank.base + mode * TLB_MODE_SIZE + index * TLB_ENTRY_SIZE) >>> 2;
      if (i[at] === low && i[at + 1] === high) this.#clear(at);
      this.#forgetRecentPage((this.#bank.base + mode * TLB_MODE_SIZE) >>> 2, low);
    }
    this.devices.flush();
    this.#fetch?.flushPage(gva);
  }

  /** Takes the right to write the page without a look away from this LP, in every bank; reads go on. */
  dropWrites(gfn: number): void {
    const i = this.#i32;
    for (const bank of this.#banks) {
      if (bank.space === NO_SPACE && bank !== this.#bank) continue;
      const whole = bank.logged > TLB_LOG_MAX;
      const count = whole ? TLB_MODES * TLB_ENTRIES : bank.logged;
      for (let k = 0; k < count; k++) {
        const at = bank.entry(whole ? k : bank.log[k]);
        if (i[at + (TlbEntry.GFN >> 2)] === gfn) this.#dropWrite(at);
      }
      this.#forgetRecent(bank);
    }
  }

  /** As `dropWrites` when the page was writable only at addresses whose page number ends in the ten bits `index`. */
  dropWritesAt(index: number, gfn: number): void {
    const i = this.#i32;
    for (const bank of this.#banks) {
      if (bank.space === NO_SPACE && bank !== this.#bank) continue;
      for (let mode = 0; mode < TLB_MODES; mode++) {
        const at = (bank.base + mode * TLB_MODE_SIZE + index * TLB_ENTRY_SIZE) >>> 2;
        if (i[at + (TlbEntry.GFN >> 2)] === gfn) this.#dropWrite(at);
      }
      this.#forgetRecent(bank, RECENT_WRITES_FROM);
    }
  }

  #dropWrite(at: number): void {
    const i = this.#i32;
    i[at + 2] = -1;
    i[at + 3] = -1;
    i[at + (TlbEntry.FLAGS >> 2)] &= ~TlbFlag.WATCHED;
  }
  #flush(bank: Bank): void {
    if (bank.fresh || bank.logged > TLB_LOG_MAX) this.#clearBank(bank);
    else if (bank.logged > 0) {
      for (let k = 0; k < bank.logged; k++) this.#clear(bank.entry(bank.log[k]));
      this.#forgetRecent(bank);
    }
    bank.logged = 0;
  }
  #clearBank(bank: Bank): void {
    this.#i32.fill(-1, bank.base >>> 2, (bank.base + TLB_BANK_SIZE) >>> 2);
    bank.fresh = false;
  }
  /** Pages that compiled units have kept apart: they are as good as the entries that they came from. */
  #forgetRecent(bank: Bank, from = RECENT_FROM): void {
    for (let mode = 0; mode < TLB_MODES; mode++) {
      const half = bank.base + mode * TLB_MODE_SIZE;
      this.#i32.fill(-1, (half + from) >>> 2, (half + TLB_MODE_SIZE) >>> 2);
    }
  }
  /** Of one half, whatever the high half of the address is. */
  #forgetRecentPage(half: number, low: number): void {
    const i = this.#i32;
    for (let at = half + (RECENT_FROM >> 2); at < half + (TLB_MODE_SIZE >> 2); at += RECENT_ENTRY_SIZE >> 2) {
      if (i[at] !== low) continue;
      i[at] = -1;
      i[at + 1] = -1;
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
