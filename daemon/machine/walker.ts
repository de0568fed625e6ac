// The LP's hardware page walker: 4-level walk of the tables that the LP's own CR3 points to, accessed and dirty bits set atomically (SDM 3A 4.5, 4.8).
// Why it knows nothing of guests: the tables are shadow page tables; that they are is the hypervisor's business. The LP always runs with CR0.WP=1 and EFER.NXE=1.

import { Rflags } from '../../shared/abi/registers.js';
import { type LpContext, WALK_SMAP, WALK_SMEP } from '../../shared/layout/lp-context.js';
import { PageAccess, PTE_XD_HIGH, Pte } from '../../shared/layout/paging.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import type { SharedWords } from './shared-words.js';

/** Results of a walk: a translation, or why there is none. */
export const Walk = { HIT: 0, NOT_PRESENT: 1, PROTECTION: 2 } as const;
export type Walk = 0 | 1 | 2;

/** Above all SPAs. */
const END_OF_MEMORY = 0xffff_ffff;

export interface WalkerSaved {
  readonly smep: boolean;
  readonly smap: boolean;
  readonly rflags: number;
}

export class HardwareWalker {
  readonly #words: SharedWords;
  /** The registers below are in the LP context, too: for the walks of daemon/shortcuts. */
  readonly #context: LpContext | undefined;
  #root = 0;
  #smep = false;
  #smap = false;
  /** Byte address of the LP's RFLAGS. */
  rflags = 0;
  /** Of the last hit. SPA of the page's first byte. */
  spa = 0;
  gfn = 0;
  /** W and D are both set: later writes need no walk. */
  writable = false;
  global = false;
  /** False when the right depends on EFLAGS.AC (supervisor access to a user page under SMAP): not for the TLB, which cannot test AC. */
  cacheable = true;
  walks = 0;
  /** SPAs of the memory on the LP's own node, as far as tables are in it; walks that ended in a table elsewhere. */
  #localFrom = 0;
  #localTo = END_OF_MEMORY;
  remoteWalks = 0;
  /** Of the last hit: its tables that are elsewhere. */
  remoteLevels = 0;

  constructor(words: SharedWords, context?: LpContext) {
    this.#words = words;
    this.#context = context;
    this.root = 0;
    this.protect(false, false);
  }

  /** Snapshots (shared/kit/saved). The root is in the LP context; where the node's tables are is told anew when a VP is loaded. */
  get saved(): WalkerSaved {
    return { smep: this.#smep, smap: this.#smap, rflags: this.rflags };
  }
  set saved({ smep, smap, rflags }: WalkerSaved) {
    this.#smep = smep;
    this.#smap = smap;
    this.rflags = rflags;
  }

  /** LP.CR3: SPA of the level-4 table; 0 = none loaded, every walk misses. */
  get root(): number {
    return this.#context === undefined ? this.#root : this.#context.walkRoot;
  }
  set root(spa: number) {
    this.#root = spa;
    if (this.#context !== undefined) this.#context.walkRoot = spa;
  }
  /** LP's CR4.SMEP and CR4.SMAP. */
  protect(smep: boolean, smap: boolean): void {
    this.#smep = smep;
    this.#smap = smap;
    if (this.#context !== undefined) this.#context.walkRights = (smep ? WALK_SMEP : 0) | (smap ? WALK_SMAP : 0);
  }
  setLocal(from: number, to: number): void {
    this.#localFrom = from;
    this.#localTo = to;
  }

  /** Translates a canonical GVA for an access (PageAccess bits). The page's address and rights are in the fields after a HIT. */
  walk(gva: number, access: number): Walk {
    this.walks++;
    const words = this.#words;
    const low = gva | 0;
    const high = Math.floor(gva / 4294967296) | 0;
    const { root } = this;
    if (root === 0) return Walk.NOT_PRESENT;
    const entry4 = words.read(root + ((high >>> 4) & 0xff8));
    if ((entry4 & Pte.P) === 0) return Walk.NOT_PRESENT;
    const entry3 = words.read(((entry4 & -4096) >>> 0) + (((high << 5) | (low >>> 27)) & 0xff8));
    if ((entry3 & Pte.P) === 0) return Walk.NOT_PRESENT;
    const entry2 = words.read(((entry3 & -4096) >>> 0) + ((low >>> 18) & 0xff8));
    if ((entry2 & Pte.P) === 0) return Walk.NOT_PRESENT;
    const address = ((entry2 & -4096) >>> 0) + ((low >>> 9) & 0xff8);
    if (this.#localTo !== END_OF_MEMORY) this.#countRemote(root, entry4, entry3, entry2);
    for (;;) {
      let leaf: number;
      let executable = true;
      if ((access & PageAccess.FETCH) !== 0) {
        // XD is in the other half: only a 64-bit load reads both of one entry.
        words.load64(address);
        leaf = words.low;
        executable = (words.high & PTE_XD_HIGH) === 0;
      } else leaf = words.read(address);
      if ((leaf & Pte.P) === 0) return Walk.NOT_PRESENT;
      // Non-leaf SPTEs grant everything: the leaf alone decides.
      this.cacheable = true;
      if ((access & PageAccess.USER) !== 0) {
        if ((leaf & Pte.U) === 0) return Walk.PROTECTION;
      } else if ((leaf & Pte.U) !== 0) {
        if ((access & PageAccess.FETCH) !== 0) {
          if (this.#smep) return Walk.PROTECTION;
        } else if (this.#smap) {
          if ((access & PageAccess.IMPLICIT) !== 0 || (words.i32[this.rflags >>> 2] & Rflags.AC) === 0) return Walk.PROTECTION;
          this.cacheable = false;
        }
      }
      if (!executable) return Walk.PROTECTION;
      let wanted = leaf | Pte.A;
      if ((access & PageAccess.WRITE) !== 0) {
        if ((leaf & Pte.W) === 0) return Walk.PROTECTION;
        wanted |= Pte.D;
      }
      // Locked read-modify-write as the processor's: if the entry changed meanwhile the access is checked again.
      if (wanted !== leaf && words.compareExchange(address, leaf, wanted) !== leaf) continue;
      this.spa = (leaf & -4096) >>> 0;
      this.gfn = (this.spa - PartitionMap.RAM) >>> 12;
      this.writable = (wanted & (Pte.W | Pte.D)) === (Pte.W | Pte.D);
      this.global = (leaf & Pte.G) !== 0;
      return Walk.HIT;
    }
  }

  /** The four tables of a walk, by their addresses or by entries that lead to them. */
  #countRemote(root: number, entry4: number, entry3: number, entry2: number): void {
    this.remoteLevels = this.#remote(root) + this.#remote(entry4) + this.#remote(entry3);
    const leaf = this.#remote(entry2);
    this.remoteLevels += leaf;
    this.remoteWalks += leaf;
  }
  #remote(entry: number): number {
    const table = (entry & -4096) >>> 0;
    return table < this.#localFrom || table >= this.#localTo ? 1 : 0;
  }
}
