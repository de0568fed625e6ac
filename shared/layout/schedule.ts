// What the scheduler knows of a VP, in partition memory: it goes with the VP from LP to LP. Written by the LP whose VP it is, but for what root sets before the partition starts.
import { PartitionMap } from './partition.js';
import { accessor, block, i32, struct, u32, u64 } from './struct.js';

/** Partitions of which it is told how long they kept a VP waiting: one u64 for each slot. */
const SLOTS = 16;

export const VP_SCHEDULE_SIZE = 512;
export const VpScheduleLayout = struct(
  'VpSchedule',
  {
    /** Share of an LP relative to others of it, 1 to 10,000. */
    weight: u32,
    /** Percent of an LP that the VP gets whatever the others want, and that it gets at most (100: no limit). */
    reserve: u32,
    limit: u32,
    /** LPs that may run it, a bit each. */
    affinityLow: u32,
    affinityHigh: u32,
    /** Cycles run, each counted in inverse proportion to the weight; the base is its LP's (schedule/credit). */
    virtual: u64,
    /** Its clock when it left its last LP: no LP runs it before its own clock has come that far, or the VP's time would go back. */
    notBefore: u64,
    /** When it came to its LP, in cycles. */
    since: u64,
    /** Period of accounting for reserve and limit: its number, and the cycles run in it. */
    period: u64,
    used: u64,
    /** Cycles in which it was halted, and when it last began to be; 0 = it is not. */
    blockedCycles: u64,
    blockedSince: u64,
    /** Of its ready cycles those in which its limit kept it from running, and since when it does; 0 = it does not. */
    limitedCycles: u64,
    limitedSince: u64,
    /** Who ran last while it was ready: partition slot << 8 | VP, -1 nobody so far. */
    displacedBy: i32,
    /** Of its ready cycles those in which a VP of the partition in slot i ran. */
    displacedCycles: block(SLOTS * 8),
  },
  VP_SCHEDULE_SIZE,
);
export const VpSchedule = accessor(VpScheduleLayout);
export type VpSchedule = InstanceType<typeof VpSchedule>;

export const vpScheduleAt = (index: number): number => PartitionMap.SCHEDULE + index * VP_SCHEDULE_SIZE;

export const WEIGHT_DEFAULT = 100;
export const WEIGHT_MAX = 10_000;
