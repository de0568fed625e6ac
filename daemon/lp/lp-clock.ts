// The clock of one LP in cycles: virtual time, or the host's in realtime mode. Written by its LP alone; others read what it publishes (layout/machine).
import { performance } from 'node:perf_hooks';
import type { LpBlock } from '../../shared/layout/machine.js';
import { TraceKind } from '../../shared/layout/trace.js';
import type { TraceRing } from '../hypervisor/trace-ring.js';

export class LpClock {
  readonly #block: LpBlock;
  readonly #cyclesPerMs: number;
  readonly #trace: TraceRing;
  /** Host's time in which the machine has stood still so far, or was not there yet, ms. */
  readonly #stoodMs: () => number;
  #cycles = 0;

  constructor(block: LpBlock, frequencyHz: number, trace: TraceRing, stoodMs: () => number) {
    this.#block = block;
    this.#cyclesPerMs = frequencyHz / 1000;
    this.#trace = trace;
    this.#stoodMs = stoodMs;
  }

  /** Snapshots (shared/kit/saved). */
  get saved(): number {
    return this.#cycles;
  }
  set saved(cycles: number) {
    this.#cycles = cycles;
  }

  get cycles(): number {
    return this.#cycles;
  }
  /** What the host's clock has come to. LPs stop and go on a little apart: none of them goes back. */
  get ofHost(): number {
    // In this order: the sum of the first two alone would be rounded to a quarter of a microsecond.
    return Math.max(this.#cycles, Math.floor((performance.timeOrigin - this.#stoodMs() + performance.now()) * this.#cyclesPerMs));
  }

  /** Of the host's time. */
  msUntil(cycles: number): number {
    return (cycles - this.ofHost) / this.#cyclesPerMs;
  }

  set(cycles: number): void {
    this.#cycles = cycles;
    this.#block.clockNum = cycles;
  }
  /** Nothing was done until then. */
  pass(cycles: number): void {
    this.#block.idleCyclesNum += cycles - this.#cycles;
    this.idled(cycles);
    this.set(cycles);
  }
  /** As pass, where time goes on by itself. */
  idled(until: number): void {
    if (this.#trace.isOn) this.#trace.add(TraceKind.IDLE, 0, 0, until, this.#cycles, 0, 0);
  }
}
