// The trace as root has it: empties the LPs' rings (layout/trace) while anybody listens, and hands each listener the same frames.
// A listener that has no room for a frame is told later how many records it has missed: the others do not wait for it, nor do LPs.
import { CLOCK_MODE_NAMES, LpLayout, LpState, MachineLayout, traceRingAt } from '../../shared/layout/machine.js';
import { TRACE_RECORD_SIZE, TRACE_RING } from '../../shared/layout/trace.js';
import type { Requests, TraceFrame } from '../../shared/protocol/messages.js';
import type { MachineMemory } from './machine-memory.js';
import type { Partition } from './partition.js';

/** How often the rings are emptied, ms. */
export const TRACE_MS = 10;
/** Bytes of records in one frame. */
const FRAME_BYTES = 1 << 18;

/** False: there is no room. */
type Listener = (frame: TraceFrame) => boolean;

export class Traces {
  readonly #memory: MachineMemory;
  readonly #partitions: () => readonly Partition[];
  /** Each with the records that it has missed. */
  readonly #listeners = new Map<Listener, number>();
  #timer: NodeJS.Timeout | undefined;
  #policies: TraceFrame['policies'] = [];

  constructor(memory: MachineMemory, partitions: () => readonly Partition[]) {
    this.#memory = memory;
    this.#partitions = partitions;
  }

  /** Frames from now on; returns the way to stop. */
  begin(listener: Listener): () => void {
    if (this.#listeners.size === 0) {
      const { i32 } = this.#memory.views;
      for (const { base } of this.#memory.lps) {
        Atomics.store(i32, (base + LpLayout.at.traceTail) >>> 2, Atomics.load(i32, (base + LpLayout.at.traceHead) >>> 2));
        Atomics.store(i32, (base + LpLayout.at.traceLost) >>> 2, 0);
      }
      this.#policies = [];
      this.#switch(1);
      this.#timer = setInterval(() => this.#drain(), TRACE_MS);
      this.#timer.unref();
    } else this.#drain();
    this.#listeners.set(listener, 0);
    return () => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.stop();
    };
  }
  stop(): void {
    clearInterval(this.#timer);
    this.#switch(0);
    this.#listeners.clear();
  }
  #switch(tracing: number): void {
    Atomics.store(this.#memory.views.i32, MachineLayout.at.tracing >>> 2, tracing);
  }

  /** What a listener must know beside the frames. */
  describe(): Requests['trace'][1] {
    const { header, lps } = this.#memory;
    return {
      start: this.#latest(),
      clockMode: CLOCK_MODE_NAMES[header.clockMode]!,
      frequencyHz: header.frequencyHz,
      quantumCycles: header.quantumCycles,
      lps: lps.map(({ node }, id) => ({ id, node })),
    };
  }

  /** A policy has been set, of the machine or of one partition. */
  policy(name: string, value: string, partition: string | null): void {
    if (this.#listeners.size > 0) this.#policies.push({ clock: this.#latest(), name, value, partition });
  }

  #latest(): number {
    let clock = 0;
    for (const lp of this.#memory.lps) if (lp.state !== LpState.DEAD) clock = Math.max(clock, lp.clockNum);
    return clock;
  }

  #drain(): void {
    const { header, lps, views } = this.#memory;
    // Before the rings are read. No LP is further behind the first than a quantum, and the step that it may be in.
    const reached = Math.max(0, this.#latest() - 2 * header.quantumCycles);
    const partitions = this.#partitions().map(({ slot, name }) => ({ slot, name }));
    let lost = 0;
    let records: Uint8Array[] = [];
    let bytes = 0;
    const send = (to: number): void => {
      this.#send({ records: Buffer.concat(records), reached: to, lost, partitions, policies: this.#policies });
      records = [];
      bytes = lost = 0;
      this.#policies = [];
    };
    for (const [lp, { base }] of lps.entries()) {
      const tail = (base + LpLayout.at.traceTail) >>> 2;
      lost += Atomics.exchange(views.i32, (base + LpLayout.at.traceLost) >>> 2, 0);
      const head = Atomics.load(views.i32, (base + LpLayout.at.traceHead) >>> 2);
      for (let at = Atomics.load(views.i32, tail); at !== head; ) {
        const first = at & (TRACE_RING - 1);
        const count = Math.min((head - at) >>> 0, TRACE_RING - first, (FRAME_BYTES - bytes) / TRACE_RECORD_SIZE);
        const from = traceRingAt(lp, lps.length) + first * TRACE_RECORD_SIZE;
        records.push(views.u8.slice(from, from + count * TRACE_RECORD_SIZE));
        bytes += count * TRACE_RECORD_SIZE;
        at = (at + count) | 0;
        Atomics.store(views.i32, tail, at);
        if (bytes === FRAME_BYTES) send(0);
      }
    }
    send(reached);
  }

  #send(frame: TraceFrame): void {
    for (const [listener, missed] of this.#listeners) {
      const isTaken = listener({ ...frame, lost: frame.lost + missed });
      this.#listeners.set(listener, isTaken ? 0 : missed + frame.lost + frame.records.length / TRACE_RECORD_SIZE);
    }
  }
}
