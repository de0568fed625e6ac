// How virtual time goes on while nothing is to be done, where the machine is paced (`idle: pace`): no faster than the host's clock, and no slower either.
// Two cases: an LP that waits for a timer sleeps as long as a real one would; one that waits for nothing but the world outside (a key, an operator) lets the host's time
// count, or the guest that wakes up would find that no time has passed. The second is for the quantum mode alone: a deterministic course must not hang on when a key was pressed.
import { performance } from 'node:perf_hooks';
import type { Turn } from './turn.js';

export class IdlePace {
  readonly #turn: Turn;
  readonly #cyclesPerMs: number;
  /** Clock up to which the host's time has been waited for. */
  #pacedTo = 0;
  /** When the LP looked last that had nothing to wait for, and how often any LP had published something else by then. */
  #lookedAt = 0;
  #changes = -1;

  constructor(turn: Turn, frequencyHz: number) {
    this.#turn = turn;
    this.#cyclesPerMs = frequencyHz / 1000;
  }

  /** The machine has stood still: that time does not count. */
  skip(): void {
    this.#changes = -1;
  }

  get pacedTo(): number {
    return this.#pacedTo;
  }

  /** True once the host's time has come to the deadline; sleeps towards it otherwise, at most `limitMs` and not beyond a ring of the doorbell. */
  reached(seen: number, clock: number, deadline: number, limitMs: number): boolean {
    if (this.#pacedTo >= deadline) return true;
    const from = Math.max(clock, this.#pacedTo);
    const before = performance.now();
    this.#turn.sleep(seen, Math.min((deadline - from) / this.#cyclesPerMs, limitMs));
    this.#pacedTo = from + (performance.now() - before) * this.#cyclesPerMs;
    return false;
  }

  /**
   * Cycles of the host's time since the last call in which nothing happened at all: no LP awaited anything, now and then, and none has published another word in between.
   * To be called by an LP that awaits nothing itself.
   */
  passed(): number {
    const changes = this.#turn.changes;
    const now = performance.now();
    const ms = changes === this.#changes && this.#turn.mine() ? now - this.#lookedAt : 0;
    this.#lookedAt = now;
    this.#changes = changes;
    return Math.round(ms * this.#cyclesPerMs);
  }
}
