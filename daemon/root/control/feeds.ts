// The subscriptions of one connection: statistics at its rate (telemetry.ts), events a few times a second. Timers run only while somebody listens.
import type { Requests } from '../../../shared/protocol/messages.js';
import { EventReader } from '../events.js';
import type { LogRing } from '../log-ring.js';
import type { Machine } from '../machine.js';
import { eventFrame, type Outbox } from './outbox.js';
import type { Telemetry } from './telemetry.js';

/** How often events are collected, ms: well within the time in which a busy LP fills its ring twice over. */
export const EVENTS_MS = 50;
/** How often the log is looked at, ms. */
export const LOG_MS = 100;

export class Feeds {
  readonly #machine: Machine;
  readonly #recent: LogRing;
  readonly #outbox: Outbox;
  readonly #telemetry: Telemetry;
  /** Frames a second. */
  #statsHz = 0;
  #events: NodeJS.Timeout | undefined;
  #log: NodeJS.Timeout | undefined;
  #endTrace: (() => void) | undefined;
  #endDeeds: (() => void) | undefined;

  constructor(machine: Machine, outbox: Outbox, telemetry: Telemetry, recent: LogRing) {
    this.#machine = machine;
    this.#recent = recent;
    this.#outbox = outbox;
    this.#telemetry = telemetry;
  }

  /** Absent settings stay as they are; 0 and false end a feed. */
  set({ stats, events, log, deeds }: Requests['subscribe'][0]): void {
    if (stats !== undefined && stats !== this.#statsHz) {
      this.#telemetry.unsubscribe(this.#outbox, this.#statsHz);
      this.#statsHz = stats;
      if (stats !== 0) this.#telemetry.subscribe(this.#outbox, stats);
    }
    if (events !== undefined) {
      clearInterval(this.#events);
      this.#events = events ? this.#startEvents() : undefined;
    }
    if (log !== undefined) {
      clearInterval(this.#log);
      this.#log = log ? this.#startLog() : undefined;
    }
    if (deeds !== undefined) {
      this.#endDeeds?.();
      this.#endDeeds = deeds ? this.#machine.deeds.listen((deed) => void this.#outbox.offer('deed', deed)) : undefined;
    }
  }

  /** Frames of the trace from now on, or none. */
  trace(on: boolean): void {
    this.#endTrace?.();
    this.#endTrace = on ? this.#machine.traces.begin((frame) => this.#outbox.offer('trace', frame)) : undefined;
  }

  stop(): void {
    this.set({ stats: 0, events: false, log: false, deeds: false });
    this.trace(false);
  }

  /** What the ring holds first. A reader that is slow loses what leaves the ring meanwhile, and is told how much. */
  #startLog(): NodeJS.Timeout {
    let position = 0;
    const look = (): void => {
      if (position === this.#recent.end) return;
      const { records, lost } = this.#recent.from(position);
      if (this.#outbox.offer('log', { records, lost })) position = this.#recent.end;
    };
    look();
    return setInterval(look, LOG_MS);
  }

  #startEvents(): NodeJS.Timeout {
    const reader = new EventReader(this.#machine.memory);
    return setInterval(() => {
      const { events, lost } = reader.take(this.#machine.partitions.all);
      if (events.length > 0 || lost > 0) this.#outbox.event(eventFrame('events', events), lost);
    }, EVENTS_MS);
  }
}
