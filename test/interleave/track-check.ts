// Invariants of write tracking at rest: what is known as a page table that nobody can write unseen is one, and what was made from it is what it says.
// Why apart from the structure check: these hold for entries and hardware TLBs, whatever the trees look like.
import type { LpMmu } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import {
  LpContextLayout,
  TLB_BANK_SIZE,
  TLB_ENTRIES,
  TLB_ENTRY_SIZE,
  TLB_MODE_SIZE,
  TLB_MODES,
  TlbEntry,
  TlbFlag,
} from '../../shared/layout/lp-context.js';
import { Pte } from '../../shared/layout/paging.js';
import { lpContextAt, PartitionMap } from '../../shared/layout/partition.js';
import {
  Role,
  SAS_MAX,
  Sas,
  Spt,
  SptState,
  sasAt,
  sptHeaderAt,
  sptPageAt,
  TrackState,
  trackAt,
  trackStateOf,
  vtlbWord,
} from '../../shared/layout/vtlb.js';
import type { SmallMachine } from './small-machine.js';

/** What is wrong, or null. `lps`: those whose hardware TLBs are looked into, in the bank in use; they owe no flush. */
export const checkTracking = (
  { partition: { i32, u32 }, pages }: SmallMachine,
  lps: readonly (readonly [number, LpMmu])[],
): string | null => {
  const state = (gfn: number): number => i32[trackAt(gfn) >>> 2];
  for (let gfn = 0; gfn < pages; gfn++) if (trackStateOf(state(gfn)) === TrackState.CLOSING) return `page ${gfn} is still closing`;
  const count = u32[vtlbWord('sptCount') >>> 2];
  for (let spt = 1; spt < count; spt++) {
    const h = sptHeaderAt(spt) >>> 2;
    if (i32[h + (Spt.state >> 2)] !== SptState.LIVE) continue;
    const role = i32[h + (Spt.role >> 2)];
    const sas = u32[h + (Spt.sas >> 2)];
    if (i32[h + (Spt.stale >> 2)] !== 0 && sas < SAS_MAX && i32[(sasAt(sas) + Sas.stale) >>> 2] === 0)
      return `SPT ${spt} is stale and its SAS is not`;
    if ((role & Role.LEVEL) !== 1) continue;
    for (let i = 0; i < 512; i++) {
      const entry = i32[(sptPageAt(spt) >>> 2) + i * 2];
      if ((entry & (Pte.P | Pte.W)) !== (Pte.P | Pte.W)) continue;
      const gfn = (((entry & -4096) >>> 0) - PartitionMap.RAM) >>> 12;
      if (state(gfn) === TrackState.TRACKED) return `entry ${i} of SPT ${spt} lets page ${gfn} be written, which is TRACKED`;
    }
  }
  for (const [lp, { tlb }] of lps)
    for (let mode = 0; mode < TLB_MODES; mode++)
      for (let n = 0; n < TLB_ENTRIES; n++) {
        const at = (lpContextAt(lp) + LpContextLayout.at.tlbs + tlb.bank * TLB_BANK_SIZE + mode * TLB_MODE_SIZE + n * TLB_ENTRY_SIZE) >>> 2;
        const gfn = u32[at + (TlbEntry.GFN >> 2)];
        const watched = i32[at + (TlbEntry.READ_TAG >> 2)] !== -1 && (i32[at + (TlbEntry.FLAGS >> 2)] & TlbFlag.WATCHED) !== 0;
        if ((watched || i32[at + (TlbEntry.WRITE_TAG >> 2)] !== -1) && state(gfn) === TrackState.TRACKED)
          return `LP ${lp} may write page ${gfn}, which is TRACKED`;
      }
  return null;
};
