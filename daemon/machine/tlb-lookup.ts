// The lookup that compiled code has inline, for whoever reaches guest memory from TypeScript: the same entries, by the same tags.
import {
  LpContextLayout,
  TLB_BANK_SIZE,
  TLB_ENTRIES,
  TLB_ENTRY_SIZE,
  TLB_MODE_SIZE,
  TlbEntry,
  TlbFlag,
} from '../../shared/layout/lp-context.js';
import { PageFlag, PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';

export class TlbLookup {
  readonly #views: Views;
  /** Of the TLB's banks, and of the word that says which is in use: MOV CR3 of daemon/shortcuts changes it. */
  readonly #banks: number;
  readonly #bank: number;

  /** `context`: address of the LP context. */
  constructor(views: Views, context: number) {
    this.#views = views;
    this.#banks = context + LpContextLayout.at.tlbs;
    this.#bank = (context + LpContextLayout.at.bank) >>> 2;
  }

  /** Address of the bank of the TLB that is in use. */
  get bank(): number {
    return this.#banks + this.#views.i32[this.#bank] * TLB_BANK_SIZE;
  }

  /** SPA of the byte by a half of the TLB (0 supervisor, 1 user), or -1. */
  find(gva: number, user: number, write: boolean): number {
    const { u32, i32 } = this.#views;
    const lo = gva | 0;
    const entry = this.bank + user * TLB_MODE_SIZE + ((lo >>> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY_SIZE;
    const tag = (entry + (write ? TlbEntry.WRITE_TAG : TlbEntry.READ_TAG)) >>> 2;
    // The 64-bit tag as a number: exact, as every address that is looked up is canonical or below 2^32.
    const page = gva - (lo & 4095);
    if (i32[tag + 1] * 4294967296 + u32[tag] !== page && !(write && this.#isWatched(entry, page))) return -1;
    return (lo + i32[(entry + TlbEntry.ADDEND) >>> 2]) >>> 0;
  }
  /** The entry is the page's and lacks its write tag only for a watch, which is still there: whoever stores by way of here looks at it. */
  #isWatched(entry: number, page: number): boolean {
    const { u32, i32 } = this.#views;
    const tag = (entry + TlbEntry.READ_TAG) >>> 2;
    if ((i32[(entry + TlbEntry.FLAGS) >>> 2] & TlbFlag.WATCHED) === 0 || i32[tag + 1] * 4294967296 + u32[tag] !== page) return false;
    return (i32[(PartitionMap.PAGE_FLAGS >>> 2) + i32[(entry + TlbEntry.GFN) >>> 2]] & PageFlag.CODE) !== 0;
  }
}
