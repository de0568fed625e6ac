// Whose turn it is: keeps the LPs' clocks together in the virtual clock modes.
// Virtual time goes on in steps, several to a quantum. Every LP publishes the step in which it will next do something: running, that of its clock; idle, that of its
// next timer, or none at all.
// quantum mode: an LP may go on while its step is less than a quantum after the lowest published: side by side, and never more than a quantum ahead of the slowest.
// deterministic mode: of those with the lowest step only the one with the lowest id goes on: one LP at a time, in one order.
// realtime mode: always.
//
// Why not quantum by quantum: LPs that compute take turns in being the slower, by a little, or for as long as it takes to compile what the other has compiled
// already. Were they to meet at each quantum's end, every quantum would take as long as it takes the slowest of them; with some steps in hand, only lasting differences
// are waited for (`npm run bench -- --suite scaling`).
//
// Published word: step << 1 | 1 if nothing is awaited. Steps are compared modulo 2^31. Who wakes a waiter: whoever publishes a word that makes
// the waiter's step low enough rings its doorbell (changed); the waiter reads its doorbell, sets waitingForTurn, checks again, then sleeps.
//
// Why deterministic mode repeats: the LP that goes on is the only one that acts, and stays so until it publishes a later word. Whatever decides its course
// (posts, timers, its own word) it therefore looks at while it is its turn, never before and never after it has published.
import { ClockMode, LpBlock, LpLayout, LpState, lpBlockAt, MachineHeader, MachineLayout } from '../../shared/layout/machine.js';
import type { Views } from '../../shared/layout/struct.js';

/**
 * How often an LP looks whether the others have caught up before it sleeps: some 30 microseconds. LPs that compute differ by a few microseconds at most, which is less than a sleep and its end cost.
 */
const LOOKS_MAX = 500;
export const STEPS_IN_QUANTUM = 8;
const CHANGES = MachineLayout.at.turnChanges >>> 2;

/** Whether the first of two published words is the earlier one, modulo; idle ones are last. */
const isBefore = (a: number, b: number): boolean => {
  if (b & 1) return !(a & 1);
  if (a & 1) return false;
  return ((a - b) | 0) < 0;
};

export class Turn {
  protected readonly views: Views;
  protected readonly lp: number;
  readonly #lps: number;
  readonly #looks: number;
  readonly #mode: number;
  readonly stepCycles: number;
  /** Steps by which an LP may be ahead of the lowest one. */
  readonly #lead: number;
  readonly #block: LpBlock;

  /** `looks`: how often it looks for its turn before it sleeps. */
  constructor(views: Views, lp: number, looks = LOOKS_MAX) {
    const header = new MachineHeader(views, 0);
    this.views = views;
    this.lp = lp;
    this.#looks = looks;
    this.#lps = header.lpCount;
    this.#mode = header.clockMode;
    this.stepCycles = Math.floor(header.quantumCycles / STEPS_IN_QUANTUM);
    this.#lead = this.#mode === ClockMode.QUANTUM ? STEPS_IN_QUANTUM - 1 : 0;
    this.#block = new LpBlock(views, lpBlockAt(lp));
  }

  #word(lp: number): number {
    return (lpBlockAt(lp) + LpLayout.at.turn) >>> 2;
  }
  #doorbell(lp: number): number {
    return (lpBlockAt(lp) + LpLayout.at.doorbell) >>> 2;
  }
  /** The machine has no other LP. */
  get alone(): boolean {
    return this.#lps === 1;
  }
  stepOf(clock: number): number {
    return Math.floor(clock / this.stepCycles);
  }

  #wordOf(clock: number): number {
    return clock === Number.POSITIVE_INFINITY ? 1 : (this.stepOf(clock) << 1) | 0;
  }

  /** Publishes when this LP next has something to do; `clock` in cycles, Infinity for never. */
  publish(clock: number): void {
    const word = this.#wordOf(clock);
    if (Atomics.exchange(this.views.i32, this.#word(this.lp), word) !== word) this.changed();
  }
  /** The word that this LP has published, or that a summons has made of it. */
  published(): number {
    return Atomics.load(this.views.i32, this.#word(this.lp));
  }
  /** As publish, but only over the word `seen`: false when the LP has been summoned since it was read. */
  replace(seen: number, clock: number): boolean {
    const word = this.#wordOf(clock);
    if (Atomics.compareExchange(this.views.i32, this.#word(this.lp), seen, word) !== seen) return false;
    if (word !== seen) this.changed();
    return true;
  }
  /** Earliest step in which another LP's request may be dealt with: this LP asks the target not to sleep past it. Called by whoever posts work to `lp`. */
  summon(lp: number, clock: number): void {
    this.bringForward(lp, clock);
    ring(this.views, lp);
  }
  /** The LP's word says this LP's next step, if it did not say an earlier one. */
  protected bringForward(lp: number, clock: number): void {
    const { i32 } = this.views;
    const wanted = (this.stepOf(clock) + 1) << 1;
    for (;;) {
      const now = Atomics.load(i32, this.#word(lp));
      if (!isBefore(wanted, now)) break;
      if (Atomics.compareExchange(i32, this.#word(lp), now, wanted) !== now) continue;
      Atomics.add(i32, CHANGES, 1);
      break;
    }
  }

  /** How often any LP's word has changed, modulo 2^32. */
  get changes(): number {
    return Atomics.load(this.views.i32, CHANGES);
  }

  /** May this LP go on? All words are looked at as they were at one moment: one that was low when it was read may have asked for an earlier turn of another by the time that is read. */
  mine(): boolean {
    if (this.#mode === ClockMode.REALTIME) return true;
    const { i32 } = this.views;
    for (;;) {
      const changes = Atomics.load(i32, CHANGES);
      const lowest = this.lowest();
      if (Atomics.load(i32, CHANGES) === changes) return lowest;
    }
  }
  protected lowest(): boolean {
    const own = Atomics.load(this.views.i32, this.#word(this.lp));
    // A word that awaits nothing has no step: only others that await nothing let it go on.
    const reach = own & 1 ? own : (own - (this.#lead << 1)) | 0;
    for (let i = 0; i < this.#lps; i++) {
      if (i === this.lp) continue;
      const other = Atomics.load(this.views.i32, this.#word(i));
      if (isBefore(other, reach)) return false;
      if (this.#mode === ClockMode.DETERMINISTIC && i < this.lp && other === own && !(own & 1)) return false;
    }
    return true;
  }
  /** Published step x its length: the clock of an LP that was summoned. NaN when nothing is awaited. */
  publishedCycles(clock: number): number {
    return this.#cyclesOf(Atomics.load(this.views.i32, this.#word(this.lp)), clock);
  }
  /** Expands a word's 31-bit step near `clock`. */
  #cyclesOf(word: number, clock: number): number {
    if (word & 1) return Number.NaN;
    const near = this.stepOf(clock);
    const delta = ((word - (near << 1)) | 0) >> 1;
    return (near + delta) * this.stepCycles;
  }
  /** Nothing is awaited, and the world outside has changed something (layout/gate): every LP that lives comes to its turn at `clock`, in their order. */
  wakeAll(clock: number): void {
    const word = this.#wordOf(clock);
    for (let lp = 0; lp < this.#lps; lp++) {
      if (Atomics.load(this.views.i32, (lpBlockAt(lp) + LpLayout.at.state) >>> 2) === LpState.DEAD) continue;
      Atomics.store(this.views.i32, this.#word(lp), word);
    }
    Atomics.add(this.views.i32, CHANGES, 1);
    for (let lp = 0; lp < this.#lps; lp++) ring(this.views, lp);
  }
  /** The clock of the LP that is furthest, of those that live. While none goes on. */
  latestClock(): number {
    let latest = 0;
    for (let lp = 0; lp < this.#lps; lp++) {
      const { state, clockNum } = new LpBlock(this.views, lpBlockAt(lp));
      if (state !== LpState.DEAD) latest = Math.max(latest, clockNum);
    }
    return latest;
  }
  /** The world outside has changed something in this LP's turn, at `clock`: the others look in the next step at the latest. */
  summonOthers(clock: number): void {
    for (let lp = 0; lp < this.#lps; lp++) {
      if (lp === this.lp || Atomics.load(this.views.i32, (lpBlockAt(lp) + LpLayout.at.state) >>> 2) === LpState.DEAD) continue;
      this.summon(lp, clock);
    }
  }
  /** Where an LP that has published nothing comes in, in cycles: as the slowest of the others would summon it, at its own clock when none awaits anything. */
  joinCycles(clock: number): number {
    let floor = 1;
    for (let i = 0; i < this.#lps; i++) {
      if (i === this.lp) continue;
      const other = Atomics.load(this.views.i32, this.#word(i));
      if (isBefore(other, floor)) floor = other;
    }
    return floor & 1 ? clock : Math.max(clock, this.#cyclesOf(floor, clock) + this.stepCycles);
  }
  /** This LP's word has changed: whoever waits for it to be the lowest looks again. */
  protected changed(): void {
    Atomics.add(this.views.i32, CHANGES, 1);
    if (this.#mode === ClockMode.REALTIME) return;
    for (let i = 0; i < this.#lps; i++) {
      if (i !== this.lp && Atomics.load(this.views.i32, (lpBlockAt(i) + LpLayout.at.waitingForTurn) >>> 2)) ring(this.views, i);
    }
  }

  /** Sleeps until it may be this LP's turn or somebody rings; returns at once when it is, or when the doorbell has been rung since it read `seen`. */
  wait(seen: number): void {
    const { i32 } = this.views;
    // In deterministic mode the others have whole turns to do first.
    if (this.#mode === ClockMode.QUANTUM)
      for (let n = 0; n < this.#looks; n++) if (this.mine() || Atomics.load(i32, this.#doorbell(this.lp)) !== seen) return;
    const waiting = (lpBlockAt(this.lp) + LpLayout.at.waitingForTurn) >>> 2;
    Atomics.store(i32, waiting, 1);
    // State left: waiting is visible; a publisher from here on rings, one before is seen by `mine`.
    if (!this.mine()) Atomics.wait(i32, this.#doorbell(this.lp), seen);
    Atomics.store(i32, waiting, 0);
  }
  /** Value of the doorbell to hand to `sleep`, read before the last look for work. */
  doorbell(): number {
    return Atomics.load(this.views.i32, this.#doorbell(this.lp));
  }
  /** Sleeps while the doorbell still has the value; at most `ms`. */
  sleep(seen: number, ms: number): void {
    Atomics.wait(this.views.i32, this.#doorbell(this.lp), seen, ms);
  }
  /** The next sleep of this LP that has listened before does not sleep. */
  stayAwake(): void {
    Atomics.add(this.views.i32, this.#doorbell(this.lp), 1);
  }
  get block(): LpBlock {
    return this.#block;
  }
}

/** Rings an LP's doorbell: it looks for work, wherever it sleeps. */
export const ring = (machine: Views, lp: number): void => {
  const at = (lpBlockAt(lp) + LpLayout.at.doorbell) >>> 2;
  Atomics.add(machine.i32, at, 1);
  Atomics.notify(machine.i32, at);
};
