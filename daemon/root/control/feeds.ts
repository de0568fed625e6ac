// The subscriptions of one connection: statistics at its rate and events (telemetry.ts), the log, what is done to the machine. Timers run only while somebody listens.
import type { Requests } from '../../../shared/protocol/messages.js';
import type { LogRing } from '../log-ring.js';
import type { Machine } from '../machine.js';
import type { Outbox } from './outbox.js';
import type { Telemetry } from './telemetry.js';

/** How often the log is looked at, ms. */
export const LOG_MS = 100;

export class Feeds {
  readonly #machine: Machine;
  readonly #recent: LogRing;
  readonly #outbox: Outbox;
  readonly #telemetry: Telemetry;
  /** Frames a second. */
  #statsHz = 0;
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
      if (events) this.#telemetry.subscribeEvents(this.#outbox);
      else this.#telemetry.unsubscribeEvents(this.#outbox);
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
}
