// What happened in a stretch of a machine's time, as names and numbers for expressions and tables: the differences of two samples of everything that is counted.
// Guest clocks only: nothing here depends on the host.
import type { LoadCounters, LpStats, MachineStats, PartitionStats } from '../../shared/protocol/messages.js';

/** Names to numbers, or to more of the same. */
export interface Metrics {
  readonly [name: string]: number | Metrics;
}

/** A counter may have begun anew in between: a partition was booted, a job was set. */
const grown = (before: number | undefined, after: number): number => (before === undefined || after < before ? after : after - before);

const grownAll = (before: Readonly<Record<string, number>> | undefined, after: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(after).map(([name, value]) => [name, grown(before?.[name], value)]));

const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);

/** Jain's index: 1 where all are equal, 1/n where one has all. Nobody has anything: 1. */
export const fairnessOf = (values: readonly number[]): number => {
  const squares = sum(values.map((value) => value * value));
  return squares === 0 ? 1 : sum(values) ** 2 / (values.length * squares);
};

const added = (records: readonly Readonly<Record<string, number>>[]): Record<string, number> => {
  const total: Record<string, number> = {};
  for (const record of records) for (const [name, value] of Object.entries(record)) total[name] = (total[name] ?? 0) + value;
  return total;
};

/** Of the LP that is ahead: one that sleeps counts its time when it wakes. */
const clockOf = ({ lps }: MachineStats): number => Math.max(...lps.map(({ clock }) => clock));
const cyclesOf = (before: MachineStats, after: MachineStats): number => clockOf(after) - clockOf(before);

/** A job that was set in between has counted from nothing, the same job too: however much it has done since. */
const hasGoneOn = (before: LoadCounters, after: LoadCounters): boolean =>
  before.request === after.request && before.job === after.job && after.operations >= before.operations;

const loadOf = (before: LoadCounters | undefined, after: LoadCounters) => {
  const same = before !== undefined && hasGoneOn(before, after) ? before : undefined;
  return {
    operations: grown(same?.operations, after.operations),
    latencySum: grown(same?.latencySum, after.latencySum),
    latencyCount: grown(same?.latencyCount, after.latencyCount),
  };
};

/** What jobs have done before they were set anew. Without it a stretch in which a job was set twice would know of the second time only. */
export class Ledger {
  readonly #last = new Map<string, LoadCounters>();
  readonly #before = new Map<string, { readonly operations: number; readonly latencySum: number; readonly latencyCount: number }>();

  /** The sample with the jobs' counters as if none had ever begun anew. In the order of the machine's time. */
  add(sample: MachineStats): MachineStats {
    return { ...sample, partitions: sample.partitions.map((partition) => ({ ...partition, load: this.#addLoads(partition) })) };
  }

  #addLoads({ name, load }: PartitionStats): LoadCounters[] {
    return load.map((job) => {
      const key = `${name} ${job.vp}`;
      const last = this.#last.get(key);
      this.#last.set(key, job);
      const old = this.#before.get(key) ?? { operations: 0, latencySum: 0, latencyCount: 0 };
      const before = last === undefined || hasGoneOn(last, job) ? old : total(old, last);
      this.#before.set(key, before);
      return { ...job, ...total(before, job), job: '', request: 0 };
    });
  }
}

const total = (a: Pick<LoadCounters, 'operations' | 'latencySum' | 'latencyCount'>, b: typeof a) => ({
  operations: a.operations + b.operations,
  latencySum: a.latencySum + b.latencySum,
  latencyCount: a.latencyCount + b.latencyCount,
});

const partitionWindow = (before: PartitionStats | undefined, after: PartitionStats, seconds: number): Metrics => {
  const vps = after.vps.map((vp, index) => {
    const old = before?.vps[index];
    return {
      instructions: grown(old?.instructions, vp.instructions),
      runCycles: grown(old?.runCycles, vp.runCycles),
      readyCycles: grown(old?.readyCycles, vp.readyCycles),
      blockedCycles: grown(old?.blockedCycles, vp.blockedCycles),
      limitedCycles: grown(old?.limitedCycles, vp.limitedCycles),
      spin: grownAll(old?.spin, vp.spin),
      counters: grownAll(old?.counters, vp.counters),
    };
  });
  const jobs = after.load.map((job, index) => loadOf(before?.load[index], job));
  const operations = sum(jobs.map((job) => job.operations));
  const counted = sum(jobs.map((job) => job.latencyCount));
  return {
    operations,
    operationsPerSecond: seconds === 0 ? 0 : operations / seconds,
    // Of the VPs that have done anything: others may have no job.
    fairness: fairnessOf(jobs.map((job) => job.operations).filter((count) => count > 0)),
    latencyMean: counted === 0 ? 0 : sum(jobs.map((job) => job.latencySum)) / counted,
    // Of the job's whole time: histograms are not taken apart.
    latencyP99: Math.max(0, ...after.load.map((job) => job.latencyP99)),
    latencyMax: Math.max(0, ...after.load.map((job) => job.latencyMax)),
    instructions: sum(vps.map((vp) => vp.instructions)),
    runCycles: sum(vps.map((vp) => vp.runCycles)),
    readyCycles: sum(vps.map((vp) => vp.readyCycles)),
    blockedCycles: sum(vps.map((vp) => vp.blockedCycles)),
    limitedCycles: sum(vps.map((vp) => vp.limitedCycles)),
    vtlb: grownAll(before?.vtlb, after.vtlb),
    code: grownAll(before?.code, after.code),
    spin: added(vps.map((vp) => vp.spin)),
    counters: added(vps.map((vp) => vp.counters)),
    interrupts: grownAll(before?.interrupts.byKind, after.interrupts.byKind),
  };
};

const lpWindow = (before: LpStats | undefined, after: LpStats) => ({
  clock: grown(before?.clock, after.clock),
  idleCycles: grown(before?.idleCycles, after.idleCycles),
  contextSwitches: grown(before?.contextSwitches, after.contextSwitches),
  interrupts: grown(before?.interrupts, after.interrupts),
  ipis: grown(before?.ipis, after.ipis),
  kicks: grown(before?.kicks, after.kicks),
  fills: grown(before?.fills, after.fills),
  flushHandshakes: grown(before?.flushHandshakes, after.flushHandshakes),
  pendingFillWaits: grown(before?.pendingFillWaits, after.pendingFillWaits),
  worldSwitches: grown(before?.worldSwitches, after.worldSwitches),
  worldSwitchCycles: grown(before?.worldSwitchCycles, after.worldSwitchCycles),
});

/** Sums of the machine at the top; `partitions.NAME` of each partition that is there at the end; `intercepts.REASON`. */
export const windowOf = (before: MachineStats, after: MachineStats): Metrics => {
  const cycles = cyclesOf(before, after);
  const seconds = cycles / after.frequencyHz;
  const lps = added(after.lps.map((lp, index) => lpWindow(before.lps[index], lp)));
  const intercepts = added(after.lps.map((lp, index) => grownAll(before.lps[index]?.intercepts, lp.intercepts)));
  const partitions = Object.fromEntries(
    after.partitions.map((partition) => [
      partition.name,
      partitionWindow(
        before.partitions.find(({ name }) => name === partition.name),
        partition,
        seconds,
      ),
    ]),
  );
  const total = (name: 'operations' | 'instructions'): number => sum(Object.values(partitions).map((one) => one[name] as number));
  const { clock, ...counts } = lps as Record<string, number> & { clock: number };
  return {
    cycles,
    seconds,
    operations: total('operations'),
    operationsPerSecond: seconds === 0 ? 0 : total('operations') / seconds,
    instructions: total('instructions'),
    busy: clock === 0 ? 0 : 1 - (counts.idleCycles ?? 0) / clock,
    ...counts,
    interceptCount: sum(Object.values(intercepts)),
    intercepts,
    partitions,
  };
};
