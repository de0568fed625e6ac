// Everything on the screen that is a rate or a share, from two successive MachineStats.
// Why in one pass: panels then only look numbers up, and the plain-text snapshot shows exactly what the screen would.
import type { SpinCounter } from '../../shared/layout/schedule.js';
import { VTLB_COUNTERS } from '../../shared/layout/vtlb.js';
import type { LoadCounters, LpStats, MachineStats, PartitionStats, VpStats } from '../../shared/protocol/messages.js';
import { addCounters, counterRate, counterRates, sum } from './counter-rate.js';

/** All per host second, but for shares (0..1 of the LP's virtual time). */
export interface LpRates {
  readonly id: number;
  readonly intercepts: number;
  readonly byReason: Record<string, number>;
  readonly interrupts: number;
  readonly ipis: number;
  readonly kicks: number;
  readonly contextSwitches: number;
  readonly fills: number;
  readonly flushHandshakes: number;
  readonly pendingFillWaits: number;
  readonly busyShare: number;
  /** Round trips by the switch page, and the share of the LP's time that they take. */
  readonly worldSwitches: number;
  readonly windowShare: number;
}
export interface VpRates {
  readonly id: number;
  readonly instructions: number;
  readonly runShare: number;
  readonly readyShare: number;
  readonly migrations: number;
  /** Of its counters about spin waits, and of their cycles. */
  readonly spin: Record<string, number>;
}
export interface LoadRates {
  readonly vp: number;
  readonly job: string;
  readonly operations: number;
  readonly total: number;
  /** Mean since the sample before, and the 99th percentile and the largest so far, in the job's own unit (virtual cycles). */
  readonly latencyMean: number;
  readonly latencyP99: number;
  readonly latencyMax: number;
}
export interface PartitionRates {
  readonly name: string;
  readonly instructions: number;
  readonly fills: number;
  readonly vtlb: Record<string, number>;
  readonly byKind: Record<string, number>;
  readonly byVector: Record<string, number>;
  /** Of all its VPs. */
  readonly spin: Record<string, number>;
  readonly interrupts: number;
  /** Spin waits found, in whichever way. */
  readonly spins: number;
  readonly operations: number;
  readonly load: LoadRates[];
  readonly vps: VpRates[];
}
export interface MachineRates {
  /** Host seconds between the two samples; 0 when there was only one. */
  readonly seconds: number;
  /** Virtual seconds per host second. */
  readonly virtualRate: number;
  readonly instructions: number;
  readonly intercepts: number;
  readonly byReason: Record<string, number>;
  readonly interrupts: number;
  readonly fills: number;
  readonly pendingFillWaits: number;
  readonly flushHandshakes: number;
  readonly operations: number;
  readonly spins: number;
  /** Of all LPs. */
  readonly busyShare: number;
  readonly lps: LpRates[];
  readonly partitions: PartitionRates[];
}

/** `before` absent or of another daemon: all rates are 0. */
export function machineRates(before: MachineStats | undefined, now: MachineStats): MachineRates {
  const previous = before !== undefined && before.pid === now.pid && before.at < now.at ? before : undefined;
  const seconds = previous === undefined ? 0 : (now.at - previous.at) / 1000;
  const lps = now.lps.map((lp) =>
    lpRates(
      previous?.lps.find((other) => other.id === lp.id),
      lp,
      seconds,
    ),
  );
  const clock = latestClock(now);
  const virtualSeconds = previous === undefined ? 0 : (clock - latestClock(previous)) / now.frequencyHz;
  const cycles = Math.max(0, virtualSeconds * now.frequencyHz);
  const partitions = now.partitions.map((partition) =>
    partitionRates(
      previous?.partitions.find((other) => other.name === partition.name),
      partition,
      seconds,
      cycles,
    ),
  );
  const byReason: Record<string, number> = {};
  for (const lp of lps) addCounters(byReason, lp.byReason);
  const total = <T>(list: readonly T[], of: (item: T) => number): number => list.reduce((n, item) => n + of(item), 0);
  return {
    seconds,
    virtualRate: seconds > 0 ? Math.max(0, virtualSeconds) / seconds : 0,
    instructions: total(partitions, (p) => p.instructions),
    intercepts: total(lps, (lp) => lp.intercepts),
    byReason,
    interrupts: total(partitions, (p) => p.interrupts),
    fills: total(partitions, (p) => p.fills),
    pendingFillWaits: total(lps, (lp) => lp.pendingFillWaits),
    flushHandshakes: total(lps, (lp) => lp.flushHandshakes),
    operations: total(partitions, (p) => p.operations),
    spins: total(partitions, (p) => p.spins),
    busyShare: total(lps, (lp) => lp.busyShare) / Math.max(1, lps.length),
    lps,
    partitions,
  };
}

const latestClock = (stats: MachineStats): number => stats.lps.reduce((max, lp) => Math.max(max, lp.clock), 0);

function lpRates(before: LpStats | undefined, now: LpStats, seconds: number): LpRates {
  const byReason = counterRates(before?.intercepts, now.intercepts, seconds);
  const cycles = before === undefined ? 0 : now.clock - before.clock;
  const idle = before === undefined ? 0 : now.idleCycles - before.idleCycles;
  return {
    id: now.id,
    intercepts: sum(byReason),
    byReason,
    interrupts: counterRate(before?.interrupts, now.interrupts, seconds),
    ipis: counterRate(before?.ipis, now.ipis, seconds),
    kicks: counterRate(before?.kicks, now.kicks, seconds),
    contextSwitches: counterRate(before?.contextSwitches, now.contextSwitches, seconds),
    fills: counterRate(before?.fills, now.fills, seconds),
    flushHandshakes: counterRate(before?.flushHandshakes, now.flushHandshakes, seconds),
    pendingFillWaits: counterRate(before?.pendingFillWaits, now.pendingFillWaits, seconds),
    busyShare: cycles > 0 ? Math.min(1, Math.max(0, 1 - idle / cycles)) : 0,
    worldSwitches: counterRate(before?.worldSwitches, now.worldSwitches, seconds),
    windowShare:
      before !== undefined && cycles > 0 ? Math.min(1, Math.max(0, (now.worldSwitchCycles - before.worldSwitchCycles) / cycles)) : 0,
  };
}

function partitionRates(before: PartitionStats | undefined, now: PartitionStats, seconds: number, cycles: number): PartitionRates {
  const vps = now.vps.map((vp) =>
    vpRates(
      before?.vps.find((other) => other.id === vp.id),
      vp,
      seconds,
      cycles,
    ),
  );
  const vtlb = counterRates(before && counters(before.vtlb), counters(now.vtlb), seconds);
  const byKind = counterRates(before?.interrupts.byKind, now.interrupts.byKind, seconds);
  const byVector = counterRates(before?.interrupts.byVector, now.interrupts.byVector, seconds);
  const load = now.load.map((job) =>
    loadRates(
      before?.load.find((other) => other.vp === job.vp && other.job === job.job),
      job,
      seconds,
    ),
  );
  const spin: Record<string, number> = {};
  for (const vp of vps) addCounters(spin, vp.spin);
  return {
    name: now.name,
    instructions: vps.reduce((n, vp) => n + vp.instructions, 0),
    fills: Math.max(vtlb.fills ?? 0, vpFills(before, now, seconds)),
    vtlb,
    byKind,
    byVector,
    spin,
    spins: spinsFound(spin),
    interrupts: sum(byVector) || sum(byKind),
    operations: load.reduce((n, job) => n + job.operations, 0),
    load,
    vps,
  };
}

/** Ways of `SPIN_COUNTERS` to be found. */
const FOUND = ['pauseSpins', 'hypercallSpins', 'idleWaits', 'loopSpins'] as const satisfies readonly SpinCounter[];
export const spinsFound = (spin: Readonly<Record<string, number>>): number => FOUND.reduce((total, way) => total + (spin[way] ?? 0), 0);

/** Beside its counters the vTLB reports gauges (SPTs free, generation ...), which have no rate. */
const counters = (vtlb: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(vtlb).filter(([name]) => !isVtlbGauge(name)));

export const isVtlbGauge = (name: string): boolean => !(VTLB_COUNTERS as readonly string[]).includes(name);

/** Fills as the VPs count them (TLFS: small and large page TLB fills). */
function vpFills(before: PartitionStats | undefined, now: PartitionStats, seconds: number): number {
  let fills = 0;
  for (const vp of now.vps) {
    const other = before?.vps.find((candidate) => candidate.id === vp.id);
    for (const name of ['smallPageTlbFills', 'largePageTlbFills'] as const) fills += vpCounterRate(other, vp, name, seconds);
  }
  return fills;
}

/** A counter that the VP before did not have yet counts from 0. */
const vpCounterRate = (before: VpStats | undefined, now: VpStats, name: string, seconds: number): number =>
  before === undefined ? 0 : counterRate(before.counters[name] ?? 0, now.counters[name], seconds);

function vpRates(before: VpStats | undefined, now: VpStats, seconds: number, cycles: number): VpRates {
  const share = (from: number, to: number): number => (cycles > 0 ? Math.min(1, Math.max(0, (to - from) / cycles)) : 0);
  return {
    id: now.id,
    instructions: counterRate(before?.instructions, now.instructions, seconds),
    runShare: before === undefined ? 0 : share(before.runCycles, now.runCycles),
    readyShare: before === undefined ? 0 : share(before.readyCycles, now.readyCycles),
    migrations: vpCounterRate(before, now, 'lpMigrations', seconds),
    spin: counterRates(before?.spin, now.spin, seconds),
  };
}

function loadRates(before: LoadCounters | undefined, now: LoadCounters, seconds: number): LoadRates {
  const count = before === undefined ? now.latencyCount : now.latencyCount - before.latencyCount;
  const latency = before === undefined ? now.latencySum : now.latencySum - before.latencySum;
  return {
    vp: now.vp,
    job: now.job,
    operations: counterRate(before?.operations, now.operations, seconds),
    total: now.operations,
    latencyMean: count > 0 && latency >= 0 ? latency / count : 0,
    latencyP99: now.latencyP99,
    latencyMax: now.latencyMax,
  };
}
