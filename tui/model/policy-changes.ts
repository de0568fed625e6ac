// Changes of policies while hvtop watched, whoever made them, and what each did: means of the charted quantities before and after.
import type { MachineStats } from '../../shared/protocol/messages.js';
import type { ChartHistory } from './chart-history.js';

/** Changes kept at most. */
export const CHANGES_MAX = 64;
/** Buckets on each side of a change that its effect is taken from: half a minute. */
export const EFFECT_BUCKETS = 60;
/** Buckets right after a change that do not count: what it does begins in the middle of one. */
const SETTLE_BUCKETS = 1;

export interface PolicyChange {
  /** Bucket of the chart history in which it was seen. */
  readonly bucket: number;
  readonly name: string;
  readonly from: string;
  readonly to: string;
  /** That partition alone. */
  readonly vm?: string | undefined;
}
/** Means; NaN where there is nothing to take one from. */
export interface Effect {
  readonly before: number;
  readonly after: number;
}

export class PolicyChanges {
  #changes: PolicyChange[] = [];

  get all(): readonly PolicyChange[] {
    return this.#changes;
  }

  /** What differs between two samples. */
  learn(before: MachineStats, now: MachineStats, bucket: number): void {
    for (const [name, to] of Object.entries(now.policies)) {
      const from = before.policies[name];
      if (from !== undefined && from !== to) this.add({ bucket, name, from, to });
    }
  }

  add(change: PolicyChange): void {
    this.#changes = [...this.#changes, change].slice(-CHANGES_MAX);
  }

  /** The last change of the policy, before `end`. */
  lastOf(name: string, end: number): PolicyChange | undefined {
    return this.#changes.findLast((change) => change.name === name && change.bucket < end);
  }

  /** Of a line of the chart. Between changes only: what another one did is not this one's. */
  effect(change: PolicyChange, chart: ChartHistory, line: string, end: number): Effect {
    const others = this.#changes.map(({ bucket }) => bucket).filter((bucket) => bucket !== change.bucket);
    const last = Math.max(0, ...others.filter((bucket) => bucket < change.bucket).map((bucket) => bucket + SETTLE_BUCKETS));
    const next = Math.min(end, ...others.filter((bucket) => bucket > change.bucket));
    const from = change.bucket + SETTLE_BUCKETS;
    return {
      before: chart.mean(line, Math.max(last, change.bucket - EFFECT_BUCKETS), change.bucket),
      after: chart.mean(line, from, Math.min(next, from + EFFECT_BUCKETS)),
    };
  }

  clear(): void {
    this.#changes = [];
  }
}
