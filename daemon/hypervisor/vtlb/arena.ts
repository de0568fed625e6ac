// Lays out a partition's vTLB arena: once, before any LP runs a VP of the partition.
// Why the pool is sized by guest RAM: SPTs that are never touched cost nothing, but those that a guest makes the vTLB touch count as host memory.
import { MAX_NODES, PartitionLayout, PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import {
  freeCountAt,
  freeTopAt,
  gptIndexAt,
  LockMode,
  mappingsAt,
  SAS_MAX,
  SAS_TABLE,
  Sas,
  SPTS_MAX,
  Spt,
  SptState,
  sasAt,
  sptHeaderAt,
  trackAt,
  vtlbWord,
} from '../../../shared/layout/vtlb.js';
import { poison } from './spt-pool.js';

/** Fewest SPTs: 64 LPs that each need four at once, and as many again. */
export const SPTS_MIN = 512;
/** SPTs for each 2 MiB of guest RAM: that many address spaces may map all of it before reclaim begins. */
const SPTS_PER_LEAF_TABLE = 16;

/** SPTs that suit a guest of so many bytes. */
export const sptsFor = (ramSize: number): number => Math.min(SPTS_MAX, SPTS_MIN + SPTS_PER_LEAF_TABLE * Math.ceil(ramSize / 0x20_0000));

/** Makes an empty vTLB. The partition header's ramSize and nodeCount must be set. `spts` overrides the pool's size (tests). */
export const initVtlb = (views: Views, spts?: number): void => {
  const { i32, u32 } = views;
  const ramSize = u32[PartitionLayout.at.ramSize >>> 2];
  const nodes = Math.min(MAX_NODES, Math.max(1, u32[PartitionLayout.at.nodeCount >>> 2]));
  const count = Math.min(SPTS_MAX, spts ?? sptsFor(ramSize));
  i32.fill(0, PartitionMap.VTLB >>> 2, SAS_TABLE >>> 2);
  for (let sas = 0; sas < SAS_MAX; sas++) {
    i32.fill(0, sasAt(sas) >>> 2, sasAt(sas + 1) >>> 2);
    i32[(sasAt(sas) + Sas.users) >>> 2] = -1;
  }
  for (const at of [gptIndexAt, mappingsAt, trackAt]) i32.fill(0, at(0) >>> 2, at(ramSize >>> 12) >>> 2);
  u32[vtlbWord('sptCount') >>> 2] = count;
  u32[vtlbWord('clockHand') >>> 2] = 1;
  i32[vtlbWord('lockMode') >>> 2] = LockMode.GENERATION;
  // SPTs 1 .. count - 1, dealt to the nodes in equal runs.
  for (let spt = count - 1; spt > 0; spt--) {
    const node = Math.floor(((spt - 1) * nodes) / (count - 1));
    const h = sptHeaderAt(spt) >>> 2;
    i32.fill(0, h, h + 16);
    i32[h + (Spt.state >> 2)] = SptState.FREE;
    u32[h + (Spt.node >> 2)] = node;
    i32[h + (Spt.next >> 2)] = i32[freeTopAt(node) >>> 2];
    i32[freeTopAt(node) >>> 2] = spt;
    i32[freeCountAt(node) >>> 2]++;
  }
  if (spts !== undefined) for (let spt = 1; spt < count; spt++) poison(views, spt);
};
