// PAUSE-loop exiting (SDM 3C 25.1.3): PAUSEs close together for long enough are a spin loop; only then is there an intercept.
// Why not each PAUSE: an intercept costs far more than the spin it would save.

/** As KVM sets them: PAUSEs at most this far apart, for at least this long, are a spin loop. */
const GAP_CYCLES = 128;
const WINDOW_CYCLES = 4096;

export class PauseLoop {
  #first = 0;
  #last = 0;

  /** A VP begins to run at `now` (cycles): what it did before does not count. */
  begin(now: number): void {
    this.#first = this.#last = now;
  }
  /** A PAUSE at `now`. True: the loop has lasted for a window, and the next one begins. */
  pause(now: number): boolean {
    if (now - this.#last > GAP_CYCLES) this.#first = now;
    this.#last = now;
    if (now - this.#first <= WINDOW_CYCLES) return false;
    this.#first = now;
    return true;
  }
}
