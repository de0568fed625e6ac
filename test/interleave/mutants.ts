// Deliberate faults in the protocols: each must make at least one schedule of its scenario fail, else the scenario proves nothing.
import { AddressSpaces } from '../../daemon/hypervisor/vtlb/address-spaces.js';
import { Coalescing, type CoalescingParts, MergeWait } from '../../daemon/hypervisor/vtlb/coalescing.js';
import type { VtlbCounting } from '../../daemon/hypervisor/vtlb/counters.js';
import { VTLB_CLASSES, type VtlbClasses } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { Discovery, type DiscoveryParts } from '../../daemon/hypervisor/vtlb/discovery.js';
import { FillLock, Turn } from '../../daemon/hypervisor/vtlb/fill-lock.js';
import { FlushEpochs } from '../../daemon/hypervisor/vtlb/flush-epochs.js';
import { Invalidation } from '../../daemon/hypervisor/vtlb/invalidation.js';
import { LoadedSpace } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { NodeLinks } from '../../daemon/hypervisor/vtlb/node-links.js';
import { PageFault, type PageFaultParts, PageFaults } from '../../daemon/hypervisor/vtlb/page-faults.js';
import { Reclaim, RetireWait } from '../../daemon/hypervisor/vtlb/reclaim.js';
import { RemoteFlush } from '../../daemon/hypervisor/vtlb/remote-flush.js';
import { FillWait, Revalidation, type RevalidationParts } from '../../daemon/hypervisor/vtlb/revalidation.js';
import { Sharing, type SharingParts } from '../../daemon/hypervisor/vtlb/sharing.js';
import { SptLocks } from '../../daemon/hypervisor/vtlb/spt-locks.js';
import { SptPool } from '../../daemon/hypervisor/vtlb/spt-pool.js';
import { type Grant, Tracking } from '../../daemon/hypervisor/vtlb/tracking.js';
import { Validation } from '../../daemon/hypervisor/vtlb/validation.js';
import { Vtlb, type VtlbParts } from '../../daemon/hypervisor/vtlb/vtlb.js';
import { WritableMappings } from '../../daemon/hypervisor/vtlb/writable-mappings.js';
import { FlushHandshake } from '../../daemon/machine/flush-handshake.js';
import { GenerationCounters } from '../../daemon/machine/generation.js';
import type { SharedWords } from '../../daemon/machine/shared-words.js';
import type { WatchedCode } from '../../daemon/machine/watched-code.js';
import { ShortcutFault } from '../../shared/layout/translation-fields.js';
import { Role, Spt, sptHeaderAt, TrackState, trackAt, trackStateOf, vtlbWord } from '../../shared/layout/vtlb.js';
import { APIC_MUTANTS, type ApicParts } from './apic-mutants.js';
import { CODE_MUTANTS } from './code-mutants.js';
import { GIFT_MUTANTS } from './gift-mutants.js';
import { LP_MUTANTS } from './lp-mutants.js';
import type { LpParts } from './small-lp.js';
import { SYNIC_MUTANTS, type SynicMutant } from './synic-mutants.js';
import { ABSENT } from './vtlb/acts.js';

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
/** Sleeps outside guest mode, and enters it again after the fill. */
class LeavesGuestAtMutex extends FillLock {
  readonly #words: SharedWords;
  readonly #handshake: FlushHandshake;
  #left = false;
  constructor(...parts: ConstructorParameters<typeof FillLock>) {
    super(...parts);
    this.#words = parts[0];
    this.#handshake = parts[3];
  }
  override begin(): void {
    if (this.#handshake.isInGuest && this.#words.load(vtlbWord('globalLock')) !== 0) {
      this.#handshake.leaveGuest();
      this.#left = true;
    }
    super.begin();
  }
  override end(): void {
    super.end();
    if (!this.#left) return;
    this.#left = false;
    this.#handshake.enterGuest();
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
const withoutTurn = (left: Turn): typeof FillLock =>
  class extends FillLock {
    protected override takeTurn(which: Turn): void {
      if (which !== left) super.takeTurn(which);
    }
  };
/** What a fill says while a table is purged is undone. */
class FinishesAnyway extends Invalidation {
  readonly #words: SharedWords;
  constructor(...parts: ConstructorParameters<typeof Invalidation>) {
    super(...parts);
    this.#words = parts[1];
  }
  protected override finishPurge(header: number): void {
    this.#words.store(header + Spt.unpurged, 0);
  }
}
/** A fill that comes while a table is purged finds it said already that something is there. */
class TakesNoFills extends FinishesAnyway {
  protected override takeFills(): void {}
}
/** A table is said to be clear before it is. */
class FinishesFirst extends Invalidation {
  protected override takeFills(header: number): void {
    super.takeFills(header);
    super.finishPurge(header);
  }
  protected override finishPurge(): void {}
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
const retiresWithout = (left: RetireWait): typeof Reclaim =>
  class extends Reclaim {
    protected override awaitFills(which: RetireWait): void {
      if (which !== left) super.awaitFills(which);
    }
  };
class NoVersionsInPool extends SptPool {
  protected override nextVersion(version: number): number {
    return version;
  }
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
/** What fills have replaced waits for the next reclaim. */
export class LeavesReplacedTables extends Reclaim {
  protected override takeReplaced(): void {}
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
class StructureLockBeforeBus extends AddressSpaces {
  readonly #handshake: FlushHandshake;
  constructor(...parts: ConstructorParameters<typeof AddressSpaces>) {
    super(...parts);
    this.#handshake = parts[4];
  }
  override alone(section: () => void): void {
    this.exclusively(() => {
      const inside = this.#handshake.isInGuest;
      this.#handshake.stopOthers();
      section();
      this.#handshake.releaseOthers();
      if (!inside) this.#handshake.leaveGuest();
    });
  }
}
class FillsWhatIsForgotten extends PageFaults {
  protected override isForgotten(): boolean {
    return false;
  }
}
class TakesUpBanksAsTheyAre extends LoadedSpace {
  protected override isBehind(): boolean {
    return false;
  }
}
class VersionStaysAtInvlpg extends Vtlb {
  protected override noteTaken(): void {}
}
class FlushesTlbsBeforeItForgets extends Vtlb {
  readonly #parts: VtlbParts;
  constructor(parts: VtlbParts) {
    super(parts);
    this.#parts = parts;
  }
  override flushPartition(): void {
    this.#parts.handshake.flushEverywhere();
    this.#parts.words.add(vtlbWord('generation'), 1);
  }
}
class FlushesNoTlbs extends RemoteFlush {
  override hardwareTlbs(): void {}
}
class KeepsOldRoot extends LoadedSpace {
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
class SettledWhileItWrites extends PageFaults {
  protected override unsettleForOnce(): void {}
}
/** A walk that found nothing is remembered for all LPs, until somebody invalidates. */
class SharesAbsentEntries extends PageFaults {
  readonly #words: SharedWords;
  constructor(parts: PageFaultParts) {
    super(parts);
    this.#words = parts.words;
  }
  override answer(gva: number, access: number): PageFault {
    if (this.#words.load(ABSENT) === gva) return PageFault.GUEST_FAULT;
    const result = super.answer(gva, access);
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
class SharesAmongVps extends Sharing {
  readonly #parts: SharingParts;
  constructor(parts: SharingParts) {
    super(parts);
    this.#parts = parts;
  }
  protected override withoutVps(section: () => void): void {
    this.#parts.spaces.exclusively(section);
  }
}
class SharesWithoutWait extends Sharing {
  protected override awaitFills(): void {}
}
class SharesWhatWasThere extends Sharing {
  protected override isStill(): boolean {
    return true;
  }
}
/** Looks only after the wait. */
class LooksForMarksLate extends Sharing {
  #early = true;
  protected override isMarked(node: number): boolean {
    this.#early = !this.#early;
    return this.#early && super.isMarked(node);
  }
}
/** Who is stopped flushes, too. */
class DiscoversAmongVps extends Discovery {
  readonly #parts: DiscoveryParts;
  constructor(parts: DiscoveryParts) {
    super(parts);
    this.#parts = parts;
  }
  protected override withoutVps(section: () => void): void {
    this.#parts.spaces.exclusively(section);
  }
  protected override flushTlbs(): void {}
}
class SetsStatesAmongFills extends Discovery {
  readonly #parts: DiscoveryParts;
  constructor(parts: DiscoveryParts) {
    super(parts);
    this.#parts = parts;
  }
  protected override inside(purge: () => void, setStates: () => void): void {
    const { lock } = this.#parts;
    lock.begin();
    purge();
    lock.end();
    setStates();
  }
}
class DiscoversAmidStores extends Discovery {
  protected override awaitStores(): void {}
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
class LosesMarksOfSpaces extends Coalescing {
  protected override handOverMark(): void {}
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
/** The state says that the page may be written after its tables were marked. */
class MarksBeforeTheState extends Tracking {
  #marked = false;
  override grant(gfn: number, at: number, gva: number, write: boolean): Grant {
    if (write && this.words.read(trackAt(gfn)) === TrackState.TRACKED) {
      super.markAll(gfn);
      this.#marked = true;
    }
    const grant = super.grant(gfn, at, gva, write);
    this.#marked = false;
    return grant;
  }
  protected override markAll(gfn: number): void {
    if (!this.#marked) super.markAll(gfn);
  }
}
/** Takes back no right, but says so. */
class ClosesWhatWasGrantedAgain extends Tracking {
  override closed(gfn: number): boolean {
    this.words.store(trackAt(gfn), TrackState.TRACKED);
    return true;
  }
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
  readonly apic?: ApicParts;
  readonly lp?: LpParts;
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
  mutant('who waits for the mutex is outside guest mode', { FillLock: LeavesGuestAtMutex }),
  mutant('no second look at the lock mode', { FillLock: NoModeRecheck }),
  mutant('no wait when the lock mode changes', { FillLock: NoWaitAtSwitch }),
  mutant('no purge', { Invalidation: NoPurge }),
  mutant('no clear', { Invalidation: OnlyOwnClear }),
  mutant('reclaim without waiting for fills', { Reclaim: retiresWithout(RetireWait.LINKS) }),
  mutant('reclaim without waiting for those that stand in lists', { Reclaim: retiresWithout(RetireWait.LISTS) }),
  mutant('free tables without versions', { SptPool: NoVersionsInPool }),
  mutant('no turn at the mutex before tables are gone over', { FillLock: withoutTurn(Turn.REVALIDATION) }),
  mutant('no turn at the mutex before tables are freed', { FillLock: withoutTurn(Turn.RECLAIM) }),
  mutant('a purge says that a table is clear after it has looked', { Invalidation: TakesNoFills }),
  mutant('a purge says that a table is clear whoever has filled', { Invalidation: FinishesAnyway }),
  mutant('a purge says that a table is clear before it is', { Invalidation: FinishesFirst }),
  mutant('the structure lock before the bus', { AddressSpaces: StructureLockBeforeBus }),
  mutant('no look at the generation inside the fill', { PageFaults: FillsWhatIsForgotten }),
  mutant('a bank is taken up whatever its version', { LoadedSpace: TakesUpBanksAsTheyAre }),
  mutant('the version stays at INVLPG', { Vtlb: VersionStaysAtInvlpg }),
  mutant('TLBs are flushed before everything is forgotten', { Vtlb: FlushesTlbsBeforeItForgets }),
  mutant('TLBs are not flushed for others', { RemoteFlush: FlushesNoTlbs }),
  mutant('reclaim that waits before it unlinks', { Reclaim: WaitThenUnlink }),
  mutant('reclaim without waiting for walkers', { Reclaim: NoWalkerWait }),
  mutant('reclaim that gathers tables while it frees others', { Reclaim: GathersAsItFrees }),
  mutant('no second look at the key', { AddressSpaces: NoKeyRecheck }),
  mutant('a SAS of any generation is taken', { AddressSpaces: NoGeneration }),
  mutant('the old root is kept', { LoadedSpace: KeepsOldRoot }),
  mutant('a walk that found nothing is remembered', { PageFaults: SharesAbsentEntries }),
  mutant('the store of a device is outside the fill that marks', { Vtlb: MarksOnlyAtStores }),
  mutant('an LP is settled while it writes what it may write once', { PageFaults: SettledWhileItWrites }),
  mutant('no marks at the first write', { Tracking: NoMarks }),
  mutant('tables are marked before the state says so', { Tracking: MarksBeforeTheState }),
  mutant('a page is closed that was granted again', { Tracking: ClosesWhatWasGrantedAgain }),
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
  mutant('a node is taken up while VPs run', { Sharing: SharesAmongVps }),
  mutant('a node is taken up while fills are pending', { Sharing: SharesWithoutWait }),
  mutant('a node is taken up whatever the tables say by now', { Sharing: SharesWhatWasThere }),
  mutant('a node that is taken up is looked at after the wait only', { Sharing: LooksForMarksLate }),
  mutant('mappings are purged while VPs run', { Discovery: DiscoversAmongVps }),
  mutant('states are set among fills', { Discovery: SetsStatesAmongFills }),
  mutant('mappings are purged while a device stores', { Discovery: DiscoversAmidStores }),
  mutant('links to nodes stay when their space is flushed', { NodeLinks: LinksStayWhenFlushed }),
  mutant('links to nodes stay when a page of theirs is invalidated', { NodeLinks: LinksStayAtInvlpg }),
  mutant('tables are merged while fills are pending', { Coalescing: mergesWithout(MergeWait.LINKS) }),
  mutant('tables change lists while an LP goes through the old one', { Coalescing: mergesWithout(MergeWait.LISTS) }),
  mutant('marks of tables that have changed spaces are looked at too early', { Coalescing: mergesWithout(MergeWait.MARKS) }),
  mutant('tables are merged while VPs run', { Coalescing: MergesAmongVps }),
  mutant('tables are merged as they are', { Coalescing: MergesAsItIs }),
  mutant('a node has no mark of the tables that are merged', { Coalescing: LosesMarksOfSpaces }),
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
  { name: 'shortcuts: a fill does not say that there is something to purge', short: ShortcutFault.NOTHING_TO_PURGE },
  { name: 'shortcuts: the right to write is granted whatever a page holds', short: ShortcutFault.GRANT_ALL },
  ...SYNIC_MUTANTS.map(({ name, ...synic }) => ({ name, synic })),
  ...APIC_MUTANTS,
  ...LP_MUTANTS,
  ...GIFT_MUTANTS,
];
