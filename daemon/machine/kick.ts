// The LP's word by which any thread asks it to leave guest code: translated code looks at it at loop heads.
import { KICKED, LpContextLayout } from '../../shared/layout/lp-context.js';
import type { Views } from '../../shared/layout/struct.js';

export class Kick {
  readonly #i32: Int32Array;
  readonly #word: number;

  constructor({ i32 }: Views, context: number) {
    this.#i32 = i32;
    this.#word = (context + LpContextLayout.at.kick) >>> 2;
  }

  /** Read plainly, for it is asked after each slow half: what comes just now is found at the next look. */
  get isRaised(): boolean {
    return this.#i32[this.#word] !== 0;
  }
  raise(): void {
    Atomics.store(this.#i32, this.#word, KICKED);
  }
  /** Clears it; true if it was raised. */
  take(): boolean {
    return Atomics.exchange(this.#i32, this.#word, 0) !== 0;
  }
}
