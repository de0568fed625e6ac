// Looks after the partitions while nobody asks: reports what LPs did to their states, hands waiting loads to guests that have come up.
import { PartitionState } from '../../shared/layout/partition.js';
import { crashesOf, crashReport } from './crash-report.js';
import { hasDueLoads } from './loads/loads.js';
import type { Log } from './log.js';
import type { Partition } from './partition.js';
import type { Partitions } from './partitions.js';

/** How long an exit may stay unnoticed, ms. */
export const WATCH_MS = 25;
/** Crash reports of one boot of a guest that are logged: it may send them for ever. */
export const CRASHES_LOGGED = 3;

export class Watcher {
  readonly #partitions: Partitions;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;

  readonly #deliver: (name: string) => Promise<unknown>;
  /** Partitions whose loads are on their way. */
  readonly #delivering = new Set<string>();

  constructor(partitions: Partitions, log: Log, deliver: (name: string) => Promise<unknown>) {
    this.#partitions = partitions;
    this.#log = log;
    this.#deliver = deliver;
    this.#timer = setInterval(() => this.#look(), WATCH_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const partition of this.#partitions.all) {
      if (hasDueLoads(partition)) void this.#deliverTo(partition.name);
      this.#report(partition);
      this.#reportCrash(partition);
    }
  }

  async #deliverTo(name: string): Promise<void> {
    if (this.#delivering.has(name)) return;
    this.#delivering.add(name);
    try {
      await this.#deliver(name);
    } catch {
      // The partition is gone, or the machine ends.
    } finally {
      this.#delivering.delete(name);
    }
  }

  #report(partition: Partition): void {
    const { body, name } = partition;
    const { state } = body;
    if (state === partition.reportedState) return;
    partition.reportedState = state;
    if (state === PartitionState.CRASHED) this.#log.warn({ name, reason: body.reason }, 'partition crashed');
    if (state === PartitionState.POWERED_OFF) this.#log.info({ name, reason: body.reason }, 'partition powered off');
  }

  #reportCrash(partition: Partition): void {
    const { body, name } = partition;
    const crashes = crashesOf(body.views);
    const before = partition.reportedCrashes;
    if (crashes === before) return;
    partition.reportedCrashes = crashes;
    // Fewer than before: it has been booted since.
    if (crashes !== 0 && (crashes < before || before < CRASHES_LOGGED))
      this.#log.warn({ name, ...crashReport(body.views) }, 'the guest reports a crash');
  }
}
