// Publishes a translation in the shadow tree of a SAS: finds or links the SPTs on the way, then installs the leaf, all by compare-and-swap.
// Why SPTs are checked at each descent: a link stays when the guest changes the entry it came from; it holds no rights of its own, and what it leads to is
// trusted only if that still shadows what the guest's entry names. So invalidations need to clear leaves only.
import { assert } from '../../../shared/kit/assert.js';
import { PageAccess, PTE_XD_HIGH, Pte } from '../../../shared/layout/paging.js';
import { PartitionLayout, PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import {
  FILLED,
  gptIndexAt,
  PagingMode,
  POISON_LOW,
  Role,
  Sas,
  Spt,
  SptState,
  sasAt,
  slotAt,
  sptHeaderAt,
  sptOfEntry,
  sptPageAt,
  TrackMode,
  vtlbWord,
} from '../../../shared/layout/vtlb.js';
import type { SharedWords } from '../../machine/shared-words.js';
import { Stores } from '../overlay-map.js';
import { Counter, type VtlbCounting } from './counters.js';
import type { GuestWalk } from './guest-walk.js';
import { hasRoomForNode, leadsToNode } from './node-links.js';
import type { Numa } from './numa.js';
import { isTable } from './role.js';
import type { SptLocks } from './spt-locks.js';
import type { SptPool } from './spt-pool.js';
import type { TablePolicy } from './table-policy.js';
import { Grant, type Tracking } from './tracking.js';
import { noteUse } from './write-floods.js';

/**
 * NO_MEMORY: the pool is empty, nothing was published. LOST: another LP was faster. ONCE: right for this access only, `spa` has it, no SPTE was made.
 * NO_RECORD: the page's writable mappings could not be written down, nothing was published. SHARE: the table that `wish` says is to be taken up first.
 */
export const Publish = { DONE: 0, NO_MEMORY: 1, LOST: 2, ONCE: 3, NO_RECORD: 4, SHARE: 5 } as const;
export type Publish = 0 | 1 | 2 | 3 | 4 | 5;

const CUTS = vtlbWord('cuts');
const MADE = vtlbWord('tablesMade');
const LINK = Pte.P | Pte.W | Pte.U | Pte.A;

export class ShadowTree {
  readonly #views: Views;
  readonly #words: SharedWords;
  readonly #pool: SptPool;
  readonly #locks: SptLocks;
  readonly #numa: Numa;
  readonly #tables: TablePolicy;
  readonly #tracking: Tracking;
  readonly #counting: VtlbCounting;
  readonly #ramPages: number;
  /** After DONE: low half of the leaf that was installed, 0 when an equal one was there already. */
  installed = 0;
  /** After SHARE: what the fill would link, and for which address. */
  readonly wish = { gva: 0, level: 0, gptGfn: 0, role: 0 };
  #leafHigh = 0;
  // With SPT locks: what is held, from the top down, the level of the first of it, and the highest level at which a fill that lost wants to link.
  readonly #held: number[] = [];
  #heldLevel = 0;
  #wanted = 0;

  constructor(
    views: Views,
    words: SharedWords,
    pool: SptPool,
    locks: SptLocks,
    numa: Numa,
    tables: TablePolicy,
    tracking: Tracking,
    counting: VtlbCounting,
  ) {
    this.#views = views;
    this.#words = words;
    this.#pool = pool;
    this.#locks = locks;
    this.#numa = numa;
    this.#tables = tables;
    this.#tracking = tracking;
    this.#counting = counting;
    this.#ramPages = views.u32[PartitionLayout.at.ramSize >>> 2] >>> 12;
  }

  /** Locks the deepest SPT on the way to `gva`, or the one that the last try found it must change. Before the guest's tables are read. */
  claim(sas: number, gva: number): void {
    const locks = this.#locks;
    let spt = this.#views.u32[(sasAt(sas) + Sas.root) >>> 2];
    let level = 4;
    locks.lock(spt);
    while (level > 1 && level !== this.#wanted) {
      const entry = this.#words.read(slotAt(spt, level, gva));
      if ((entry & Pte.P) === 0) break;
      const below = sptOfEntry(entry);
      locks.lock(below);
      locks.unlock(spt);
      spt = below;
      level--;
    }
    locks.keep(spt);
    this.#held.push(spt);
    this.#heldLevel = level;
    this.#wanted = 0;
  }
  /** After the fill, whatever came of it. */
  letGo(): void {
    for (const spt of this.#held) this.#locks.unlock(spt);
    this.#held.length = 0;
  }

  /** Between `begin` and `end` of the fill lock. `walk` holds the guest's translation of `gva`; `shares`: by a shared node, if there is to be one on the way. */
  publish(sas: number, gva: number, access: number, role: number, walk: GuestWalk, shares: boolean): Publish {
    const words = this.#words;
    const { u32, i32 } = this.#views;
    const lends = lendsWrite(access, role, walk.rights);
    // SMAP could not go on to forbid what the LP would take for a supervisor page: nothing is cached.
    if (lends && (role & Role.SMAP) !== 0) {
      this.#tracking.written(walk.gfn);
      return Publish.ONCE;
    }
    let leafLow = this.#leafEntry(role, walk, lends);
    const locked = this.#locks.inForce;
    let spt = u32[(sasAt(sas) + Sas.root) >>> 2];
    // The SPT whose guest table has the entry that the leaf comes from: above a large page's it is another than the leaf's own.
    let source = spt;
    for (let level = 3; level > 0; level--) {
      const at = slotAt(spt, level + 1, gva);
      const entry = words.read(at);
      if ((entry & Pte.P) !== 0) {
        const above = spt;
        spt = sptOfEntry(entry);
        // The way has changed since it was claimed.
        if (locked && level === this.#heldLevel && spt !== this.#held[0]) return Publish.LOST;
        const h = sptHeaderAt(spt) >>> 2;
        if (i32[h + (Spt.gptGfn >> 2)] === walk.sptGfn[level] && i32[h + (Spt.role >> 2)] === walk.sptRole[level]) {
          noteUse(this.#views, spt);
          if ((walk.sptRole[level] & Role.DIRECT) === 0) source = spt;
          if (locked && level < this.#heldLevel) this.#hold(spt);
          continue;
        }
        spt = above;
      }
      if (locked && level >= this.#heldLevel) {
        this.#wanted = level + 1;
        return Publish.LOST;
      }
      const owner = u32[(sptHeaderAt(spt) + Spt.sas) >>> 2];
      // Not within a node of a higher level: nodes hang in spaces only.
      if (
        shares &&
        level === this.#tables.share &&
        owner === sas &&
        hasRoomForNode(this.#views, sas) &&
        this.#mayShare(gva, walk.sptGfn[level], walk.sptRole[level])
      ) {
        Object.assign(this.wish, { gva, level, gptGfn: walk.sptGfn[level], role: walk.sptRole[level] });
        return Publish.SHARE;
      }
      const isDirect = (walk.sptRole[level] & Role.DIRECT) !== 0;
      const node = this.#numa.nodeFor(isDirect ? u32[(sptHeaderAt(source) + Spt.gptGfn) >>> 2] : walk.sptGfn[level]);
      spt = this.#link(owner, at, entry, walk.sptGfn[level], walk.sptRole[level], node);
      if (spt === 0) return Publish.NO_MEMORY;
      if (spt < 0) return Publish.LOST;
      if (!isDirect) source = spt;
    }
    const at = slotAt(spt, 1, gva);
    if (walk.stores !== Stores.ALLOWED) leafLow &= ~Pte.W;
    // What is behind RAM is an overlay's, which no page table is in.
    if ((leafLow & Pte.W) !== 0 && walk.gfn < this.#ramPages) {
      const grant = this.#tracking.grant(walk.gfn, at, gva, (access & PageAccess.WRITE) !== 0);
      if (grant === Grant.ONCE) return Publish.ONCE;
      if (grant === Grant.NO_RECORD) return Publish.NO_RECORD;
      if (grant === Grant.READ_ONLY) leafLow &= ~Pte.W;
    }
    const oldLow = words.read(at);
    const oldHigh = words.read(at + 4);
    this.installed = 0;
    if ((oldLow | Pte.D) === (leafLow | Pte.D) && oldHigh === this.#leafHigh) return Publish.DONE;
    assert(oldLow !== POISON_LOW, `fill reached the freed SPT ${spt}`);
    // With both halves 0 on the high side, whatever comes between can only make the entry forbid execution that is allowed, and that is found by the next fault.
    const halves = oldHigh !== 0 || this.#leafHigh !== 0;
    if (
      halves
        ? !words.compareExchange64(at, oldLow, oldHigh, leafLow, this.#leafHigh)
        : words.compareExchange(at, oldLow, leafLow) !== oldLow
    ) {
      this.#counting.add(Counter.casLost);
      return Publish.LOST;
    }
    const h = sptHeaderAt(spt);
    // What hardware TLBs hold of the old entry is more than the new one grants: no longer in step.
    const narrows =
      ((oldLow ^ leafLow) & (-4096 | Pte.U)) !== 0 || (oldLow & ~leafLow & Pte.W) !== 0 || (oldHigh === 0 && this.#leafHigh !== 0);
    if ((oldLow & Pte.P) !== 0 && narrows) words.add(sasAt(u32[(h + Spt.sas) >>> 2]) + Sas.version, 1);
    // After the entry and still inside the fill: a purge that has waited for this fill finds both.
    if (this.#tracking.mode === TrackMode.OFF) {
      // Only the first of them writes: the line stays where all LPs that fill can read it.
      if (!walk.global && words.read(h + Spt.unpurged) !== FILLED) words.store(h + Spt.unpurged, FILLED);
    } else this.#track(source);
    this.installed = leafLow;
    return Publish.DONE;
  }

  #hold(spt: number): void {
    this.#locks.lock(spt);
    this.#locks.keep(spt);
    this.#held.push(spt);
  }

  /** An entry was added to what was made from the SPT's guest table. */
  #track(spt: number): void {
    const h = sptHeaderAt(spt) >>> 2;
    const gfn = this.#views.u32[h + (Spt.gptGfn >> 2)];
    if (gfn < this.#ramPages && isTable(this.#views.i32[h + (Spt.role >> 2)])) this.#tracking.filled(gfn, spt);
  }

  /** The leaf SPTE: what the guest's tables grant, W only where its D bit is set. The high half goes to #leafHigh. */
  #leafEntry(role: number, walk: GuestWalk, lends: boolean): number {
    const { rights } = walk;
    let entry = (PartitionMap.RAM + walk.gfn * 4096) | Pte.P | Pte.A | 0;
    const user = (rights & Role.U) !== 0;
    // With CR0.WP = 0 the supervisor may write any page; the LP's own WP stays 1, so the SPTE must say so.
    const writable = (rights & Role.W) !== 0 || lends || (!user && (role & Role.WP) === 0);
    // SMEP must go on to forbid what the LP would take for supervisor code.
    this.#leafHigh = (rights & Role.X) === 0 || (lends && (role & Role.SMEP) !== 0) ? PTE_XD_HIGH : 0;
    if (user && !lends) entry |= Pte.U;
    // The guest's entry is dirty: the LP need not come back to say so.
    if (writable && walk.dirty) entry |= Pte.W | Pte.D;
    if (walk.global) entry |= Pte.G;
    return entry;
  }

  /** Puts a new SPT, of the node, where `at` held `entry`. 0: no memory; -1: somebody else changed the entry. */
  #link(sas: number, at: number, entry: number, gptGfn: number, role: number, node: number): number {
    const { i32, u32 } = this.#views;
    const words = this.#words;
    assert(entry !== POISON_LOW, `fill links into a freed SPT at ${at}`);
    const spt = this.#pool.allocate(node);
    if (spt === 0) return 0;
    const h = sptHeaderAt(spt);
    i32[(h + Spt.gptGfn) >>> 2] = gptGfn;
    i32[(h + Spt.role) >>> 2] = role;
    i32[(h + Spt.generation) >>> 2] = i32[vtlbWord('generation') >>> 2];
    u32[(h + Spt.parent) >>> 2] = at;
    u32[(h + Spt.sas) >>> 2] = sas;
    // Nobody else can reach it yet.
    if (this.#locks.inForce) this.#hold(spt);
    this.#cuts(entry);
    if (words.compareExchange(at, entry, sptPageAt(spt) | LINK) !== entry) {
      this.#counting.add(Counter.casLost);
      if (this.#locks.inForce) this.#locks.unlock(this.#held.pop() as number);
      this.#pool.free(spt);
      return -1;
    }
    // Into the lists after it is linked, but inside the fill: whoever purges or frees waits for this fill first.
    this.#push(sasAt(sas) + Sas.spts, h + Spt.sasNext, spt);
    if ((role & Role.DIRECT) === 0 && gptGfn < this.#ramPages) this.#push(gptIndexAt(gptGfn), h + Spt.gptNext, spt);
    if ((role & Role.DIRECT) === 0 && gptGfn < this.#ramPages && isTable(role)) this.#tracking.shadowed(gptGfn, spt);
    if (this.#tables.coalesce !== 0) words.add(MADE, 1);
    const parent = sptOfEntry(at);
    if ((entry & Pte.P) !== 0) {
      if (!leadsToNode(this.#views, entry)) this.#condemn(sptOfEntry(entry));
      words.add(sasAt(sas) + Sas.version, 1);
    }
    this.#track(parent);
    return spt;
  }

  /** Upper halves of 64-bit spaces, and nothing below a large page. */
  #mayShare(gva: number, gptGfn: number, role: number): boolean {
    return gva < 0 && (role & Role.DIRECT) === 0 && gptGfn < this.#ramPages && (role & Role.MODE) >>> Role.MODE_SHIFT === PagingMode.LONG;
  }

  /** Links a shared node of the level at `gva`. False when it is there already, or when tables above are missing. Between `begin` and `end`; nobody else fills. */
  linkNode(sas: number, root: number, gva: number, level: number): boolean {
    const words = this.#words;
    let spt = this.#views.u32[(sasAt(sas) + Sas.root) >>> 2];
    for (let above = 4; above > level + 1; above--) {
      const entry = words.read(slotAt(spt, above, gva));
      if ((entry & Pte.P) === 0) return false;
      spt = sptOfEntry(entry);
    }
    if (this.#views.u32[(sptHeaderAt(spt) + Spt.sas) >>> 2] !== sas) return false;
    const at = slotAt(spt, level + 1, gva);
    const entry = words.read(at);
    const link = sptPageAt(root) | LINK;
    if (entry === link) return false;
    this.#cuts(entry);
    if (words.compareExchange(at, entry, link) !== entry) return false;
    if ((entry & Pte.P) !== 0 && !leadsToNode(this.#views, entry)) this.#condemn(sptOfEntry(entry));
    words.add(sasAt(sas) + Sas.version, 1);
    this.#track(spt);
    return true;
  }

  /** Before what the link leads to is replaced: without its SPT, an INVLPG does not know of a large page (SDM 3A 4.10.2.3). */
  #cuts(entry: number): void {
    if ((entry & Pte.P) === 0) return;
    const role = this.#views.i32[(sptHeaderAt(sptOfEntry(entry)) + Spt.role) >>> 2];
    if ((role & Role.DIRECT) !== 0 || (role & Role.LEVEL) > 1) this.#words.add(CUTS, 1);
  }

  /** The LP whose compare-and-swap unlinked an SPT, and no other, condemns it. */
  #condemn(spt: number): void {
    const h = sptHeaderAt(spt);
    this.#counting.add(Counter.sptRelinked);
    this.#words.store(h + Spt.state, SptState.CONDEMNED);
    this.#push(vtlbWord('condemned'), h + Spt.next, spt);
    this.#words.add(vtlbWord('condemnedCount'), 1);
  }

  #push(head: number, next: number, spt: number): void {
    for (;;) {
      const first = this.#words.load(head);
      this.#words.store(next, first);
      if (this.#words.compareExchange(head, first, spt) === first) return;
    }
  }
}

/**
 * Supervisor write to a read-only user page with CR0.WP = 0: the SPTE becomes a writable supervisor one, until user code faults on it and gets it back read-only.
 * (With paging off everything is writable.)
 */
const lendsWrite = (access: number, role: number, rights: number): boolean =>
  (access & (PageAccess.WRITE | PageAccess.USER)) === PageAccess.WRITE && (rights & (Role.W | Role.U)) === Role.U && (role & Role.WP) === 0;
