// Samples and events as the frames that all who have subscribed get: what `eventFrame` makes, in a quarter of the time.
import { INTERCEPTS } from '../../../shared/layout/machine.js';
import { VP_COUNTERS } from '../../../shared/layout/vp.js';
import type { LpStats, MachineStats, PartitionStats, VpStats } from '../../../shared/protocol/messages.js';
import type { MachineEvent } from '../events.js';
import { SPIN_STATS } from '../stats.js';
import { type MapWriter, MsgpackWriter, mapWriter } from './msgpack-writer.js';

/** All keys of T: one that is missing does not compile. */
const keysOf = <T>(keys: { readonly [K in keyof Required<T>]: true }): (keyof T & string)[] => Object.keys(keys) as (keyof T & string)[];

const ofLp = mapWriter<LpStats>(
  keysOf<LpStats>({
    id: true,
    node: true,
    state: true,
    vp: true,
    clock: true,
    idleCycles: true,
    generation: true,
    hostCore: true,
    queue: true,
    intercepts: true,
    interrupts: true,
    ipis: true,
    kicks: true,
    contextSwitches: true,
    superMode: true,
    worldSwitches: true,
    worldSwitchCycles: true,
    fills: true,
    flushHandshakes: true,
    pendingFillWaits: true,
    fillWaitUs: true,
  }),
  { intercepts: mapWriter<Record<string, number>>(INTERCEPTS) },
);
const ofVp = mapWriter<VpStats>(
  keysOf<VpStats>({
    id: true,
    state: true,
    lp: true,
    instructions: true,
    runCycles: true,
    readyCycles: true,
    blockedCycles: true,
    limitedCycles: true,
    displacedBy: true,
    spin: true,
    counters: true,
  }),
  { spin: mapWriter<Record<string, number>>(SPIN_STATS), counters: mapWriter<Record<string, number>>(VP_COUNTERS) },
);
const listOf =
  <T>(one: MapWriter<T>): MapWriter<readonly T[]> =>
  (writer, all) => {
    writer.list(all.length);
    for (const value of all) one(writer, value);
  };
const ofPartition = mapWriter<PartitionStats>(
  keysOf<PartitionStats>({
    name: true,
    state: true,
    reason: true,
    memory: true,
    vps: true,
    vtlb: true,
    code: true,
    interrupts: true,
    load: true,
  }),
  { vps: listOf(ofVp) },
);
const ofMachine = mapWriter<MachineStats>(
  keysOf<MachineStats>({
    at: true,
    pid: true,
    clockMode: true,
    seed: true,
    frequencyHz: true,
    lps: true,
    partitions: true,
    policies: true,
    scripts: true,
  }),
  { lps: listOf(ofLp), partitions: listOf(ofPartition) },
);
const statsEvent = mapWriter<{ readonly ev: 'stats'; readonly d: MachineStats }>(['ev', 'd'], { d: ofMachine });
const ofEvent = mapWriter<MachineEvent>(
  keysOf<MachineEvent>({ lp: true, clock: true, kind: true, partition: true, vp: true, a: true, b: true }),
);
const eventsEvent = mapWriter<{ readonly ev: 'events'; readonly d: readonly MachineEvent[] }>(['ev', 'd'], { d: listOf(ofEvent) });

const writer = new MsgpackWriter();

/** Undefined where it is too long for a frame. */
export const statsFrame = (stats: MachineStats): Buffer | undefined => {
  writer.begin();
  statsEvent(writer, { ev: 'stats', d: stats });
  return writer.frame();
};
/** Undefined where they are too many for a frame. */
export const eventsFrame = (events: readonly MachineEvent[]): Buffer | undefined => {
  writer.begin();
  eventsEvent(writer, { ev: 'events', d: events });
  return writer.frame();
};
