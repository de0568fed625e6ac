// What one LP finds by address alone: the code of a RIP, in the jump cache that the dispatcher looks up inline, and the page frame that code of a linear page is
// fetched from. Both hold for one mode id, and are emptied by taking new ids (O(1)). Address spaces that the TLB keeps banks of have mode ids of their own: a
// switch back to one finds its entries again.
import {
  CODE_PAGE_HASHES,
  JUMP_ENTRIES,
  JUMP_ENTRY_SIZE,
  JUMP_MULTIPLIER,
  JUMP_SHIFT,
  LpContextLayout,
  TLB_BANKS,
} from '../../shared/layout/lp-context.js';
import type { Views } from '../../shared/layout/struct.js';
import { FetchTlb } from './fetch-tlb.js';

/**
 * The last mode id. A tag is RIP with the mode id exclusively or-ed into its upper 16 bits, which of canonical RIPs, and of the one behind the last of the lower
 * half, are all 0 or all 1: ids of 15 bits, and not 0, make tags of different RIPs and ids different, and none of them 0 or all ones, which mark empty entries.
 */
const MODE_IDS = 0x7ffe;
const NO_TAG = 0xffff_ffff;

/** What is looked up by address in the address space of one bank of the TLB. */
class Lookups {
  /** Mode ids by CS base, mode and privilege. */
  readonly modeIds = new Map<number, number>();
  /** Pages with code in the jump cache or the fetch TLB, hashed; in the LP context. */
  readonly codePages: Uint8Array;

  constructor({ buffer }: Views, context: number, bank: number) {
    this.codePages = new Uint8Array(buffer, context + LpContextLayout.at.codePages + bank * CODE_PAGE_HASHES, CODE_PAGE_HASHES).fill(0);
  }

  forget(): void {
    if (this.modeIds.size === 0) return;
    this.modeIds.clear();
    this.codePages.fill(0);
  }
}

const hashOf = (linear: number): number => {
  const page = Math.floor(linear / 4096);
  return (page ^ (page / CODE_PAGE_HASHES)) & (CODE_PAGE_HASHES - 1);
};

/** Address of the jump cache entry for a RIP's low half. */
export const jumpEntryAt = (context: number, ripLo: number): number =>
  context + LpContextLayout.at.jump + (Math.imul(ripLo, JUMP_MULTIPLIER) >>> JUMP_SHIFT) * JUMP_ENTRY_SIZE;

export interface JumpCacheSaved {
  readonly nextModeId: number;
  readonly key: number;
  /** Of each bank: number of the mode, its id, ... */
  readonly modeIds: readonly (readonly number[])[];
  readonly fetchTlb: FetchTlb['saved'];
}

export class JumpCache {
  readonly #views: Views;
  readonly #context: number;
  readonly #fetchTlb = new FetchTlb();
  readonly #banks: readonly Lookups[];
  /** Words of the LP context: which bank is in use, and each bank's mode id for the mode in force. MOV CR3 of daemon/shortcuts changes from one bank to another. */
  readonly #bankInUse: number;
  readonly #bankModeIds: number;
  #nextModeId = 1;
  #key = 0;
  /** How often what is looked up by address has become another. */
  flushes = 0;

  constructor(views: Views, context: number) {
    this.#views = views;
    this.#context = context;
    this.#banks = Array.from({ length: TLB_BANKS }, (_, bank) => new Lookups(views, context, bank));
    this.#bankInUse = (context + LpContextLayout.at.bank) >>> 2;
    this.#bankModeIds = (context + LpContextLayout.at.bankModeIds) >>> 2;
  }

  /** Snapshots (shared/kit/saved). */
  get saved(): JumpCacheSaved {
    return {
      nextModeId: this.#nextModeId,
      key: this.#key,
      modeIds: this.#banks.map(({ modeIds }) => [...modeIds].flat()),
      fetchTlb: this.#fetchTlb.saved,
    };
  }
  set saved({ nextModeId, key, modeIds, fetchTlb }: JumpCacheSaved) {
    this.#nextModeId = nextModeId;
    this.#key = key;
    for (const [bank, { modeIds: ids }] of this.#banks.entries()) {
      ids.clear();
      const pairs = modeIds[bank];
      for (let i = 0; i < pairs.length; i += 2) ids.set(pairs[i], pairs[i + 1]);
    }
    this.#fetchTlb.saved = fetchTlb;
  }

  get #bank(): Lookups {
    return this.#banks[this.#views.u32[this.#bankInUse]];
  }
  get #modeId(): number {
    return this.#views.u32[(this.#context + LpContextLayout.at.jumpTag + 4) >>> 2] >>> 16;
  }

  /** Another mode, CS base or privilege, by a number of its own: that mode's entries are found from now on. */
  setMode(key: number): void {
    this.#key = key;
    const { u32 } = this.#views;
    for (let bank = 0; bank < TLB_BANKS; bank++) {
      // Most are not in use: privilege changes with each system call.
      const { modeIds } = this.#banks[bank];
      u32[this.#bankModeIds + bank] = modeIds.size === 0 ? 0 : (modeIds.get(key) ?? 0);
    }
    this.#takeModeId();
  }
  #takeModeId(): void {
    let id = this.#bank.modeIds.get(this.#key);
    if (id === undefined) {
      if (this.#nextModeId > MODE_IDS) {
        // Ids have run out: really empty it all and count again.
        this.#empty();
        this.#fetchTlb.clear();
        this.#nextModeId = 1;
        this.#forgetAll();
      }
      id = this.#nextModeId++;
      this.#bank.modeIds.set(this.#key, id);
    }
    this.#views.u32[this.#bankModeIds + this.#views.u32[this.#bankInUse]] = id;
    this.#views.u32[(this.#context + LpContextLayout.at.jumpTag + 4) >>> 2] = id << 16;
  }
  #forget(bank: number): void {
    this.#banks[bank].forget();
    this.#views.u32[this.#bankModeIds + bank] = 0;
  }
  #forgetAll(): void {
    for (let bank = 0; bank < TLB_BANKS; bank++) this.#forget(bank);
  }
  #empty(): void {
    const from = this.#context + LpContextLayout.at.jump;
    this.#views.u8.fill(0, from, from + JUMP_ENTRIES * JUMP_ENTRY_SIZE);
  }

  /** Mappings may have changed: every address is looked up again, in every address space. */
  flush(): void {
    this.flushes++;
    this.#forgetAll();
    this.#takeModeId();
  }
  /** As `flush` in the address space of one bank of the TLB. */
  flushBank(bank: number): void {
    this.#forget(bank);
    if (bank !== this.#views.u32[this.#bankInUse]) return;
    this.flushes++;
    this.#takeModeId();
  }
  /** The address space of this bank is in use: its entries are found from now on. */
  selectBank(bank: number): void {
    this.flushes++;
    this.#views.u32[this.#bankInUse] = bank;
    this.#takeModeId();
  }
  /** One page's mapping may have changed. */
  flushPage(linear: number): void {
    if (this.#bank.codePages[hashOf(linear)]) this.flushBank(this.#views.u32[this.#bankInUse]);
  }
  /** The code itself is given up. */
  drop(): void {
    this.#empty();
    this.flush();
  }

  /** Upper half of the tag for the RIP in the current mode, as a signed word. */
  #tagHi(rip: number): number {
    return Math.floor(rip / 4294967296) ^ (this.#modeId << 16);
  }
  /** Code address of the RIP: of a block's header, ~index of a unit, 0 = none. */
  find(rip: number): number {
    const { i32 } = this.#views;
    const at = jumpEntryAt(this.#context, rip | 0) >>> 2;
    return i32[at] === (rip | 0) && i32[at + 1] === this.#tagHi(rip) ? i32[at + 2] : 0;
  }
  enter(rip: number, code: number): void {
    const { i32 } = this.#views;
    const at = jumpEntryAt(this.#context, rip | 0) >>> 2;
    i32[at] = rip | 0;
    i32[at + 1] = this.#tagHi(rip);
    i32[at + 2] = code;
  }
  /** Takes the RIP out, in whatever mode. */
  leave(rip: number): void {
    const at = jumpEntryAt(this.#context, rip | 0) >>> 2;
    if (this.#views.i32[at] === (rip | 0)) this.#views.u32[at + 1] = NO_TAG;
  }
  /** Something that is found by address depends on the mapping of the linear page. */
  uses(linear: number): void {
    this.#bank.codePages[hashOf(linear)] = 1;
  }

  /** Guest page frame of a linear address's code, or -1 when it is not known. */
  frame(linear: number): number {
    return this.#fetchTlb.find(linear, this.#modeId);
  }
  enterFrame(linear: number, gfn: number): void {
    this.uses(linear);
    this.#fetchTlb.insert(linear, this.#modeId, gfn);
  }
}
