// A VP as the scheduler of its LP has it.
import type { VpSchedule } from '../../../shared/layout/schedule.js';
import { allowance, beginPeriod } from './entitlement.js';

/** What the scheduler asks of a partition (hypervisor/guest). */
export interface Schedulable {
  readonly slot: number;
  /** Neither paused nor at its end. */
  readonly isRunning: boolean;
  /** VPs of it that are this LP's: what other LPs have given counts from this call on. */
  own(): readonly number[];
  schedule(vp: number): VpSchedule;
  /** Whether the VP can run now; `take`: what was posted to it counts too. */
  runnable(vp: number, take: boolean): boolean;
  /** Whether it has begun and waits for an interrupt. */
  isBlocked(vp: number): boolean;
  /** The VP was ready for so many cycles in which its LP ran `by` (a Candidate's tag). */
  waited(vp: number, cycles: number, by: number): void;
  /** SpinKind: the VP that ran last was found spinning. */
  readonly spinning: number;
  /** The VP is in a critical section (hypervisor/spin). */
  isCritical(vp: number): boolean;
  readonly vpCount: number;
  /** Of any VP, while it may be changing. */
  lpOf(vp: number): number;
  isReady(vp: number): boolean;
  /** The LP where it was placed. */
  homeOf(vp: number): number;
  /** The VP is another LP's from now on. Not while it runs. */
  give(vp: number, lp: number): void;
}

export class Candidate<G extends Schedulable = Schedulable> {
  readonly guest: G;
  readonly vp: number;
  readonly record: VpSchedule;
  /** Partition slot << 8 | VP. */
  readonly tag: number;
  /** It was ready when the LP last looked, and was not the time before. */
  ready = false;
  fresh = false;

  constructor(guest: G, vp: number) {
    this.guest = guest;
    this.vp = vp;
    this.record = guest.schedule(vp);
    this.tag = (guest.slot << 8) | vp;
  }

  mayRunOn(lp: number): boolean {
    const { affinityLow, affinityHigh } = this.record;
    return (((lp < 32 ? affinityLow : affinityHigh) >>> (lp & 31)) & 1) !== 0;
  }

  /** Whether it can run and may; keeps account of the time in which it could not or might not. */
  look(now: number): boolean {
    const { guest, vp, record } = this;
    const runnable = guest.runnable(vp, true);
    if (!runnable && record.blockedSinceNum === 0 && guest.isBlocked(vp)) record.blockedSinceNum = Math.max(1, now);
    if (runnable && record.blockedSinceNum !== 0) {
      record.blockedCyclesNum += Math.max(0, now - record.blockedSinceNum);
      record.blockedSinceNum = 0;
    }
    if (!runnable || record.notBeforeNum > now) return false;
    beginPeriod(record, now);
    const limited = allowance(record, now) <= 0;
    if (limited && record.limitedSinceNum === 0) record.limitedSinceNum = Math.max(1, now);
    if (!limited && record.limitedSinceNum !== 0) {
      record.limitedCyclesNum += now - record.limitedSinceNum;
      record.limitedSinceNum = 0;
    }
    return !limited;
  }
}
