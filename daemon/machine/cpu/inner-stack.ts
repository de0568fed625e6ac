// The stack of a more privileged level, taken from the TSS: pointers, checks, pushes before anything is committed.
// Why apart: interrupt gates and call gates switch stacks the same way (SDM 3A 5.8.5, 6.12.1, 7.2).
import { Vector } from '../../../shared/abi/exceptions.js';
import { Access } from '../../../shared/abi/registers.js';
import { Slot } from '../../../shared/layout/vp.js';
import type { Width } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import { baseFrom, descriptorHi, descriptorLo, limitFrom, table16, table32, table64Number } from './descriptor.js';
import { raiseSelector } from './raise.js';
import { isCanonical, Segment } from './segment.js';
import { checkStackSegment, loadHidden } from './segment-load.js';
import { setSlot16, setSlot32 } from './slots.js';
import { writeValue } from './stack.js';

const B_FLAG = 0x40_0000;

/** Linear address of bytes in the current TSS; #TS(TR) when the limit is too small or there is no TSS. */
const tssField = (p: Processor, offset: number, bytes: number, ext: number): number => {
  const vp = p.vp;
  if ((vp.trAccess & (Access.UNUSABLE | Access.P)) !== Access.P || offset + bytes - 1 > vp.trLimit)
    raiseSelector(p, Vector.TS, vp.trSelector, ext);
  return vp.trBaseNum + offset;
};

/** RSP0..RSP2 of a 64-bit TSS (SDM 3A figure 7-11). */
export const innerStackPointer64 = (p: Processor, level: number, ext: number): number =>
  table64Number(p, tssField(p, 4 + level * 8, 8, ext));
/** Stack of the interrupt stack table, `index` 1..7. */
export const interruptStackPointer = (p: Processor, index: number, ext: number): number =>
  table64Number(p, tssField(p, 0x1c + index * 8, 8, ext));
/** #SS(ext) unless the stack pointer is canonical. */
export const requireCanonicalStack = (p: Processor, rsp: number, ext: number): void => {
  if (!isCanonical(rsp)) raiseSelector(p, Vector.SS, 0, ext);
};

/** A 16/32-bit stack about to be switched to. Nothing of the VP changes before `commit`. */
export class InnerStack {
  readonly #p: Processor;
  readonly #ext: number;
  readonly #selector: number;
  readonly #address: number;
  readonly #hi: number;
  readonly #base: number;
  readonly #limit: number;
  #sp: number;

  /** Reads and checks SS:ESP for `level` from the TSS in TR: #TS, #SS as SDM 3A 6.12.1 orders them. */
  constructor(p: Processor, level: number, ext: number) {
    this.#p = p;
    this.#ext = ext;
    const wide = (p.vp.trAccess & 8) !== 0;
    const at = wide ? tssField(p, 4 + level * 8, 6, ext) : tssField(p, 2 + level * 4, 4, ext);
    const pointer = wide ? table32(p, at) : table16(p, at);
    this.#selector = table16(p, at + (wide ? 4 : 2));
    this.#address = checkStackSegment(p, this.#selector, level, Vector.TS, ext);
    this.#hi = descriptorHi(p, this.#address);
    const lo = descriptorLo(p, this.#address);
    this.#base = baseFrom(lo, this.#hi);
    this.#limit = limitFrom(lo, this.#hi);
    this.#sp = (this.#hi & B_FLAG) !== 0 ? pointer : pointer & 0xffff;
  }

  /** Pushes with the privileges in force; #SS(selector) when the stack has no room. */
  push(width: Width, value: number): void {
    const wide = (this.#hi & B_FLAG) !== 0;
    const at = wide ? (this.#sp - (1 << width)) >>> 0 : (this.#sp - (1 << width)) & 0xffff;
    const last = at + (1 << width) - 1;
    const expandDown = (this.#hi & 0x400) !== 0;
    const inside = expandDown ? at > this.#limit && last <= (wide ? 0xffff_ffff : 0xffff) : last <= this.#limit;
    if (!inside) raiseSelector(this.#p, Vector.SS, this.#selector, this.#ext);
    writeValue(this.#p, (this.#base + at) >>> 0, width, value);
    this.#sp = at;
  }

  /** Makes it the current stack. The caller has set CPL and has `modeChanged` run. */
  commit(): void {
    const vp = this.#p.vp;
    loadHidden(this.#p, Segment.SS, this.#selector, this.#address, this.#hi);
    if ((this.#hi & B_FLAG) !== 0) setSlot32(vp, Slot.RSP, this.#sp);
    else setSlot16(vp, Slot.RSP, this.#sp);
  }
}
