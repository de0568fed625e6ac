// The guest's own page-table entry behind a shadow entry, and whether the two still say the same (I1 of the vTLB: absent, stale or equal).
// Why here again and not with the fill's walk: that one sets A and D and may fault; this one only looks, while the guest runs.
import { PTE_XD_HIGH, Pte } from '../../../shared/layout/paging.js';
import { PartitionLayout, PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { PagingMode, Role, Sas, Spt, sasAt, sptHeaderAt, sptOfEntry, vtlbWord } from '../../../shared/layout/vtlb.js';
import type { SpteInspect } from '../../../shared/protocol/messages.js';
import { frameSeenAt } from './seen-frame.js';

/** Halves of an entry; `wide` is false for 4-byte entries. */
export interface GuestEntry {
  readonly low: number;
  readonly high: number;
  readonly wide: boolean;
}

/** The guest's entry that entry `index` of an SPT was made from; of a large page, its part. Null: there is none (paging off, levels that the paging mode has not, no RAM). */
export const guestEntryOf = (views: Views, spt: number, level: number, sas: number, index: number): GuestEntry | null => {
  const { i32, u32 } = views;
  const h = sptHeaderAt(spt) >>> 2;
  const space = sasAt(sas) >>> 2;
  const role = level === 4 ? u32[space + (Sas.role >> 2)]! : u32[h + (Spt.role >> 2)]!;
  const mode = (role & Role.MODE) >>> Role.MODE_SHIFT;
  if (mode === PagingMode.NONE) return null;
  if ((role & Role.DIRECT) !== 0) return partOfLarge(views, spt, level, sas, index);
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

/** Of the entry above the direct tables: as it is if it names no large page any more, for then nothing below it is the same. */
const partOfLarge = (views: Views, spt: number, level: number, sas: number, index: number): GuestEntry | null => {
  const at = views.u32[(sptHeaderAt(spt) + Spt.parent) >>> 2]!;
  const above = sptOfEntry(at);
  if (at === 0 || above < 1 || above >= views.u32[vtlbWord('sptCount') >>> 2]! || level > 3) return null;
  const slot = (at & 0xff8) >>> 3;
  const entry = guestEntryOf(views, above, level + 1, sas, slot);
  if (entry === null || (entry.low & (Pte.P | Pte.PS)) !== (Pte.P | Pte.PS)) return entry;
  // Frames that an entry of the table above stands for, and of those which this is; a 4 MiB page has two tables.
  const frames = entry.wide ? 512 ** level : 1024;
  const part = index * 512 ** (level - 1) + (entry.wide ? 0 : (slot & 1) * 512);
  return { ...entry, low: ((((entry.low >>> 12) & -frames) + part) << 12) | (entry.low & 0xfff) };
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
  if ((low >>> 12) - (PartitionMap.RAM >>> 12) !== frameSeenAt(views, (guest.wide ? (guest.high & 0xf_ffff) * 2 ** 20 : 0) + guestFrame))
    return 'other';
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
