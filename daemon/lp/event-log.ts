// The LP's event ring, and the hash over everything that went through it: two runs with the same hash took the same course.
import { EVENT_RING, EVENT_SIZE, eventRingAt, LpBlock, LpLayout, lpBlockAt } from '../../shared/layout/machine.js';
import type { Views } from '../../shared/layout/struct.js';
import { TapeEnd } from './tape-end.js';

const FNV_PRIME = 0x0100_0193;

export class EventLog {
  readonly #views: Views;
  readonly #block: LpBlock;
  readonly #ring: number;
  readonly #head: number;
  /** Where a recording of the course is made or played. */
  readonly #tape: TapeEnd | undefined;

  constructor(machine: Views, lp: number, lpCount: number, tape?: SharedArrayBuffer) {
    this.#views = machine;
    this.#block = new LpBlock(machine, lpBlockAt(lp));
    this.#ring = eventRingAt(lp, lpCount);
    this.#head = (lpBlockAt(lp) + LpLayout.at.eventHead) >>> 2;
    this.#tape = tape && new TapeEnd(tape, lp);
    this.#block.traceLo = 0x811c_9dc5;
    this.#block.traceHi = 0xcbf2_9ce4;
  }

  /** Appends an event: the oldest one is overwritten. Readers see a whole record before the head that counts it. */
  add(clock: number, kind: number, partition: number, vp: number, a: number, b: number): void {
    const { u32, i32 } = this.#views;
    const head = i32[this.#head];
    const at = (this.#ring + (head & (EVENT_RING - 1)) * EVENT_SIZE) >>> 2;
    u32[at] = clock >>> 0;
    u32[at + 1] = kind | (partition << 8) | (vp << 16);
    u32[at + 2] = a;
    u32[at + 3] = b;
    this.#tape?.add({ clock, what: u32[at + 1], a: u32[at + 2], b: u32[at + 3] });
    Atomics.store(i32, this.#head, head + 1);
    // Two FNV-1a lanes over the four words and the clock's high half.
    let lo = this.#block.traceLo;
    let hi = this.#block.traceHi;
    lo = Math.imul(lo ^ u32[at], FNV_PRIME);
    hi = Math.imul(hi ^ u32[at + 1], FNV_PRIME);
    lo = Math.imul(lo ^ a ^ hi, FNV_PRIME);
    hi = Math.imul(hi ^ b ^ Math.floor(clock / 4294967296), FNV_PRIME);
    this.#block.traceLo = lo >>> 0;
    this.#block.traceHi = hi >>> 0;
  }
}
