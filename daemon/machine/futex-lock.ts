// A mutex on one shared word: 0 free, 1 held, 2 held and somebody may sleep (the third mutex of U. Drepper, "Futexes Are Tricky", 2011).
// Why: the few sections that are not lock-free (reclaim, the global-lock baseline, marking code) must sleep, not spin, when the host has fewer cores than LPs.
import type { SharedWords } from './shared-words.js';

export class FutexLock {
  readonly #words: SharedWords;
  readonly #address: number;

  constructor(words: SharedWords, address: number) {
    this.#words = words;
    this.#address = address;
  }

  tryLock(): boolean {
    return this.#words.compareExchange(this.#address, 0, 1) === 0;
  }

  /** Sleeps until the lock is had. Where the holder may be waiting for a handshake the caller must be outside guest mode. */
  lock(): void {
    if (this.tryLock()) return;
    while (this.#words.exchange(this.#address, 2) !== 0) this.#words.wait(this.#address, 2);
  }

  unlock(): void {
    if (this.#words.exchange(this.#address, 0) === 2) this.#words.notify(this.#address);
  }
}
