// Statistics and events for all who have subscribed to them: taken and encoded once, statistics for those who want them equally often. Timers run only while somebody listens.
import { EventReader } from '../events.js';
import type { Machine } from '../machine.js';
import { eventFrame, type Outbox } from './outbox.js';

/** How often events are collected, ms: well within the time in which a busy LP fills its ring twice over. */
export const EVENTS_MS = 50;

interface Rate {
  readonly timer: NodeJS.Timeout;
  readonly listeners: Set<Outbox>;
}

export class Telemetry {
  readonly #machine: Machine;
  /** By frames a second. */
  readonly #rates = new Map<number, Rate>();

  /** Of events. */
  readonly #listeners = new Set<Outbox>();
  #events: { readonly timer: NodeJS.Timeout; readonly reader: EventReader } | undefined;

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
    const frame = eventFrame('stats', this.#machine.stats());
    for (const outbox of listeners) outbox.event(frame);
  }

  /** What happens from now on. */
  subscribeEvents(outbox: Outbox): void {
    // What has happened by now is the others' alone.
    this.#tellEvents();
    this.#events ??= { timer: setInterval(() => this.#tellEvents(), EVENTS_MS), reader: new EventReader(this.#machine.memory) };
    this.#listeners.add(outbox);
  }
  unsubscribeEvents(outbox: Outbox): void {
    if (!this.#listeners.delete(outbox) || this.#listeners.size > 0) return;
    clearInterval(this.#events?.timer);
    this.#events = undefined;
  }
  #tellEvents(): void {
    if (this.#events === undefined) return;
    const { events, lost } = this.#events.reader.take(this.#machine.partitions.all);
    if (events.length === 0 && lost === 0) return;
    const frame = eventFrame('events', events);
    for (const outbox of this.#listeners) outbox.event(frame, lost);
  }
}
