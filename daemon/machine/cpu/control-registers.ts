// The legality rules of CR0, CR3, CR4 and EFER, and what a legal write changes in the VP: pure functions for the CR and MSR intercepts.
// Why apart: a wrong order of mode bits must fault exactly as on the processor (SDM 3A 2.5, 4.1.2, 4.4.1, 10.8.5).
import { Access, Cr0, Cr4, Efer, PHYSICAL_ADDRESS_BITS, SystemType } from '../../../shared/abi/registers.js';
import type { FeatureSet } from '../../../shared/cpu/feature-set.js';
import type { FeatureName } from '../../../shared/cpu/features.js';
import { PartitionHeader, PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import { type VpBlock, VpLayout } from '../../../shared/layout/vp.js';
import { is64BitCode, isLongMode } from './mode.js';

const CR0_WRITABLE = Cr0.PE | Cr0.MP | Cr0.EM | Cr0.TS | Cr0.NE | Cr0.WP | Cr0.AM | Cr0.NW | Cr0.CD | Cr0.PG;
/** Which feature makes a bit of CR4 or EFER writable; any other bit is reserved (SDM 3A 2.5, 2.2.1). */
const CR4_FEATURES: readonly (readonly [number, FeatureName])[] = [
  [Cr4.VME | Cr4.PVI, 'vme'],
  [Cr4.TSD, 'tsc'],
  [Cr4.DE, 'de'],
  [Cr4.PSE, 'pse'],
  [Cr4.PAE, 'pae'],
  [Cr4.MCE, 'mce'],
  [Cr4.PGE, 'pge'],
  [Cr4.PCE, 'rdpmc'],
  [Cr4.OSFXSR, 'fxsr'],
  [Cr4.OSXMMEXCPT, 'sse'],
  // No 64-bit processor is without these two, and kernels set them without asking.
  [Cr4.OSFXSR | Cr4.OSXMMEXCPT, 'lm'],
  [Cr4.UMIP, 'umip'],
  [Cr4.FSGSBASE, 'fsgsbase'],
  [Cr4.PCIDE, 'pcid'],
  [Cr4.OSXSAVE, 'xsave'],
  [Cr4.SMEP, 'smep'],
  [Cr4.SMAP, 'smap'],
];
const EFER_FEATURES: readonly (readonly [number, FeatureName])[] = [
  [Efer.SCE, 'syscall'],
  [Efer.LME | Efer.LMA, 'lm'],
  [Efer.NXE, 'nx'],
];
const promised = (features: FeatureSet, bits: readonly (readonly [number, FeatureName])[]): number =>
  bits.reduce((mask, [bit, feature]) => (features.has(feature) ? mask | bit : mask), 0);
/** Bits that are not reserved on a processor with the features. */
export const cr4Supported = (features: FeatureSet): number => promised(features, CR4_FEATURES);
export const eferSupported = (features: FeatureSet): number => promised(features, EFER_FEATURES);

/** CR0 with PAE paging outside IA-32e mode keeps its four top entries in the processor (SDM 3A 4.4.1). */
export const usesPdptes = (cr0: number, cr4: number, efer: number): boolean =>
  (cr0 & Cr0.PG) !== 0 && (cr4 & Cr4.PAE) !== 0 && (efer & (Efer.LMA | Efer.LME)) === 0;

/** Whether CR0 may take the value; false is #GP(0). PDPTEs are checked apart, by `loadPdptes`. */
export const checkCr0 = (vp: VpBlock, next: number, high: number): boolean => {
  if (high !== 0) return false;
  const pg = (next & Cr0.PG) !== 0;
  if (pg && (next & Cr0.PE) === 0) return false;
  if ((next & Cr0.NW) !== 0 && (next & Cr0.CD) === 0) return false;
  const was = (vp.cr0 & Cr0.PG) !== 0;
  if (pg && !was && (vp.efer & Efer.LME) !== 0) {
    if ((vp.cr4 & Cr4.PAE) === 0 || (vp.csAccess & Access.L) !== 0) return false;
    // A 16-bit TSS has no meaning in IA-32e mode.
    if ((vp.trAccess & 0x1d) === SystemType.TSS16) return false;
  }
  return pg || !was || (!is64BitCode(vp) && (vp.cr4 & Cr4.PCIDE) === 0);
};
/** CR0 as it reads after the write: reserved bits stay 0, ET stays 1. */
export const cr0Value = (value: number): number => ((value & CR0_WRITABLE) | Cr0.ET) >>> 0;
/** Stores a checked CR0 and what follows from it: EFER.LMA = LME and PG. The caller has `modeChanged` run. */
export const applyCr0 = (vp: VpBlock, value: number): void => {
  vp.cr0 = cr0Value(value);
  vp.efer = (vp.cr0 & Cr0.PG) !== 0 && (vp.efer & Efer.LME) !== 0 ? vp.efer | Efer.LMA : vp.efer & ~Efer.LMA;
};

/** Upper half of CR3 as it is to be kept: with PCIDs, bit 63 only says that nothing need be flushed (SDM 3A 4.10.4.1). */
export const cr3High = (vp: VpBlock, high: number): number => ((vp.cr4 & Cr4.PCIDE) !== 0 ? high & 0x7fff_ffff : high);
/** CR3: bits beyond the physical address width are reserved; outside 64-bit mode the register is 32 bits wide. `high`: see cr3High. */
export const checkCr3 = (high: number): boolean => high >>> (PHYSICAL_ADDRESS_BITS - 32) === 0;

/** Whether CR4 may take the value. `supported`: see cr4Supported. */
export const checkCr4 = (vp: VpBlock, next: number, high: number, supported: number): boolean => {
  if (high !== 0) return false;
  if ((next & ~supported) !== 0) return false;
  const changed = next ^ vp.cr4;
  if (isLongMode(vp) && ((next & Cr4.PAE) === 0 || (changed & Cr4.LA57) !== 0)) return false;
  return (changed & next & Cr4.PCIDE) === 0 || (isLongMode(vp) && (vp.cr3Lo & 0xfff) === 0);
};
export const applyCr4 = (vp: VpBlock, value: number): void => {
  vp.cr4 = value;
};
/** Whether a change of CR4 loads the PDPTEs anew (SDM 3A 4.4.1). */
export const cr4ReloadsPdptes = (changed: number): boolean => (changed & (Cr4.PAE | Cr4.PGE | Cr4.PSE | Cr4.SMEP)) !== 0;
/** Whether a change of CR0 does. */
export const cr0ReloadsPdptes = (changed: number): boolean => (changed & (Cr0.CD | Cr0.NW | Cr0.PG)) !== 0;

/** Whether IA32_EFER may be written: LME only changes with paging off. `supported`: see eferSupported. */
export const checkEfer = (vp: VpBlock, value: bigint, supported: number): boolean => {
  if (value >> 32n !== 0n) return false;
  const next = Number(value);
  if ((next & ~supported) !== 0) return false;
  return (vp.cr0 & Cr0.PG) === 0 || ((next ^ vp.efer) & Efer.LME) === 0;
};
/** LMA is read-only: writes of it are ignored. */
export const applyEfer = (vp: VpBlock, value: number): void => {
  vp.efer = (value & ~Efer.LMA) | (vp.efer & Efer.LMA);
};

const PDPTES = VpLayout.at.pdpte >>> 2;
/** Reserved bits of a present PDPTE: 2:1, 8:5, and everything above the physical address width. */
const PDPTE_RESERVED_LO = 0x1e6;
const PDPTE_RESERVED_HI = ~((1 << (PHYSICAL_ADDRESS_BITS - 32)) - 1);

/** Loads the four PDPTEs of PAE paging from guest memory; false (#GP, nothing loaded) when a present one has a reserved bit or lies outside RAM. */
export const loadPdptes = (p: { readonly views: Views; readonly vp: VpBlock }, cr3: number): boolean => {
  const { u32 } = p.views;
  const header = new PartitionHeader(p.views, PartitionMap.HEADER);
  const gpa = (cr3 & (header.a20Closed === 0 ? -32 : ~0x10_001f)) >>> 0;
  if (gpa + 32 > header.ramSize) return false;
  const from = (PartitionMap.RAM + gpa) >>> 2;
  for (let i = 0; i < 8; i += 2) {
    if ((u32[from + i] & 1) !== 0 && ((u32[from + i] & PDPTE_RESERVED_LO) !== 0 || (u32[from + i + 1] & PDPTE_RESERVED_HI) !== 0))
      return false;
  }
  const to = (p.vp.base >>> 2) + PDPTES;
  for (let i = 0; i < 8; i++) u32[to + i] = u32[from + i];
  return true;
};
