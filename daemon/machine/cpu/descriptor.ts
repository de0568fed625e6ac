// Descriptors in the GDT and LDT: where they are, their fields, the bits the processor sets in them.
// Why by address: a descriptor is two numbers read where they are needed; nothing is allocated. References: SDM 3A 3.4.5, 3.5, 7.2.3.
import { Vector } from '../../../shared/abi/exceptions.js';
import { ACCESS_DPL_SHIFT, Access } from '../../../shared/abi/registers.js';
import type { Processor } from '../processor.js';
import { raiseSelector } from './raise.js';
import { accessOf, limitOf, Segment } from './segment.js';

/** Reads of tables are supervisor accesses whatever CPL is (SDM 3A 4.6). */
export const table16 = (p: Processor, address: number): number => {
  const previous = p.memory.supervisor(true);
  try {
    return p.memory.read16(address);
  } finally {
    p.memory.restore(previous);
  }
};
export const table32 = (p: Processor, address: number): number => {
  const previous = p.memory.supervisor(true);
  try {
    return p.memory.read32(address);
  } finally {
    p.memory.restore(previous);
  }
};
export const table64Number = (p: Processor, address: number): number => {
  const previous = p.memory.supervisor(true);
  try {
    return p.memory.read64Number(address);
  } finally {
    p.memory.restore(previous);
  }
};

/** Host address of so many bytes of a table, if they are aligned words in one page of ordinary memory; -1: they are read one by one. */
export const tableHost = (p: Processor, address: number, bytes: number): number => {
  if ((address & 3) !== 0 || (address & 4095) + bytes > 4096) return -1;
  return p.memory.hostTable(address);
};
/** The `index`-th word at the address, whose `tableHost` is known. */
export const tableWord = (p: Processor, host: number, address: number, index: number): number =>
  host < 0 ? table32(p, address + index * 4) : p.views.u32[(host >>> 2) + index];

export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;
export const rplOf = (selector: number): number => selector & 3;

/** No such descriptor: the selector lies outside its table. */
export const NO_DESCRIPTOR = -0x8000_0000_0000_0000;

/** Linear address of a descriptor of `bytes` bytes (16 for system descriptors in IA-32e mode), or NO_DESCRIPTOR. */
export const descriptorAddress = (p: Processor, selector: number, bytes = 8): number => {
  const vp = p.vp;
  const offset = selector & 0xfff8;
  if ((selector & 4) === 0) return offset + bytes - 1 <= vp.gdtrLimit ? vp.gdtrBaseNum + offset : NO_DESCRIPTOR;
  if ((accessOf(vp, Segment.LDTR) & (Access.UNUSABLE | Access.P)) !== Access.P) return NO_DESCRIPTOR;
  return offset + bytes - 1 <= limitOf(vp, Segment.LDTR) ? vp.ldtrBaseNum + offset : NO_DESCRIPTOR;
};
/** The address, or the given fault with the selector as error code. */
export const requireDescriptor = (p: Processor, selector: number, vector: number = Vector.GP, ext = 0): number => {
  const address = descriptorAddress(p, selector);
  if (address === NO_DESCRIPTOR) raiseSelector(p, vector, selector, ext);
  return address;
};
export const descriptorLo = (p: Processor, address: number): number => table32(p, address);
export const descriptorHi = (p: Processor, address: number): number => table32(p, address + 4);

/** Access rights as the VP block holds them. */
export const accessRights = (hi: number): number => (hi >>> 8) & 0xf0ff;
export const baseFrom = (lo: number, hi: number): number => ((lo >>> 16) | ((hi & 0xff) << 16) | (hi & 0xff00_0000)) >>> 0;
/** Limit in bytes, inclusive. */
export const limitFrom = (lo: number, hi: number): number => {
  const limit = (lo & 0xffff) | (hi & 0xf_0000);
  return ((hi & 0x80_0000) !== 0 ? (limit << 12) | 0xfff : limit) >>> 0;
};
/** Type with the S bit: 0..15 system, 16..31 code and data. */
export const typeFrom = (hi: number): number => (hi >>> 8) & 0x1f;
export const dplFrom = (hi: number): number => ((hi >>> 8) & Access.DPL) >>> ACCESS_DPL_SHIFT;
export const isPresent = (hi: number): boolean => (hi & 0x8000) !== 0;
export const isCode = (hi: number): boolean => (hi & 0x1800) === 0x1800;
export const isConforming = (hi: number): boolean => (hi & 0x400) !== 0;
export const isWritableData = (hi: number): boolean => (hi & 0x1a00) === 0x1200;
/** 64-bit code: L = 1, D = 0 (SDM 3A 3.4.5). */
export const is64BitDescriptor = (hi: number): boolean => (hi & 0x60_0000) === 0x20_0000;
/** L = 1 with D = 1: reserved in IA-32e mode. */
export const isReservedCode = (hi: number): boolean => (hi & 0x60_0000) === 0x60_0000;
export const isReadable = (hi: number): boolean => (hi & 0x1000) !== 0 && ((hi & 0x800) === 0 || (hi & 0x200) !== 0);

/** Sets bits of a descriptor's access byte atomically: other processors set theirs at the same time (SDM 3A 9.1.2.1). */
export const setAccessBits = (p: Processor, address: number, bits: number): void => {
  const { memory } = p;
  const previous = memory.supervisor(true);
  try {
    const host = memory.hostWrite(address + 5);
    if (host >= 0) Atomics.or(p.views.u8, host, bits);
    else memory.write8(address + 5, memory.read8(address + 5) | bits);
  } finally {
    memory.restore(previous);
  }
};
export const clearAccessBits = (p: Processor, address: number, bits: number): void => {
  const { memory } = p;
  const previous = memory.supervisor(true);
  try {
    const host = memory.hostWrite(address + 5);
    if (host >= 0) Atomics.and(p.views.u8, host, ~bits);
    else memory.write8(address + 5, memory.read8(address + 5) & ~bits);
  } finally {
    memory.restore(previous);
  }
};
/** Marks a code or data descriptor accessed if it is not yet. */
export const markAccessed = (p: Processor, address: number, hi: number): void => {
  if ((hi & 0x100) === 0) setAccessBits(p, address, Access.ACCESSED);
};
