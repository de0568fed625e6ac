// Deliberate faults in the protocols: each must make at least one schedule of its scenario fail, else the scenario proves nothing.
import { AddressSpaces } from '../../daemon/hypervisor/vtlb/address-spaces.js';
import type { VtlbCounting } from '../../daemon/hypervisor/vtlb/counters.js';
import { VTLB_CLASSES, type VtlbClasses } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { FillLock } from '../../daemon/hypervisor/vtlb/fill-lock.js';
import { Invalidation } from '../../daemon/hypervisor/vtlb/invalidation.js';
import { NodeLinks } from '../../daemon/hypervisor/vtlb/node-links.js';
import { Reclaim } from '../../daemon/hypervisor/vtlb/reclaim.js';
import { Revalidation } from '../../daemon/hypervisor/vtlb/revalidation.js';
import { Sharing } from '../../daemon/hypervisor/vtlb/sharing.js';
import { SptLocks } from '../../daemon/hypervisor/vtlb/spt-locks.js';
import { Tracking } from '../../daemon/hypervisor/vtlb/tracking.js';
import { Validation } from '../../daemon/hypervisor/vtlb/validation.js';
import { Vtlb } from '../../daemon/hypervisor/vtlb/vtlb.js';
import { WritableMappings } from '../../daemon/hypervisor/vtlb/writable-mappings.js';
import { FlushHandshake } from '../../daemon/machine/flush-handshake.js';
import { GenerationCounters } from '../../daemon/machine/generation.js';
import type { SharedWords } from '../../daemon/machine/shared-words.js';
import type { WatchedCode } from '../../daemon/machine/watched-code.js';
import { Role, Spt, sptHeaderAt } from '../../shared/layout/vtlb.js';
import { CODE_MUTANTS } from './code-mutants.js';
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
class NoWaitBeforeValidation extends Revalidation {
  protected override awaitFills(): void {}
}
class NoFlushWhenClosing extends Revalidation {
  protected override flushOthers(): void {}
}
/** Takes the mark away for good, whether or not the table can still be written. */
class NoLookAtTheState extends Revalidation {
  protected override stillWritable(): boolean {
    return false;
  }
}

export interface Mutant {
  readonly name: string;
  readonly torn?: boolean;
  readonly classes?: VtlbClasses;
  readonly synic?: SynicMutant;
  readonly WatchedCode?: typeof WatchedCode;
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
  mutant('no second look at the key', { AddressSpaces: NoKeyRecheck }),
  mutant('a SAS of any generation is taken', { AddressSpaces: NoGeneration }),
  mutant('the old root is kept', { Vtlb: KeepsOldRoot }),
  mutant('no marks at the first write', { Tracking: NoMarks }),
  mutant('no mark when an entry is made from a table that is written', { Tracking: NoMarkAtFill }),
  mutant('no record of a writable mapping', { WritableMappings: NoRecord }),
  mutant('no validation', { Validation: NoValidation }),
  mutant('no wait before validation', { Revalidation: NoWaitBeforeValidation }),
  mutant('no flush of other LPs when a table is protected', { Revalidation: NoFlushWhenClosing }),
  mutant('no look at the state after the mark is cleared', { Revalidation: NoLookAtTheState }),
  mutant('tables are not locked', { SptLocks: NoTableLocks }),
  mutant('only leaf tables are locked', { SptLocks: OnlyLeavesLocked }),
  mutant('a purge does not wait for the holders of tables', { Invalidation: PurgePassesNoFills }),
  mutant('a node is taken up as it is', { Sharing: TakesUpAsItIs }),
  mutant('links to nodes stay when their space is flushed', { NodeLinks: LinksStayWhenFlushed }),
  mutant('links to nodes stay when a page of theirs is invalidated', { NodeLinks: LinksStayAtInvlpg }),
  mutant('no flush request', { FlushHandshake: NoFlushRequest }),
  mutant('look for requests before entering', { FlushHandshake: CheckThenEnter }),
  mutant('leave without acknowledging', { FlushHandshake: LeaveSilently }),
  mutant('enter while the bus is held', { FlushHandshake: IgnoreBus }),
  ...CODE_MUTANTS,
  ...SYNIC_MUTANTS.map(({ name, ...synic }) => ({ name, synic })),
];
