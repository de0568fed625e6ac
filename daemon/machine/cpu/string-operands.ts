// Operands of string instructions: index registers, count, addresses, and how many elements may be handled at once.
// Why apart: MOVS, STOS, LODS, CMPS, SCAS, INS and OUTS share all of it (SDM 1 7.3.9; SDM 2B REP).
import { Rflags } from '../../../shared/abi/registers.js';
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';
import { sysAddressWidth, sysRep, sysRepne, type Width } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import { is64BitCode } from './mode.js';
import { baseOf, linearAddress, Segment } from './segment.js';
import { segmentCheck } from './segment-check.js';
import { advanceRegister, readRegister, setSlot32, setSlotHalves, slotHi, slotLo, slotNumber, writeRegister } from './slots.js';

/** A REP leaves after so many elements, so that the run loop can look at interrupts; RIP then still points at it. */
export const REP_CHUNK = 65_536;
/** Shorter runs are not worth two host look-ups. */
const RUN_MIN = 2;

export const isRepeated = (d: number): boolean => sysRep(d) || sysRepne(d);

/** Elements to do in this round: rCX in the address size, at most a chunk; one when each is followed by a look at debug exceptions. */
export const roundLength = (p: Processor, d: number): number => {
  const { vp } = p;
  const most = p.debug.oneIteration ? 1 : REP_CHUNK;
  const width = sysAddressWidth(d);
  if (width === 3 && slotHi(vp, Slot.RCX) !== 0) return most;
  const count = width === 1 ? slotLo(vp, Slot.RCX) & 0xffff : slotLo(vp, Slot.RCX);
  return Math.min(count, most);
};
/**
 * Takes `done` elements off rCX and moves an index register by `bytes`. With nothing done, processors still clear bits 63:32 of a 32-bit count, and
 * of the indexes of MOVS and STOS, but not of those of LODS, CMPS and SCAS.
 */
export const takeCount = (vp: VpBlock, d: number, done: number): void => advanceRegister(vp, Slot.RCX, sysAddressWidth(d), -done);
export const moveIndex = (vp: VpBlock, register: number, d: number, bytes: number): void =>
  advanceRegister(vp, register, sysAddressWidth(d), bytes);
/** 0 when rCX is used up; 1 (RIP still at the instruction) when the rest is for a later round. */
export const afterRound = (p: Processor, d: number): number => {
  if (readRegister(p.vp, Slot.RCX, sysAddressWidth(d)) === 0) return 0;
  p.debug.unfinished = true;
  return 1;
};

/** Bytes from one element to the next: negative when RFLAGS.DF is set. */
export const elementStep = (vp: VpBlock, width: Width): number =>
  (slotLo(vp, Slot.FLAG_SYSTEM) & Rflags.DF) !== 0 ? -(1 << width) : 1 << width;

/** Index register `register` in the address size, moved by `bytes` and wrapped. */
export const indexAt = (vp: VpBlock, register: number, d: number, bytes: number): number => {
  const width = sysAddressWidth(d);
  const index = readRegister(vp, register, width) + bytes;
  return width === 3 ? index : width === 2 ? index >>> 0 : index & 0xffff;
};
/** Linear address of one element, segment checked. */
export const elementAddress = (p: Processor, segment: number, offset: number, width: Width, write: boolean): number => {
  if (is64BitCode(p.vp)) return segment >= Segment.FS ? baseOf(p.vp, segment) + offset : offset;
  segmentCheck(p, segment, offset, 1 << width, write);
  return (slotLo(p.vp, Slot.ES_BASE + segment) + offset) >>> 0;
};

/**
 * How many of `wanted` elements from `offset` upwards, or downwards, lie in one page, before the index wraps and inside the segment's plain limit;
 * 0 = do one by one.
 */
export const runLength = (
  p: Processor,
  d: number,
  segment: number,
  offset: number,
  width: Width,
  wanted: number,
  write: boolean,
  down = false,
): number => {
  const vp = p.vp;
  const address = linearAddress(vp, segment, offset);
  if (down) return runBelow(vp, address, segment, offset, width, wanted, write);
  let run = Math.min(wanted, (4096 - (address & 4095)) >>> width);
  const addressWidth = sysAddressWidth(d);
  if (addressWidth !== 3) {
    const end = addressWidth === 1 ? 0x1_0000 : 0x1_0000_0000;
    if (offset + run * (1 << width) > end) run = Math.floor((end - offset) / (1 << width));
  }
  if (run < RUN_MIN) return 0;
  if (is64BitCode(vp)) return run;
  return offset + run * (1 << width) - 1 <= slotNumber(vp, (write ? Slot.WRITE_LIMIT : Slot.READ_LIMIT) + segment) ? run : 0;
};

const runBelow = (vp: VpBlock, address: number, segment: number, offset: number, width: Width, wanted: number, write: boolean): number => {
  const size = 1 << width;
  const inPage = address & 4095;
  if (inPage + size > 4096) return 0;
  // The index reaches 0 before it wraps: in 64-bit code an address below it is one of the upper half.
  let run = Math.min(wanted, (inPage >>> width) + 1);
  if (offset >= 0) run = Math.min(run, Math.floor(offset / size) + 1);
  if (run < RUN_MIN) return 0;
  if (is64BitCode(vp)) return run;
  return offset + size - 1 <= slotNumber(vp, (write ? Slot.WRITE_LIMIT : Slot.READ_LIMIT) + segment) ? run : 0;
};

/** One element from linear address to linear address. */
export const moveElement = (p: Processor, from: number, to: number, width: Width): void => {
  const { memory } = p;
  if (width === 0) memory.write8(to, memory.read8(from));
  else if (width === 1) memory.write16(to, memory.read16(from));
  else if (width === 2) memory.write32(to, memory.read32(from));
  else memory.write64(to, memory.read64(from));
};
/** Reads an element into a register or slot: partial registers as x86 has them. */
export const loadElement = (p: Processor, from: number, width: Width, slot: number): void => {
  if (width !== 3) {
    writeRegister(p.vp, slot, width, width === 0 ? p.memory.read8(from) : width === 1 ? p.memory.read16(from) : p.memory.read32(from));
    return;
  }
  const value = p.memory.read64(from);
  setSlotHalves(p.vp, slot, Number(value & 0xffff_ffffn), Number(value >> 32n));
};
/** Reads an element into a scratch slot, zero-extended. */
export const loadScratch = (p: Processor, from: number, width: Width, slot: number): void => {
  if (width === 3) loadElement(p, from, 3, slot);
  else setSlot32(p.vp, slot, width === 0 ? p.memory.read8(from) : width === 1 ? p.memory.read16(from) : p.memory.read32(from));
};
/** The accumulator as an element's halves. */
export const accumulatorLo = (vp: VpBlock, width: Width): number =>
  width === 3 ? slotLo(vp, Slot.RAX) : readRegister(vp, Slot.RAX, width);
export const accumulatorHi = (vp: VpBlock, width: Width): number => (width === 3 ? slotHi(vp, Slot.RAX) : 0);
