// Looks after the partitions while nobody asks: reports what LPs did to their states, hands waiting loads to guests that have come up.
import { PartitionState } from '../../shared/layout/partition.js';
import { crashesOf, crashReport } from './crash-report.js';
import { deliverPendingLoads } from './loads.js';
import type { Log } from './log.js';
import type { LpSignals } from './lp-signals.js';
import type { Partition } from './partition.js';
import type { Partitions } from './partitions.js';

/** How long an exit may stay unnoticed, ms. */
export const WATCH_MS = 25;
/** Crash reports of one boot of a guest that are logged: it may send them for ever. */
export const CRASHES_LOGGED = 3;

export class Watcher {
  readonly #partitions: Partitions;
  readonly #signals: LpSignals;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;

  constructor(partitions: Partitions, signals: LpSignals, log: Log) {
    this.#partitions = partitions;
    this.#signals = signals;
    this.#log = log;
    this.#timer = setInterval(() => this.#look(), WATCH_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const partition of this.#partitions.all) {
      deliverPendingLoads(partition, this.#signals);
      this.#report(partition);
      this.#reportCrash(partition);
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
