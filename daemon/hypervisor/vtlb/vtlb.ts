// The vTLB as one LP uses it for one partition: loads address spaces, answers #PF intercepts, invalidates. All shared state is in the arena (layout/vtlb.ts).
// Why shadow tables at all: the LP's walker knows only its own CR3; the guest's tables are software's to read (US7788464B2, SDM 3C 28.3.3).
//
// What keeps a VP from using a translation that it has invalidated (SDM 3A 4.10.4):
//   INVLPG     clears the page in the SAS that is loaded.
//   MOV CR3    loads the SAS of the new tag (US20080215848A1). Whatever in it was made from tables that may have been written since is gone over first
//              (revalidation.ts), so all that outlives the switch is what a walk would find again. The same rule covers every other change of tag
//              (CR0.WP, EFER.NXE, CR4.PGE, ...), INVPCID, and CR3 writes that ask for no flush: those may forget more than they must.
//   partition  generation += 1: every SAS is forgotten, whatever it holds. An LP notices when it next loads one or faults, and begins a new one; what the old ones hold is
//              freed when memory is wanted. LPs in guest mode leave their roots at the handshake that flushes their TLBs. (`vtlb.flush=walk`: all entries are cleared.)
// Each waits for the fills of other LPs that may have read the old entries BEFORE it clears. Other VPs lose translations, which is always legal.
//
// `vtlb.tags=1` keeps no translation across a flush: INVLPG clears every SAS, MOV CR3 purges what is not global, a flush of everything raises the generation.
//
// The hardware TLB has a bank for each SAS. It is in step with the SAS while nothing was taken from the SAS that the bank may hold: each such step adds to the SAS's
// `version`, and a bank that is taken up again with another version is flushed.

import { LpContextLayout } from '../../../shared/layout/lp-context.js';
import { PageAccess, Pte } from '../../../shared/layout/paging.js';
import { lpContextAt, PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';
import {
  PagingMode,
  Role,
  SAS_MAX,
  Sas,
  sasAt,
  sptPageAt,
  TrackMode,
  VtlbVpLayout,
  vtlbVpAt,
  vtlbWord,
} from '../../../shared/layout/vtlb.js';
import type { FlushHandshake } from '../../machine/flush-handshake.js';
import { InvpcidType } from '../../machine/processor.js';
import type { SharedWords } from '../../machine/shared-words.js';
import type { HardwareTlb } from '../../machine/tlb.js';
import type { HardwareWalker } from '../../machine/walker.js';
import { type OverlayMap, Stores } from '../overlay-map.js';
import type { AddressSpaces } from './address-spaces.js';
import type { Coalescing } from './coalescing.js';
import { Counter, type VtlbCounting } from './counters.js';
import type { Discovery } from './discovery.js';
import type { FillLock } from './fill-lock.js';
import type { FlushEpochs } from './flush-epochs.js';
import { GuestWalk, GuestWalkResult } from './guest-walk.js';
import type { Invalidation } from './invalidation.js';
import { eachPart, versionOf } from './node-links.js';
import type { Numa } from './numa.js';
import type { Revalidation } from './revalidation.js';
import { SpaceKey } from './role.js';
import { Publish, type ShadowTree } from './shadow-tree.js';
import type { Sharing } from './sharing.js';
import { SpaceSwitches } from './space-switches.js';
import type { TablePolicy } from './table-policy.js';
import type { TlbBanks } from './tlb-banks.js';
import type { TrackPolicy } from './track-policy.js';
import type { Tracking } from './tracking.js';

/**
 * What a #PF intercept came to. FILLED: access `spa`, or walk again. GUEST_FAULT: raise #PF with `errorCode` (the caller sets CR2). MMIO: `gpa` is outside RAM, nothing was filled.
 * ONCE: this one access may go to the byte at `spa`; neither the TLB nor an SPTE can express the right. PROTECTED: a write to an overlay that guests may not write: #GP(0).
 */
export const PageFault = { FILLED: 0, GUEST_FAULT: 1, MMIO: 2, ONCE: 3, PROTECTED: 4 } as const;
export type PageFault = 0 | 1 | 2 | 3 | 4;

/** How much a change of control registers flushes (SDM 3A 4.10.4.1). */
export const Flush = { NONE: 0, NON_GLOBAL: 1, ALL: 2 } as const;
export type Flush = 0 | 1 | 2;

const { RAM } = PartitionMap;
const GENERATION = vtlbWord('generation');
const CUTS = vtlbWord('cuts');
/** Name of the one bank that is used while nothing is tracked. */
const ANY_SPACE = 0;

/** What a Vtlb is made of; `createVtlb` wires them. */
export interface VtlbParts {
  readonly views: Views;
  readonly words: SharedWords;
  readonly tlb: HardwareTlb;
  readonly walker: HardwareWalker;
  readonly handshake: FlushHandshake;
  readonly lock: FillLock;
  readonly tree: ShadowTree;
  readonly invalidation: Invalidation;
  readonly spaces: AddressSpaces;
  readonly tracking: Tracking;
  readonly policy: TrackPolicy;
  readonly tables: TablePolicy;
  readonly numa: Numa;
  readonly sharing: Sharing;
  readonly coalescing: Coalescing;
  readonly discovery: Discovery;
  readonly revalidation: Revalidation;
  readonly overlays: OverlayMap;
  readonly epochs: FlushEpochs;
  readonly banks: TlbBanks;
  readonly counting: VtlbCounting;
}

export interface VtlbSaved {
  readonly lastVp: number;
  readonly allowsOnce: boolean;
  /** Walks that have not been counted yet. */
  readonly walksToCount: number;
  readonly remoteWalksToCount: number;
  readonly walker: HardwareWalker['saved'];
  readonly numa: Numa['saved'];
  readonly epochs: FlushEpochs['saved'];
  readonly tlb: HardwareTlb['saved'];
}

export class Vtlb {
  readonly #p: VtlbParts;
  readonly #walk: GuestWalk;
  /** Key of the SAS `#keyOf`. */
  readonly #loaded = new SpaceKey();
  #keyOf = -1;
  readonly #switches: SpaceSwitches;
  readonly #next = new SpaceKey();
  #vp: VpBlock | null = null;
  /** The access that was allowed last, for once, may be under way. */
  #allowsOnce = false;
  /** VP that was loaded here last. */
  #lastVp = -1;
  /** Of the walker's counts, what has been counted. */
  #walks = 0;
  #remoteWalks = 0;
  /** Word of the LP context that says which SAS is loaded: invalidations and fills of daemon/shortcuts look there. */
  readonly #sasWord: number;
  /** Word of the LP context that says which cuts this LP's hardware TLB has nothing left of. */
  readonly #cutsWord: number;
  /** Word of the LP context that lets them. */
  readonly #shortFills: number;

  /** After GUEST_FAULT. */
  errorCode = 0;
  /** After MMIO: guest physical address of the byte. */
  gpa = 0;
  /** After ONCE and FILLED: its SPA. */
  spa = 0;
  /**
   * After FILLED: whether the hardware TLB may hold the translation at once, and whether for writes too and globally. A walk would say the same, or less.
   * After MMIO: whether its part for devices may hold it, for this kind of access.
   */
  cacheable = false;
  writable = false;
  global = false;

  constructor(parts: VtlbParts) {
    this.#p = parts;
    const context = lpContextAt(parts.handshake.lp);
    this.#sasWord = (context + LpContextLayout.at.sas) >>> 2;
    this.#cutsWord = (context + LpContextLayout.at.cuts) >>> 2;
    this.#shortFills = (context + LpContextLayout.at.shortFills) >>> 2;
    this.#sas = -1;
    this.#switches = new SpaceSwitches(parts.views, context);
    this.#walk = new GuestWalk(parts.words, parts.counting, parts.overlays);
  }

  /** Snapshots (shared/kit/saved). Between runs: which VP is loaded is decided as the next one begins. */
  get saved(): VtlbSaved {
    const { walker, numa, epochs, tlb } = this.#p;
    return {
      lastVp: this.#lastVp,
      allowsOnce: this.#allowsOnce,
      walksToCount: walker.walks - this.#walks,
      remoteWalksToCount: walker.remoteWalks - this.#remoteWalks,
      walker: walker.saved,
      numa: numa.saved,
      epochs: epochs.saved,
      tlb: tlb.saved,
    };
  }
  set saved({ lastVp, allowsOnce, walksToCount, remoteWalksToCount, walker, numa, epochs, tlb }: VtlbSaved) {
    this.#lastVp = lastVp;
    this.#allowsOnce = allowsOnce;
    this.#walks = this.#p.walker.walks - walksToCount;
    this.#remoteWalks = this.#p.walker.remoteWalks - remoteWalksToCount;
    this.#keyOf = -1;
    this.#p.walker.saved = walker;
    this.#p.numa.saved = numa;
    this.#p.epochs.saved = epochs;
    this.#p.tlb.saved = tlb;
  }

  /** SAS that is loaded, -1 none. */
  get sas(): number {
    return this.#sas;
  }
  get #sas(): number {
    return this.#p.views.i32[this.#sasWord];
  }
  set #sas(sas: number) {
    this.#p.views.i32[this.#sasWord] = sas;
  }
  /** Key of the SAS that is loaded, which MOV CR3 of daemon/shortcuts may have changed. */
  get #key(): SpaceKey {
    const sas = this.#sas;
    if (sas >= 0 && sas !== this.#keyOf) {
      this.#loaded.ofSpace(this.#p.views, sas);
      this.#keyOf = sas;
    }
    return this.#loaded;
  }

  /**
   * This LP begins to run the VP: loads its address space into the LP's CR3. Returns the root's SPA. Not in guest mode. If guest RAM was changed from outside
   * (restored, remapped) call `flushPartition` first.
   */
  load(vp: VpBlock): number {
    const { views } = this.#p;
    const lp = this.#p.handshake.lp;
    this.#vp = vp;
    this.#switches.forget();
    const record = vtlbVpAt(vp.index) >>> 2;
    const at = VtlbVpLayout.at;
    const { u32 } = views;
    this.#followPolicy();
    this.#p.numa.place(this.#p.walker);
    views.i32[this.#shortFills] = this.#p.lock.wantsCounters && this.#p.numa.isUniform && this.#p.tables.coalesce === 0 ? 1 : 0;
    // Another LP may have invalidated for this VP since it was here, and another VP may have used this TLB.
    const moved = this.#lastVp !== vp.index || u32[record + (at.lastLp >> 2)] !== lp + 1;
    if (moved) this.#anotherVp();
    this.#lastVp = vp.index;
    u32[record + (at.lastLp >> 2)] = lp + 1;
    const key = this.#next.read(vp, this.#p.numa.ownerFor(vp.index));
    // Registers changed while the VP was on no LP (INIT, restore): as a switch of address space.
    const changed =
      u32[record + (at.role >> 2)] !== key.role ||
      u32[record + (at.cr3Lo >> 2)] !== (key.cr3Lo | key.pcid) >>> 0 ||
      u32[record + (at.cr3Hi >> 2)] !== key.cr3Hi;
    this.#load(changed);
    if (changed) this.#anotherVp();
    return this.#p.walker.root;
  }

  /** Banks are in step with their SASes, whoever uses them; translations to devices are only this TLB's. */
  #anotherVp(): void {
    const { tlb } = this.#p;
    if (this.#tracks) tlb.devices.flush();
    else tlb.flushAll();
  }
  get #tracks(): boolean {
    return this.#p.tracking.mode !== TrackMode.OFF;
  }
  #followPolicy(): void {
    if (this.#p.policy.mode !== this.#p.tracking.mode) this.#p.discovery.followPolicy();
  }

  /** The VP leaves this LP for long, or for good: its SAS may be evicted. Its hardware TLB entries stay good for its return. */
  unload(): void {
    this.#countWalks();
    this.#switches.forget();
    this.#p.views.i32[this.#shortFills] = 0;
    this.#p.walker.root = 0;
    this.#p.epochs.leave();
    if (this.#sas >= 0) this.#p.spaces.release(this.#sas);
    this.#sas = -1;
    this.#vp = null;
  }

  /** After a change of the VP's CR0, CR3, CR4, EFER or PDPTEs that is in its block already: loads the address space they name, with the flush they demand. */
  switchAddressSpace(flush: Flush): void {
    const vp = this.#vp;
    if (vp === null) return;
    const key = this.#next.read(vp, this.#p.numa.ownerFor(vp.index));
    if (flush !== Flush.NONE || !key.equals(this.#key)) this.#p.counting.serializing(() => this.#switchTo(vp, key, flush));
  }
  #switchTo(vp: VpBlock, key: SpaceKey, flush: Flush): void {
    const { counting, tlb } = this.#p;
    this.#followPolicy();
    if (flush !== Flush.NON_GLOBAL || key.role !== this.#key.role || key.owner !== this.#key.owner) this.#switches.forget();
    const role = this.#key.role;
    counting.add(Counter.addressSpaceSwitches);
    if (this.#tracks) {
      if (flush === Flush.ALL) counting.add(Counter.wholeFlushes);
      this.#load(true);
      this.#offerSwitch(vp);
      tlb.devices.flush();
      return;
    }
    if (flush === Flush.ALL) this.#forgetAll();
    this.#load(true);
    if (flush === Flush.ALL || role !== this.#key.role) tlb.flushAll();
    else tlb.flushNonGlobal();
  }

  /** Flushes this VP's translations: INVPCID of all contexts, CR4.PGE, hypercalls. */
  flush(flush: Flush): void {
    if (flush !== Flush.NONE) this.switchAddressSpace(flush);
  }

  /** INVLPG: returns when this VP can use no older translation of the page. */
  invlpg(gva: number): void {
    const { counting, handshake, invalidation, lock, tlb, views, words } = this.#p;
    counting.add(Counter.invalidations);
    this.#beginClear();
    const tracks = this.#tracks;
    const large = tracks ? invalidation.clearPage(this.#sas, gva) : invalidation.clearPageEverywhere(gva);
    // The only LP has no other's TLB to be out of step, nor its own for another space unless that shares the table.
    const { owner } = invalidation;
    if (tracks && invalidation.cleared > 0 && (owner !== this.#sas || (handshake.othersLow() | handshake.othersHigh()) !== 0)) {
      const version = versionOf(views, words, this.#sas);
      this.noteTaken(owner);
      this.#stepTogether(version);
    }
    // Nothing is left by which to know what else hardware TLBs hold through the link, this one's too: with the next flush it goes.
    if (tracks && invalidation.unlinked) words.add(sasAt(this.#sas) + Sas.version, 1);
    // After the clearing: a table that it did not find was counted before it went.
    const cuts = words.read(CUTS);
    lock.end();
    if (cuts !== views.i32[this.#cutsWord]) {
      // Of whichever address space it was: the word is one for all banks.
      views.i32[this.#cutsWord] = cuts;
      tlb.flushAll();
    } else if (!large) tlb.flushPage(gva);
    else if (tracks) tlb.flushSpace();
    else tlb.flushAll();
  }
  /**
   * INVPCID (SDM 2A). What is loaded is gone over, or loses the page, at once. Whatever has another PCID is gone over when it is loaded next, with a flush or without: until
   * then nobody uses it. Where nothing is tracked it is purged then.
   */
  invpcid(type: number, pcid: number, gva: number): void {
    const tracks = this.#tracks;
    const loaded = pcid === this.#key.pcid;
    switch (type) {
      case InvpcidType.ADDRESS:
        if (loaded || !tracks) this.invlpg(gva);
        break;
      case InvpcidType.CONTEXT:
        if (loaded || !tracks) this.switchAddressSpace(Flush.NON_GLOBAL);
        break;
      default:
        this.switchAddressSpace(type === InvpcidType.ALL ? Flush.ALL : Flush.NON_GLOBAL);
    }
  }

  /** Banks of other LPs, and of this one, may hold what was taken from the space. */
  protected noteTaken(sas: number): void {
    this.#p.words.add(sasAt(sas) + Sas.version, 1);
  }
  /** This LP has made the step from the version itself, and its bank makes it too. */
  #stepTogether(version: number): void {
    const { banks } = this.#p;
    if (banks.version === version) banks.settle(this.#sas, (version + 1) | 0);
  }

  /** Everything that the hardware TLB holds is gone, at any time. */
  flushTlb(): void {
    const { banks, epochs, tlb, views, words } = this.#p;
    // In the midst of a load the bank in use is another's still.
    const settled = this.#sas >= 0 && epochs.settledIn === this.#sas;
    const version = settled ? versionOf(views, words, this.#sas) : 0;
    tlb.flushAll();
    if (settled) banks.settle(this.#sas, version);
  }

  /**
   * A device, a hypercall or a debugger writes the page of guest RAM until `endStore`: what was made from it, if it is a page table, is stale. Nothing may wait in between. The
   * store is inside a fill as the mark is: whoever took the mark away before the bytes changed would find the table as it was, and nobody would look again.
   */
  beginStore(gfn: number): void {
    this.#p.lock.begin();
    this.#p.tracking.written(gfn);
  }
  endStore(): void {
    this.#p.lock.end();
  }

  /** Empties the vTLB for every VP, hardware TLBs included: guest physical memory was remapped or replaced. */
  flushPartition(): void {
    this.#forgetAll();
    this.#p.handshake.flushEverywhere();
  }

  /** No SAS has a translation from now on that is older than this. Other LPs may go on in theirs, as far as they know, until they flush. */
  #forgetAll(): void {
    const { counting, invalidation, lock, tables, words } = this.#p;
    counting.add(Counter.wholeFlushes);
    if (!tables.flushWalks) {
      words.add(GENERATION, 1);
      return;
    }
    counting.add(Counter.flushWalks);
    this.#beginClear();
    for (let sas = 0; sas < SAS_MAX; sas++) {
      if (words.load(sasAt(sas) + Sas.users) < 0) continue;
      invalidation.purge(sas, true);
      words.add(sasAt(sas) + Sas.version, 1);
    }
    lock.end();
  }

  /** After a flush of the hardware TLB: if the SAS that is loaded was forgotten meanwhile, the next walk misses. */
  leaveOldRoot(): void {
    if (this.#sas >= 0 && this.#stale()) this.#p.walker.root = 0;
  }

  /** The #PF intercept: the hardware walker found no right for the access (PageAccess bits) to a canonical GVA. At a point where no access is under way. */
  pageFault(gva: number, access: number): PageFault {
    const { counting, lock, spaces, tree } = this.#p;
    const walk = this.#walk;
    const vp = this.#vp;
    if (vp === null) throw new RangeError('page fault with no VP loaded');
    this.#countWalks();
    if (this.#allowsOnce) this.#endOnce();
    // Before the fill, whose result must be used without a wait in between.
    if (this.#p.coalescing.isDue) this.#p.coalescing.run();
    for (;;) {
      lock.begin();
      // Inside: the generation is checked where no flush of the whole vTLB can pass by unseen.
      if (this.isForgotten(this.#sas)) {
        lock.end();
        this.#renew();
        continue;
      }
      if (lock.fine) tree.claim(this.#sas, gva);
      const result = walk.walk(vp, this.#key, gva, access);
      const refused = result === GuestWalkResult.OK && walk.stores !== Stores.ALLOWED && (access & PageAccess.WRITE) !== 0;
      const published =
        result === GuestWalkResult.OK && walk.isMemory && !refused
          ? tree.publish(this.#sas, gva, access, this.#key.role, walk)
          : Publish.DONE;
      if (lock.fine) tree.letGo();
      if (published === Publish.ONCE && this.#tracks) {
        this.#allowsOnce = true;
        this.unsettleForOnce();
      }
      lock.end();
      if (result === GuestWalkResult.FAULT) {
        counting.add(Counter.guestFaults);
        this.errorCode = walk.errorCode;
        return PageFault.GUEST_FAULT;
      }
      if (refused && walk.stores === Stores.REFUSED) return PageFault.PROTECTED;
      if (result === GuestWalkResult.OK) {
        if (!walk.isMemory || refused) {
          counting.add(Counter.mmioFaults);
          this.gpa = (walk.busGfn >>> 0) * 4096 + (gva & 4095);
          this.cacheable = this.#tlbMayHold(access, (walk.rights & Role.U) !== 0);
          return PageFault.MMIO;
        }
        if (published === Publish.DONE) {
          counting.add(Counter.fills);
          this.#filled(gva, access, walk);
          return PageFault.FILLED;
        }
        if (published === Publish.ONCE) {
          counting.add(Counter.oneTimeTranslations);
          this.spa = RAM + walk.gfn * 4096 + (gva & 4095);
          return PageFault.ONCE;
        }
        if (published === Publish.NO_MEMORY) spaces.reclaim();
        if (published === Publish.SHARE) this.#takeUpNode(vp, gva, access);
        if (published === Publish.NO_RECORD) this.#p.discovery.forgetMappings();
      }
      counting.add(Counter.fillRetries);
    }
  }

  protected isForgotten(sas: number): boolean {
    const { words } = this.#p;
    return words.read(sasAt(sas) + Sas.generation) !== words.load(GENERATION);
  }
  /**
   * Inside the fill: no entry and no record tells of the access that comes, so whoever protects the page asks this LP, and is answered when the access is over
   * (flush-epochs.ts).
   */
  protected unsettleForOnce(): void {
    this.#p.epochs.unsettle();
  }
  /** It is over. What the hardware TLB holds is what it held. */
  #endOnce(): void {
    const { banks, epochs } = this.#p;
    this.#allowsOnce = false;
    if (this.#tracks && epochs.settledIn < 0 && !this.#stale()) banks.settle(this.#sas, banks.version);
  }

  #takeUpNode(vp: VpBlock, gva: number, access: number): void {
    const walk = this.#walk;
    const { level, gptGfn, role } = this.#p.tree.wish;
    this.#p.sharing.takeUp(
      this.#sas,
      this.#key.owner,
      () => walk.walk(vp, this.#key, gva, access) === GuestWalkResult.OK && walk.sptGfn[level] === gptGfn && walk.sptRole[level] === role,
    );
  }

  #filled(gva: number, access: number, walk: GuestWalk): void {
    const leaf = this.#p.tree.installed;
    this.cacheable = leaf !== 0 && this.#tlbMayHold(access, (leaf & Pte.U) !== 0);
    this.writable = (leaf & Pte.W) !== 0;
    this.global = (leaf & Pte.G) !== 0;
    this.spa = RAM + walk.gfn * 4096 + (gva & 4095);
  }

  /** As the walker has it: not what hangs on EFLAGS.AC, and a fetch says nothing about the right to read. */
  #tlbMayHold(access: number, userPage: boolean): boolean {
    const supervisorAtUser = userPage && (access & PageAccess.USER) === 0;
    return (access & PageAccess.FETCH) === 0 && !(supervisorAtUser && (this.#key.role & Role.SMAP) !== 0);
  }

  /** Loads the SAS of the key in #next. `flush`: the VP may use nothing older than what the guest's tables say now. */
  #load(flush: boolean): void {
    const { spaces, policy, views, walker, invalidation, counting, epochs } = this.#p;
    const key = this.#next;
    let kept = true;
    if (this.#sas < 0 || !key.equals(this.#key) || this.#stale()) {
      const before = this.#sas;
      walker.root = 0;
      epochs.unsettle();
      this.#sas = spaces.acquire(key);
      kept = !spaces.made && (!this.#tracks || spaces.isRecent(this.#sas, policy.tags));
      counting.add(kept ? Counter.tagHits : Counter.tagMisses);
      if (before >= 0) spaces.release(before);
      this.#loaded.copy(key);
      this.#keyOf = this.#sas;
      walker.root = sptPageAt(views.u32[(sasAt(this.#sas) + Sas.root) >>> 2]);
      walker.protect((key.role & Role.SMEP) !== 0, (key.role & Role.SMAP) !== 0);
    }
    const vp = this.#vp as VpBlock;
    const record = vtlbVpAt(vp.index) >>> 2;
    const at = VtlbVpLayout.at;
    // In another SAS, even of the same tag, this VP has invalidated nothing yet.
    const name = spaces.nameOf(this.#sas);
    const another = views.u32[record + (at.space >> 2)] !== name;
    views.u32[record + (at.space >> 2)] = name;
    views.u32[record + (at.role >> 2)] = key.role;
    views.u32[record + (at.cr3Lo >> 2)] = key.cr3Lo | key.pcid;
    views.u32[record + (at.cr3Hi >> 2)] = key.cr3Hi;
    walker.rflags = vp.base + Slot.FLAG_SYSTEM * 8;
    if (this.#tracks) {
      this.#take(kept, flush || another);
      return;
    }
    this.#p.tlb.select(ANY_SPACE);
    epochs.unsettle();
    // With paging off translations never change.
    if ((flush || another) && (key.role & Role.MODE) !== 0) {
      this.#beginClear();
      eachPart(views, this.#sas, (part) => invalidation.purge(part, false));
      this.#p.lock.end();
    }
  }

  /** Brings SAS and hardware TLB to where the VP may use them. `kept`: the SAS's tag has not been given up since it was used. */
  #take(kept: boolean, flush: boolean): void {
    const { banks, revalidation, spaces, tlb, views, words } = this.#p;
    const sas = this.#sas;
    if (!kept) this.#forget();
    if (!kept || flush) revalidation.run(sas);
    // After what was taken away: what this LP enters from here on is of this version or a later one.
    const version = versionOf(views, words, sas);
    const held = tlb.select(spaces.nameOf(sas));
    if (held && this.isBehind(version)) tlb.flushSpace();
    banks.settle(sas, version);
  }
  /** Something was taken from the space that the bank may hold. */
  protected isBehind(version: number): boolean {
    return this.#p.banks.version !== version;
  }
  /** The address space that CR3 has just loaded may be loaded by the same value again. */
  #offerSwitch(vp: VpBlock): void {
    const { handshake, policy, spaces, tlb } = this.#p;
    const mode = (this.#key.role & Role.MODE) >>> Role.MODE_SHIFT;
    // What PAE's four registers hold is read anew with each MOV CR3.
    if (mode !== PagingMode.LEGACY && mode !== PagingMode.LONG) return;
    this.#switches.keep(policy.tags - handshake.lps());
    this.#switches.offer(vp.cr3Lo, vp.cr3Hi, this.#sas, spaces.nameOf(this.#sas), tlb.bank);
  }

  /** The walker is hardware and counts for itself. */
  #countWalks(): void {
    const { counting, walker } = this.#p;
    counting.add(Counter.walks, walker.walks - this.#walks);
    counting.add(Counter.remoteWalks, walker.remoteWalks - this.#remoteWalks);
    this.#walks = walker.walks;
    this.#remoteWalks = walker.remoteWalks;
  }

  #stale(): boolean {
    const { words } = this.#p;
    return words.load(sasAt(this.#sas) + Sas.generation) !== words.load(GENERATION);
  }

  /** Empties the SAS that is loaded in place. */
  #forget(): void {
    const { invalidation, lock, words } = this.#p;
    this.#beginClear();
    invalidation.purge(this.#sas, true);
    words.add(sasAt(this.#sas) + Sas.version, 1);
    lock.end();
  }

  /** The SAS that is loaded is of an older generation: another takes its place, for an instruction that is under way. Outside fills. */
  #renew(): void {
    const { banks, counting, epochs, revalidation, spaces, tlb, views, walker, words } = this.#p;
    const before = this.#sas;
    this.#switches.forget();
    walker.root = 0;
    epochs.unsettle();
    this.#sas = spaces.acquire(this.#key);
    spaces.release(before);
    counting.add(Counter.spacesRenewed);
    if (this.#tracks) {
      if (!spaces.made) revalidation.run(this.#sas);
      const version = versionOf(views, words, this.#sas);
      tlb.rename(spaces.nameOf(this.#sas));
      banks.settle(this.#sas, version);
    } else tlb.flushAll();
    views.u32[(vtlbVpAt((this.#vp as VpBlock).index) + VtlbVpLayout.at.space) >>> 2] = spaces.nameOf(this.#sas);
    walker.root = sptPageAt(views.u32[(sasAt(this.#sas) + Sas.root) >>> 2]);
  }

  /** What is cleared between this and the lock's `end` was filled before the guest's change, or after it and from it. */
  #beginClear(): void {
    const { lock } = this.#p;
    lock.waitBeforeClear();
    lock.begin();
  }
}
