// Brings the records of all LPs into one order: by time, then by LP. Holds back what another LP may still tell of an earlier moment; the order does not hang on how
// records came in frames.
import { TRACE_RECORD_SIZE, TraceRecord } from '../../../shared/layout/trace.js';

const HIGH = 2 ** 32;

export interface Told {
  readonly clock: number;
  readonly began: number;
  readonly kind: number;
  readonly partition: number;
  readonly vp: number;
  readonly lp: number;
  readonly a: number;
  readonly b: number;
}

export const recordsOf = (bytes: Uint8Array): Told[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (at: number, field: number): number => view.getUint32(at + field * 4, true);
  const told: Told[] = [];
  for (let at = 0; at + TRACE_RECORD_SIZE <= bytes.length; at += TRACE_RECORD_SIZE) {
    const what = word(at, TraceRecord.WHAT);
    told.push({
      clock: word(at, TraceRecord.CLOCK) + word(at, TraceRecord.CLOCK + 1) * HIGH,
      began: word(at, TraceRecord.BEGAN) + word(at, TraceRecord.BEGAN + 1) * HIGH,
      kind: what & 0xff,
      partition: (what >>> 8) & 0xff,
      vp: (what >>> 16) & 0xff,
      lp: what >>> 24,
      a: word(at, TraceRecord.A),
      b: word(at, TraceRecord.B),
    });
  }
  return told;
};

interface Held {
  readonly told: Told;
  /** Its clock, or that of an earlier record of its LP if that was later: within a run an LP's clock can be some cycles ahead (trace-document). */
  readonly at: number;
}

export class TraceOrder {
  #held: Held[] = [];
  readonly #latest: number[] = [];

  add(bytes: Uint8Array): void {
    for (const told of recordsOf(bytes)) {
      const at = Math.max(told.clock, this.#latest[told.lp] ?? 0);
      this.#latest[told.lp] = at;
      this.#held.push({ told, at });
    }
  }

  /** What ended before `clock`, in order. */
  take(clock: number): Told[] {
    // Stable: an LP's own records stay in its order.
    this.#held.sort((one, other) => one.at - other.at || one.told.lp - other.told.lp);
    const count = this.#held.findIndex(({ at }) => at >= clock);
    return this.#held.splice(0, count < 0 ? this.#held.length : count).map(({ told }) => told);
  }
}
