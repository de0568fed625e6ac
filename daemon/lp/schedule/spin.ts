// What is done for spin waits (US20100031254A1): a VP whose slice ends in a critical section goes on a little (`spin.extend`), and what is left of the slice of one that is
// found spinning goes to the VP that it seems to wait for (`spin.express`). Both are taken from whom they favour: an extension from its next slices, a boost is its own
// time; and both together are at most FAVOUR_MAX of a period for each VP.
import { MachineLayout } from '../../../shared/layout/machine.js';
import { countSpin, type SpinCounter, type VpSchedule, VpScheduleLayout } from '../../../shared/layout/schedule.js';
import type { Views } from '../../../shared/layout/struct.js';
import { extensionOf, findPolicy, SpinDetect } from '../../../shared/protocol/policies.js';
import type { Candidate, Schedulable } from './candidate.js';
import { SLICE_CYCLES } from './discipline.js';
import { PERIOD_CYCLES, VIRTUAL_PER_CYCLE } from './entitlement.js';

/** Cycles of a period that a VP may have by extension and express scheduling. */
export const FAVOUR_MAX = PERIOD_CYCLES / 5;
const BOOST_MIN_CYCLES = 50_000;
/**
 * How far a VP may be ahead of the one that is furthest behind and still come before its turn, in virtual time: what a period allows it. VPs that spin for one another
 * in a circle would else keep the LP to themselves, period after period.
 */
export const LEAD_MAX = FAVOUR_MAX * VIRTUAL_PER_CYCLE;

const policies = MachineLayout.at.policies >>> 2;
const DETECT = policies + findPolicy('spin.detect').word;
const EXTEND = policies + findPolicy('spin.extend').word;
const EXPRESS = policies + findPolicy('spin.express').word;
const EXTENSIONS = findPolicy('spin.extend').values.map(extensionOf);
const EXPRESS_ON = 1;

const CLASSES: readonly SpinCounter[] = ['expressAsked', 'expressPreempted', 'expressReady', 'expressSpinning'];

/** The first ones: VPs of which more is known than that they are ready. */
const KNOWN_CLASSES = 2;

export class Spin {
  readonly #i32: Int32Array;
  /** VP that was favoured last, so that all of a class have their turn. */
  #last = -1;

  constructor(machine: Views) {
    this.#i32 = machine.i32;
  }

  /** Snapshots (shared/kit/saved). */
  get saved(): { readonly last: number } {
    return { last: this.#last };
  }
  set saved({ last }: { readonly last: number }) {
    this.#last = last;
  }

  get expresses(): boolean {
    return Atomics.load(this.#i32, EXPRESS) === EXPRESS_ON;
  }

  /** Cycles by which the VP, which is in a critical section, may go on after its slice; 0: it must stop. */
  extension(record: VpSchedule): number {
    const { times, cycles } = EXTENSIONS[Atomics.load(this.#i32, EXTEND)] ?? EXTENSIONS[0];
    if (record.extensions >= times) return 0;
    return Math.min(cycles, FAVOUR_MAX - record.favouredNum);
  }
  /** An extension begins. */
  extend(record: VpSchedule): void {
    record.extensions++;
    countSpin(record, 'extensions');
  }
  /** So much of an extension was used. `ended`: the section was over before. */
  extended(record: VpSchedule, cycles: number, ended: boolean): void {
    record.extendedCyclesNum += cycles;
    record.favouredNum += cycles;
    record.debtNum += cycles;
    if (ended) countSpin(record, 'extensionsEnded');
  }
  /** A new slice: what is left of it when the VP has paid for its extensions, at most half of it. */
  pay(record: VpSchedule, slice: number): number {
    const paid = Math.min(record.debtNum, Math.floor(slice / 2));
    record.debtNum -= paid;
    record.repaidCyclesNum += paid;
    record.extensions = 0;
    return slice - paid;
  }

  /** The VP was found spinning at `now`: others come before it for the time of a slice. */
  found(record: VpSchedule, now: number): void {
    record.spinUntilNum = now + SLICE_CYCLES;
    // Of several that spin each is expected to make progress every other time.
    record.eligible ^= 1;
  }
  isDeferred(record: VpSchedule, now: number): boolean {
    return record.spinUntilNum > now;
  }

  /**
   * Whom the rest of a spinning VP's slice goes to, of the ready VPs of its LP: one that it waits for, as far as can be told; if it has spun for long, whichever may
   * make progress.
   */
  express<C extends Candidate>(spinner: C, ready: readonly C[], isLong: boolean, now: number): C | undefined {
    let best: C | undefined;
    let bestRank = isLong ? CLASSES.length : KNOWN_CLASSES;
    const { guest, record } = spinner;
    for (const one of ready) {
      if (one === spinner || one.guest !== guest || one.record.favouredNum >= FAVOUR_MAX) continue;
      const rank = this.#rank(record, one, now);
      // Of equals the next one after the last that was favoured.
      if (rank < bestRank || (rank === bestRank && best && this.#turn(one.vp, guest) < this.#turn(best.vp, guest))) {
        best = one;
        bestRank = rank;
      }
    }
    if (best === undefined) return undefined;
    this.#last = best.vp;
    countSpin(record, CLASSES[bestRank]);
    return best;
  }
  #rank(spinner: VpSchedule, { vp, record }: Candidate, now: number): number {
    if (this.#asked(spinner, vp)) return 0;
    if (Atomics.load(record.views.i32, preemptedAt(record)) !== 0) return 1;
    if (!this.isDeferred(record, now)) return 2;
    return record.eligible !== 0 ? 3 : CLASSES.length;
  }
  #turn(vp: number, { vpCount }: Schedulable): number {
    return (vp - this.#last - 1 + 2 * vpCount) % vpCount;
  }
  #asked({ askedLow, askedHigh }: VpSchedule, vp: number): boolean {
    if ((Atomics.load(this.#i32, DETECT) & SpinDetect.IPI) === 0) return false;
    return (((vp < 32 ? askedLow : askedHigh) >>> (vp & 31)) & 1) !== 0;
  }

  /** Cycles that a VP favoured by one that has `left` of its slice runs at once: enough to be worth the switch. */
  boost({ favouredNum }: VpSchedule, left: number): number {
    return Math.min(Math.max(left, BOOST_MIN_CYCLES), Math.max(1, FAVOUR_MAX - favouredNum));
  }
  boosted(record: VpSchedule, cycles: number): void {
    record.expressCyclesNum += cycles;
    record.favouredNum += cycles;
  }

  /** VPs of other LPs that the spinning one seems to wait for: their LPs are to know. Reads what may have changed by then: at worst a VP comes a little early. */
  wanted({ guest, vp, record }: Candidate, lp: number): number[] {
    const found: number[] = [];
    for (let other = 0; other < guest.vpCount; other++) {
      if (other === vp || guest.lpOf(other) === lp || !guest.isReady(other)) continue;
      const theirs = guest.schedule(other);
      if (!this.#asked(record, other) && Atomics.load(theirs.views.i32, preemptedAt(theirs)) === 0) continue;
      if (Atomics.exchange(theirs.views.i32, wantedAt(theirs), 1) !== 0) continue;
      countSpin(record, 'expressKicks');
      found.push(guest.lpOf(other));
    }
    return found;
  }
  /** Whether a VP of another LP spins for this one. */
  isWanted(record: VpSchedule): boolean {
    return Atomics.load(record.views.i32, wantedAt(record)) !== 0 && record.favouredNum < FAVOUR_MAX;
  }

  /** The VP had to stop. */
  preempted(record: VpSchedule, critical: boolean, spinning: boolean): void {
    Atomics.store(record.views.i32, preemptedAt(record), critical && !spinning ? 1 : 0);
    if (critical && !spinning) countSpin(record, 'holderPreemptions');
  }
  /** The VP begins to run. */
  begins(record: VpSchedule): void {
    Atomics.store(record.views.i32, preemptedAt(record), 0);
    Atomics.store(record.views.i32, wantedAt(record), 0);
    record.spinUntilNum = 0;
  }
}

const preemptedAt = ({ base }: VpSchedule): number => (base + VpScheduleLayout.at.preempted) >>> 2;
const wantedAt = ({ base }: VpSchedule): number => (base + VpScheduleLayout.at.wanted) >>> 2;
