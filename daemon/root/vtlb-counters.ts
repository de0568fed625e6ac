// Counters of a partition's vTLB by name: each LP counts in a column of its own, the sum is the partition's.

import { PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import { VTLB_COUNTERS, VtlbLayout, vtlbCountersAt, vtlbWord } from '../../shared/layout/vtlb.js';

/** `spts` and `sptsFree` are levels, all others totals. */
export const vtlbCounters = (views: Views, lps: number, nodes: number): Record<string, number> => {
  const counters: Record<string, number> = {};
  for (const [index, name] of VTLB_COUNTERS.entries()) {
    let sum = 0;
    for (let lp = 0; lp < lps; lp++) sum += views.u32[(vtlbCountersAt(lp) >>> 2) + index]!;
    counters[name] = sum;
  }
  counters.spts = views.u32[vtlbWord('sptCount') >>> 2]!;
  counters.sptsFree = 0;
  const freeCount = (PartitionMap.VTLB + VtlbLayout.at.freeCount) >>> 2;
  for (let node = 0; node < nodes; node++) counters.sptsFree += Math.max(0, Atomics.load(views.i32, freeCount + node));
  return counters;
};
