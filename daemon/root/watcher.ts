// Looks after the partitions while nobody asks: reports what LPs did to their states, hands waiting loads to guests that have come up, and
// says so where a guest does not take them.
import { PartitionState } from '../../shared/layout/partition.js';
import type { LoadSpec } from '../../shared/protocol/messages.js';
import { crashesOf, crashReport } from './crash-report.js';
import { hasDueLoads } from './loads/loads.js';
import type { Log } from './log.js';
import type { Partition } from './partition.js';
import type { PartitionBody } from './partition-body.js';
import type { Partitions } from './partitions.js';
import { hasEnded } from './stats.js';

/** How long an exit may stay unnoticed, ms. */
export const WATCH_MS = 25;
/** Crash reports of one boot of a guest that are logged: it may send them for ever. */
export const CRASHES_LOGGED = 3;
/** How long loads may wait for a guest to come up before that is worth a line, ms: a Linux that boots takes as long. */
const LOADS_WAIT_MS = 60_000;

export class Watcher {
  readonly #partitions: Partitions;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;

  readonly #deliver: (name: string) => Promise<unknown>;
  /** Since when loads have waited for the boot with that memory, ms of the host. */
  readonly #waiting = new WeakMap<PartitionBody, number>();
  /** Partitions whose loads are on their way. */
  readonly #delivering = new Set<string>();

  readonly #loadsWaitMs: number;

  constructor(partitions: Partitions, log: Log, deliver: (name: string) => Promise<unknown>, loadsWaitMs = LOADS_WAIT_MS) {
    this.#loadsWaitMs = loadsWaitMs;
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
      this.#reportLoads(partition);
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

  /** Once a boot each. */
  #reportLoads({ name, body, pendingLoads, refusedLoads, reportedLoads }: Partition): void {
    if (refusedLoads.length > 0 && reportedLoads.refused !== body) {
      reportedLoads.refused = body;
      this.#log.warn({ name, jobs: jobsOf(refusedLoads) }, 'the guest knows no such jobs');
    }
    const { state } = body;
    if (pendingLoads.length === 0 || reportedLoads.waiting === body || state === PartitionState.CREATED) return;
    const now = performance.now();
    const since = this.#waiting.get(body) ?? now;
    this.#waiting.set(body, since);
    const ended = hasEnded(state);
    if (!ended && now - since < this.#loadsWaitMs) return;
    reportedLoads.waiting = body;
    const fields = { name, jobs: jobsOf(pendingLoads) };
    if (ended) this.#log.warn(fields, 'the guest has ended without having taken its jobs');
    else this.#log.warn(fields, 'jobs wait: the guest takes none so far');
  }
}

const jobsOf = (loads: readonly LoadSpec[]): string => [...new Set(loads.map(({ job }) => job))].join(', ');
