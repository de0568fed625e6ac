// An LP's trace ring (layout/trace): takes records while somebody traces. Why a flag of its own beside the shared word: what happens within a run costs a plain load when nobody does.
import { LpLayout, lpBlockAt, MachineLayout, traceRingAt } from '../../shared/layout/machine.js';
import type { Views } from '../../shared/layout/struct.js';
import { TRACE_RECORD_WORDS, TRACE_RING, TraceRecord } from '../../shared/layout/trace.js';

const TRACING = MachineLayout.at.tracing >>> 2;
const HIGH = 2 ** 32;

export class TraceRing {
  readonly #i32: Int32Array;
  readonly #lp: number;
  readonly #ring: number;
  readonly #head: number;
  readonly #tail: number;
  readonly #lost: number;
  /** Somebody traces, as far as the LP has noticed. */
  isOn = false;

  constructor({ i32 }: Views, lp: number, lpCount: number) {
    const block = lpBlockAt(lp);
    this.#i32 = i32;
    this.#lp = lp;
    this.#ring = traceRingAt(lp, lpCount) >>> 2;
    this.#head = (block + LpLayout.at.traceHead) >>> 2;
    this.#tail = (block + LpLayout.at.traceTail) >>> 2;
    this.#lost = (block + LpLayout.at.traceLost) >>> 2;
  }

  /** Between runs. */
  look(): void {
    this.isOn = Atomics.load(this.#i32, TRACING) !== 0;
  }

  /** Root sees a whole record before the head that counts it. Clocks in cycles. */
  add(kind: number, partition: number, vp: number, clock: number, began: number, a: number, b: number): void {
    const i32 = this.#i32;
    const head = i32[this.#head];
    if (((head - Atomics.load(i32, this.#tail)) | 0) >= TRACE_RING) {
      Atomics.add(i32, this.#lost, 1);
      return;
    }
    const at = this.#ring + (head & (TRACE_RING - 1)) * TRACE_RECORD_WORDS;
    i32[at + TraceRecord.CLOCK] = clock;
    i32[at + TraceRecord.CLOCK + 1] = clock / HIGH;
    i32[at + TraceRecord.WHAT] = kind | (partition << 8) | (vp << 16) | (this.#lp << 24);
    i32[at + TraceRecord.A] = a;
    i32[at + TraceRecord.B] = b;
    i32[at + TraceRecord.BEGAN] = began;
    i32[at + TraceRecord.BEGAN + 1] = began / HIGH;
    Atomics.store(i32, this.#head, head + 1);
  }
}
