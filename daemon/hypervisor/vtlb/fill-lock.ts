// What orders fills against invalidations: the generation counters (`vtlb.lock=generation`), one mutex (`global`) or a lock for each SPT (`fine`, see spt-locks.ts),
// switchable while guests run.
//
// Switching: the policy word is only a wish. `lockMode` in the arena is what holds; it is written under the mutex, by the first LP that finds the wish different.
//   Every change goes through GLOBAL. To GLOBAL: lockMode := GLOBAL, then, still holding the mutex, wait until every LP is out of the fill it had begun. A fill enters
//     (counter odd) THEN looks at lockMode again: either it sees GLOBAL and leaves, or the switcher sees its odd counter and waits for it.
//   From GLOBAL: lockMode := the other under the mutex, so that no fill is under way; whoever gets the mutex later looks again and lets it go.
//   So the fills of one mode are over before any of the next begins, and who found one mode before it waited and another when it began has nothing to fear of either.
import { MachineLayout } from '../../../shared/layout/machine.js';
import { LockMode, vtlbWord } from '../../../shared/layout/vtlb.js';
import type { FlushHandshake } from '../../machine/flush-handshake.js';
import { FutexLock } from '../../machine/futex-lock.js';
import type { GenerationCounters } from '../../machine/generation.js';
import type { SharedWords } from '../../machine/shared-words.js';
import { Counter, type VtlbCounting } from './counters.js';

/** `vtlb.lock` is policy word 0. */
const POLICY = MachineLayout.at.policies;
const LOCK_MODE = vtlbWord('lockMode');
/** Settings of the policy have the numbers of modes; what is none of them is the default. */
const lockModeOf = (setting: number): number => (setting === LockMode.GLOBAL || setting === LockMode.FINE ? setting : LockMode.GENERATION);

/** Turns at the mutex that are waits for its holder: of whoever goes over tables, of whoever frees them. */
export const Turn = { REVALIDATION: 0, RECLAIM: 1 } as const;
export type Turn = 0 | 1;

export class FillLock {
  readonly #words: SharedWords;
  readonly #machine: SharedWords;
  readonly #generations: GenerationCounters;
  readonly #handshake: FlushHandshake;
  readonly #counting: VtlbCounting;
  readonly #mutex: FutexLock;
  #mode = 0;
  #holdsMutex = false;

  constructor(
    words: SharedWords,
    machine: SharedWords,
    generations: GenerationCounters,
    handshake: FlushHandshake,
    counting: VtlbCounting,
  ) {
    this.#words = words;
    this.#machine = machine;
    this.#generations = generations;
    this.#handshake = handshake;
    this.#counting = counting;
    this.#mutex = new FutexLock(words, vtlbWord('globalLock'));
  }

  /** Begins a fill or the clearing half of an invalidation: no SPT that can be reached is freed until `end`. Until then nothing may wait. */
  begin(): void {
    for (;;) {
      // A first look and a wish: what holds is seen by the second look, inside.
      const mode = this.#words.read(LOCK_MODE);
      if (mode !== lockModeOf(this.#machine.read(POLICY))) this.#change();
      else if (mode !== LockMode.GLOBAL) {
        this.#generations.enter();
        this.#mode = mode;
        if (this.modeStill(mode)) {
          this.#counting.costs.inside();
          return;
        }
        this.#generations.leave();
      } else {
        this.#lockMutex();
        this.#counting.add(Counter.globalLockTaken);
        this.#mode = mode;
        if (this.modeStill(mode)) {
          this.#counting.waitedCycles(Counter.lockQueueCycles, this.#counting.costs.globalLock());
          return;
        }
        this.#unlockMutex();
      }
    }
  }

  /** Whether generation counters are what is wished for: fills may be done where only they are known (daemon/shortcuts). */
  get wantsCounters(): boolean {
    return lockModeOf(this.#machine.read(POLICY)) === LockMode.GENERATION;
  }

  /** Between `begin` and `end`: SPTs are to be locked. */
  get fine(): boolean {
    return this.#mode === LockMode.FINE;
  }

  end(): void {
    if (this.#holdsMutex) this.#unlockMutex();
    else this.#generations.leave();
  }

  /** What is cleared between this and `end` was filled before the guest's change, or after it and from it. */
  beginClear(): void {
    this.waitBeforeClear();
    this.begin();
  }
  /** As `waitForPendingFills`, by who then clears nothing but what it has locked: an SPT's lock is the wait. */
  protected waitBeforeClear(): void {
    if (this.#words.load(LOCK_MODE) === LockMode.FINE) this.#generations.fence();
    else this.waitForPendingFills();
  }

  /**
   * An invalidation calls this after the guest's change to its tables and before `begin`: the fills that may have read the old entry are over on return.
   * With the mutex there is nothing to do: `begin` waits for the one fill that can be under way. (Mode seen GLOBAL, then GENERATION at `begin`: fills under
   * the counters began after the change of mode, hence after the guest's write.)
   */
  waitForPendingFills(): void {
    this.#generations.fence();
    if (this.#words.load(LOCK_MODE) !== LockMode.GLOBAL) this.#waitCounters();
  }

  /**
   * The same for who relies on the wait itself and need not begin anything after it: fills and clearings that were under way are over on return, in every mode. A turn at
   * the mutex is the wait for its holder, and, while the mode changes, for those whom the holder waits for.
   */
  awaitPendingFills(): void {
    this.#generations.fence();
    if (this.#words.load(LOCK_MODE) !== LockMode.GLOBAL) {
      this.#waitCounters();
      return;
    }
    this.takeTurn(Turn.REVALIDATION);
  }

  /** Every fill and clearing that was under way is over: between unlinking an SPT and freeing it, in whatever mode. */
  quiesce(): void {
    this.#waitCounters();
    this.takeTurn(Turn.RECLAIM);
  }

  protected takeTurn(_which: Turn): void {
    this.#lockMutex();
    this.#unlockMutex();
  }

  protected modeStill(mode: number): boolean {
    return this.#words.load(LOCK_MODE) === mode;
  }

  #waitCounters(): void {
    const generations = this.#generations;
    const { waits, waitUs } = generations;
    const low = this.#handshake.othersLow();
    const high = this.#handshake.othersHigh();
    generations.waitForPendingFills(low, high);
    if ((low | high) !== 0) this.#counting.waitedCycles(Counter.fillWaitCycles, this.#counting.costs.awaitFills(low, high));
    if (generations.waits !== waits) this.#counting.waitedForFills(generations.waits - waits, generations.waitUs - waitUs);
  }

  #change(): void {
    this.#lockMutex();
    const wish = lockModeOf(this.#machine.load(POLICY));
    const held = this.#words.load(LOCK_MODE);
    if (held !== wish) {
      if (held !== LockMode.GLOBAL) {
        this.#words.store(LOCK_MODE, LockMode.GLOBAL);
        this.awaitCounterFills();
      }
      if (wish !== LockMode.GLOBAL) this.#words.store(LOCK_MODE, wish);
      this.#counting.add(Counter.lockModeChanges);
    }
    this.#unlockMutex();
  }

  protected awaitCounterFills(): void {
    this.#waitCounters();
  }

  #lockMutex(): void {
    if (!this.#mutex.tryLock()) {
      const start = performance.now();
      // In guest mode, too: its holder waits for fills that wait for nothing, never for a handshake or the bus. To leave it here would mean to enter it again after the fill,
      // where a flush would be answered between the fill and the use of its result.
      this.#mutex.lock();
      this.#counting.waitedForLock(Counter.globalLockWaits, start);
    }
    this.#holdsMutex = true;
  }

  #unlockMutex(): void {
    this.#holdsMutex = false;
    this.#mutex.unlock();
  }
}
