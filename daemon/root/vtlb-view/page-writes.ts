// What is known of writes to guest pages that hold page tables, in letters (US20080215848A1: states U, N, T and D).
import { PartitionLayout } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { TrackState, trackAt, trackStateOf } from '../../../shared/layout/vtlb.js';
import type { PageWrites } from '../../../shared/protocol/messages.js';

const WRITES = {
  [TrackState.NONE]: 'U',
  [TrackState.UNTRACKED]: 'N',
  [TrackState.TRACKED]: 'T',
  [TrackState.DIRTY]: 'D',
  [TrackState.CLOSING]: 'C',
} as const;
/** Null: no RAM. */
export const writesTo = (views: Views, gfn: number): PageWrites | null =>
  gfn < ramPages(views) ? (WRITES[trackStateOf(views.i32[trackAt(gfn) >>> 2]!) as keyof typeof WRITES] ?? 'U') : null;
const ramPages = (views: Views): number => views.u32[PartitionLayout.at.ramSize >>> 2]! >>> 12;

export const pagesByWrites = (views: Views): Record<Exclude<PageWrites, 'U'>, number> => {
  const pages = { N: 0, T: 0, D: 0, C: 0 };
  for (let gfn = 0; gfn < ramPages(views); gfn++) {
    const writes = writesTo(views, gfn);
    if (writes !== null && writes !== 'U') pages[writes]++;
  }
  return pages;
};
