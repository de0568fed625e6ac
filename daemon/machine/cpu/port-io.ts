// IN, OUT, INS, OUTS: I/O privilege, the permission bitmap in the TSS, and the access itself through the I/O intercept.
// References: SDM 1 19.5 (protection), SDM 2A IN, INS, SDM 2B OUT, OUTS.
import { Access } from '../../../shared/abi/registers.js';
import { Slot } from '../../../shared/layout/vp.js';
import { sysSegment, sysWidth, type Width } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import { table16 } from './descriptor.js';
import { ioplOf } from './flags.js';
import { isProtectedMode, isVm86 } from './mode.js';
import { generalProtection } from './raise.js';
import { Segment } from './segment.js';
import { slotLo, writeRegister } from './slots.js';
import { readValue, writeValue } from './stack.js';
import { afterRound, elementAddress, elementStep, indexAt, isRepeated, moveIndex, roundLength, takeCount } from './string-operands.js';

/** Port accesses are slow: fewer of them than memory elements between two looks at interrupts. */
const IO_CHUNK = 1024;
/** Offset of the bitmap's offset in 32-bit and 64-bit TSSs. */
const IO_MAP_BASE = 102;

/** #GP(0) unless IOPL or the permission bitmap allows all bytes of the access. */
const requirePort = (p: Processor, port: number, bytes: number): void => {
  const vp = p.vp;
  if (!isProtectedMode(vp) || (vp.cpl <= ioplOf(vp) && !isVm86(vp))) return;
  // Only 32-bit and 64-bit TSSs have a bitmap.
  if ((vp.trAccess & (Access.UNUSABLE | Access.P | 0x1d)) !== (Access.P | 9) || vp.trLimit < IO_MAP_BASE + 1) generalProtection(p);
  const at = table16(p, vp.trBaseNum + IO_MAP_BASE) + (port >>> 3);
  // Two bytes are always read: an access may cross into the second.
  if (at + 1 > vp.trLimit) generalProtection(p);
  if (((table16(p, vp.trBaseNum + at) >>> (port & 7)) & ((1 << bytes) - 1)) !== 0) generalProtection(p);
};

const bytesOf = (width: Width): 1 | 2 | 4 => (width === 0 ? 1 : width === 1 ? 2 : 4);

export const input = (p: Processor, d: number): number => {
  const port = slotLo(p.vp, Slot.ARG1) & 0xffff;
  const width = sysWidth(d);
  requirePort(p, port, bytesOf(width));
  p.debug.port(port, bytesOf(width));
  writeRegister(p.vp, Slot.RAX, width, p.intercepts.ioRead(port, bytesOf(width)));
  return 0;
};
export const output = (p: Processor, d: number): number => {
  const port = slotLo(p.vp, Slot.ARG1) & 0xffff;
  const width = sysWidth(d);
  requirePort(p, port, bytesOf(width));
  p.debug.port(port, bytesOf(width));
  const value = slotLo(p.vp, Slot.RAX);
  p.intercepts.ioWrite(port, bytesOf(width), width === 0 ? value & 0xff : width === 1 ? value & 0xffff : value);
  return 0;
};

/** Does `element` for each element of the round; `register` is the index that moves. */
const eachElement = (
  p: Processor,
  d: number,
  register: number,
  element: (p: Processor, d: number, port: number, offset: number) => void,
): number => {
  const vp = p.vp;
  const port = slotLo(vp, Slot.RDX) & 0xffff;
  const width = sysWidth(d);
  requirePort(p, port, bytesOf(width));
  const step = elementStep(vp, width);
  const repeated = isRepeated(d);
  const count = repeated ? Math.min(roundLength(p, d), IO_CHUNK) : 1;
  let done = 0;
  if (count > 0) p.debug.port(port, bytesOf(width));
  try {
    for (; done < count; done++) element(p, d, port, indexAt(vp, register, d, done * step));
  } finally {
    moveIndex(vp, register, d, done * step);
    if (repeated) takeCount(vp, d, done);
  }
  return repeated ? afterRound(p, d) : 0;
};

const inputElement = (p: Processor, d: number, port: number, offset: number): void => {
  const width = sysWidth(d);
  const to = elementAddress(p, Segment.ES, offset, width, true);
  // The store must not fault once the device has given its data away.
  p.memory.probeWrite(to, bytesOf(width));
  writeValue(p, to, width, p.intercepts.ioRead(port, bytesOf(width)));
};
const outputElement = (p: Processor, d: number, port: number, offset: number): void => {
  const width = sysWidth(d);
  p.intercepts.ioWrite(port, bytesOf(width), readValue(p, elementAddress(p, sysSegment(d), offset, width, false), width));
};
export const inputString = (p: Processor, d: number): number => eachElement(p, d, Slot.RDI, inputElement);
export const outputString = (p: Processor, d: number): number => eachElement(p, d, Slot.RSI, outputElement);
