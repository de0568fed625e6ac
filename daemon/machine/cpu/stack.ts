// The current stack: pushes and pops with a stack pointer held by the caller until the whole instruction has succeeded.
// Why: an instruction that faults half-way must leave RSP as it was (SDM 3A 6.5); helpers commit the pointer last.
import { Vector } from '../../../shared/abi/exceptions.js';
import { Access } from '../../../shared/abi/registers.js';
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';
import type { Width } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import { is64BitCode } from './mode.js';
import { raise } from './raise.js';
import { isCanonical, Segment } from './segment.js';
import { segmentCheck } from './segment-check.js';
import { setSlot16, setSlot32, setSlotNumber, slotLo, slotNumber } from './slots.js';

/** Width of the stack pointer: 64-bit mode, else SS.B. */
export const stackWidth = (vp: VpBlock): Width => (is64BitCode(vp) ? 3 : (vp.ssAccess & Access.DB) !== 0 ? 2 : 1);

/** The stack pointer as an offset in SS. */
export const stackPointer = (vp: VpBlock): number => {
  const width = stackWidth(vp);
  return width === 3 ? slotNumber(vp, Slot.RSP) : width === 2 ? slotLo(vp, Slot.RSP) : slotLo(vp, Slot.RSP) & 0xffff;
};
/** Commits a stack pointer of the given width: a 16-bit one leaves the rest of ESP. */
export const setStackPointer = (vp: VpBlock, sp: number, width: Width = stackWidth(vp)): void => {
  if (width === 3) setSlotNumber(vp, Slot.RSP, sp);
  else if (width === 2) setSlot32(vp, Slot.RSP, sp);
  else setSlot16(vp, Slot.RSP, sp);
};
/** sp + delta, wrapped to the stack's width. */
export const offsetStack = (vp: VpBlock, sp: number, delta: number): number => {
  const width = stackWidth(vp);
  return width === 3 ? sp + delta : width === 2 ? (sp + delta) >>> 0 : (sp + delta) & 0xffff;
};

/** Linear address of bytes on the stack, checked: #SS(0) outside the segment or for a non-canonical address. */
export const stackAddress = (p: Processor, sp: number, bytes: number, write: boolean): number => {
  const vp = p.vp;
  if (is64BitCode(vp)) {
    if (!isCanonical(sp)) raise(p, Vector.SS, 0);
    return sp;
  }
  segmentCheck(p, Segment.SS, sp, bytes, write);
  return (slotLo(vp, Slot.SS_BASE) + sp) >>> 0;
};

/** Writes a value of the width (1: 16, 2: 32, 3: 64 bits) at a linear address. */
export const writeValue = (p: Processor, address: number, width: Width, value: number): void => {
  if (width === 3) p.memory.write64Number(address, value);
  else if (width === 2) p.memory.write32(address, value);
  else if (width === 1) p.memory.write16(address, value);
  else p.memory.write8(address, value);
};
/** Reads a value: unsigned below 64 bits, a signed number at 64. */
export const readValue = (p: Processor, address: number, width: Width): number =>
  width === 3
    ? p.memory.read64Number(address)
    : width === 2
      ? p.memory.read32(address)
      : width === 1
        ? p.memory.read16(address)
        : p.memory.read8(address);

/** Pushes at `sp`; returns the new stack pointer, not yet committed. */
export const push = (p: Processor, sp: number, width: Width, value: number): number => {
  const at = offsetStack(p.vp, sp, -(1 << width));
  writeValue(p, stackAddress(p, at, 1 << width, true), width, value);
  return at;
};
/**
 * Host address of the `bytes` below `sp`, where values of 32 bits are about to be pushed from the top down, if all pushes will succeed, aligned, in one page of
 * ordinary memory; -1: push one by one. Throws the page fault of the first push.
 */
export const frameBelow = (p: Processor, sp: number, bytes: number): number => {
  const vp = p.vp;
  const at = sp - bytes;
  if (stackWidth(vp) !== 2 || at < 0 || sp - 1 > slotNumber(vp, Slot.WRITE_LIMIT + Segment.SS)) return -1;
  const linear = (slotLo(vp, Slot.SS_BASE) + at) >>> 0;
  if ((linear & 3) !== 0 || (linear & 4095) + bytes > 4096) return -1;
  const top = p.memory.hostWrite(linear + bytes - 4);
  return top < 0 ? -1 : top - (bytes - 4);
};
/** As `frameBelow` for the `bytes` from `sp` on, about to be read from the bottom up. */
export const frameAbove = (p: Processor, sp: number, bytes: number): number => {
  const vp = p.vp;
  if (stackWidth(vp) !== 2 || sp + bytes - 1 > slotNumber(vp, Slot.READ_LIMIT + Segment.SS)) return -1;
  const linear = (slotLo(vp, Slot.SS_BASE) + sp) >>> 0;
  if ((linear & 3) !== 0 || (linear & 4095) + bytes > 4096) return -1;
  return p.memory.hostRead(linear);
};
/** Low 16 bits of the `index`-th value: selectors, exact whatever stands above them. All bytes must be readable. */
export const peekSelector = (p: Processor, sp: number, width: Width, index: number): number =>
  p.memory.read16(stackAddress(p, offsetStack(p.vp, sp, index << width), 1 << width, false));
/** Low 32 bits (16 of a 16-bit one) of the `index`-th value: flags. */
export const peekFlags = (p: Processor, sp: number, width: Width, index: number): number => {
  const at = stackAddress(p, offsetStack(p.vp, sp, index << width), 1 << width, false);
  return width === 1 ? p.memory.read16(at) : p.memory.read32(at);
};
/** Reads the `index`-th value of the width above `sp`. */
export const peek = (p: Processor, sp: number, width: Width, index: number): number => {
  const at = offsetStack(p.vp, sp, index << width);
  return readValue(p, stackAddress(p, at, 1 << width, false), width);
};
