// Which of the VPs that are ready an LP runs next (policy `sched.policy`), one way each.
import { SchedPolicy } from '../../../shared/protocol/policies.js';
import type { Candidate, Schedulable } from './candidate.js';
import { isReserved, owed, periodEnd, VIRTUAL_PER_CYCLE } from './entitlement.js';

/** A VP of the usual weight runs this long while others of its LP are ready, in cycles. */
export const SLICE_CYCLES = 1_000_000;
const SLICE_MIN_CYCLES = 50_000;
/** By how much a VP that has been woken must be behind the one that runs to take its place before the slice is over, in virtual time. */
const WAKEUP_GRANULARITY = 200_000 * VIRTUAL_PER_CYCLE;

/** `ready`: in the order in which they take turns; never empty. `now`: the LP's clock. */
export interface Discipline {
  next<C extends Candidate>(ready: readonly C[], now: number): C;
  /** For how long the one chosen of `ready` runs unless somebody preempts it, in cycles. */
  slice(chosen: Candidate, ready: readonly Candidate[]): number;
  /** Whether `woken` is not to wait until the slice of the one that runs is over. */
  preempts(woken: Candidate, running: Candidate, now: number): boolean;
  /** Cycle at which the choice may be another, whatever the slice has left. `waiting`: the ready ones that were not chosen at `now`. */
  until(now: number, waiting: readonly Candidate[]): number;
}

const roundRobin: Discipline = {
  next: ([first]) => first,
  slice: () => SLICE_CYCLES,
  preempts: () => false,
  until: () => Number.POSITIVE_INFINITY,
};

const credit: Discipline = {
  // Whose reserve is not used up comes first; among equals the one that is furthest behind.
  next: (ready, now) => {
    let [best] = ready;
    let urgent = isReserved(best.record, now);
    let least = best.record.virtualNum;
    for (const one of ready) {
      const isUrgent = isReserved(one.record, now);
      const virtual = one.record.virtualNum;
      if (isUrgent === urgent ? virtual >= least : urgent) continue;
      [best, urgent, least] = [one, isUrgent, virtual];
    }
    return best;
  },
  // A round in which each has its share takes a slice for each: light VPs are served as often as heavy ones, but shorter.
  // What is left of a reserve is no more than that.
  slice: ({ record }, ready) => {
    let weights = 0;
    for (const one of ready) weights += one.record.weight;
    const part = Math.floor((SLICE_CYCLES * ready.length * record.weight) / weights);
    return Math.max(SLICE_MIN_CYCLES, Math.min(part, owed(record) || part));
  },
  preempts: (woken, running, now) =>
    woken.record.virtualNum + WAKEUP_GRANULARITY < running.record.virtualNum ||
    (isReserved(woken.record, now) && !isReserved(running.record, now)),
  // The last moment at which those that wait can still have their reserves of this period. Past it, they come first anyway.
  until: (now, waiting) => {
    let needed = 0;
    for (const { record } of waiting) needed += owed(record);
    const last = periodEnd(now) - needed;
    return needed > 0 && last > now ? last : Number.POSITIVE_INFINITY;
  },
};

/**
 * Partitions take turns, the same one on all LPs: it follows from the clock, so that nobody has to agree. An LP that has no ready VP of it runs another's. Of several
 * VPs of the partition the one that is furthest behind runs: the LP's own order begins behind the VP of another partition that ran last, so it would be the same one each time.
 * `guests`: all partitions of the machine.
 */
const gang = (guests: () => readonly Schedulable[]): Discipline => {
  const turnOf = (now: number): number => {
    const running = guests().filter(({ isRunning }) => isRunning);
    return running[Math.floor(now / SLICE_CYCLES) % Math.max(1, running.length)]?.slot ?? -1;
  };
  return {
    next: (ready, now) => {
      const turn = turnOf(now);
      const isBehind = (a: Candidate, b: Candidate): boolean => {
        const isItsTurn = a.guest.slot === turn;
        return isItsTurn === (b.guest.slot === turn) ? a.record.virtualNum < b.record.virtualNum : isItsTurn;
      };
      return ready.reduce((best, one) => (isBehind(one, best) ? one : best));
    },
    slice: () => SLICE_CYCLES,
    preempts: (woken, running, now) => {
      const turn = turnOf(now);
      return woken.guest.slot === turn && running.guest.slot !== turn;
    },
    until: (now) => (Math.floor(now / SLICE_CYCLES) + 1) * SLICE_CYCLES,
  };
};

/** The disciplines by number of the policy's setting. */
export const disciplines = (guests: () => readonly Schedulable[]): readonly Discipline[] => {
  const all: Discipline[] = [];
  all[SchedPolicy.RR] = roundRobin;
  all[SchedPolicy.CREDIT] = credit;
  all[SchedPolicy.GANG] = gang(guests);
  return all;
};
