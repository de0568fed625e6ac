// LPs that schedule VPs which only count: the run queues are the real ones, guest code is a demand for cycles. One LP acts at a time, the one whose clock is lowest.
import type { Schedulable } from '../../daemon/lp/schedule/candidate.js';
import { RunQueue } from '../../daemon/lp/schedule/run-queue.js';
import { createMachineMemory, type MachineMemory } from '../../daemon/root/machine-memory.js';
import { LpLayout, LpState, lpBlockAt } from '../../shared/layout/machine.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import { VpSchedule, vpScheduleAt } from '../../shared/layout/schedule.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { findPolicy, writePolicy } from '../../shared/protocol/policies.js';
import { stubConfig } from './stub-daemon.js';

export interface Share {
  readonly weight?: number;
  readonly reserve?: number;
  readonly limit?: number;
  readonly lps?: readonly number[];
}

/** A VP of a fake partition. */
export class FakeVp {
  readonly record: VpSchedule;
  home: number;
  lp: number;
  /** From this cycle on it can run. */
  wakesAt = 0;
  /** Cycles it runs from a wake-up until it blocks. */
  burst = Number.POSITIVE_INFINITY;
  /** Its own time: the clock of its LP when it ran last. */
  clock = 0;
  run = 0;
  waited = 0;
  /** Longest time from being ready until it ran. */
  longestWait = 0;
  readySince = 0;
  moves = 0;
  /** Whether it is in a critical section now. */
  isCritical: () => boolean = () => false;
  /** SpinKind after a run of so many cycles; absent: it never spins. */
  spins: ((cycles: number) => number) | undefined;

  constructor(record: VpSchedule, home: number) {
    this.record = record;
    this.home = home;
    this.lp = home;
  }
}

class GuestOnLp implements Schedulable {
  readonly slot: number;
  readonly isRunning = true;
  readonly #vps: readonly FakeVp[];
  readonly #lp: FakeLp;
  #own: readonly number[] = [];

  constructor(slot: number, vps: readonly FakeVp[], lp: FakeLp) {
    this.slot = slot;
    this.#vps = vps;
    this.#lp = lp;
  }
  own(): readonly number[] {
    this.#own = this.#vps.flatMap(({ lp }, index) => (lp === this.#lp.id ? [index] : []));
    return this.#own;
  }
  schedule(vp: number): VpSchedule {
    return this.#vps[vp]!.record;
  }
  runnable(vp: number): boolean {
    if (!this.#own.includes(vp)) throw new Error(`LP ${this.#lp.id} looks at VP ${this.slot}/${vp}, which it does not have`);
    return this.#vps[vp]!.wakesAt <= this.#lp.clock;
  }
  /** SpinKind: what the VP that ran last was found to do. */
  spinning = 0;
  isCritical(vp: number): boolean {
    return this.#vps[vp]!.isCritical();
  }
  get vpCount(): number {
    return this.#vps.length;
  }
  lpOf(vp: number): number {
    return this.#vps[vp]!.lp;
  }
  isReady(vp: number): boolean {
    return this.#vps[vp]!.wakesAt <= this.#lp.clock;
  }
  isBlocked(vp: number): boolean {
    return !this.runnable(vp);
  }
  waited(vp: number, cycles: number): void {
    this.#vps[vp]!.waited += cycles;
  }
  homeOf(vp: number): number {
    return this.#vps[vp]!.home;
  }
  give(vp: number, lp: number): void {
    const one = this.#vps[vp]!;
    this.#own = this.#own.filter((own) => own !== vp);
    one.lp = lp;
    one.moves++;
  }
  deadline(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#own.map((vp) => this.#vps[vp]!.wakesAt).filter((at) => at > this.#lp.clock));
  }
  vp(index: number): FakeVp {
    return this.#vps[index]!;
  }
}

class FakeLp {
  readonly id: number;
  clock = 0;
  queue!: RunQueue<GuestOnLp>;
  guests: GuestOnLp[] = [];

  constructor(id: number) {
    this.id = id;
  }
  deadline(): number {
    return Math.min(this.queue.deadline(this.clock), ...this.guests.map((guest) => guest.deadline()));
  }
}

export interface Ran {
  readonly lp: number;
  readonly vp: FakeVp;
  readonly slot: number;
  readonly index: number;
  readonly from: number;
  readonly cycles: number;
}

/** A choice of an LP. */
export interface Decision {
  readonly lp: number;
  readonly now: number;
  /** Undefined: nobody can run. */
  readonly vp: FakeVp | undefined;
  /** Cycles that its scheduler gives it at most. */
  readonly budget: number;
}

export class FakeSchedule {
  readonly memory: MachineMemory;
  readonly partitions: FakeVp[][] = [];
  readonly #lps: FakeLp[];
  /** Draws how long a VP runs and sleeps; absent: all run for ever. */
  readonly #rest: ((vp: FakeVp) => { readonly sleep: number; readonly burst: number }) | undefined;

  constructor(
    lps: number,
    partitions: readonly (readonly Share[])[],
    rest?: (vp: FakeVp) => { readonly sleep: number; readonly burst: number },
    Queue: typeof RunQueue = RunQueue,
  ) {
    this.memory = createMachineMemory(stubConfig({ lps }));
    this.#rest = rest;
    this.#lps = Array.from({ length: lps }, (_, id) => new FakeLp(id));
    let next = 0;
    for (const [slot, shares] of partitions.entries()) {
      const views = viewsOf(new SharedArrayBuffer(PartitionMap.SYNIC));
      this.partitions[slot] = shares.map(({ weight = 100, reserve = 0, limit = 100, lps: allowed }, index) => {
        const record = new VpSchedule(views, vpScheduleAt(index));
        const mask = (allowed ?? this.#lps.map(({ id }) => id)).reduce((set, lp) => set | (1 << lp), 0) >>> 0;
        Object.assign(record, { weight, reserve, limit, affinityLow: mask });
        return new FakeVp(record, allowed?.[0] ?? next++ % lps);
      });
    }
    for (const lp of this.#lps) {
      Atomics.store(this.memory.views.i32, (lpBlockAt(lp.id) + LpLayout.at.state) >>> 2, LpState.RUNNING);
      lp.guests = this.partitions.map((vps, slot) => new GuestOnLp(slot, vps, lp));
      lp.queue = new Queue({
        machine: this.memory.views,
        lp: lp.id,
        lps,
        guests: () => lp.guests,
        // An LP that sleeps goes on no earlier than it is told.
        signal: (to, clock) => {
          const other = this.#lps[to]!;
          if (this.#asleep.delete(to)) other.clock = Math.max(other.clock, clock);
        },
      });
      lp.queue.renew(0);
    }
  }
  readonly #asleep = new Set<number>();

  /** Told of each choice. */
  decided: (decision: Decision) => void = () => undefined;

  policy(name: string, value: string): void {
    writePolicy(this.memory.header, findPolicy(name), value);
  }

  /** Lets time go on until all clocks have come to `end`; tells of each run. */
  runUntil(end: number, ran: (run: Ran) => void = () => undefined): void {
    for (;;) {
      const awake = this.#lps.filter(({ id, clock }) => clock < end && !this.#asleep.has(id));
      if (awake.length === 0) return;
      this.#turn(
        awake.reduce((first, lp) => (lp.clock < first.clock ? lp : first)),
        end,
        ran,
      );
    }
  }

  #turn(lp: FakeLp, end: number, ran: (run: Ran) => void): void {
    const chosen = lp.queue.choose(lp.clock);
    if (chosen === undefined) {
      this.decided({ lp: lp.id, now: lp.clock, vp: undefined, budget: 0 });
      const deadline = lp.deadline();
      if (deadline === Number.POSITIVE_INFINITY) this.#asleep.add(lp.id);
      else lp.clock = Math.min(end, deadline);
      return;
    }
    const vp = chosen.guest.vp(chosen.vp);
    const most = lp.queue.budget(lp.clock);
    this.decided({ lp: lp.id, now: lp.clock, vp, budget: most });
    const budget = Math.max(1, Math.floor(Math.min(most, lp.deadline() - lp.clock, vp.burst, end - lp.clock)));
    vp.longestWait = Math.max(vp.longestWait, lp.clock - Math.max(vp.readySince, vp.wakesAt));
    ran({ lp: lp.id, vp, slot: chosen.guest.slot, index: chosen.vp, from: lp.clock, cycles: budget });
    const began = lp.clock;
    lp.clock += budget;
    chosen.guest.spinning = vp.spins?.(budget) ?? 0;
    this.#account(vp, lp, budget);
    lp.queue.ran(began, budget);
  }

  #account(vp: FakeVp, lp: FakeLp, cycles: number): void {
    vp.run += cycles;
    vp.clock = lp.clock;
    vp.readySince = lp.clock;
    vp.burst -= cycles;
    if (vp.burst > 0 || this.#rest === undefined) return;
    const { sleep, burst } = this.#rest(vp);
    vp.wakesAt = lp.clock + sleep;
    vp.burst = burst;
  }
}
