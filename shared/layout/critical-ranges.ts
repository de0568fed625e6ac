// Code of a guest in which its VPs are in a critical section: named in the partition's file, written by root before the partition starts, read by LPs (hypervisor/spin).
import { MAX_VPS, PartitionMap } from './partition.js';
import { VP_SCHEDULE_SIZE } from './schedule.js';
import { accessor, block, struct, u32, type Views } from './struct.js';

export const RANGES_MAX = 16;
const RANGE_SIZE = 16;
const RangesLayout = struct('CriticalRanges', { count: u32, ranges: block(RANGES_MAX * RANGE_SIZE) });
const Ranges = accessor(RangesLayout);
const AT = PartitionMap.SCHEDULE + MAX_VPS * VP_SCHEDULE_SIZE;

/** Linear addresses: the first byte, and the one after the last. */
export interface VpRange {
  readonly from: bigint;
  readonly to: bigint;
}

export const vpRangesOf = (views: Views): VpRange[] => {
  const { count, ranges } = new Ranges(views, AT);
  return Array.from({ length: count }, (_, i) => {
    const at = (ranges + i * RANGE_SIZE) >>> 3;
    return { from: views.u64[at], to: views.u64[at + 1] };
  });
};

export const writeVpRanges = (views: Views, all: readonly VpRange[]): void => {
  const header = new Ranges(views, AT);
  for (const [i, { from, to }] of all.entries()) {
    const at = (header.ranges + i * RANGE_SIZE) >>> 3;
    views.u64[at] = from;
    views.u64[at + 1] = to;
  }
  header.count = all.length;
};
