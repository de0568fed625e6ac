// For how long a VP has been in a spin loop, and how long that must be for an intercept: by PAUSEs that are close together (PAUSE-loop exiting, SDM 3C 25.1.3), or by a loop
// that was proved to do nothing but wait (translate/emit/waiting-loops).
// Why not at once: an intercept costs far more than the spin it would save. Why the window grows: a VP that was found, and goes on because its LP has no other to run,
// waits for something that takes longer. It is as short as ever when the VP has been away.
import type { VpSchedule } from '../../../shared/layout/schedule.js';

/** As KVM sets them: PAUSEs at most this far apart, for at least this long, are a spin loop. */
const GAP_CYCLES = 128;
const WINDOW_CYCLES = 4096;
const WINDOW_MAX_CYCLES = 16 * WINDOW_CYCLES;

/** Of one LP. */
export class SpinWindow {
  #first = 0;
  #last = 0;
  #window = WINDOW_CYCLES;
  /** Begin of the loop that was found last. */
  found = 0;
  #record: VpSchedule | undefined;

  /** A VP begins to run at `now` (cycles). What it did before counts if it is the one that ran last: runs end for many reasons, and it does not notice. */
  begin(now: number, record: VpSchedule): void {
    if (record === this.#record) return;
    this.#record = record;
    this.#first = this.#last = now;
    this.#window = WINDOW_CYCLES;
  }
  /** Cycles for which a loop must last. */
  get cycles(): number {
    return this.#window;
  }
  /** The loop that was found has lasted for the longest window. */
  get isLong(): boolean {
    return this.#window === WINDOW_MAX_CYCLES;
  }
  /** A PAUSE at `now`. True: the loop has lasted for the window, and the next one begins. */
  pause(now: number): boolean {
    if (now - this.#last > GAP_CYCLES) this.#first = now;
    this.#last = now;
    if (now - this.#first <= this.#window) return false;
    this.lasted(now, this.#first);
    return true;
  }
  /** A loop has lasted for the window, and the next one begins at `now`. */
  lasted(now: number, since = now - this.#window): void {
    this.found = since;
    this.#first = now;
    this.#window = Math.min(WINDOW_MAX_CYCLES, this.#window * 2);
  }
}
