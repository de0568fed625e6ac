// For how long a VP has been in a spin loop, and how long that must be for an intercept: by PAUSEs that are close together (PAUSE-loop exiting, SDM 3C 25.1.3), or by a loop
// that was proved to do nothing but wait (translate/emit/waiting-loops).
// Why not at once: an intercept costs far more than the spin it would save. Why the window grows: a VP that was found, and goes on because its LP has no other to run,
// waits for something that takes longer. It is as short as ever when the VP has been away.
import type { VpSchedule } from '../../../shared/layout/schedule.js';

/** As KVM sets them: PAUSEs at most this far apart, for at least this long, are a spin loop. */
const GAP_CYCLES = 128;
const WINDOW_CYCLES = 4096;
const WINDOW_MAX_CYCLES = 16 * WINDOW_CYCLES;
/** Of loops that only wait: no look sooner than that, and how much of one may go unseen at the end of a run and where an interrupt came. */
const PIECE_MIN_CYCLES = 128;
const PIECE_GAP_CYCLES = 8 * PIECE_MIN_CYCLES;

export interface SpinWindowSaved {
  readonly first: number;
  readonly last: number;
  readonly window: number;
  readonly found: number;
  /** Whose it is, -1 nobody's. */
  readonly vp: number;
}

/** Of one LP. */
export class SpinWindow {
  #first = 0;
  #last = 0;
  #window = WINDOW_CYCLES;
  /** Cycles of a loop that are waited for before the next look. */
  #piece = 0;
  /** Begin of the loop that was found last. */
  found = 0;
  #record: VpSchedule | undefined;

  /** Snapshots (shared/kit/saved). `records`: of the partition's VPs. */
  save(records: readonly VpSchedule[]): SpinWindowSaved {
    const vp = this.#record === undefined ? -1 : records.indexOf(this.#record);
    return { first: this.#first, last: this.#last, window: this.#window, found: this.found, vp };
  }
  restore({ first, last, window, found, vp }: SpinWindowSaved, records: readonly VpSchedule[]): void {
    this.#first = first;
    this.#last = last;
    this.#window = window;
    this.found = found;
    this.#record = records[vp];
  }

  /** A VP begins to run at `now` (cycles). What it did before counts if it is the one that ran last: runs end for many reasons, and it does not notice. */
  begin(now: number, record: VpSchedule): void {
    if (record === this.#record) return;
    this.#record = record;
    this.#first = this.#last = now;
    this.#window = WINDOW_CYCLES;
  }
  /** The loop that was found has lasted for the longest window. */
  get isLong(): boolean {
    return this.#window === WINDOW_MAX_CYCLES;
  }
  /** A PAUSE at `now`. True: the loop has lasted for the window, and the next one begins. */
  pause(now: number): boolean {
    return this.#lasts(now, now, GAP_CYCLES);
  }
  /**
   * Cycles after which a loop that only waits is to be looked at, in a run that has so many left. Runs are often shorter than the window (LPs that keep pace with one another
   * end them), and what a loop has lasted is not known when one ends: half of what is left, again and again, leaves little of it out of account.
   */
  piece(left: number): number {
    this.#piece = Math.max(PIECE_MIN_CYCLES, Math.min(this.#window, Math.floor(left / 2)));
    return this.#piece;
  }
  /** A loop that only waits has lasted for the piece, up to `now`. True: with the pieces before it, for the window, and the next one begins. */
  waited(now: number): boolean {
    return this.#lasts(now - this.#piece, now, PIECE_GAP_CYCLES);
  }
  /** What goes on from `from` to `now` belongs to what did until at most `gap` cycles before. */
  #lasts(from: number, now: number, gap: number): boolean {
    if (from - this.#last > gap) this.#first = from;
    this.#last = now;
    if (now - this.#first < this.#window) return false;
    this.found = this.#first;
    this.#first = now;
    this.#window = Math.min(WINDOW_MAX_CYCLES, this.#window * 2);
    return true;
  }
}
