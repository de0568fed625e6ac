// What an LP does again and again: it looks for root's mail, comes to its turn, looks for work, and runs a VP or goes to rest. Whatever is left for it while it does so it must not
// sleep through.
//
// Who leaves work: 1 the work is visible (posts, mail, VPs that are given)   2 the LP's published step is moved forward, where it is later or nothing is awaited (Turn.summon)
//                  3 its doorbell has another value, and whoever sleeps on it is woken (ring)
// The LP:          1 the doorbell is read (`listen`)   2 mail, turn and work are looked for   3 none: it is published that nothing is awaited before the next timer, unless it has been
//                  summoned since it read its word (`settle`)   4 where LPs go on side by side, work is looked for once more: what was left before 3 had no later step to move
//                  5 it sleeps, unless the doorbell has another value than in 1
// So what is left before the look is found; after the look and before 3 it is found by 4, or (one LP at a time, or realtime) has rung before 5; after 3 it moves the step, and rings.
// test/interleave/lp-interleavings tries all orders, and what becomes of each step that is left out.
import { areAllTold, courseOf, endStand, isGateDue, isStanding, passCourse, standAtGate, standAtRest } from '../../shared/layout/gate.js';
import { ClockMode, LpLayout, LpState, MachineHeader, MachineLayout } from '../../shared/layout/machine.js';
import type { Views } from '../../shared/layout/struct.js';
import { findPolicy } from '../../shared/protocol/policies.js';
import { HaltPoll } from './halt-poll.js';
import type { IdlePace } from './idle-pace.js';
import type { LpClock } from './lp-clock.js';
import { ring, type Turn } from './turn.js';

/** Sleeps are cut into pieces of this length so that a lost wakeup, should there be one, costs a delay and not a hang. */
const SLEEP_MAX_MS = 1000;
/** So long an LP is deaf to its mail at most while another one is not done at the gate. */
const GATE_MS = 100;

const POLL_POLICY = (MachineLayout.at.policies >>> 2) + findPolicy('sched.poll').word;
const POLL_ADAPTIVE = 0;

/** What there is to do for an LP. `clock`: its own, in cycles. */
export interface Duties<Work> {
  /** Carries out a command of root's if there is one. False: stop. */
  mail(): boolean;
  /** A debugger wants the machine to stand still: stays so long. True: it has. */
  standStill(): boolean;
  /** Before each turn is asked for: other LPs' messages to this one are taken. */
  begin(): void;
  /** Time has come to `clock`: timers expire. What is to be run now. */
  choose(clock: number): Work | undefined;
  /** Runs it; the cycles used. */
  run(work: Work): number;
  /** Cycle of the next timer, Infinity when there is none. */
  deadline(clock: number): number;
  /** Whether there is anything to do. `posted`: what others have left counts too. */
  hasWork(clock: number, posted: boolean): boolean;
  /** True once after a pause that this LP has seen. */
  takeResumed(): boolean;
  /** Some partition here is neither paused nor at its end. */
  hasGuests(): boolean;
  /** There is nothing to run. */
  leaveGuests(): void;
}

export interface RoundsParts {
  readonly machine: Views;
  readonly lp: number;
  readonly turn: Turn;
  readonly clock: LpClock;
  /** Absent: idle virtual time is skipped. */
  readonly pace: IdlePace | undefined;
  /** The host has a core for each LP: one that looks for work for a while takes no time from others. */
  readonly mayPoll: boolean;
}

export class Rounds<Work> {
  protected readonly turn: Turn;
  protected readonly duties: Duties<Work>;
  readonly #machine: Views;
  readonly #lp: number;
  readonly #mode: number;
  readonly #clock: LpClock;
  readonly #pace: IdlePace | undefined;
  readonly #mayPoll: boolean;
  readonly #poll = new HaltPoll();
  /** It was told to stop while it stood at the gate. */
  #isOver = false;
  /**
   * Deterministic mode: the place at which it has looked for work, found none, and waits for a timer. A place of its own, whether host's time is waited for or not: root finds the
   * machine as it is after the look, however often that has been done by then.
   */
  #waitsAt = -1;

  constructor({ machine, lp, turn, clock, pace, mayPoll }: RoundsParts, duties: Duties<Work>) {
    this.#machine = machine;
    this.#lp = lp;
    this.#mode = new MachineHeader(machine, 0).clockMode;
    this.turn = turn;
    this.#clock = clock;
    this.#pace = pace;
    this.#mayPoll = mayPoll;
    this.duties = duties;
  }

  /** Snapshots (shared/kit/saved). */
  get saved(): number {
    return this.#waitsAt;
  }
  set saved(waitsAt: number) {
    this.#waitsAt = waitsAt;
  }

  get #isRealTime(): boolean {
    return this.#mode === ClockMode.REALTIME;
  }
  get #isDeterministic(): boolean {
    return this.#mode === ClockMode.DETERMINISTIC;
  }

  /** Until root says stop. */
  run(): void {
    while (this.#round());
    this.state(LpState.OFFLINE);
    this.turn.publish(Number.POSITIVE_INFINITY);
  }

  state(state: number): void {
    Atomics.store(this.#machine.i32, (this.turn.block.base + LpLayout.at.state) >>> 2, state);
  }

  /** An LP, which may be this one, has something to look at: it does not sleep past it. Once for each time: a second ring would only be in the way of the LP that wakes. */
  summon(lp: number, clock: number): void {
    if (lp === this.#lp) this.turn.stayAwake();
    else if (this.#isRealTime) ring(this.#machine, lp);
    else this.turn.summon(lp, clock);
  }

  /** False: it was the last one. */
  #round(): boolean {
    const { duties } = this;
    const heard = this.listen();
    if (this.#isOver || !duties.mail()) return false;
    if (duties.standStill()) return true;
    duties.begin();
    if (this.#isRealTime) this.#clock.set(this.#clock.ofHost);
    else if (!this.#comeToTurn(heard)) return true;
    if (this.#isDeterministic) {
      if (!this.areAllTold()) return true;
      if (isGateDue(this.#machine, this.#clock.cycles)) return this.#passGate();
    }
    const work = duties.choose(this.#clock.cycles);
    if (work !== undefined) this.#work(work);
    else if (this.#isRealTime) this.#restInRealTime(heard);
    else this.#rest(heard);
    return true;
  }

  /** The doorbell as it is before anything is looked for. */
  protected listen(): number {
    return this.turn.doorbell();
  }

  #work(work: Work): void {
    const used = this.duties.run(work);
    if (this.#isRealTime) this.#clock.set(this.#clock.ofHost);
    else {
      this.#clock.set(this.#clock.cycles + used);
      this.#pass();
      this.turn.publish(this.#clock.cycles);
    }
    this.state(LpState.HYPERVISOR);
  }

  // --- virtual time -------------------------------------------------------------------------------------------------------------------------

  /** True: it is this LP's turn, and its clock stands in the step that it has published. */
  #comeToTurn(heard: number): boolean {
    const { turn } = this;
    if ((turn.published() & 1) !== 0) {
      if (this.#isDeterministic) this.#awaitNothing(heard);
      else this.#join(heard);
      return false;
    }
    if (this.#mode === ClockMode.QUANTUM) this.#comeEarlier();
    if (!turn.mine()) {
      this.state(LpState.WAITING);
      turn.wait(heard);
      return false;
    }
    const clock = this.#clock.cycles;
    const due = turn.publishedCycles(clock);
    // Its last run went beyond the step for which it has been summoned now: the others come first.
    if (turn.stepOf(clock) * turn.stepCycles > due) {
      turn.publish(clock);
      return false;
    }
    if (due > clock) this.#clock.pass(due);
    return true;
  }

  /**
   * Root has left something for a guest (a frame, a key) while the LP was on its way to a timer: it comes in as far as time has gone anywhere, not when the timer would have
   * woken it. Or the guest would see a moment of the host's as all the time up to its timer, and every LP with an earlier timer would have to come to that first.
   */
  #comeEarlier(): void {
    const { turn } = this;
    const clock = this.#clock.cycles;
    const word = turn.published();
    const due = turn.publishedCycles(clock);
    if (!(due > clock) || this.duties.deadline(clock) > clock) return;
    const now = Math.max(clock, turn.latestClock(), this.#pace?.pacedTo ?? 0);
    if (turn.stepOf(now) < turn.stepOf(due)) turn.replace(word, now);
  }

  /**
   * Nothing is awaited. Posts of other LPs come with a summons. What root has left (a partition that starts or goes on, input for a device) is looked for, and then
   * the LP asks for a turn as one that has been summoned.
   */
  #join(heard: number): void {
    const { turn, duties } = this;
    const word = turn.published();
    if ((word & 1) === 0) return;
    this.#letTimePass();
    const clock = this.#clock.cycles;
    let work = duties.hasWork(clock, false) || duties.deadline(clock) !== Number.POSITIVE_INFINITY;
    if (duties.takeResumed()) work = true;
    if (work) turn.replace(word, turn.joinCycles(clock));
    else this.#sleep(heard);
  }
  /** Where time is paced, the host's counts for the guests that wait for the world outside. */
  #letTimePass(): void {
    if (this.#pace === undefined || this.#mode !== ClockMode.QUANTUM) return;
    const passed = this.#pace.passed();
    if (passed > 0 && this.duties.hasGuests()) this.#clock.pass(this.#clock.cycles + passed);
  }
  #sleep(heard: number): void {
    this.state(LpState.IDLE);
    this.turn.sleep(heard, SLEEP_MAX_MS);
  }

  /** Nothing is ready in this LP's turn: gives it to others until the next timer, or until somebody summons it. */
  #rest(heard: number): void {
    const { turn, duties } = this;
    duties.leaveGuests();
    const word = turn.published();
    const clock = this.#clock.cycles;
    const deadline = Math.max(clock, duties.deadline(clock));
    const isNow = turn.stepOf(deadline) === turn.stepOf(clock);
    if (!isNow) {
      this.#pass();
      if (!this.settle(word, deadline)) return;
      // From here on a poster that finds this LP at rest moves the published step. Where LPs go on side by side, what was posted while this one was still at work moved nothing.
      // Where they go on one at a time there is no such post; any that is there by now comes from the LP whose turn it is already.
      if (this.#mode === ClockMode.QUANTUM && this.looksAgain(clock)) {
        turn.publish(clock);
        return;
      }
    }
    if (deadline === Number.POSITIVE_INFINITY) return;
    if (isNow && this.#isDeterministic && courseOf(this.#machine) !== this.#waitsAt) {
      this.#pass();
      this.#waitsAt = courseOf(this.#machine);
      return;
    }
    const reached = this.#pace?.reached(heard, clock, deadline, SLEEP_MAX_MS) ?? true;
    if (!reached || !isNow) return;
    this.#clock.pass(deadline);
    this.#pass();
  }
  /** It is published that nothing is awaited before `deadline`. False: the LP has been summoned since it read `word`. */
  protected settle(word: number, deadline: number): boolean {
    return this.turn.replace(word, deadline);
  }
  /** Whether anything has been left for it by now. */
  protected looksAgain(clock: number): boolean {
    return this.duties.hasWork(clock, true);
  }

  // --- the deterministic mode's gate (shared/layout/gate) -------------------------------------------------------------------------------------

  /** The course has come to its next place: whoever comes to its turn now, or finds that nobody does, is at the gate. */
  #pass(): void {
    if (this.#isDeterministic) passCourse(this.#machine);
  }
  /** Whoever was let go from rest has given all their turns. */
  protected areAllTold(): boolean {
    return areAllTold(this.#machine, GATE_MS);
  }
  /** Root is waited for, in this LP's turn. False: stop. */
  #passGate(): boolean {
    if (!standAtGate(this.#machine, this.#lp, GATE_MS)) return true;
    if (!this.#stand()) return false;
    endStand(this.#machine, () => this.turn.summonOthers(this.#clock.cycles));
    return true;
  }
  /** Does what root asks for until it lets the LP go. False: stop. */
  #stand(): boolean {
    this.state(LpState.WAITING);
    for (;;) {
      const heard = this.listen();
      if (!this.duties.mail()) return false;
      if (!isStanding(this.#machine, this.#lp)) return true;
      this.turn.sleep(heard, SLEEP_MAX_MS);
    }
  }
  /** No LP may await anything: then the world outside comes in now or when it likes, and all look, at the clock of the one that is furthest. */
  #awaitNothing(heard: number): void {
    const { turn } = this;
    const isDue = (): boolean => isGateDue(this.#machine) && turn.mine();
    if (!isDue() || !standAtRest(this.#machine, this.#lp, isDue)) this.#sleep(heard);
    else if (this.#stand()) endStand(this.#machine, () => turn.wakeAll(turn.latestClock()));
    else this.#isOver = true;
  }

  // --- realtime -----------------------------------------------------------------------------------------------------------------------------

  #restInRealTime(heard: number): void {
    const { duties } = this;
    duties.leaveGuests();
    const deadline = duties.deadline(this.#clock.cycles);
    const ms = deadline === Number.POSITIVE_INFINITY ? SLEEP_MAX_MS : this.#clock.msUntil(deadline);
    if (ms <= 0) return;
    this.#poll.sleep(
      this.turn,
      heard,
      Math.min(ms, SLEEP_MAX_MS),
      this.#mayPoll && Atomics.load(this.#machine.i32, POLL_POLICY) === POLL_ADAPTIVE,
    );
    this.#clock.idled(this.#clock.ofHost);
  }
}
