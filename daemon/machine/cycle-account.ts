// Cycles of the run at hand: what is left of its budget, and what of the rest was charged beyond one cycle for each retired instruction.
import type { LpContext } from '../../shared/layout/lp-context.js';

export class CycleAccount {
  readonly #context: LpContext;
  /** Charged since the processor was made. */
  charged = 0;

  constructor(context: LpContext) {
    this.#context = context;
    this.aside = 0;
  }

  /** Budget put aside: while one instruction runs alone, or a slice does. In the LP context, as the clock of now hangs on it. */
  get aside(): number {
    return this.#context.aside;
  }
  set aside(cycles: number) {
    this.#context.aside = cycles;
  }

  charge(cycles: number): void {
    this.charged += cycles;
    this.#context.budget -= cycles;
  }
  /** What is left of the run's budget now, whatever runs. */
  get remaining(): number {
    return this.#context.budget + this.aside;
  }
}
