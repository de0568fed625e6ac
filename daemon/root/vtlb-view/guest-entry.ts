// The guest's own page-table entry behind a shadow entry, and whether the two still say the same (I1 of the vTLB: absent, stale or equal).
// Why here again and not with the fill's walk: that one sets A and D and may fault; this one only looks, while the guest runs.
import { PTE_XD_HIGH, Pte } from '../../../shared/layout/paging.js';
import { PartitionLayout, PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { PagingMode, Role, Sas, Spt, sasAt, sptHeaderAt, sptOfEntry } from '../../../shared/layout/vtlb.js';
import type { SpteInspect } from '../../../shared/protocol/messages.js';

/** Halves of an entry; `wide` is false for 4-byte entries. */
export interface GuestEntry {
  readonly low: number;
  readonly high: number;
  readonly wide: boolean;
}

/** The guest's entry that entry `index` of an SPT was made from. Null: there is none (direct tables, paging off, levels that the paging mode has not, no RAM). */
export const guestEntryOf = (views: Views, spt: number, level: number, sas: number, index: number): GuestEntry | null => {
  const { i32, u32 } = views;
  const h = sptHeaderAt(spt) >>> 2;
  const space = sasAt(sas) >>> 2;
  const role = level === 4 ? u32[space + (Sas.role >> 2)]! : u32[h + (Spt.role >> 2)]!;
  const mode = (role & Role.MODE) >>> Role.MODE_SHIFT;
  if (mode === PagingMode.NONE || (role & Role.DIRECT) !== 0) return null;
  const quadrant = (role >>> Role.QUADRANT_SHIFT) & 3;
  if (mode === PagingMode.LEGACY) {
    if (level > 2) return null;
    const at = entryAt(views, u32[h + (Spt.gptGfn >> 2)]!, (level === 2 ? quadrant * 256 + (index >> 1) : quadrant * 512 + index) * 4);
    return at === 0 ? null : { low: i32[at >>> 2]!, high: 0, wide: false };
  }
  if (mode === PagingMode.PAE && level > 2) {
    if (level === 4 || index > 3) return null;
    const pdpte = space + (Sas.pdpte >> 2) + index * 2;
    return { low: i32[pdpte]!, high: i32[pdpte + 1]!, wide: true };
  }
  const cr3Frame = u32[space + (Sas.cr3Hi >> 2)]! * 0x10_0000 + (u32[space + (Sas.cr3Lo >> 2)]! >>> 12);
  const at = entryAt(views, level === 4 ? cr3Frame : u32[h + (Spt.gptGfn >> 2)]!, index * 8);
  return at === 0 ? null : { low: i32[at >>> 2]!, high: i32[(at >>> 2) + 1]!, wide: true };
};

const entryAt = (views: Views, gfn: number, offset: number): number =>
  gfn < views.u32[PartitionLayout.at.ramSize >>> 2]! >>> 12 ? PartitionMap.RAM + gfn * 4096 + offset : 0;

/** Compares a present shadow entry of an SPT of `level` with the guest's. */
export const verdictOf = (
  views: Views,
  level: number,
  role: number,
  low: number,
  high: number,
  guest: GuestEntry,
): SpteInspect['verdict'] => {
  if ((guest.low & Pte.P) === 0) return 'other';
  const guestFrame = guest.low >>> 12;
  if (level > 1) {
    const below = sptHeaderAt(sptOfEntry(low)) >>> 2;
    const direct = (views.u32[below + (Spt.role >> 2)]! & Role.DIRECT) !== 0;
    if (((guest.low & Pte.PS) !== 0 && level < 4) !== direct) return 'other';
    return direct || views.u32[below + (Spt.gptGfn >> 2)]! === guestFrame ? 'same' : 'other';
  }
  if ((low >>> 12) - (PartitionMap.RAM >>> 12) !== guestFrame) return 'other';
  const write = (low & Pte.W) !== 0;
  const user = (low & Pte.U) !== 0;
  const mayWrite = (guest.low & Pte.W) !== 0 && (role & Role.W) !== 0;
  const mayUser = (guest.low & Pte.U) !== 0 && (role & Role.U) !== 0;
  const mayFetch = (guest.high & PTE_XD_HIGH) === 0 && (role & Role.X) !== 0;
  const supervisorWrites = (role & Role.WP) === 0 && !user;
  if (write && !mayWrite && supervisorWrites) return mayUser ? 'lent' : 'same';
  if ((write && (!mayWrite || (guest.low & Pte.D) === 0)) || (user && !mayUser) || ((high & PTE_XD_HIGH) === 0 && !mayFetch))
    return 'other';
  return (mayWrite && !write) || (mayUser && !user) ? 'narrower' : 'same';
};
