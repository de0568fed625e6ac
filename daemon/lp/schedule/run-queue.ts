// The VPs of one LP: which are ready, which runs next and for how long, which go to other LPs, and what each is charged.
// Everything here follows from virtual time and shared words that are looked at in the LP's turn: in the deterministic mode the course is the same on every host.
import { assert } from '../../../shared/kit/assert.js';
import { LpLayout, lpBlockAt, MachineLayout } from '../../../shared/layout/machine.js';
import { RESERVE_MAX, SpinKind } from '../../../shared/layout/schedule.js';
import type { Views } from '../../../shared/layout/struct.js';
import { SliceEnd } from '../../../shared/layout/trace.js';
import { findPolicy } from '../../../shared/protocol/policies.js';
import { Balance } from './balance.js';
import { Candidate, type Schedulable } from './candidate.js';
import { type Discipline, disciplines, SLICE_CYCLES } from './discipline.js';
import { allowance, charge, periodEnd, VIRTUAL_PER_CYCLE, virtualOf } from './entitlement.js';
import { LEAD_MAX, Spin } from './spin.js';

/** An LP's only VP: nobody waits for it. What root wants and timers that become due end its runs before that; the rest is how often statistics are brought up to date. */
const LONE_SLICE_CYCLES = 16_000_000;
/** How far a VP that comes back from a wait may be behind those that were ready meanwhile: a slice. */
const SLEEPER_CREDIT = SLICE_CYCLES * VIRTUAL_PER_CYCLE;

/** Of an extension: the end of a section that no instruction tells is looked for that often. */
const EXTENDED_RUN_CYCLES = 10_000;

const wordOf = (name: string): number => (MachineLayout.at.policies >>> 2) + findPolicy(name).word;
const POLICY = wordOf('sched.policy');
const BALANCE = wordOf('sched.balance');
const BALANCE_ON = 0;

export interface QueueParts<G> {
  readonly machine: Views;
  readonly lp: number;
  readonly lps: number;
  /** All partitions that are attached. */
  guests(): readonly G[];
  /** Tells another LP that it has work. */
  signal(lp: number, clock: number): void;
  /** For tests: how VPs are given away. */
  readonly Balance?: typeof Balance;
}

/** VPs by their tags (Candidate). */
export interface QueueSaved {
  readonly own: readonly number[];
  readonly ready: readonly number[];
  readonly fresh: readonly number[];
  readonly waiting: readonly number[];
  readonly cursor: number;
  readonly sliceLeft: number;
  readonly extended: boolean;
  readonly sliceEnd: number;
  /** Empty: nobody. */
  readonly boost: readonly number[];
  readonly boostLeft: number;
  readonly arrivals: number;
  /** Number of the policy's setting. */
  readonly discipline: number;
  readonly floor: number;
  readonly balance: Balance['saved'];
  readonly spin: Spin['saved'];
}

export class RunQueue<G extends Schedulable> {
  readonly #p: QueueParts<G>;
  readonly #i32: Int32Array;
  readonly #arrivalsWord: number;
  readonly #disciplines: readonly Discipline[];
  readonly #balance: Balance;
  readonly #spin: Spin;
  #own: Candidate<G>[] = [];
  /** Of these the ready ones that had to wait for the one chosen last. */
  #waiting: Candidate<G>[] = [];
  /** Whose turn it is: the one chosen last, the one after it once its slice is over. */
  #cursor = 0;
  #sliceLeft = 0;
  /** It runs past its slice. */
  #extended = false;
  /** SliceEnd: what became of the slice in the run that is over. */
  sliceEnd: number = SliceEnd.CONTINUES;
  /** Who is to run next, or runs, in place of one that spins; and for how long it is to. */
  #boost: Candidate<G> | undefined;
  #boostLeft = 0;
  #arrivals = 0;
  #discipline: Discipline;
  /** Virtual time of the VP that is furthest behind of those that are ready; never goes back. */
  #floor = 0;

  constructor(parts: QueueParts<G>) {
    this.#p = parts;
    this.#i32 = parts.machine.i32;
    this.#arrivalsWord = (lpBlockAt(parts.lp) + LpLayout.at.arrivals) >>> 2;
    this.#disciplines = disciplines(() => parts.guests());
    this.#discipline = this.#disciplines[Atomics.load(this.#i32, POLICY)];
    this.#spin = new Spin(parts.machine);
    this.#balance = new (parts.Balance ?? Balance)(parts.machine, parts.lp, parts.lps, parts.signal);
  }

  /** Snapshots (shared/kit/saved). Taken up once all partitions are there. */
  get saved(): QueueSaved {
    const tags = (list: readonly Candidate<G>[]): number[] => list.map(({ tag }) => tag);
    return {
      own: tags(this.#own),
      ready: tags(this.#own.filter(({ ready }) => ready)),
      fresh: tags(this.#own.filter(({ fresh }) => fresh)),
      waiting: tags(this.#waiting),
      cursor: this.#cursor,
      sliceLeft: this.#sliceLeft,
      extended: this.#extended,
      sliceEnd: this.sliceEnd,
      boost: this.#boost === undefined ? [] : [this.#boost.tag],
      boostLeft: this.#boostLeft,
      arrivals: this.#arrivals,
      discipline: this.#disciplines.indexOf(this.#discipline),
      floor: this.#floor,
      balance: this.#balance.saved,
      spin: this.#spin.saved,
    };
  }
  set saved(s: QueueSaved) {
    const guests = this.#p.guests();
    this.#own = s.own.map((tag) => {
      const guest = guests.find(({ slot }) => slot === tag >> 8);
      assert(guest !== undefined, `VP ${tag & 0xff} of slot ${tag >> 8} has its partition`);
      const candidate = new Candidate(guest, tag & 0xff);
      candidate.ready = s.ready.includes(tag);
      candidate.fresh = s.fresh.includes(tag);
      return candidate;
    });
    this.#waiting = s.waiting.flatMap((tag) => this.#own.filter((one) => one.tag === tag));
    this.#cursor = s.cursor;
    this.#sliceLeft = s.sliceLeft;
    this.#extended = s.extended;
    this.sliceEnd = s.sliceEnd;
    this.#boost = this.#own.find(({ tag }) => s.boost.includes(tag));
    this.#boostLeft = s.boostLeft;
    this.#arrivals = s.arrivals;
    this.#discipline = this.#disciplines[s.discipline];
    this.#floor = s.floor;
    this.#balance.saved = s.balance;
    this.#spin.saved = s.spin;
  }

  /** VPs that this LP runs. */
  get size(): number {
    return this.#own.length;
  }
  /** Ready VPs beside the chosen one. */
  get waiting(): readonly Candidate<G>[] {
    return this.#waiting;
  }
  get #balances(): boolean {
    return this.#p.lps > 1 && Atomics.load(this.#i32, BALANCE) === BALANCE_ON;
  }

  /** Partitions have come or gone, or VPs from other LPs. */
  renew(now: number): void {
    const before = new Map(this.#own.map((one) => [one.tag, one]));
    const last = this.#own[this.#cursor];
    this.#own = this.#p.guests().flatMap((guest) =>
      guest.own().map((vp) => {
        const known = before.get((guest.slot << 8) | vp);
        return known?.guest === guest ? known : this.#arrived(new Candidate(guest, vp), now);
      }),
    );
    if (this.#boost && !this.#own.includes(this.#boost)) this.#boost = undefined;
    this.#cursor = last === undefined ? 0 : Math.max(0, this.#own.indexOf(last));
    this.#waiting = this.#waiting.filter((one) => this.#own.includes(one));
    if (this.#own.length > 1) this.#sliceLeft = Math.min(this.#sliceLeft, SLICE_CYCLES);
  }
  /** What it was behind or ahead of the others where it comes from, it is here. */
  #arrived(candidate: Candidate<G>, now: number): Candidate<G> {
    candidate.record.virtualNum += this.#floor;
    candidate.record.sinceNum = now;
    return candidate;
  }

  /** Whether other LPs have given it VPs that it has not taken. */
  get hasArrivals(): boolean {
    return Atomics.load(this.#i32, this.#arrivalsWord) !== this.#arrivals;
  }
  /** Noted before it looks: what comes while it does is taken the next time. */
  protected takeArrivals(now: number): void {
    if (!this.hasArrivals) return;
    this.noteArrivals();
    this.renew(now);
  }
  protected noteArrivals(): void {
    this.#arrivals = Atomics.load(this.#i32, this.#arrivalsWord);
  }
  /** Whether any VP can run and may at once; `take`: what was posted to them counts too. What may run later is in `deadline`. */
  hasReady(take: boolean, now: number): boolean {
    return this.#own.some(
      ({ guest, vp, record }) => guest.runnable(vp, take) && record.notBeforeNum <= now && record.limitedSinceNum === 0,
    );
  }

  /** Cycle of the next moment at which a VP that may not run now may, Infinity when there is none. */
  deadline(now: number): number {
    let deadline = Number.POSITIVE_INFINITY;
    for (const { record } of this.#own) {
      if (record.notBeforeNum > now) deadline = Math.min(deadline, record.notBeforeNum);
      else if (record.limitedSinceNum !== 0) deadline = Math.min(deadline, periodEnd(now));
    }
    return deadline;
  }

  /** The VP that runs next, the same one again while its slice lasts. In the LP's turn only. */
  choose(now: number): Candidate<G> | undefined {
    this.takeArrivals(now);
    const discipline = this.#disciplines[Atomics.load(this.#i32, POLICY)];
    if (discipline !== this.#discipline) this.#beginAnew(discipline);
    const reserved = this.#sendHome(now);
    const own = this.#own;
    let ready = this.#readyInTurn(now);
    if (ready.length > 1 && this.#balances && this.#evens(ready, now)) ready = this.#readyInTurn(now);
    const chosen = ready.length === 0 ? undefined : this.#pick(ready, now);
    this.#waiting = [];
    for (const one of ready) {
      one.fresh = false;
      if (one !== chosen) this.#waiting.push(one);
    }
    if (this.#waiting.length > 0 && this.#balances && this.#balance.someIdle)
      for (const one of this.#waiting) this.#give(one, this.#balance.idleFor(one), now);
    this.#balance.publish(chosen, this.#waiting, this.#own === own ? reserved : this.#reserved());
    return chosen;
  }

  /** Percent of the LP that its VPs reserve. */
  #reserved(): number {
    let reserved = 0;
    for (const { record } of this.#own) reserved += record.reserve;
    return reserved;
  }
  /** Their shares were changed: VPs that may not run here any more, or reserve more than there is, go where root has made room for them. What those that stay reserve. */
  #sendHome(now: number): number {
    let reserved = this.#reserved();
    for (const one of this.#own) {
      const { reserve } = one.record;
      if (one.mayRunOn(this.#p.lp) && (reserve === 0 || reserved <= RESERVE_MAX)) continue;
      if (this.#give(one, this.#balance.homeFor(one), now)) reserved -= reserve;
    }
    return reserved;
  }

  /** Who has run more than its weight says, under a discipline that asks nobody's weight, is not to wait for that under the next one: all begin even. */
  #beginAnew(discipline: Discipline): void {
    this.#discipline = discipline;
    this.#sliceLeft = 0;
    for (const { record } of this.#own) record.virtualNum = this.#floor;
  }

  #pick(ready: readonly Candidate<G>[], now: number): Candidate<G> {
    const [first] = ready;
    const spin = this.#spin;
    const discipline = this.#discipline;
    const isUnderWay = first === this.#own[this.#cursor] && this.#sliceLeft > 0;
    const boosted = this.#boost !== undefined && ready.includes(this.#boost) && this.#mayLead(this.#boost, ready) ? this.#boost : undefined;
    const wanted = boosted ?? ready.find((one) => one !== first && spin.isWanted(one.record) && this.#mayLead(one, ready));
    if (isUnderWay) {
      // A run ends for many reasons. Who is boosted has what it was given, however many runs that takes, and no more.
      const goesOn =
        this.#boost === undefined
          ? wanted === undefined && !ready.some((one) => one.fresh && discipline.preempts(one, first, now))
          : boosted === first;
      if (this.#extended || goesOn || this.#extend(first, ready.length > 1)) return first;
    }
    const chosen = wanted ?? discipline.next(this.#due(ready, now), now);
    if (isUnderWay && chosen !== first) spin.preempted(first.record, first.guest.isCritical(first.vp), false);
    this.#boost = wanted;
    const slice = this.#own.length === 1 ? LONE_SLICE_CYCLES : discipline.slice(chosen, ready);
    this.#sliceLeft = boosted === undefined ? spin.pay(chosen.record, slice) : this.#boostLeft;
    this.#extended = false;
    this.#cursor = this.#own.indexOf(chosen);
    spin.begins(chosen.record);
    return chosen;
  }

  /** Those of the ready ones that were not found spinning, if there are any. */
  #due(ready: readonly Candidate<G>[], now: number): readonly Candidate<G>[] {
    const spin = this.#spin;
    if (!ready.some(({ record }) => spin.isDeferred(record, now))) return ready;
    const due = ready.filter(({ record }) => !spin.isDeferred(record, now));
    return due.length > 0 ? due : ready;
  }
  /** Whether others can wait a little longer for a VP that is spun for. */
  #mayLead({ record }: Candidate<G>, ready: readonly Candidate<G>[]): boolean {
    return ready.every((one) => record.virtualNum <= one.record.virtualNum + LEAD_MAX);
  }

  /** Ready VPs, from the one whose turn it is on. */
  #readyInTurn(now: number): Candidate<G>[] {
    const own = this.#own;
    const ready: Candidate<G>[] = [];
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < own.length; i++) {
      const candidate = own[(this.#cursor + i) % own.length];
      if (!candidate.look(now)) {
        candidate.ready = false;
        continue;
      }
      if (!candidate.ready) this.#wake(candidate);
      least = Math.min(least, candidate.record.virtualNum);
      ready.push(candidate);
    }
    if (ready.length > 0) this.#floor = Math.max(this.#floor, least);
    return ready;
  }

  #wake(candidate: Candidate<G>): void {
    const { record } = candidate;
    candidate.ready = candidate.fresh = true;
    record.virtualNum = Math.max(record.virtualNum, this.#floor - SLEEPER_CREDIT);
  }

  /**
   * Once a period: gives a VP to an LP that has less. With one VP more than LPs nothing is ever even: who has been here longest goes, so that each shares its LP in its
   * turn. True: it is gone.
   */
  #evens(ready: readonly Candidate<G>[], now: number): boolean {
    if (!this.#balance.isDue(now)) return false;
    let weight = 0;
    for (const { record } of ready) weight += record.weight;
    const oldest = ready.reduce((first, one) => (one.record.sinceNum < first.record.sinceNum ? one : first));
    return this.#give(oldest, this.#balance.lighterFor(oldest, weight), now);
  }

  /** `lp`: -1 when nobody takes it. True: the VP is gone. */
  #give(candidate: Candidate<G>, lp: number, now: number): boolean {
    if (lp < 0) return false;
    const { record } = candidate;
    const last = this.#own[this.#cursor];
    record.virtualNum -= this.#floor;
    if (!this.#balance.give(candidate, lp, now)) {
      record.virtualNum += this.#floor;
      this.renew(now);
      return false;
    }
    if (this.#boost === candidate) this.#boost = undefined;
    this.#own = this.#own.filter((one) => one !== candidate);
    this.#waiting = this.#waiting.filter((one) => one !== candidate);
    // The next one takes the place of one that is gone.
    if (last !== candidate) this.#cursor = this.#own.indexOf(last);
    else {
      this.#cursor %= Math.max(1, this.#own.length);
      this.#sliceLeft = 0;
    }
    return true;
  }

  /** Most cycles that the chosen VP runs before the next choice. */
  budget(now: number): number {
    const { record } = this.#own[this.#cursor];
    const most = this.#extended ? EXTENDED_RUN_CYCLES : Number.POSITIVE_INFINITY;
    return Math.min(most, this.#sliceLeft, allowance(record, now), this.#discipline.until(now, this.#waiting) - now);
  }

  /**
   * While the chosen VP runs, which began at `began`, and its LP is told of something: whether another VP has been woken that should not wait for the end of the
   * slice, has come from another LP, or is waited for by one there.
   */
  interrupts(began: number, now: number): boolean {
    if (this.hasArrivals) return true;
    if (this.#extended) return false;
    const running = this.#own[this.#cursor];
    const discipline = this.#discipline;
    for (const one of this.#own) {
      if (one === running) continue;
      if (one.ready) {
        if (this.#spin.isWanted(one.record)) return true;
        continue;
      }
      if (!one.look(now)) continue;
      this.#wake(one);
      this.#waiting.push(one);
      if (this.#balances && this.#balance.idleFor(one) >= 0) return true;
      running.record.virtualNum += virtualOf(running.record, now - began);
      const preempts = discipline.preempts(one, running, now);
      running.record.virtualNum -= virtualOf(running.record, now - began);
      if (preempts) return true;
    }
    return false;
  }

  /** The chosen VP runs past its slice, until its critical section ends. */
  get isExtended(): boolean {
    return this.#extended;
  }

  /** The chosen VP has run from `began` on. */
  ran(began: number, used: number): void {
    const chosen = this.#own[this.#cursor];
    const { guest, vp, record } = chosen;
    const now = began + used;
    this.sliceEnd = SliceEnd.CONTINUES;
    charge(record, used);
    for (const waiting of this.#waiting) waiting.guest.waited(waiting.vp, used, chosen.tag);
    this.#sliceLeft -= used;
    const blocked = !guest.runnable(vp, true);
    // Before it gives way itself, for then the boost is another's.
    if (this.#boost === chosen) this.#spin.boosted(record, used);
    const spinning = !blocked && guest.spinning !== SpinKind.NONE && this.#givesWay(chosen, now);
    const ended = this.#extended && !blocked && !guest.isCritical(vp);
    if (this.#extended) this.#spin.extended(record, used, ended);
    const over = this.#sliceLeft <= 0 || this.#discipline.until(began, this.#waiting) <= now;
    if (!spinning && !blocked && !ended && (!over || this.#extend(chosen, this.#waiting.length > 0))) return;
    this.sliceEnd = blocked ? SliceEnd.BLOCKED : spinning ? SliceEnd.SPINNING : ended ? SliceEnd.SECTION : SliceEnd.USED;
    if (!blocked) this.#spin.preempted(record, !ended && guest.isCritical(vp), spinning);
    this.#extended = false;
    if (!spinning) this.#boost = undefined;
    this.#sliceLeft = 0;
    this.#cursor = (this.#cursor + 1) % this.#own.length;
    record.askedLow = record.askedHigh = 0;
  }

  /** Lets a VP in a critical section go on though its time is over. `others`: wait for it to be. */
  #extend({ guest, vp, record }: Candidate<G>, others: boolean): boolean {
    const cycles = this.#spin.extension(record);
    if (cycles <= 0 || !others || !guest.isCritical(vp)) return false;
    this.#spin.extend(record);
    this.#extended = true;
    this.#sliceLeft = cycles;
    return true;
  }

  /** The VP was found spinning. Whether it gives its LP away, and to whom: it does when whom it waits for cannot run otherwise, or it has spun for long. */
  #givesWay(spinner: Candidate<G>, now: number): boolean {
    const spin = this.#spin;
    const left = this.#sliceLeft;
    this.#boost = undefined;
    if (spin.expresses) {
      const isLong = spinner.guest.spinning === SpinKind.LONG;
      this.#boost = spin.express(spinner, this.#waiting, isLong, now);
      if (this.#boost !== undefined) this.#boostLeft = spin.boost(this.#boost.record, left);
      else {
        const lps = spin.wanted(spinner, this.#p.lp);
        for (const lp of lps) this.#p.signal(lp, now);
        if (lps.length > 0 || !isLong) return false;
      }
    }
    spin.found(spinner.record, now);
    return true;
  }
}
