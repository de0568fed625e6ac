// Atomic words of one shared memory, by byte address: the only door through which lock-free code touches what another LP may touch.
// Why a door: the interleaving explorer puts gates into it and runs the same protocol code under every schedule.
import type { Views } from '../../shared/layout/struct.js';

/** Longest sleep of a wait that nobody is obliged to end by a notify. */
const NAP_MS = 0.5;
/** How long such a wait spins before it sleeps: a fill is over in a tenth of a microsecond, a purge of a full table in ten, unless the host descheduled its LP. */
const SPIN_MS = 0.05;
/** Loads between two looks at the host's clock, which costs more than they do. */
const SPINS = 64;

export class SharedWords {
  readonly i32: Int32Array;
  readonly u64: BigUint64Array;
  /** Halves of the value that `load64` read last. */
  low = 0;
  high = 0;
  // Overlaid scratch: cheaper than building BigInts by shifts.
  readonly #halves: Int32Array;
  readonly #wide: BigUint64Array;

  constructor(views: Pick<Views, 'i32' | 'u64'>) {
    this.i32 = views.i32;
    this.u64 = views.u64;
    this.#wide = new BigUint64Array(2);
    this.#halves = new Int32Array(this.#wide.buffer);
  }

  /**
   * A read with no order of its own, at the price of a plain one: for entries of tables, which are found by following an entry to the next table and trusted
   * only as far as a compare-and-swap, the fill lock or a handshake goes.
   */
  read(address: number): number {
    return this.i32[address >>> 2];
  }
  /** A store with no order of its own: what it writes is published by a later atomic store. */
  write(address: number, value: number): void {
    this.i32[address >>> 2] = value;
  }
  load(address: number): number {
    return Atomics.load(this.i32, address >>> 2);
  }
  store(address: number, value: number): void {
    Atomics.store(this.i32, address >>> 2, value);
  }
  /** Each of the following returns the old value. */
  add(address: number, value: number): number {
    return Atomics.add(this.i32, address >>> 2, value);
  }
  or(address: number, value: number): number {
    return Atomics.or(this.i32, address >>> 2, value);
  }
  and(address: number, value: number): number {
    return Atomics.and(this.i32, address >>> 2, value);
  }
  exchange(address: number, value: number): number {
    return Atomics.exchange(this.i32, address >>> 2, value);
  }
  compareExchange(address: number, expected: number, value: number): number {
    return Atomics.compareExchange(this.i32, address >>> 2, expected, value);
  }

  load64(address: number): void {
    this.#wide[0] = Atomics.load(this.u64, address >>> 3);
    this.low = this.#halves[0];
    this.high = this.#halves[1];
  }
  /** True when the whole 64-bit value was as expected and has been replaced. */
  compareExchange64(address: number, expectedLow: number, expectedHigh: number, low: number, high: number): boolean {
    const h = this.#halves;
    h[0] = expectedLow;
    h[1] = expectedHigh;
    h[2] = low;
    h[3] = high;
    const expected = this.#wide[0];
    return Atomics.compareExchange(this.u64, address >>> 3, expected, this.#wide[1]) === expected;
  }

  /** Returns when the word is no longer `value`: spins a little, then naps. For words whose writers do not notify. */
  awaitChange(address: number, value: number): void {
    const start = performance.now();
    do for (let i = 0; i < SPINS; i++) if (Atomics.load(this.i32, address >>> 2) !== value) return;
    while (performance.now() - start < SPIN_MS);
    while (Atomics.load(this.i32, address >>> 2) === value) Atomics.wait(this.i32, address >>> 2, value, NAP_MS);
  }
  /** Sleeps until notified, unless the word is no longer `value`. Whoever changes the word must notify. */
  wait(address: number, value: number): void {
    Atomics.wait(this.i32, address >>> 2, value);
  }
  notify(address: number): void {
    Atomics.notify(this.i32, address >>> 2);
  }
}
