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
    // --- spin waits (lp/schedule/spin)
    /** The LP's clock until which others of its LP come before it: it was found spinning. */
    spinUntil: u64,
    /** 1: it was in a critical section when it had to stop. Others read it. Atomics. */
    preempted: i32,
    /** 1: among spinning VPs it is its turn to be expected to make progress. */
    eligible: u32,
    /** 1: somebody spins for it on another LP, which its own LP is to know. Atomics. */
    wanted: i32,
    /** VPs to which it has sent an interrupt since it began to run, a bit each. */
    askedLow: u32,
    askedHigh: u32,
    /** Extensions of this slice, and cycles that are still to be taken from its next slices. */
    extensions: u32,
    debt: u64,
    /** Cycles of this period by extension and express scheduling. */
    favoured: u64,
    extendedCycles: u64,
    expressCycles: u64,
    repaidCycles: u64,
    spinCounters: block(16 * 4, 4),
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
/** Percent of an LP that can be reserved: what is left is anybody's, so that a VP without reserve comes to its turn too. */
export const RESERVE_MAX = 95;

/** How a VP was found spinning. */
export const SpinKind = {
  NONE: 0,
  /** For a short time: whom it waits for may be running. */
  SHORT: 1,
  /** For long, or it has said so itself. */
  LONG: 2,
} as const;
/** Numbers in `spinCounters`. */
export const SPIN_COUNTERS = [
  /** Spins found, by kind. */
  'pauseSpins',
  'hypercallSpins',
  /** Reads of GUEST_IDLE that made the VP wait. */
  'idleWaits',
  /** Extensions granted, and how many of them ended with the section. */
  'extensions',
  'extensionsEnded',
  /** VPs to which this one gave the rest of its slice, by class: those that it waits for by interrupt, preempted in a section, not spinning, spinning but due. */
  'expressAsked',
  'expressPreempted',
  'expressReady',
  'expressSpinning',
  /** VPs on other LPs that were told. */
  'expressKicks',
  /** How often it had to stop in a critical section, not spinning itself. */
  'holderPreemptions',
  /** Spins found by a loop that was proved to do nothing but wait. */
  'loopSpins',
] as const;
export type SpinCounter = (typeof SPIN_COUNTERS)[number];
const NUMBERS = Object.fromEntries(SPIN_COUNTERS.map((name, i) => [name, i])) as Record<SpinCounter, number>;
/** Owner LP only. */
export const countSpin = ({ views, spinCounters }: VpSchedule, name: SpinCounter): void => {
  views.u32[(spinCounters >>> 2) + NUMBERS[name]]++;
};
export const spinCount = ({ views, spinCounters }: VpSchedule, name: SpinCounter): number =>
  views.u32[(spinCounters >>> 2) + NUMBERS[name]];
