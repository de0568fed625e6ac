// Realtime: an LP that was woken soon after it had gone to sleep looks at its doorbell for a while before it sleeps again, for a thread that the host has to wake begins tens of microseconds
// late. The window follows what comes (as KVM's halt polling, Linux Documentation/virt/kvm/halt-polling.rst): it doubles when a sleep was short but longer than the window, and
// halves with each long one until it is gone. So an LP whose guests are idle soon does not look at all, and one that waits for a timer of a millisecond neither.
import { performance } from 'node:perf_hooks';

export const WINDOW_FIRST_US = 25;
export const WINDOW_MAX_US = 200;
/** Longest sleep that counts as short: with what the host takes to wake this LP, and the one that it waits for. */
export const SHORT_US = 300;

/** Where an LP sleeps (lp/turn). */
export interface Bed {
  doorbell(): number;
  sleep(heard: number, ms: number): void;
}

export class HaltPoll {
  readonly #now: () => number;
  #windowUs = 0;

  /** `now`: host's time in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get windowUs(): number {
    return this.#windowUs;
  }

  /** Until the doorbell has another value than `heard`, at most `ms`. `isOn`: not only by sleeping. */
  sleep(bed: Bed, heard: number, ms: number, isOn: boolean): void {
    const began = this.#now();
    const end = began + ms;
    if (!isOn) this.#windowUs = 0;
    if (this.#windowUs > 0) {
      const until = Math.min(end, began + this.#windowUs / 1000);
      while (bed.doorbell() === heard && this.#now() < until);
    }
    const left = end - this.#now();
    if (bed.doorbell() === heard && left > 0) bed.sleep(heard, left);
    if (isOn) this.#learn((this.#now() - began) * 1000);
  }

  #learn(sleptUs: number): void {
    if (sleptUs > SHORT_US) this.#windowUs = this.#windowUs > WINDOW_FIRST_US ? this.#windowUs / 2 : 0;
    else if (sleptUs > this.#windowUs) this.#windowUs = Math.min(WINDOW_MAX_US, Math.max(WINDOW_FIRST_US, this.#windowUs * 2));
  }
}
