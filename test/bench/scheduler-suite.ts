// `npm run bench -- --suite scheduler`: what a decision of an LP's scheduler costs the host. The queue is the real one, guests only say that they are ready, and each run
// is a slice long, so that every decision is a choice between all VPs of the LP; the machine's other LP is busy too. Nanoseconds, medians of rounds.
import type { Schedulable } from '../../daemon/lp/schedule/candidate.js';
import { RunQueue } from '../../daemon/lp/schedule/run-queue.js';
import { createMachineMemory } from '../../daemon/root/machine-memory.js';
import { LpLayout } from '../../shared/layout/machine.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import { VpSchedule, vpScheduleAt } from '../../shared/layout/schedule.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { findPolicy, writePolicy } from '../../shared/protocol/policies.js';
import { stubConfig } from '../rig/stub-daemon.js';

export interface SchedulerRow {
  readonly policy: string;
  /** VPs of the LP, all of them ready. */
  readonly vps: number;
  /** While the slice of the one that runs lasts (a run has ended for another reason), and when it is over: the next one, and the account of its run. */
  readonly goesOnNs: number;
  readonly nextNs: number;
}

const VPS = [1, 2, 4, 8, 16];
const TURNS = 20_000;
const MANY_SWITCHES = { 'spin.extend': '1x100000', 'spin.express': 'on' };

const readyGuest = (vps: number): Schedulable => {
  const views = viewsOf(new SharedArrayBuffer(PartitionMap.SYNIC));
  const records = Array.from({ length: vps }, (_, index) => {
    const record = new VpSchedule(views, vpScheduleAt(index));
    Object.assign(record, { weight: 100, reserve: 0, limit: 100, affinityLow: 3 });
    return record;
  });
  return {
    slot: 0,
    isRunning: true,
    spinning: 0,
    vpCount: vps,
    own: () => [...records.keys()],
    schedule: (vp) => records[vp]!,
    runnable: () => true,
    isBlocked: () => false,
    waited: () => undefined,
    isCritical: () => false,
    lpOf: () => 0,
    isReady: () => true,
    homeOf: () => 0,
    give: () => undefined,
  };
};

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >>> 1]!;

const measure = (policy: string, vps: number, rounds: number): SchedulerRow => {
  const { views, header, lps } = createMachineMemory(stubConfig({ lps: 2 }));
  Atomics.store(views.i32, (lps[1]!.base + LpLayout.at.readyVps) >>> 2, 1);
  writePolicy(header, findPolicy('sched.policy'), policy);
  for (const [name, value] of Object.entries(MANY_SWITCHES)) writePolicy(header, findPolicy(name), value);
  const guests = [readyGuest(vps)];
  const queue = new RunQueue({ machine: views, lp: 0, lps: 2, guests: () => guests, signal: () => undefined });
  queue.renew(0);
  let clock = 0;
  const next = (): number => {
    const before = performance.now();
    for (let i = 0; i < TURNS; i++) {
      queue.choose(clock);
      const cycles = Math.floor(queue.budget(clock));
      queue.ran(clock, cycles);
      clock += cycles;
    }
    return ((performance.now() - before) * 1e6) / TURNS;
  };
  const goesOn = (): number => {
    const before = performance.now();
    for (let i = 0; i < TURNS; i++) queue.choose(clock);
    return ((performance.now() - before) * 1e6) / TURNS;
  };
  next();
  goesOn();
  const both = Array.from({ length: rounds }, () => ({ nextNs: next(), goesOnNs: goesOn() }));
  return { policy, vps, goesOnNs: median(both.map((one) => one.goesOnNs)), nextNs: median(both.map((one) => one.nextNs)) };
};

export const measureScheduler = (rounds: number): SchedulerRow[] =>
  ['credit', 'rr', 'gang'].flatMap((policy) => VPS.map((vps) => measure(policy, vps, rounds)));

export const schedulerText = (rows: readonly SchedulerRow[]): string =>
  [
    'policy   VPs  goes on, ns  next and account, ns',
    ...rows.map(
      ({ policy, vps, goesOnNs, nextNs }) =>
        `${policy.padEnd(7)} ${String(vps).padStart(4)} ${goesOnNs.toFixed(0).padStart(12)} ${nextNs.toFixed(0).padStart(21)}`,
    ),
  ].join('\n');
