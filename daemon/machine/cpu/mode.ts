// Which mode the processor is in, as predicates over the VP block.
// References: SDM 3A 2.2 (modes), 3.4.5 (CS.L), 10.8.5 (IA-32e), SDM 3B 20.2 (virtual-8086).
import { Access, Cr0, Efer, Rflags } from '../../../shared/abi/registers.js';
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';
import { slotLo } from './slots.js';

export const isProtectedMode = (vp: VpBlock): boolean => (vp.cr0 & Cr0.PE) !== 0;
/** IA-32e mode: 64-bit or compatibility. */
export const isLongMode = (vp: VpBlock): boolean => (vp.efer & Efer.LMA) !== 0;
export const is64BitCode = (vp: VpBlock): boolean => (vp.efer & Efer.LMA) !== 0 && (vp.csAccess & Access.L) !== 0;
export const isVm86 = (vp: VpBlock): boolean => (slotLo(vp, Slot.FLAG_SYSTEM) & Rflags.VM) !== 0;
/** Real or virtual-8086 mode: selectors are paragraph numbers. */
export const hasRealSegments = (vp: VpBlock): boolean => !isProtectedMode(vp) || isVm86(vp);
/** Accesses of the program must be aligned (SDM 3A 2.5, CR0.AM). */
export const checksAlignment = (vp: VpBlock): boolean =>
  vp.cpl === 3 && (vp.cr0 & Cr0.AM) !== 0 && (slotLo(vp, Slot.FLAG_SYSTEM) & Rflags.AC) !== 0;
