// Counters of a partition's vTLB by name, read out of the LPs' columns: sums for the partition, and what belongs to one LP.
import { MAX_LPS, MAX_NODES, PartitionLayout } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import {
  FILL_WAIT_BUCKETS,
  fillWaitsAt,
  freeCountAt,
  Role,
  SAS_MAX,
  Sas,
  sasAt,
  TrackState,
  trackAt,
  trackStateOf,
  VTLB_COUNTERS,
  type VtlbCounter,
  vtlbCountersAt,
  vtlbWord,
} from '../../../shared/layout/vtlb.js';

const indexOf = Object.fromEntries(VTLB_COUNTERS.map((name, i) => [name, i])) as { readonly [K in VtlbCounter]: number };

/** One LP's count. */
export const vtlbCounterOfLp = (views: Views, lp: number, name: VtlbCounter): number =>
  views.u32[(vtlbCountersAt(lp) >>> 2) + indexOf[name]]!;

/** Adds one LP's waits for pending fills to `sums`, by bucket (layout/vtlb: fillWaits). */
export const addFillWaits = (sums: number[], views: Views, lp: number): void => {
  const at = fillWaitsAt(lp) >>> 2;
  for (let bucket = 0; bucket < FILL_WAIT_BUCKETS; bucket++) sums[bucket] = (sums[bucket] ?? 0) + views.u32[at + bucket]!;
};

/** All counters and gauges of a partition's vTLB by name, summed over LPs. */
export const vtlbCounters = (views: Views, lps = MAX_LPS): Record<string, number> => {
  const totals = new Float64Array(VTLB_COUNTERS.length);
  for (let lp = 0; lp < lps; lp++) {
    const at = vtlbCountersAt(lp) >>> 2;
    for (let i = 0; i < totals.length; i++) totals[i]! += views.u32[at + i]!;
  }
  const sums: Record<string, number> = {};
  for (const [i, name] of VTLB_COUNTERS.entries()) sums[name] = totals[i]!;
  const word = (address: number): number => Atomics.load(views.i32, address >>> 2);
  const pool = Math.max(0, word(vtlbWord('sptCount')) - 1);
  let free = 0;
  for (let node = 0; node < MAX_NODES; node++) free += word(freeCountAt(node));
  const entries = pool === 0 ? [] : Array.from({ length: SAS_MAX }, (_, sas) => sasAt(sas)).filter((sas) => word(sas + Sas.users) >= 0);
  const nodes = entries.filter((sas) => (word(sas + Sas.role) & Role.LEVEL) !== 0);
  const condemned = word(vtlbWord('condemnedCount'));
  const pages = tablePages(views);
  return {
    ...sums,
    sptPool: pool,
    sptFree: free,
    sptCondemned: condemned,
    sptLive: pool - free - condemned,
    ...usedByNode(views, pool),
    sasLive: entries.length - nodes.length,
    sasLoaded: entries.filter((sas) => !nodes.includes(sas) && word(sas + Sas.users) > 0).length,
    sasStale: entries.filter((sas) => word(sas + Sas.stale) !== 0).length,
    sharedNodesLive: nodes.length,
    mappingRecords: word(vtlbWord('mappingNext')),
    generation: word(vtlbWord('generation')),
    lockMode: word(vtlbWord('lockMode')),
    gptUntracked: pages[TrackState.UNTRACKED]!,
    gptTracked: pages[TrackState.TRACKED]!,
    gptDirty: pages[TrackState.DIRTY]! + pages[TrackState.CLOSING]!,
    gptClosing: pages[TrackState.CLOSING]!,
  };
};

/** Tables in use by the node they are from, where there is more than one (arena.ts deals them in equal runs). */
const usedByNode = (views: Views, pool: number): Record<string, number> => {
  const nodes = Math.min(MAX_NODES, views.u32[PartitionLayout.at.nodeCount >>> 2]!);
  if (nodes < 2) return {};
  const first = (node: number): number => Math.ceil((node * pool) / nodes);
  return Object.fromEntries(
    Array.from({ length: nodes }, (_, node) => [
      `sptUsedNode${node}`,
      first(node + 1) - first(node) - Atomics.load(views.i32, freeCountAt(node) >>> 2),
    ]),
  );
};

/** Guest pages by what is known of writes to them (TrackState); those that are no page tables are not counted. */
const tablePages = (views: Views): number[] => {
  const pages = [0, 0, 0, 0, 0];
  const from = trackAt(0) >>> 2;
  const to = trackAt(views.u32[PartitionLayout.at.ramSize >>> 2]! >>> 12) >>> 2;
  const words = views.i32;
  for (let at = from; at < to; at++) {
    const word = words[at]!;
    if (word !== TrackState.NONE) pages[trackStateOf(word)]!++;
  }
  return pages;
};
