// Root's side of the gate (shared/layout/gate): lets whatever comes from outside act on a machine that stands still, at a place of its course that has a number.
// In the other clock modes the course hangs on the host's timing anyway: there everybody acts at once, and LPs are kicked.
import {
  appointClock,
  courseOf,
  freeGate,
  gateWord,
  isAtRest,
  isRootCalled,
  leaveGate,
  limitCourse,
  standingLp,
  takeCall,
  wantGate,
} from '../../../shared/layout/gate.js';
import { ClockMode, LpState } from '../../../shared/layout/machine.js';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { LpSignals } from '../lp-signals.js';
import type { MachineMemory } from '../machine-memory.js';

/** A place of the course: how many runs, turns given away and visits with changes there have been, and for a check the LP that stood there (-1: at rest, any) and its clock. */
export interface Place {
  readonly course: number;
  readonly lp: number;
  readonly clock: number;
}

interface Visit {
  readonly changes: boolean;
  /** Nothing has been changed since the LP came to stand: what it does next is what any machine would that is there. */
  readonly isFresh: boolean;
  readonly act: (place: Place) => Promise<void>;
  readonly refuse: (error: Error) => void;
}

/** How the machine goes on from a limit: other than it was, as it was, or not at all. */
export type Leave = 'changed' | 'unchanged' | 'stays';

/** Places ahead at which the course stops for nothing: the limit is a number of 31 bits. */
const FAR = 2 ** 30;
/** In place of an LP. */
const REST = -1;
/** How often root looks anew whether an LP stands there or has died, ms. */
const LOOK_MS = 100;
/** A run that takes longer (instructions that are traced, for one) is ended, unless the course must go on as it is: then somebody waits for it to be the same again. */
const PATIENCE_MS = 1000;

export class Gate {
  readonly #memory: MachineMemory;
  readonly #signals: LpSignals;
  readonly #isDeterministic: boolean;
  #visits: Visit[] = [];
  /** Root waits for an LP to stand, or one does. */
  #visiting = false;
  #visited: Promise<void> = Promise.resolve();
  #isHeld = false;
  #isClosed = false;
  /** Runs are never ended early: the course is recorded, or is that of a recording. */
  isExact = false;
  /** What happens when the course has come to its limit. */
  onLimit: ((place: Place) => Promise<Leave>) | undefined;

  /** What an LP has called root for is done: before all else at that place. */
  onCall: (() => void) | undefined;

  constructor(memory: MachineMemory, signals: LpSignals) {
    this.#memory = memory;
    this.#signals = signals;
    this.#isDeterministic = memory.header.clockMode === ClockMode.DETERMINISTIC;
  }

  /** No LP goes on at this moment. */
  get isHeld(): boolean {
    return this.#isHeld;
  }
  get course(): number {
    return courseOf(this.#memory.views);
  }

  /** `act` happens to the machine while it stands still. In the order of the calls; not from within an `act`. */
  enter<T>(act: (place: Place) => T | Promise<T>): Promise<T> {
    return this.#come(true, act);
  }
  /** As `enter`, for an act that changes nothing: the course is the same as if nobody had been there. */
  look<T>(act: (place: Place) => T | Promise<T>): Promise<T> {
    return this.#come(false, act);
  }
  /** As `look`, where nobody has changed anything in this stand: a machine that is set up as it is goes on from there in the same way. */
  lookAfresh<T>(act: (place: Place) => T | Promise<T>): Promise<T> {
    return this.#come(false, act, true);
  }

  #come<T>(changes: boolean, act: (place: Place) => T | Promise<T>, isFresh = false): Promise<T> {
    if (!this.#isDeterministic) return Promise.resolve(this.#placeOf(REST)).then(act);
    if (this.#isClosed) return Promise.reject(new HvdError('machine.stopping'));
    return new Promise<T>((resolve, reject) => {
      this.#visits.push({
        changes,
        isFresh,
        act: async (place) => {
          try {
            resolve(await act(place));
          } catch (error) {
            reject(error);
          }
        },
        refuse: reject,
      });
      void this.#visit();
    });
  }

  /** An LP may have called: resolves once it has been answered. Deterministic mode only. */
  answer(): Promise<void> {
    return this.#visit();
  }

  /** The course stops at that place for `onLimit`; undefined: nowhere. It may be stopped there already. */
  limit(course: number | undefined): void {
    limitCourse(this.#memory.views, course);
    if (course !== undefined) void this.#visit();
  }

  /** As `limit`, far away; LPs await `clock`, and whose turn it is when it has come so far stops there (layout/gate). In other modes they await it only. */
  appoint(clock: number): void {
    appointClock(this.#memory.views, this.course + FAR, clock);
  }

  /** Nobody comes in any more; the machine ends. */
  close(): void {
    this.#isClosed = true;
    const waiting = this.#visits;
    this.#visits = [];
    for (const { refuse } of waiting) refuse(new HvdError('machine.stopping'));
    wantGate(this.#memory.views, 'NO');
    limitCourse(this.#memory.views, undefined);
    takeCall(this.#memory.views);
  }

  // Waits for an LP to stand at the gate, and lets in who waits there; until nobody does.
  #visit(): Promise<void> {
    if (!this.#visiting) this.#visited = this.#visitAll();
    return this.#visited;
  }
  async #visitAll(): Promise<void> {
    this.#visiting = true;
    const { views } = this.#memory;
    try {
      while (!this.#isClosed && (this.#visits.length > 0 || this.onLimit !== undefined || isRootCalled(views))) {
        const place = await this.#standing();
        if (place === undefined) break;
        this.#isHeld = true;
        let isChanged = takeCall(views);
        if (isChanged) this.onCall?.();
        while (this.#visits.length > 0 && !(isChanged && this.#visits[0]!.isFresh)) {
          const visit = this.#visits.shift()!;
          await visit.act(place);
          isChanged ||= visit.changes;
        }
        const leave = (await this.onLimit?.(place)) ?? 'unchanged';
        if (leave === 'stays') return;
        isChanged ||= leave === 'changed';
        this.#isHeld = false;
        wantGate(views, 'NO');
        const lp = standingLp(gateWord.of(views));
        if (lp !== undefined && this.#lives(lp)) leaveGate(views, isChanged);
        else freeGate(views);
        this.#signals.ringAll();
      }
    } finally {
      this.#visiting = false;
    }
  }

  /** Where the machine stands, once an LP has come to the gate. Undefined: nobody waits any more. */
  async #standing(): Promise<Place | undefined> {
    const { views, lps } = this.#memory;
    const since = performance.now();
    while (!this.#isClosed) {
      const word = gateWord.of(views);
      const lp = standingLp(word);
      if (lp !== undefined) return this.#placeOf(isAtRest(views) ? REST : lp);
      if (!lps.some((_, n) => this.#lives(n))) return this.#placeOf(REST);
      if (this.#visits.length > 0) {
        const urgent = !this.isExact && performance.now() - since > PATIENCE_MS;
        wantGate(views, urgent ? 'NOW' : 'YES');
        if (urgent) this.#signals.forceAll();
        else this.#signals.ringAll();
      }
      const { value } = Atomics.waitAsync(views.i32, gateWord.index, word, LOOK_MS);
      await value;
    }
    return undefined;
  }

  #lives(lp: number): boolean {
    return this.#memory.lps[lp]!.state !== LpState.DEAD;
  }
  #placeOf(lp: number): Place {
    return { course: this.course, lp, clock: lp === REST ? 0 : this.#memory.lps[lp]!.clockNum };
  }
}
