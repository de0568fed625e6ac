// Virtual interrupts: programs of virtual-8086 mode (CR4.VME) and of level 3 (CR4.PVI) whose IOPL keeps IF from them have VIF in its place, and virtual-8086 programs take
// those software interrupts by their own vector table at 0 that the task's redirection bitmap gives them.
// Why apart: what each instruction does of it is one table. References: SDM 3B 20.3 (tables 20-1, 20-2), 20.4; SDM 2A CLI, INT n, IRET, 2B POPF, PUSHF, STI.
import { Access, Cr4, Rflags } from '../../../shared/abi/registers.js';
import type { VpBlock } from '../../../shared/layout/vp.js';
import type { Processor } from '../processor.js';
import { table16, table32 } from './descriptor.js';
import { enterRealCode } from './far-transfer.js';
import { ioplOf, rflags, setSystemFlags, systemFlags } from './flags.js';
import { isVm86 } from './mode.js';
import { generalProtection } from './raise.js';
import { Segment, selectorOf } from './segment.js';
import { push, setStackPointer, stackPointer } from './stack.js';

/** Offset of the bitmaps' offset in 32-bit task state segments, and what the redirection bitmap takes below that of ports. */
const IO_MAP_BASE = 102;
const REDIRECTION_BYTES = 32;

/** Virtual-8086 code that does not own IF. Without VME, and with operands of 32 bits, it is #GP(0) where it would have to. */
export const isDeniedVm86 = (vp: VpBlock): boolean => isVm86(vp) && ioplOf(vp) < 3;
/** PUSHF, POPF and IRET there, of operands of 1 << `width` bytes: #GP(0), or the program has VIF. */
export const requireVirtualIf = (p: Processor, width: number): void => {
  if ((p.vp.cr4 & Cr4.VME) === 0 || width !== 1) generalProtection(p);
};
/** Whether CLI and STI, which may not touch IF, are of VIF. */
export const hasVirtualIf = (vp: VpBlock): boolean => vp.cpl === 3 && ioplOf(vp) < 3 && (vp.cr4 & (isVm86(vp) ? Cr4.VME : Cr4.PVI)) !== 0;

/** RFLAGS as PUSHF and INT n show them to a program that has VIF: IF is VIF, IOPL is 3. */
export const virtualImage = (flags: number): number => (flags & ~Rflags.IF) | Rflags.IOPL | ((flags & Rflags.VIF) !== 0 ? Rflags.IF : 0);
/** RFLAGS with VIF from an image that POPF or IRET has read. #GP(0): interrupts would be open that wait (VIP), or steps be made. */
export const withVirtualIf = (p: Processor, flags: number, image: number): number => {
  const opens = (image & Rflags.IF) !== 0;
  if ((image & Rflags.TF) !== 0 || (opens && (flags & Rflags.VIP) !== 0)) generalProtection(p);
  return opens ? flags | Rflags.VIF : flags & ~Rflags.VIF;
};

/** CLI and STI with `hasVirtualIf`. */
export const clearVirtualIf = (vp: VpBlock): void => setSystemFlags(vp, systemFlags(vp) & ~Rflags.VIF);
export const setVirtualIf = (p: Processor): void => {
  const flags = systemFlags(p.vp);
  if ((flags & Rflags.VIP) !== 0) generalProtection(p);
  setSystemFlags(p.vp, flags | Rflags.VIF);
};

/** Whether the task gives the software interrupt to its virtual-8086 program. Asked only with VME. */
const isRedirected = (p: Processor, vector: number): boolean => {
  const { vp } = p;
  if ((vp.trAccess & (Access.UNUSABLE | Access.P | 0x1d)) !== (Access.P | 9) || vp.trLimit < IO_MAP_BASE + 1) generalProtection(p);
  const at = table16(p, vp.trBaseNum + IO_MAP_BASE) - REDIRECTION_BYTES + (vector >>> 3);
  if (at < 0 || at + 1 > vp.trLimit) generalProtection(p);
  return ((table16(p, vp.trBaseNum + at) >>> (vector & 7)) & 1) === 0;
};

/** INT n of virtual-8086 code: true when the program's own handler has been entered (methods 5 and 6 of table 20-2). #GP(0) is for the monitor. */
export const redirectInterrupt = (p: Processor, vector: number, next: number): boolean => {
  const { vp } = p;
  const denied = ioplOf(vp) < 3;
  if ((vp.cr4 & Cr4.VME) === 0 || !isRedirected(p, vector)) {
    if (denied) generalProtection(p);
    return false;
  }
  const flags = rflags(vp);
  const entry = table32(p, vector * 4);
  let sp = push(p, stackPointer(vp), 1, denied ? virtualImage(flags) : flags);
  sp = push(p, sp, 1, selectorOf(vp, Segment.CS));
  sp = push(p, sp, 1, next);
  setStackPointer(vp, sp);
  setSystemFlags(vp, systemFlags(vp) & ~(Rflags.TF | Rflags.RF | (denied ? Rflags.VIF : Rflags.IF)));
  enterRealCode(p, entry >>> 16, entry & 0xffff);
  p.debug.stepTrap = false;
  return true;
};
