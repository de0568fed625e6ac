// Time as one partition on one LP sees it: the LP's clock in cycles, exact also in the middle of a run, and partition time in nanoseconds.
// Why not just the LP's word: that one is written when a run ends, and devices and the TSC are read within.
import type { PartitionHeader } from '../../shared/layout/partition.js';
import type { GuestWiring } from './wiring.js';

export class GuestClock {
  readonly #wiring: GuestWiring;
  readonly #header: PartitionHeader;
  /** Budget that the run has left; asked during runs only. */
  readonly #remaining: () => number;
  #start = 0;
  #budget = 0;
  #inRun = false;

  constructor(wiring: GuestWiring, header: PartitionHeader, remaining: () => number) {
    this.#wiring = wiring;
    this.#header = header;
    this.#remaining = remaining;
  }

  /** Outside runs: the LP's clock is this. */
  set(cycles: number): void {
    this.#start = cycles;
    this.#inRun = false;
  }
  beginRun(cycles: number, budget: number): void {
    this.#start = cycles;
    this.#budget = budget;
    this.#inRun = true;
  }
  endRun(): void {
    this.#inRun = false;
  }

  /** The LP's clock now, in cycles; inside a run what the VP has used so far is counted. */
  cycles(): number {
    if (this.#wiring.realtime) return this.#wiring.hostCycles();
    return this.#inRun ? this.#start + this.#budget - this.#remaining() : this.#start;
  }
  /** When the run that is under way began, in cycles. */
  get began(): number {
    return this.#start;
  }
  /** Cycles of the run that is under way. */
  runCycles(): number {
    return this.#inRun ? Math.max(0, this.#budget - this.#remaining()) : 0;
  }
  /** Partition time, ns. */
  now(): number {
    return this.#nsAt(this.cycles());
  }
  #nsAt(cycles: number): number {
    return ((cycles - this.#header.epochCyclesNum) * 1e9) / this.#wiring.frequencyHz;
  }
  /**
   * The LP's clock when a partition time has come: `now` is that time or later then. Products of this size are rounded, here and there, so that it is looked at: a deadline
   * that is for ever a fraction of a nanosecond ahead is never reached. Steps double, for where numbers are far apart one cycle more changes nothing.
   */
  cyclesAt(ns: number): number {
    if (ns === Number.POSITIVE_INFINITY) return ns;
    let cycles = Math.ceil((ns * this.#wiring.frequencyHz) / 1e9) + this.#header.epochCyclesNum;
    for (let step = 1; this.#nsAt(cycles) < ns; step *= 2) cycles += step;
    return cycles;
  }
  /** The time-stamp counter before a guest's offset. */
  rawTsc(): bigint {
    return BigInt(Math.floor(this.cycles() - this.#header.epochCyclesNum));
  }
}
