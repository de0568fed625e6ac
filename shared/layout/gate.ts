// The gate of the deterministic mode: where the world outside gets at the machine, while all LPs stand still and the course is at a place that can be named.
// Why: an input that is there at a moment of the host's time is there at another point of the course each time. An input that is there at a place of the course can be
// written down with it and given again.
//
//   A place is how many runs of VPs, turns given away, looks that found nothing to do before a timer, and visits that have changed something there have been (`course`). Only
//   the LP whose turn it is, or that stands at rest, adds to that, so between two of them exactly one LP can go on, and before it does it looks: is root waiting (`gateWanted`), has an LP
//   called it (`gateCalled`), or is this the place at which root wants it (`gateLimit`)? Then it stands (`gateStands`), and goes on when root has let it go: then it sees to it that all others look for what has
//   changed, if anything has (a visit that changes nothing leaves the course as it is), and frees the gate. Where no LP awaits anything (rest) nobody has a turn: then any LP stands,
//   after it has made sure with everybody else's word. What it tells the others, one by one, gives another one the turn, which waits then until all have been told and the gate is free.
import { MachineLayout } from './machine.js';
import type { Views } from './struct.js';

const AT = MachineLayout.at;
const COURSE_LOW = AT.courseLow >>> 2;
const COURSE_HIGH = AT.courseHigh >>> 2;
const WANTED = AT.gateWanted >>> 2;
const LIMITED = AT.gateLimited >>> 2;
const LIMIT = AT.gateLimit >>> 2;
const UNTIL = AT.gateUntil >>> 3;
const STANDS = AT.gateStands >>> 2;
const AT_REST = AT.gateAtRest >>> 2;
const UNCHANGED = AT.gateUnchanged >>> 2;
const CALLED = AT.gateCalled >>> 2;

const HALF = 2 ** 32;
const NOBODY = 0;
/** The LP makes sure that it may stand, or has been let go and has not told the others yet. */
const between = (lp: number): number => -(lp + 1);
const Wanted = { NO: 0, YES: 1, NOW: 2 } as const;
const Limited = { NO: 0, STOPS: 1, APPOINTED: 2 } as const;

/** Where the machine is in its course. Any thread. */
export const courseOf = ({ i32 }: Views): number => {
  for (;;) {
    const high = Atomics.load(i32, COURSE_HIGH);
    const low = Atomics.load(i32, COURSE_LOW);
    if (Atomics.load(i32, COURSE_HIGH) === high) return (high >>> 0) * HALF + (low >>> 0);
  }
};
/** Before any LP runs. */
export const setCourse = ({ i32 }: Views, course: number): void => {
  i32[COURSE_LOW] = (course % HALF) | 0;
  i32[COURSE_HIGH] = Math.floor(course / HALF);
};
/** The LP whose turn it is has run a VP, is about to give its turn away, or has been let go after a change: who stands next may be another, for all look. */
export const passCourse = ({ i32 }: Views): void => {
  const low = (i32[COURSE_LOW]! + 1) | 0;
  if (low === 0) Atomics.add(i32, COURSE_HIGH, 1);
  Atomics.store(i32, COURSE_LOW, low);
};

/** The LP whose turn it is has left something that is root's to do: at the next place, whoever is there, before anybody goes on. Root is to be woken after that. */
export const callRoot = ({ i32 }: Views): void => void Atomics.store(i32, CALLED, 1);

/** The clock that LPs are to await (`appointClock`); Infinity: none. */
export const appointedClock = ({ i32, u64 }: Views): number =>
  Atomics.load(i32, LIMITED) === Limited.APPOINTED ? Number(u64[UNTIL]) : Number.POSITIVE_INFINITY;

/** Root is waiting, or is waited for, or wanted to be here. For the LP whose turn it is, with its clock, or any at rest. */
export const isGateDue = (views: Views, clock = 0): boolean => {
  const { i32 } = views;
  if (Atomics.load(i32, WANTED) !== 0 || Atomics.load(i32, CALLED) !== 0) return true;
  if (Atomics.load(i32, LIMITED) === Limited.NO) return false;
  if (((Atomics.load(i32, COURSE_LOW) - Atomics.load(i32, LIMIT)) | 0) >= 0) return true;
  const until = Number(views.u64[UNTIL]);
  return until !== 0 && clock >= until;
};

/**
 * The LP, whose turn it is, stands from now on. False: another has been let go from rest and is not done with that (the turn of this one comes of it), or still stands where a
 * snapshot has been taken up; who calls tries again. It sleeps until `freeGate`, at most `ms`.
 */
export const standAtGate = ({ i32 }: Views, lp: number, ms: number): boolean => {
  const seen = Atomics.compareExchange(i32, STANDS, NOBODY, between(lp));
  if (seen !== NOBODY) {
    Atomics.wait(i32, STANDS, seen, ms);
    return false;
  }
  i32[AT_REST] = 0;
  Atomics.store(i32, STANDS, lp + 1);
  Atomics.notify(i32, STANDS);
  return true;
};
/** One of the LPs, none of which has a turn, stands from now on if `maySo` holds still once it is sure to be the only one. */
export const standAtRest = (views: Views, lp: number, maySo: () => boolean): boolean => {
  const { i32 } = views;
  if (Atomics.compareExchange(i32, STANDS, NOBODY, between(lp)) !== NOBODY) return false;
  if (!maySo()) {
    freeGate(views);
    return false;
  }
  i32[AT_REST] = 1;
  Atomics.store(i32, STANDS, lp + 1);
  Atomics.notify(i32, STANDS);
  return true;
};
/**
 * For an LP whose turn it is. False: another was let go from rest, and may not have told all of them yet. Those that it has not told say that they await nothing: who went on now would
 * go before them all, as often as it likes. It sleeps until `freeGate`, at most `ms`.
 */
export const areAllTold = ({ i32 }: Views, ms: number): boolean => {
  const seen = Atomics.load(i32, STANDS);
  if (seen === NOBODY) return true;
  Atomics.wait(i32, STANDS, seen, ms);
  return false;
};
export const isStanding = ({ i32 }: Views, lp: number): boolean => Atomics.load(i32, STANDS) === lp + 1;
/** Whether anything was changed while the LP stood that has just been let go. */
const isChanged = ({ i32 }: Views): boolean => i32[UNCHANGED] === 0;
/**
 * The LP that was let go does what is left to do, and the gate is free. `tell`: the others are to look for what has changed. The place is another one before they do: for whoever
 * has a turn by that goes on, or stands, at the new one; and nobody stands before all is told.
 */
export const endStand = (views: Views, tell: () => void): void => {
  if (isChanged(views)) {
    passCourse(views);
    tell();
  }
  freeGate(views);
};
export const freeGate = ({ i32 }: Views): void => {
  Atomics.store(i32, STANDS, NOBODY);
  Atomics.notify(i32, STANDS);
};
/** Root will not wait for the end of the run that is under way. */
export const isGateUrgent = ({ i32 }: Views): boolean => Atomics.load(i32, WANTED) === Wanted.NOW;

// --- root's side

export const isRootCalled = ({ i32 }: Views): boolean => Atomics.load(i32, CALLED) !== 0;
/** While an LP stands: whether root was called; it is not any more. */
export const takeCall = ({ i32 }: Views): boolean => Atomics.exchange(i32, CALLED, 0) !== 0;
/** What stands there, for `Atomics.waitAsync`, and the LP that does, if one does. */
export const gateWord = { index: STANDS, of: ({ i32 }: Views): number => Atomics.load(i32, STANDS) } as const;
export const standingLp = (word: number): number | undefined => (word > 0 ? word - 1 : undefined);
export const isAtRest = ({ i32 }: Views): boolean => i32[AT_REST] !== 0;
export const wantGate = ({ i32 }: Views, wanted: keyof typeof Wanted): void => void Atomics.store(i32, WANTED, Wanted[wanted]);
/** The course stops at `course`, which lies ahead by less than 2^31; undefined: nowhere. */
export const limitCourse = ({ i32 }: Views, course: number | undefined): void => {
  if (course !== undefined) Atomics.store(i32, LIMIT, (course % HALF) | 0);
  Atomics.store(i32, LIMITED, course === undefined ? Limited.NO : Limited.STOPS);
};
/** As `limitCourse` and `stopAtClock`, and LPs await that clock: no run goes beyond it, and time passes up to it where nobody has anything to do. So it is part of the course. */
export const appointClock = (views: Views, course: number, clock: number): void => {
  limitCourse(views, course);
  stopAtClock(views, clock);
  Atomics.store(views.i32, LIMITED, Limited.APPOINTED);
};
/** While the course is limited it stops in the first turn, too, in which an LP's clock has come to `clock`. */
export const stopAtClock = ({ u64 }: Views, clock: number | undefined): void => {
  u64[UNTIL] = BigInt(clock ?? 0);
};
/** The LP that stands there goes on. Its doorbell is to be rung. */
export const leaveGate = ({ i32 }: Views, isChanged: boolean): void => {
  i32[UNCHANGED] = isChanged ? 0 : 1;
  Atomics.store(i32, STANDS, between(Atomics.load(i32, STANDS) - 1));
};
/** An LP that is dead stands in nobody's way. */
export const leaveDead = (views: Views, lp: number): void => {
  if (Atomics.compareExchange(views.i32, STANDS, between(lp), NOBODY) === between(lp)) Atomics.notify(views.i32, STANDS);
};
