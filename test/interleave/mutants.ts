// Deliberate faults in the protocols: each must make at least one schedule of its scenario fail, else the scenario proves nothing.
import { AddressSpaces } from '../../daemon/hypervisor/vtlb/address-spaces.js';
import { Coalescing, type CoalescingParts, MergeWait } from '../../daemon/hypervisor/vtlb/coalescing.js';
import type { VtlbCounting } from '../../daemon/hypervisor/vtlb/counters.js';
import { VTLB_CLASSES, type VtlbClasses } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { FillLock } from '../../daemon/hypervisor/vtlb/fill-lock.js';
import { FlushEpochs } from '../../daemon/hypervisor/vtlb/flush-epochs.js';
import { Invalidation } from '../../daemon/hypervisor/vtlb/invalidation.js';
import { NodeLinks } from '../../daemon/hypervisor/vtlb/node-links.js';
import { Reclaim } from '../../daemon/hypervisor/vtlb/reclaim.js';
import { FillWait, Revalidation, type RevalidationParts } from '../../daemon/hypervisor/vtlb/revalidation.js';
import { Sharing } from '../../daemon/hypervisor/vtlb/sharing.js';
import { SptLocks } from '../../daemon/hypervisor/vtlb/spt-locks.js';
import { Tracking } from '../../daemon/hypervisor/vtlb/tracking.js';
import { Validation } from '../../daemon/hypervisor/vtlb/validation.js';
import { PageFault, Vtlb, type VtlbParts } from '../../daemon/hypervisor/vtlb/vtlb.js';
import { WritableMappings } from '../../daemon/hypervisor/vtlb/writable-mappings.js';
import { FlushHandshake } from '../../daemon/machine/flush-handshake.js';
import { GenerationCounters } from '../../daemon/machine/generation.js';
import type { SharedWords } from '../../daemon/machine/shared-words.js';
import type { WatchedCode } from '../../daemon/machine/watched-code.js';
import { ShortcutFault } from '../../shared/layout/translation-fields.js';
import { Role, Spt, sptHeaderAt, TrackState, trackAt, trackStateOf } from '../../shared/layout/vtlb.js';
import { CODE_MUTANTS } from './code-mutants.js';
import { ABSENT } from './scenarios.js';
import { SYNIC_MUTANTS, type SynicMutant } from './synic-mutants.js';

class NoPendingWait extends FillLock {
  override waitForPendingFills(): void {}
}
class ClearBeforeWait extends FillLock {
  #owed = false;
  override waitForPendingFills(): void {
    this.#owed = true;
  }
  override end(): void {
    super.end();
    if (!this.#owed) return;
    this.#owed = false;
    super.waitForPendingFills();
  }
}
/** Waits after it has entered: two invalidators wait for each other. */
class WaitWhileOdd extends FillLock {
  #owed = false;
  override waitForPendingFills(): void {
    this.#owed = true;
  }
  override begin(): void {
    super.begin();
    if (!this.#owed) return;
    this.#owed = false;
    super.waitForPendingFills();
  }
}
class UncheckedWait extends GenerationCounters {
  override waitForPendingFills(low: number, high: number): void {
    const { inside } = this;
    this.inside = false;
    super.waitForPendingFills(low, high);
    this.inside = inside;
  }
}
class NoModeRecheck extends FillLock {
  protected override modeStill(): boolean {
    return true;
  }
}
class NoWaitAtSwitch extends FillLock {
  protected override awaitCounterFills(): void {}
}
class NoPurge extends Invalidation {
  override purge(): void {}
}
class OnlyOwnClear extends Invalidation {
  override clearPage(): boolean {
    return false;
  }
  override clearPageEverywhere(): boolean {
    return false;
  }
}
class NoFillWait extends Reclaim {
  protected override awaitFills(): void {}
}
class WaitThenUnlink extends Reclaim {
  #postponed: number[] = [];
  protected override unlink(spt: number): boolean {
    if (this.#postponed.includes(spt)) return false;
    this.#postponed.push(spt);
    return true;
  }
  protected override awaitWalkers(): void {
    super.awaitWalkers();
    for (const spt of this.#postponed) super.unlink(spt);
    this.#postponed = [];
  }
}
/** Frees each table before it has looked below the others: what it finds there may be another LP's by then. */
class GathersAsItFrees extends Reclaim {
  override retire(batch: number[]): void {
    super.retire([]);
    for (const spt of batch) super.retire([spt]);
  }
}
class NoWalkerWait extends Reclaim {
  protected override awaitWalkers(): void {}
}
class NoKeyRecheck extends AddressSpaces {
  protected override stillMatches(): boolean {
    return true;
  }
}
class NoGeneration extends AddressSpaces {
  protected override generationMatches(): boolean {
    return true;
  }
}
class KeepsOldRoot extends Vtlb {
  override leaveOldRoot(): void {}
}
/** Only the mark is inside a fill. */
class MarksOnlyAtStores extends Vtlb {
  override beginStore(gfn: number): void {
    super.beginStore(gfn);
    super.endStore();
  }
  override endStore(): void {}
}
class SettledWhileItWrites extends Vtlb {
  protected override unsettleForOnce(): void {}
}
/** A walk that found nothing is remembered for all LPs, until somebody invalidates. */
class SharesAbsentEntries extends Vtlb {
  readonly #words: SharedWords;
  constructor(parts: VtlbParts) {
    super(parts);
    this.#words = parts.words;
  }
  override pageFault(gva: number, access: number): PageFault {
    if (this.#words.load(ABSENT) === gva) return PageFault.GUEST_FAULT;
    const result = super.pageFault(gva, access);
    if (result === PageFault.GUEST_FAULT) this.#words.store(ABSENT, gva);
    return result;
  }
}
class NoTableLocks extends SptLocks {
  override lock(): void {}
}
class OnlyLeavesLocked extends SptLocks {
  readonly #words: SharedWords;
  constructor(words: SharedWords, fillLock: FillLock, counting: VtlbCounting) {
    super(words, fillLock, counting);
    this.#words = words;
  }
  override lock(spt: number): void {
    if ((this.#words.i32[(sptHeaderAt(spt) + Spt.role) >>> 2] & Role.LEVEL) === 1) super.lock(spt);
  }
}
class PurgePassesNoFills extends Invalidation {
  protected override passFills(): void {}
}
class TakesUpAsItIs extends Sharing {
  protected override cleanse(): void {}
}
class LinksStayWhenFlushed extends NodeLinks {
  override review(): void {}
}
class LinksStayAtInvlpg extends NodeLinks {
  #reviewing = false;
  override review(sas: number): void {
    this.#reviewing = true;
    super.review(sas);
    this.#reviewing = false;
  }
  override stands(root: number, level: number, gva: number): boolean {
    return !this.#reviewing || super.stands(root, level, gva);
  }
}
const mergesWithout = (left: MergeWait): typeof Coalescing =>
  class extends Coalescing {
    protected override awaitFills(which: MergeWait): void {
      if (which !== left) super.awaitFills(which);
    }
  };
class MergesAmongVps extends Coalescing {
  readonly #parts: CoalescingParts;
  constructor(parts: CoalescingParts) {
    super(parts);
    this.#parts = parts;
  }
  protected override withoutVps(section: () => void): void {
    this.#parts.spaces.exclusively(section);
  }
}
class MergesAsItIs extends Coalescing {
  protected override cleanse(): void {}
}
class MergesOutdatedLinks extends Coalescing {
  protected override review(): void {}
}
class NoFlushRequest extends FlushHandshake {
  override requestFlush(): void {}
}
/** Looks for requests, then says that it is inside. */
class CheckThenEnter extends FlushHandshake {
  #quiet = false;
  override enterGuest(): void {
    this.answer();
    this.#quiet = true;
    super.enterGuest();
    this.#quiet = false;
  }
  protected override answer(): void {
    if (!this.#quiet) super.answer();
  }
}
class LeaveSilently extends FlushHandshake {
  #quiet = false;
  protected override stepOutside(): void {
    this.#quiet = true;
    super.stepOutside();
    this.#quiet = false;
  }
  protected override answer(): void {
    if (!this.#quiet) super.answer();
  }
}
class IgnoreBus extends FlushHandshake {
  protected override busIsForeign(): boolean {
    return false;
  }
}

class NoMarks extends Tracking {
  protected override markAll(): void {}
}
class NoMarkAtFill extends Tracking {
  override filled(): void {}
}
class NoRecord extends WritableMappings {
  override record(): boolean {
    return true;
  }
}
class NoValidation extends Validation {
  override validate(): number {
    return 0;
  }
}
const withoutWait = (left: FillWait): typeof Revalidation =>
  class extends Revalidation {
    protected override awaitFills(which: FillWait): void {
      if (which !== left) super.awaitFills(which);
    }
  };
class NoFlushWhenClosing extends Revalidation {
  protected override flushOthers(): boolean {
    return false;
  }
}
class VersionsStay extends FlushEpochs {
  override advance(): void {}
}
class NobodyIsBehind extends FlushEpochs {
  protected override isBehind(): boolean {
    return false;
  }
}
class SettledWhileItLoads extends FlushEpochs {
  override unsettle(): void {}
}
/** Whom to ask is decided before versions are added to. */
class LooksTooEarly extends FlushEpochs {
  readonly #behind = new Map<number, boolean>();
  override advance(): void {
    this.#behind.clear();
    for (let lp = 0; lp < 8; lp++) this.#behind.set(lp, super.isBehind(lp));
    super.advance();
  }
  protected override isBehind(lp: number): boolean {
    return this.#behind.get(lp) ?? super.isBehind(lp);
  }
}
/** Takes the mark away for good, whether or not the table can still be written. */
class NoLookAtTheState extends Revalidation {
  protected override stillWritable(): boolean {
    return false;
  }
}

/** The mark of a write that comes while the table is gone over goes with the mark that was there. */
class LosesLaterMarks extends Revalidation {
  readonly #words: SharedWords;
  constructor(parts: RevalidationParts) {
    super(parts);
    this.#words = parts.words;
  }
  protected override finish(spt: number): void {
    this.#words.store(sptHeaderAt(spt) + Spt.stale, 0);
  }
}
/** The mark is made this LP's own after the look at the page's state. */
class TakesMarksLate extends Revalidation {
  readonly #words: SharedWords;
  #spt = 0;
  #mine = 0;
  constructor(parts: RevalidationParts) {
    super(parts);
    this.#words = parts.words;
  }
  protected override takeMark(spt: number, mine: number): void {
    this.#spt = spt;
    this.#mine = mine;
  }
  protected override stillWritable(gfn: number): boolean {
    const writable = super.stillWritable(gfn);
    this.#words.store(sptHeaderAt(this.#spt) + Spt.stale, this.#mine);
    return writable;
  }
}
/** The space's mark goes after its tables have been looked through. */
class TakesSpaceMarkLate extends Revalidation {
  #sas = 0;
  protected override takeSpaceMark(sas: number): void {
    this.#sas = sas;
  }
  protected override finish(spt: number, mine: number): void {
    super.finish(spt, mine);
    super.takeSpaceMark(this.#sas);
  }
}
/** Does not ask who is closing the page by now. */
class ClosesForOthers extends Tracking {
  override closed(gfn: number): boolean {
    const word = trackAt(gfn);
    const state = this.words.load(word);
    return trackStateOf(state) === TrackState.CLOSING && this.words.compareExchange(word, state, TrackState.TRACKED) === state;
  }
}
/** The page is taken for one that nobody can write before its mappings are taken away. */
class ForgetsThatItCloses extends Tracking {
  override close(gfn: number, lp: number): boolean {
    const done = super.close(gfn, lp);
    if (done) this.words.store(trackAt(gfn), TrackState.TRACKED);
    return done;
  }
  override closed(): boolean {
    return true;
  }
}

export interface Mutant {
  readonly name: string;
  readonly torn?: boolean;
  readonly classes?: VtlbClasses;
  readonly synic?: SynicMutant;
  readonly WatchedCode?: typeof WatchedCode;
  /** Fills and INVLPG are those of daemon/shortcuts, without this step. */
  readonly short?: ShortcutFault;
}
const mutant = (name: string, classes: Partial<VtlbClasses>): Mutant => ({ name, classes: { ...VTLB_CLASSES, ...classes } });

export const MUTANTS: readonly Mutant[] = [
  { name: 'none' },
  { name: 'torn compare-and-swap', torn: true },
  mutant('no wait for pending fills', { FillLock: NoPendingWait }),
  mutant('clear before the wait', { FillLock: ClearBeforeWait }),
  mutant('wait while inside', { FillLock: WaitWhileOdd, GenerationCounters: UncheckedWait }),
  mutant('no second look at the lock mode', { FillLock: NoModeRecheck }),
  mutant('no wait when the lock mode changes', { FillLock: NoWaitAtSwitch }),
  mutant('no purge', { Invalidation: NoPurge }),
  mutant('no clear', { Invalidation: OnlyOwnClear }),
  mutant('reclaim without waiting for fills', { Reclaim: NoFillWait }),
  mutant('reclaim that waits before it unlinks', { Reclaim: WaitThenUnlink }),
  mutant('reclaim without waiting for walkers', { Reclaim: NoWalkerWait }),
  mutant('reclaim that gathers tables while it frees others', { Reclaim: GathersAsItFrees }),
  mutant('no second look at the key', { AddressSpaces: NoKeyRecheck }),
  mutant('a SAS of any generation is taken', { AddressSpaces: NoGeneration }),
  mutant('the old root is kept', { Vtlb: KeepsOldRoot }),
  mutant('a walk that found nothing is remembered', { Vtlb: SharesAbsentEntries }),
  mutant('the store of a device is outside the fill that marks', { Vtlb: MarksOnlyAtStores }),
  mutant('an LP is settled while it writes what it may write once', { Vtlb: SettledWhileItWrites }),
  mutant('no marks at the first write', { Tracking: NoMarks }),
  mutant('no mark when an entry is made from a table that is written', { Tracking: NoMarkAtFill }),
  mutant('no record of a writable mapping', { WritableMappings: NoRecord }),
  mutant('no validation', { Validation: NoValidation }),
  mutant('no wait for fills that mark', { Revalidation: withoutWait(FillWait.MARKS) }),
  mutant('no wait for fills that grant a right to write', { Revalidation: withoutWait(FillWait.GRANTS) }),
  mutant('no wait for fills that have read the table', { Revalidation: withoutWait(FillWait.READERS) }),
  mutant('no wait for LPs that have taken marks away', { Revalidation: withoutWait(FillWait.MARKS_TAKEN) }),
  mutant('no flush of other LPs when a table is protected', { Revalidation: NoFlushWhenClosing }),
  mutant('versions stay when a table is protected', { FlushEpochs: VersionsStay }),
  mutant('nobody is behind', { FlushEpochs: NobodyIsBehind }),
  mutant('an LP is settled while it loads', { FlushEpochs: SettledWhileItLoads }),
  mutant('LPs are looked at before versions are added to', { FlushEpochs: LooksTooEarly }),
  mutant('no look at the state after the mark is cleared', { Revalidation: NoLookAtTheState }),
  mutant('a mark that comes while a table is gone over is lost', { Revalidation: LosesLaterMarks }),
  mutant('a mark is taken after the look at the state', { Revalidation: TakesMarksLate }),
  mutant('the mark of a space is taken after its tables are looked through', { Revalidation: TakesSpaceMarkLate }),
  mutant('a page that another LP closes is taken for closed', { Tracking: ClosesForOthers }),
  mutant('a page is closed before its mappings are taken away', { Tracking: ForgetsThatItCloses }),
  mutant('tables are not locked', { SptLocks: NoTableLocks }),
  mutant('only leaf tables are locked', { SptLocks: OnlyLeavesLocked }),
  mutant('a purge does not wait for the holders of tables', { Invalidation: PurgePassesNoFills }),
  mutant('a node is taken up as it is', { Sharing: TakesUpAsItIs }),
  mutant('links to nodes stay when their space is flushed', { NodeLinks: LinksStayWhenFlushed }),
  mutant('links to nodes stay when a page of theirs is invalidated', { NodeLinks: LinksStayAtInvlpg }),
  mutant('tables are merged while fills are pending', { Coalescing: mergesWithout(MergeWait.LINKS) }),
  mutant('tables change lists while an LP goes through the old one', { Coalescing: mergesWithout(MergeWait.LISTS) }),
  mutant('marks of tables that have changed spaces are looked at too early', { Coalescing: mergesWithout(MergeWait.MARKS) }),
  mutant('tables are merged while VPs run', { Coalescing: MergesAmongVps }),
  mutant('tables are merged as they are', { Coalescing: MergesAsItIs }),
  mutant('tables that hang by outdated links are merged', { Coalescing: MergesOutdatedLinks }),
  mutant('no flush request', { FlushHandshake: NoFlushRequest }),
  mutant('look for requests before entering', { FlushHandshake: CheckThenEnter }),
  mutant('leave without acknowledging', { FlushHandshake: LeaveSilently }),
  mutant('enter while the bus is held', { FlushHandshake: IgnoreBus }),
  ...CODE_MUTANTS,
  { name: 'shortcuts', short: ShortcutFault.NONE },
  { name: 'shortcuts: torn compare-and-swap', short: ShortcutFault.TORN_EXCHANGE },
  { name: 'shortcuts: no look for pending fills', short: ShortcutFault.NO_WAIT },
  { name: 'shortcuts: clear before the look', short: ShortcutFault.CLEAR_BEFORE_WAIT },
  { name: 'shortcuts: no clear', short: ShortcutFault.NO_CLEAR },
  { name: 'shortcuts: no mark when an entry is made from a table that is written', short: ShortcutFault.NO_MARK },
  { name: 'shortcuts: the right to write is granted whatever a page holds', short: ShortcutFault.GRANT_ALL },
  ...SYNIC_MUTANTS.map(({ name, ...synic }) => ({ name, synic })),
];
