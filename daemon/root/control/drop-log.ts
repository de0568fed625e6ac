// Tells the log of clients that were dropped, once a second at most: whoever connects and talks nonsense all day must not fill the disk.
import type { Log } from '../log.js';

/** After a line the next one is at least so much later, ms. */
export const DROP_LOG_MS = 1000;

export class DropLog {
  readonly #log: Log;
  readonly #now: () => number;
  #quietUntil = Number.NEGATIVE_INFINITY;
  #untold = 0;

  constructor(log: Log, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  /** A client was dropped; `code` says why. The next line counts those without one. */
  note(code: string): void {
    const now = this.#now();
    if (now < this.#quietUntil) {
      this.#untold++;
      return;
    }
    this.#log.warn(this.#untold === 0 ? { code } : { code, others: this.#untold }, 'client dropped');
    this.#untold = 0;
    this.#quietUntil = now + DROP_LOG_MS;
  }
}
