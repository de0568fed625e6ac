// The address space (SAS) that this LP has loaded, for which VP: the root that its hardware walker uses, and the bank of its hardware TLB.
//
// The hardware TLB has a bank for each SAS. It is in step with the SAS while nothing was taken from the SAS that the bank may hold: each such step adds to the SAS's
// `version`, and a bank that is taken up again with another version is flushed.
//
// A load is: find or make the SAS of the key, give up the one before, and, where the VP may use nothing older than what the guest's tables say now, go over what is marked
// stale (revalidation.ts). While nothing is tracked (`vtlb.tags=1`) nothing is kept: what is not global is purged, and one bank serves all.
import { LpContextLayout } from '../../../shared/layout/lp-context.js';
import { lpContextAt } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';
import { PagingMode, Role, Sas, sasAt, sptPageAt, TrackMode, VtlbVpLayout, vtlbVpAt } from '../../../shared/layout/vtlb.js';
import type { FlushHandshake } from '../../machine/flush-handshake.js';
import type { SharedWords } from '../../machine/shared-words.js';
import type { HardwareTlb } from '../../machine/tlb.js';
import type { HardwareWalker } from '../../machine/walker.js';
import type { AddressSpaces } from './address-spaces.js';
import { Counter, type VtlbCounting } from './counters.js';
import type { Discovery } from './discovery.js';
import type { FillLock } from './fill-lock.js';
import type { FlushEpochs } from './flush-epochs.js';
import type { Invalidation } from './invalidation.js';
import { eachPart, versionOf } from './node-links.js';
import type { Numa } from './numa.js';
import type { Revalidation } from './revalidation.js';
import { SpaceKey } from './role.js';
import { SpaceSwitches } from './space-switches.js';
import type { TablePolicy } from './table-policy.js';
import type { TlbBanks } from './tlb-banks.js';
import type { TrackPolicy } from './track-policy.js';
import type { Tracking } from './tracking.js';
import type { WholeFlush } from './whole-flush.js';

/** How much a change of control registers flushes (SDM 3A 4.10.4.1). */
export const Flush = { NONE: 0, NON_GLOBAL: 1, ALL: 2 } as const;
export type Flush = 0 | 1 | 2;

/** Name of the one bank that is used while nothing is tracked. */
const ANY_SPACE = 0;
const { at } = VtlbVpLayout;

export interface LoadedSpaceParts {
  readonly views: Views;
  readonly words: SharedWords;
  readonly tlb: HardwareTlb;
  readonly walker: HardwareWalker;
  readonly handshake: FlushHandshake;
  readonly lock: FillLock;
  readonly invalidation: Invalidation;
  readonly whole: WholeFlush;
  readonly spaces: AddressSpaces;
  readonly tracking: Tracking;
  readonly policy: TrackPolicy;
  readonly tables: TablePolicy;
  readonly numa: Numa;
  readonly discovery: Discovery;
  readonly revalidation: Revalidation;
  readonly epochs: FlushEpochs;
  readonly banks: TlbBanks;
  readonly counting: VtlbCounting;
}

export class LoadedSpace {
  readonly #p: LoadedSpaceParts;
  /** Key of the SAS `#keyOf`. */
  readonly #loaded = new SpaceKey();
  #keyOf = -1;
  readonly #next = new SpaceKey();
  readonly #switches: SpaceSwitches;
  #vp: VpBlock | null = null;
  /** VP that was loaded here last. */
  #lastVp = -1;
  /** Word of the LP context that says which SAS is loaded: invalidations and fills of daemon/shortcuts look there. */
  readonly #sasWord: number;
  /** Word of the LP context that lets them. */
  readonly #shortFills: number;

  constructor(parts: LoadedSpaceParts) {
    this.#p = parts;
    const context = lpContextAt(parts.handshake.lp);
    this.#sasWord = (context + LpContextLayout.at.sas) >>> 2;
    this.#shortFills = (context + LpContextLayout.at.shortFills) >>> 2;
    this.#sas = -1;
    this.#switches = new SpaceSwitches(parts.views, context);
  }

  /** VP that was loaded here last; of a snapshot (shared/kit/saved) whose next run decides which VP is loaded. */
  get lastVp(): number {
    return this.#lastVp;
  }
  set lastVp(vp: number) {
    this.#lastVp = vp;
    this.#keyOf = -1;
  }

  get vp(): VpBlock | null {
    return this.#vp;
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
  get key(): SpaceKey {
    const sas = this.#sas;
    if (sas >= 0 && sas !== this.#keyOf) {
      this.#loaded.ofSpace(this.#p.views, sas);
      this.#keyOf = sas;
    }
    return this.#loaded;
  }
  /** Translations outlive a MOV CR3. */
  get tracks(): boolean {
    return this.#p.tracking.mode !== TrackMode.OFF;
  }

  /** This LP begins to run the VP: loads its address space into the LP's CR3. Returns the root's SPA. Not in guest mode. */
  load(vp: VpBlock): number {
    const { handshake, lock, numa, tables, views, walker } = this.#p;
    this.#vp = vp;
    this.#switches.forget();
    const record = vtlbVpAt(vp.index) >>> 2;
    const { u32 } = views;
    this.#followPolicy();
    numa.place(walker);
    views.i32[this.#shortFills] = lock.wantsCounters && numa.isUniform && tables.coalesce === 0 ? 1 : 0;
    // Another LP may have invalidated for this VP since it was here, and another VP may have used this TLB.
    const moved = this.#lastVp !== vp.index || u32[record + (at.lastLp >> 2)] !== handshake.lp + 1;
    if (moved) this.#anotherVp();
    this.#lastVp = vp.index;
    u32[record + (at.lastLp >> 2)] = handshake.lp + 1;
    const key = this.#next.read(vp, numa.ownerFor(vp.index));
    // Registers changed while the VP was on no LP (INIT, restore): as a switch of address space.
    const changed =
      u32[record + (at.role >> 2)] !== key.role ||
      u32[record + (at.cr3Lo >> 2)] !== (key.cr3Lo | key.pcid) >>> 0 ||
      u32[record + (at.cr3Hi >> 2)] !== key.cr3Hi;
    this.#load(changed);
    if (changed) this.#anotherVp();
    return walker.root;
  }

  /** The VP leaves this LP for long, or for good: its SAS may be evicted. Its hardware TLB entries stay good for its return. */
  unload(): void {
    this.#switches.forget();
    this.#p.views.i32[this.#shortFills] = 0;
    this.#p.walker.root = 0;
    this.#p.epochs.leave();
    if (this.#sas >= 0) this.#p.spaces.release(this.#sas);
    this.#sas = -1;
    this.#vp = null;
  }

  /** After a change of the VP's CR0, CR3, CR4, EFER or PDPTEs that is in its block already: loads the address space they name, with the flush they demand. */
  switchTo(flush: Flush): void {
    const vp = this.#vp;
    if (vp === null) return;
    const key = this.#next.read(vp, this.#p.numa.ownerFor(vp.index));
    if (flush !== Flush.NONE || !key.equals(this.key)) this.#p.counting.serializing(() => this.#switchTo(vp, key, flush));
  }
  #switchTo(vp: VpBlock, key: SpaceKey, flush: Flush): void {
    const { counting, tlb, whole } = this.#p;
    this.#followPolicy();
    if (flush !== Flush.NON_GLOBAL || key.role !== this.key.role || key.owner !== this.key.owner) this.#switches.forget();
    const role = this.key.role;
    counting.add(Counter.addressSpaceSwitches);
    if (this.tracks) {
      if (flush === Flush.ALL) counting.add(Counter.wholeFlushes);
      this.#load(true);
      this.#offerSwitch(vp);
      tlb.devices.flush();
      return;
    }
    if (flush === Flush.ALL) whole.run();
    this.#load(true);
    if (flush === Flush.ALL || role !== this.key.role) tlb.flushAll();
    else tlb.flushNonGlobal();
  }

  /** Loads the SAS of the key in #next. `flush`: the VP may use nothing older than what the guest's tables say now. */
  #load(flush: boolean): void {
    const { spaces, policy, views, walker, invalidation, counting, epochs } = this.#p;
    const key = this.#next;
    let kept = true;
    if (this.#sas < 0 || !key.equals(this.key) || this.#isForgotten()) {
      walker.root = 0;
      epochs.unsettle();
      this.#change(key);
      kept = !spaces.made && (!this.tracks || spaces.isRecent(this.#sas, policy.tags));
      counting.add(kept ? Counter.tagHits : Counter.tagMisses);
      this.#loaded.copy(key);
      this.#keyOf = this.#sas;
      walker.root = sptPageAt(views.u32[(sasAt(this.#sas) + Sas.root) >>> 2]);
      walker.protect((key.role & Role.SMEP) !== 0, (key.role & Role.SMAP) !== 0);
    }
    const vp = this.#vp as VpBlock;
    const record = vtlbVpAt(vp.index) >>> 2;
    // In another SAS, even of the same tag, this VP has invalidated nothing yet.
    const name = spaces.nameOf(this.#sas);
    const another = views.u32[record + (at.space >> 2)] !== name;
    views.u32[record + (at.space >> 2)] = name;
    views.u32[record + (at.role >> 2)] = key.role;
    views.u32[record + (at.cr3Lo >> 2)] = key.cr3Lo | key.pcid;
    views.u32[record + (at.cr3Hi >> 2)] = key.cr3Hi;
    walker.rflags = vp.base + Slot.FLAG_SYSTEM * 8;
    if (this.tracks) {
      this.#take(kept, flush || another);
      return;
    }
    this.#p.tlb.select(ANY_SPACE);
    epochs.unsettle();
    // With paging off translations never change.
    if ((flush || another) && (key.role & Role.MODE) !== 0) {
      this.#p.lock.beginClear();
      eachPart(views, this.#sas, (part) => invalidation.purge(part, false));
      this.#p.lock.end();
    }
  }

  /** Another SAS for the one that is loaded, which no walk uses any more. That one is given up first: whoever wants an entry of the table counts on one SAS for each LP. */
  #change(key: SpaceKey): void {
    const { spaces } = this.#p;
    const before = this.#sas;
    this.#sas = -1;
    if (before >= 0) spaces.release(before);
    this.#sas = spaces.acquire(key);
  }

  /** Brings SAS and hardware TLB to where the VP may use them. `kept`: the SAS's tag has not been given up since it was used. */
  #take(kept: boolean, flush: boolean): void {
    const { banks, revalidation, spaces, tlb, views, words } = this.#p;
    const sas = this.#sas;
    if (!kept) this.#empty();
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

  /** The SAS that is loaded is of an older generation: another takes its place, for an instruction that is under way. Outside fills. */
  renew(): void {
    const { banks, counting, epochs, revalidation, spaces, tlb, views, walker, words } = this.#p;
    this.#switches.forget();
    walker.root = 0;
    epochs.unsettle();
    this.#change(this.key);
    counting.add(Counter.spacesRenewed);
    if (this.tracks) {
      if (!spaces.made) revalidation.run(this.#sas);
      const version = versionOf(views, words, this.#sas);
      tlb.rename(spaces.nameOf(this.#sas));
      banks.settle(this.#sas, version);
    } else tlb.flushAll();
    views.u32[(vtlbVpAt((this.#vp as VpBlock).index) + at.space) >>> 2] = spaces.nameOf(this.#sas);
    walker.root = sptPageAt(views.u32[(sasAt(this.#sas) + Sas.root) >>> 2]);
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
  /** After a flush of the hardware TLB: if the SAS that is loaded was forgotten meanwhile, the next walk misses. */
  leaveOldRoot(): void {
    if (this.#sas >= 0 && this.#isForgotten()) this.#p.walker.root = 0;
  }

  /** This LP has made the step from the version itself, and its bank makes it too. */
  stepTogether(version: number): void {
    const { banks } = this.#p;
    if (banks.version === version) banks.settle(this.#sas, (version + 1) | 0);
  }
  /** The access for which this LP was unsettled is over. What the hardware TLB holds is what it held. */
  settleAgain(): void {
    const { banks, epochs } = this.#p;
    if (this.tracks && epochs.settledIn < 0 && !this.#isForgotten()) banks.settle(this.#sas, banks.version);
  }

  #isForgotten(): boolean {
    return this.#p.whole.hasForgotten(this.#sas);
  }
  /** Banks are in step with their SASes, whoever uses them; translations to devices are only this TLB's. */
  #anotherVp(): void {
    const { tlb } = this.#p;
    if (this.tracks) tlb.devices.flush();
    else tlb.flushAll();
  }
  #followPolicy(): void {
    if (this.#p.policy.mode !== this.#p.tracking.mode) this.#p.discovery.followPolicy();
  }
  /** Empties the SAS that is loaded in place. */
  #empty(): void {
    const { invalidation, lock, words } = this.#p;
    lock.beginClear();
    invalidation.purge(this.#sas, true);
    words.add(sasAt(this.#sas) + Sas.version, 1);
    lock.end();
  }

  /** The address space that CR3 has just loaded may be loaded by the same value again, without TypeScript. */
  #offerSwitch(vp: VpBlock): void {
    const { handshake, policy, spaces, tlb } = this.#p;
    const mode = (this.key.role & Role.MODE) >>> Role.MODE_SHIFT;
    // What PAE's four registers hold is read anew with each MOV CR3.
    if (mode !== PagingMode.LEGACY && mode !== PagingMode.LONG) return;
    this.#switches.keep(policy.tags - handshake.lps());
    this.#switches.offer(vp.cr3Lo, vp.cr3Hi, this.#sas, spaces.nameOf(this.#sas), tlb.bank);
  }
}
