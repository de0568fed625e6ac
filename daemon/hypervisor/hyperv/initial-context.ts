// HV_INITIAL_VP_CONTEXT (TLFS 7.9): the registers that a VP is started with. Checked as a whole by the VP that asks, applied by the LP that runs the VP which starts.
//
//   +0 rip  +8 rsp  +16 rflags  +24 cs  +40 ds  +56 es  +72 fs  +88 gs  +104 ss  +120 tr  +136 ldtr  +152 idtr  +168 gdtr  +184 efer  +192 cr0  +200 cr3  +208 cr4  +216 pat
//   segment, 16 bytes: +0 u64 base   +8 u32 limit   +12 u16 selector   +14 u16 access rights (type 3..0, S 4, DPL 6..5, P 7, AVL 12, L 13, D 14, G 15)
//   table, 16 bytes:   +6 u16 limit   +8 u64 base
import { Access, Cr0, Cr4, Efer, PHYSICAL_ADDRESS_BITS, Rflags } from '../../../shared/abi/registers.js';
import type { FeatureSet } from '../../../shared/cpu/feature-set.js';
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';
import { initRegisters } from '../../../shared/layout/vp-reset.js';
import { cr0Value, cr4Supported, eferSupported, loadPdptes, usesPdptes } from '../../machine/cpu/control-registers.js';
import { setRflags } from '../../machine/cpu/flags.js';
import { Segment, setSegment } from '../../machine/cpu/segment.js';
import { isPat } from '../msr/memory-types.js';
import { isCanonical } from '../msr/register.js';

const At = { RIP: 0, RSP: 8, RFLAGS: 16, IDTR: 152, GDTR: 168, EFER: 184, CR0: 192, CR3: 200, CR4: 208, PAT: 216 } as const;
const SEGMENTS = [
  [Segment.CS, 24],
  [Segment.DS, 40],
  [Segment.ES, 56],
  [Segment.FS, 72],
  [Segment.GS, 88],
  [Segment.SS, 104],
  [Segment.TR, 120],
  [Segment.LDTR, 136],
] as const;
const PLACE = Object.fromEntries(SEGMENTS) as Record<number, number>;
const RESERVED_ACCESS = 0xf00;
const RFLAGS_RESERVED = ~0x3f_7fd7n & 0xffff_ffff_ffff_ffffn;

const access = (context: DataView, segment: number): number => {
  const rights = context.getUint16(PLACE[segment] + 14, true) & ~RESERVED_ACCESS;
  return (rights & Access.P) === 0 ? rights | Access.UNUSABLE : rights;
};
const dpl = (rights: number): number => (rights & Access.DPL) >>> 5;

/** Whether a processor with the features can be in the state. */
export const isPossible = (context: DataView, features: FeatureSet): boolean => {
  const word = (at: number): bigint => context.getBigUint64(at, true);
  const narrow = (at: number): boolean => word(at) >> 32n === 0n;
  if (!narrow(At.CR0) || !narrow(At.CR4) || !narrow(At.EFER)) return false;
  const [cr0, cr4, efer] = [At.CR0, At.CR4, At.EFER].map((at) => context.getUint32(at, true));
  if ((cr4 & ~cr4Supported(features)) !== 0 || (efer & ~eferSupported(features)) !== 0) return false;
  const paging = (cr0 & Cr0.PG) !== 0;
  const long = paging && (efer & Efer.LME) !== 0;
  if (paging && (cr0 & Cr0.PE) === 0) return false;
  if ((cr0 & Cr0.NW) !== 0 && (cr0 & Cr0.CD) === 0) return false;
  if (((efer & Efer.LMA) !== 0) !== long || (long && (cr4 & Cr4.PAE) === 0)) return false;
  if ((cr4 & Cr4.PCIDE) !== 0 && !long) return false;
  if (word(At.CR3) >> BigInt(PHYSICAL_ADDRESS_BITS) !== 0n || (!long && !narrow(At.CR3))) return false;
  if ((word(At.RFLAGS) & (RFLAGS_RESERVED | BigInt(Rflags.VM))) !== 0n || !isPat(word(At.PAT))) return false;
  const cs = access(context, Segment.CS);
  const code64 = long && (cs & Access.L) !== 0;
  if ((cs & Access.L) !== 0 && !long) return false;
  if (code64 ? !isCanonical(word(At.RIP)) : !narrow(At.RIP)) return false;
  const protectedMode = (cr0 & Cr0.PE) !== 0;
  const levels = [cs, access(context, Segment.SS)].map(dpl);
  if (!protectedMode ? levels.some((level) => level !== 0) : levels[0] !== levels[1]) return false;
  return basesPossible(context, long);
};

/** Bases of tables, of FS, GS and the system segments are addresses of the mode; the others have 32 bits. */
const basesPossible = (context: DataView, long: boolean): boolean => {
  const base = (at: number): bigint => context.getBigUint64(at, true);
  const wide = [PLACE[Segment.FS], PLACE[Segment.GS], PLACE[Segment.TR], PLACE[Segment.LDTR], At.IDTR + 8, At.GDTR + 8];
  const narrow = [Segment.CS, Segment.DS, Segment.ES, Segment.SS].map((segment) => PLACE[segment]);
  return narrow.every((at) => base(at) >> 32n === 0n) && wide.every((at) => (long ? isCanonical(base(at)) : base(at) >> 32n === 0n));
};

/** Puts a VP that waits for its start into the state. Its own LP only; its address space and code mode are loaded anew afterwards. */
export const applyContext = (vp: VpBlock, context: DataView): void => {
  const word = (at: number): bigint => context.getBigUint64(at, true);
  const { u64 } = vp.views;
  const slots = vp.base >>> 3;
  initRegisters(vp);
  u64[slots + Slot.RIP] = word(At.RIP);
  u64[slots + Slot.RSP] = word(At.RSP);
  u64[slots + Slot.RDX] = 0n;
  setRflags(vp, context.getUint32(At.RFLAGS, true));
  vp.cr0 = cr0Value(context.getUint32(At.CR0, true));
  vp.cr4 = context.getUint32(At.CR4, true);
  vp.efer = context.getUint32(At.EFER, true);
  vp.cr3 = word(At.CR3);
  vp.pat = word(At.PAT);
  const selector = (at: number): number => context.getUint16(at + 12, true);
  const limit = (at: number): number => context.getUint32(at + 8, true);
  for (const [segment, at] of SEGMENTS)
    if (segment <= Segment.GS)
      setSegment(vp, segment, selector(at), Number(context.getBigInt64(at, true)), limit(at), access(context, segment));
  const [tr, ldtr] = [PLACE[Segment.TR], PLACE[Segment.LDTR]];
  Object.assign(vp, { trBase: word(tr), trSelector: selector(tr), trLimit: limit(tr), trAccess: access(context, Segment.TR) });
  Object.assign(vp, {
    ldtrBase: word(ldtr),
    ldtrSelector: selector(ldtr),
    ldtrLimit: limit(ldtr),
    ldtrAccess: access(context, Segment.LDTR),
  });
  vp.idtrBase = word(At.IDTR + 8);
  vp.idtrLimit = context.getUint16(At.IDTR + 6, true);
  vp.gdtrBase = word(At.GDTR + 8);
  vp.gdtrLimit = context.getUint16(At.GDTR + 6, true);
  vp.cpl = dpl(access(context, Segment.CS));
  if (usesPdptes(vp.cr0, vp.cr4, vp.efer)) loadPdptes({ views: vp.views, vp }, vp.cr3Lo);
};
