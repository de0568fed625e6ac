// Everything that is counted, read out of shared memory into one plain object. Totals only: whoever wants rates keeps the last one.

import { countsReader } from '../../shared/layout/counts.js';
import { CODE_COUNTS, LpContextLayout } from '../../shared/layout/lp-context.js';
import { CLOCK_MODE_NAMES, INTERCEPTS, LP_STATE_NAMES, LpLayout, SuperMode } from '../../shared/layout/machine.js';
import { PARTITION_SLOTS } from '../../shared/layout/mailbox.js';
import { lpContextAt, PartitionState } from '../../shared/layout/partition.js';
import { SPIN_COUNTERS, VpSchedule, vpScheduleAt } from '../../shared/layout/schedule.js';
import type { Views } from '../../shared/layout/struct.js';
import { VP_COUNTERS, VP_STATE_NAMES, type VpBlock, type VpCounter, vpCounterIndex } from '../../shared/layout/vp.js';
import { generationAt, type VtlbCounter } from '../../shared/layout/vtlb.js';
import type { LpStats, MachineStats, PartitionStats, VpStats } from '../../shared/protocol/messages.js';
import { POLICIES, readPolicy } from '../../shared/protocol/policies.js';
import { loadCounters } from './loads/loads.js';
import type { MachineMemory } from './machine-memory.js';
import type { Partition } from './partition.js';
import { addFillWaits, vtlbCounterOfLp, vtlbCounters } from './vtlb-view/counters.js';

const VECTORS = 256;

/** What a VP's `spin` has beside the counts. */
const SPIN_CYCLES = ['extendedCycles', 'repaidCycles', 'expressCycles'] as const;

const interceptCounts = countsReader(INTERCEPTS);
const vpCounters = countsReader(VP_COUNTERS);
const spinCounters = countsReader(SPIN_COUNTERS, SPIN_CYCLES);

export const snapshotStats = (
  memory: MachineMemory,
  partitions: readonly Partition[],
  startedAt: number,
): Omit<MachineStats, 'scripts'> => {
  const { header } = memory;
  return {
    at: Math.round(performance.now() - startedAt),
    pid: process.pid,
    clockMode: CLOCK_MODE_NAMES[header.clockMode] ?? 'unknown',
    seed: header.seed,
    frequencyHz: header.frequencyHz,
    lps: memory.lps.map((_, lp) => lpStats(memory, lp, partitions)),
    partitions: partitions.map((partition) => partitionStats(partition, memory, partitions)),
    policies: Object.fromEntries(POLICIES.map((policy) => [policy.name, readPolicy(header, policy)])),
  };
};

const lpStats = (memory: MachineMemory, lp: number, partitions: readonly Partition[]): LpStats => {
  const block = memory.lps[lp]!;
  const { i32, u32 } = block.views;
  const current = Atomics.load(i32, (block.base + LpLayout.at.current) >>> 2);
  const running = current < 0 ? undefined : partitions.find((partition) => partition.slot === current >> 8);
  const counts = block.interceptCounts >>> 2;
  const ofVtlbs = (name: VtlbCounter): number => partitions.reduce((sum, { body }) => sum + vtlbCounterOfLp(body.views, lp, name), 0);
  const fillWaits: number[] = [];
  for (const { body } of partitions) addFillWaits(fillWaits, body.views, lp);
  return {
    id: lp,
    node: block.node,
    state: LP_STATE_NAMES[Atomics.load(i32, (block.base + LpLayout.at.state) >>> 2)] ?? 'unknown',
    vp: running === undefined ? null : `${running.name}/${current & 0xff}`,
    clock: block.clockNum,
    idleCycles: block.idleCyclesNum,
    // Odd while it is inside a fill of one of them: it is in no two.
    generation: partitions.reduce((sum, { body }) => sum + Atomics.load(body.views.u32, generationAt(lp) >>> 2), 0),
    hostCore: block.hostCore < 0 ? null : block.hostCore,
    queue: block.queueLength,
    intercepts: interceptCounts(u32, counts),
    interrupts: block.interruptsDelivered,
    ipis: block.ipisReceived,
    kicks: block.kicks,
    contextSwitches: block.contextSwitches,
    superMode: block.superMode === SuperMode.LEGACY ? 'legacy' : 'long',
    worldSwitches: block.superModeSwitches,
    worldSwitchCycles: block.switchCyclesNum,
    fills: ofVtlbs('fills'),
    flushHandshakes: ofVtlbs('flushHandshakes'),
    pendingFillWaits: ofVtlbs('pendingFillWaits'),
    fillWaitUs: fillWaits,
  };
};

export const partitionStats = (partition: Partition, { lps }: MachineMemory, partitions: readonly Partition[]): PartitionStats => {
  const { body, config } = partition;
  return {
    name: partition.name,
    state: body.stateName,
    reason: body.reason,
    memory: config.memory,
    vps: body.vps.map((vp, id) => vpStats(vp, id, partitions)),
    vtlb: vtlbCounters(body.views, lps.length),
    code: codeCounts(body.views, lps.length),
    interrupts: { byKind: interruptsByKind(body.vps), byVector: interruptsByVector(body.vps) },
    load: loadCounters(body),
  };
};

const codeCounts = ({ u32 }: Views, lps: number): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const [number, name] of CODE_COUNTS.entries()) {
    let sum = 0;
    for (let lp = 0; lp < lps; lp++) sum += u32[((lpContextAt(lp) + LpContextLayout.at.codeCounts) >>> 2) + number]!;
    sums[name] = sum;
  }
  return sums;
};

const vpStats = (vp: VpBlock, id: number, partitions: readonly Partition[]): VpStats => ({
  id,
  state: VP_STATE_NAMES[vp.state] ?? 'unknown',
  lp: vp.lp < 0 ? null : vp.lp,
  instructions: vp.instructionsNum,
  runCycles: vp.runCyclesNum,
  readyCycles: vp.readyCyclesNum,
  ...accounts(new VpSchedule(vp.views, vpScheduleAt(id)), partitions),
  counters: vpCounters(vp.views.u32, vp.counters >>> 2),
});

const accounts = (
  record: VpSchedule,
  partitions: readonly Partition[],
): Pick<VpStats, 'blockedCycles' | 'limitedCycles' | 'displacedBy' | 'spin'> => {
  const { u32 } = record.views;
  const displacedBy: Record<string, number> = {};
  const cyclesAt = record.displacedCycles >>> 2;
  for (let slot = 0; slot < PARTITION_SLOTS; slot++) {
    const cycles = u32[cyclesAt + slot * 2 + 1]! * 2 ** 32 + u32[cyclesAt + slot * 2]!;
    if (cycles > 0) displacedBy[partitions.find((one) => one.slot === slot)?.name ?? String(slot)] = cycles;
  }
  const { extendedCyclesNum, repaidCyclesNum, expressCyclesNum } = record;
  const spin = spinCounters(u32, record.spinCounters >>> 2, extendedCyclesNum, repaidCyclesNum, expressCyclesNum);
  return { blockedCycles: record.blockedCyclesNum, limitedCycles: record.limitedCyclesNum, displacedBy, spin };
};

const counterOf = (vp: VpBlock, name: VpCounter): number => vp.views.u32[(vp.counters >>> 2) + vpCounterIndex[name]]!;

const KINDS = {
  external: 'externalInterrupts',
  virtual: 'virtualInterrupts',
  ipi: 'apicIpisSent',
  selfIpi: 'apicSelfIpisSent',
  nmi: 'nmis',
  exception: 'exceptionsDelivered',
} as const satisfies Record<string, VpCounter>;

const interruptsByKind = (vps: readonly VpBlock[]): Record<string, number> =>
  Object.fromEntries(Object.entries(KINDS).map(([kind, counter]) => [kind, vps.reduce((sum, vp) => sum + counterOf(vp, counter), 0)]));

/** Vectors that were delivered at all, by number. */
const interruptsByVector = (vps: readonly VpBlock[]): Record<string, number> => {
  const sums = new Float64Array(VECTORS);
  for (const { views, vectorCounts } of vps) {
    const at = vectorCounts >>> 2;
    for (let vector = 0; vector < VECTORS; vector++) sums[vector]! += views.u32[at + vector]!;
  }
  const byVector: Record<string, number> = {};
  for (const [vector, count] of sums.entries()) if (count > 0) byVector[vector] = count;
  return byVector;
};

/** True once the partition will not run again by itself. */
export const hasEnded = (state: number): boolean =>
  state === PartitionState.STOPPED || state === PartitionState.CRASHED || state === PartitionState.POWERED_OFF;
