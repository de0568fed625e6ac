// Statistics for all who have subscribed to them: taken and encoded once for those who want them equally often. Timers run only while somebody listens.
import type { Machine } from '../machine.js';
import type { Outbox } from './outbox.js';
import { statsFrame } from './stats-frame.js';

interface Rate {
  readonly timer: NodeJS.Timeout;
  readonly listeners: Set<Outbox>;
}

export class Telemetry {
  readonly #machine: Machine;
  /** By frames a second. */
  readonly #rates = new Map<number, Rate>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  subscribe(outbox: Outbox, hz: number): void {
    let rate = this.#rates.get(hz);
    if (rate === undefined) {
      const listeners = new Set<Outbox>();
      rate = { listeners, timer: setInterval(() => this.#tell(listeners), 1000 / hz) };
      this.#rates.set(hz, rate);
    }
    rate.listeners.add(outbox);
  }

  unsubscribe(outbox: Outbox, hz: number): void {
    const rate = this.#rates.get(hz);
    if (rate === undefined || !rate.listeners.delete(outbox) || rate.listeners.size > 0) return;
    clearInterval(rate.timer);
    this.#rates.delete(hz);
  }

  #tell(listeners: ReadonlySet<Outbox>): void {
    const frame = statsFrame(this.#machine.stats());
    for (const outbox of listeners) outbox.event(frame);
  }
}
