// Hardware task switches between 16-bit and 32-bit TSSs: far JMP and CALL, task gates, IRET of a nested task.
// Why: 32-bit kernels take #DF on a task of its own, and test programs probe every step. References: SDM 3A 8.3 (steps), 8.2.1 (TSS layout).
import { Vector } from '../../../shared/abi/exceptions.js';
import { Access, Cr0, Rflags, SystemType } from '../../../shared/abi/registers.js';
import type { Width } from '../../translate/micro-op.js';
import { Dr6 } from '../debug-unit.js';
import type { Processor } from '../processor.js';
import { nextRip } from './code-transfer.js';
import {
  accessRights,
  baseFrom,
  clearAccessBits,
  descriptorAddress,
  descriptorHi,
  descriptorLo,
  dplFrom,
  isCode,
  isConforming,
  isNull,
  isPresent,
  limitFrom,
  NO_DESCRIPTOR,
  requireDescriptor,
  rplOf,
  setAccessBits,
  table16,
  typeFrom,
} from './descriptor.js';
import { rflags, setRflags } from './flags.js';
import { raiseSelector } from './raise.js';
import { Segment, selectorOf, setNullSegment, setSelector, setVm86Segment } from './segment.js';
import { checkCodeOffset } from './segment-check.js';
import { checkStackSegment, loadDataSegment, loadHidden, loadLdtr, setTaskRegister } from './segment-load.js';
import { setRip, setSlot32, slotLo } from './slots.js';
import { push, readValue, setStackPointer, stackPointer, writeValue } from './stack.js';

/** Offset of the T bit in a 32-bit TSS. */
const TRAP_BIT = 100;

/** What starts the switch: CALL and gates nest, JUMP and RETURN do not. */
export const TaskSwitch = { JUMP: 0, CALL: 1, GATE: 2, RETURN: 3 } as const;
export type TaskSwitch = (typeof TaskSwitch)[keyof typeof TaskSwitch];

const BUSY = 2;
/** Field offsets of a TSS and the width of its fields. Segments stand in encoding order ES CS SS DS (FS GS), then LDT. */
interface TssLayout {
  readonly width: Width;
  readonly minimumLimit: number;
  readonly cr3: number;
  readonly ip: number;
  readonly flags: number;
  readonly registers: number;
  readonly segments: number;
  readonly segmentCount: number;
  readonly ldt: number;
}
const TSS32: TssLayout = {
  width: 2,
  minimumLimit: 0x67,
  cr3: 0x1c,
  ip: 0x20,
  flags: 0x24,
  registers: 0x28,
  segments: 0x48,
  segmentCount: 6,
  ldt: 0x60,
};
const TSS16: TssLayout = {
  width: 1,
  minimumLimit: 0x2b,
  cr3: -1,
  ip: 0x0e,
  flags: 0x10,
  registers: 0x12,
  segments: 0x22,
  segmentCount: 4,
  ldt: 0x2a,
};
const layoutOf = (type: number): TssLayout => ((type & 8) !== 0 ? TSS32 : TSS16);

/** Switches to the task of `selector`. `savedRip` is what the old task resumes at; `error` (-1 none) is pushed in the new one. */
export const switchTask = (p: Processor, source: TaskSwitch, selector: number, savedRip: number, error: number, ext: number): void => {
  const { vp, memory } = p;
  const vector = source === TaskSwitch.RETURN ? Vector.TS : Vector.GP;
  const address = (selector & 4) !== 0 || isNull(selector) ? NO_DESCRIPTOR : descriptorAddress(p, selector);
  if (address === NO_DESCRIPTOR) raiseSelector(p, vector, selector, ext);
  const hi = descriptorHi(p, address);
  const type = typeFrom(hi);
  const wanted = source === TaskSwitch.RETURN ? BUSY : 0;
  if ((type & ~BUSY) !== SystemType.TSS16 && (type & ~BUSY) !== SystemType.TSS32) raiseSelector(p, vector, selector, ext);
  if ((type & BUSY) !== wanted) raiseSelector(p, vector, selector, ext);
  if (!isPresent(hi)) raiseSelector(p, Vector.NP, selector, ext);
  const lo = descriptorLo(p, address);
  const limit = limitFrom(lo, hi);
  const base = baseFrom(lo, hi);
  const next = layoutOf(type);
  if (limit < next.minimumLimit) raiseSelector(p, Vector.TS, selector, ext);

  const old = layoutOf(vp.trAccess & 0xf);
  const oldBase = vp.trBaseNum;
  const oldSelector = vp.trSelector;
  const nested = source === TaskSwitch.CALL || source === TaskSwitch.GATE;
  let flags = 0;
  let ip = 0;
  let cr3 = 0;
  let ldt = 0;
  let trap = 0;
  const previous = memory.supervisor(true);
  try {
    // Both TSSs are tried before anything changes: a page fault must still belong to the old task.
    memory.probeWrite(oldBase + old.ip, old.ldt - old.ip);
    readValue(p, base + next.ldt, next.width);
    if (nested) memory.probeWrite(base, 2);
    if (!nested) {
      const oldDescriptor = descriptorAddress(p, oldSelector);
      if (oldDescriptor !== NO_DESCRIPTOR) clearAccessBits(p, oldDescriptor, BUSY);
    }
    const image = source === TaskSwitch.RETURN ? rflags(vp) & ~Rflags.NT : rflags(vp);
    writeValue(p, oldBase + old.ip, old.width, savedRip);
    writeValue(p, oldBase + old.flags, old.width, image);
    for (let i = 0; i < 8; i++) writeValue(p, oldBase + old.registers + (i << old.width), old.width, slotLo(vp, i));
    for (let i = 0; i < old.segmentCount; i++) memory.write16(oldBase + old.segments + (i << old.width), selectorOf(vp, i));

    if (nested) memory.write16(base, oldSelector);
    if (source !== TaskSwitch.RETURN) setAccessBits(p, address, BUSY);
    ip = readValue(p, base + next.ip, next.width);
    flags = readValue(p, base + next.flags, next.width);
    if (nested) flags |= Rflags.NT;
    for (let i = 0; i < 8; i++) {
      const value = readValue(p, base + next.registers + (i << next.width), next.width);
      setSlot32(vp, i, next.width === 1 ? (value | 0xffff_0000) >>> 0 : value);
    }
    cr3 = next.cr3 >= 0 ? memory.read32(base + next.cr3) : 0;
    ldt = memory.read16(base + next.ldt);
    trap = next.width === 2 ? memory.read16(base + TRAP_BIT) & 1 : 0;
    for (let i = 0; i < 6; i++) setNullSegment(vp, i, i < next.segmentCount ? memory.read16(base + next.segments + (i << next.width)) : 0);
  } finally {
    memory.restore(previous);
  }

  // From here on faults belong to the new task (SDM 3A 8.3).
  setTaskRegister(p, selector, base, limit, accessRights(hi) | BUSY);
  setRip(vp, ip);
  setRflags(vp, flags & ~Rflags.RF);
  // Local breakpoints end with the task.
  vp.views.u32[(vp.dr + 7 * 8) >>> 2] &= ~0x155;
  p.debug.arm(vp);
  if ((vp.cr0 & Cr0.TS) === 0) p.intercepts.writeCr(0, (vp.cr0 | Cr0.TS) >>> 0, 0);
  if (next.cr3 >= 0 && (vp.cr0 & Cr0.PG) !== 0) p.intercepts.writeCr(3, cr3, 0);
  try {
    loadTaskSegments(p, ldt, (flags & Rflags.VM) !== 0, ext);
  } finally {
    p.modeChanged();
  }
  if (error >= 0) {
    const sp = push(p, stackPointer(vp), next.width, error);
    setStackPointer(vp, sp);
  }
  checkCodeOffset(p, ip, vp.csLimit, false, ext);
  // The T bit of a 32-bit TSS traps before the new task's first instruction (SDM 3B 18.3.1.5).
  if (trap !== 0) p.debug.report(Dr6.BT);
};

/** LDTR and segment registers of the new task; their selectors are in place already. Faults are #TS, #NP, #SS with the selector. */
const loadTaskSegments = (p: Processor, ldt: number, virtual: boolean, ext: number): void => {
  const vp = p.vp;
  const cs = vp.csSelector;
  vp.cpl = virtual ? 3 : rplOf(cs);
  vp.ldtrSelector = ldt;
  vp.ldtrAccess = Access.UNUSABLE;
  loadLdtr(p, ldt, Vector.TS, ext);
  if (virtual) {
    for (let segment = 0; segment < 6; segment++) setVm86Segment(vp, segment, selectorOf(vp, segment));
    return;
  }
  if (isNull(cs)) raiseSelector(p, Vector.TS, cs, ext);
  const code = requireDescriptor(p, cs, Vector.TS, ext);
  const hi = descriptorHi(p, code);
  if (!isCode(hi) || (isConforming(hi) ? dplFrom(hi) > vp.cpl : dplFrom(hi) !== vp.cpl)) raiseSelector(p, Vector.TS, cs, ext);
  if (!isPresent(hi)) raiseSelector(p, Vector.NP, cs, ext);
  loadHidden(p, Segment.CS, cs, code, hi);
  setSelector(vp, Segment.CS, (cs & ~3) | vp.cpl);
  const ss = vp.ssSelector;
  const stack = checkStackSegment(p, ss, vp.cpl, Vector.TS, ext);
  loadHidden(p, Segment.SS, ss, stack, descriptorHi(p, stack));
  for (const segment of [Segment.ES, Segment.DS, Segment.FS, Segment.GS])
    loadDataSegment(p, segment, selectorOf(vp, segment), Vector.TS, ext);
};

/** IRET with NT set: back to the task that the current TSS links to. */
export const returnFromTask = (p: Processor, d: number): void =>
  switchTask(p, TaskSwitch.RETURN, table16(p, p.vp.trBaseNum), nextRip(p.vp, d), -1, 0);
