// PUSHA, POPA and ENTER: several stack accesses, one commit (SDM 2B PUSHA, POPA; SDM 2A ENTER).
import { Slot } from '../../../shared/layout/vp.js';
import { sysWidth } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import { is64BitCode } from './mode.js';
import { invalidOpcode } from './raise.js';
import { readRegister, slotBig, slotLo, slotNumber, writeRegister } from './slots.js';
import { offsetStack, peek, push, setStackPointer, stackAddress, stackPointer, stackWidth, writeValue } from './stack.js';
import { moveElement } from './string-operands.js';

export const pushAll = (p: Processor, d: number): number => {
  const vp = p.vp;
  if (is64BitCode(vp)) invalidOpcode(p);
  let sp = stackPointer(vp);
  for (let register = 0; register < 8; register++) sp = push(p, sp, sysWidth(d), readRegister(vp, register, sysWidth(d)));
  setStackPointer(vp, sp);
  return 0;
};

export const popAll = (p: Processor, d: number): number => {
  const vp = p.vp;
  if (is64BitCode(vp)) invalidOpcode(p);
  const width = sysWidth(d);
  const sp = stackPointer(vp);
  // All are read before a register changes, upwards: CR2 of a page fault names the first one that cannot be read.
  for (let i = 0; i < 8; i++) peek(p, sp, width, i);
  for (let i = 0; i < 8; i++) if (i !== 3) writeRegister(vp, 7 - i, width, peek(p, sp, width, i));
  setStackPointer(vp, offsetStack(vp, sp, 8 << width));
  return 0;
};

/** ENTER size, level: copies the display of outer frames, then makes room. */
export const enter = (p: Processor, d: number): number => {
  const vp = p.vp;
  const width = sysWidth(d);
  const size = slotLo(vp, Slot.ARG1) & 0xffff;
  const level = slotLo(vp, Slot.ARG2) & 31;
  let sp = offsetStack(vp, stackPointer(vp), -(1 << width));
  const first = stackAddress(p, sp, 1 << width, true);
  if (width === 3) p.memory.write64(first, slotBig(vp, Slot.RBP));
  else writeValue(p, first, width, readRegister(vp, Slot.RBP, width));
  const stack = stackWidth(vp);
  // A 32-bit frame pointer on a 16-bit stack has the upper half of ESP.
  const frame = stack === 1 ? ((slotLo(vp, Slot.RSP) & 0xffff_0000) | sp) >>> 0 : sp;
  if (level > 0) {
    const bp = stack === 3 ? slotNumber(vp, Slot.RBP) : readRegister(vp, Slot.RBP, stack);
    for (let i = 1; i < level; i++) {
      const at = offsetStack(vp, bp, -(i << width));
      const from = stackAddress(p, at, 1 << width, false);
      sp = offsetStack(vp, sp, -(1 << width));
      moveElement(p, from, stackAddress(p, sp, 1 << width, true), width);
    }
    sp = push(p, sp, width, frame);
  }
  sp = offsetStack(vp, sp, -size);
  // ENTER faults if the stack below the new frame could not be written.
  p.memory.probeWrite(stackAddress(p, sp, 1 << width, true), 1 << width);
  setStackPointer(vp, sp);
  writeRegister(vp, Slot.RBP, width, frame);
  return 0;
};
