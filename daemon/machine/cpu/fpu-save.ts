// FNSTENV, FLDENV, FNSAVE, FRSTOR, FXSAVE, FXRSTOR: images to and from guest memory at ARG0 (SDM 2A). #NM and #MF have been looked for.
import { Slot, VectorSlot, VpLayout } from '../../../shared/layout/vp.js';
import { sysA, sysWidth } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import {
  type EnvironmentFormat,
  environmentBytes,
  initializeFpu,
  maskAll,
  putEnvironment,
  putFxState,
  putRegisters,
  REGISTERS_BYTES,
  takeEnvironment,
  takeFxState,
  takeRegisters,
} from './fpu-image.js';
import { probeBlock, readBlock, writeBlock } from './memory-block.js';
import { hasRealSegments, is64BitCode } from './mode.js';
import { generalProtection } from './raise.js';
import { slotNumber } from './slots.js';
import { mxcsrMask } from './vector-control.js';

const FX_BYTES = 512;
/** FXSAVE does not touch the bytes from here on. */
const FX_STORED = 464;
const FX_MXCSR = 24;
const FX_VECTORS = 160;

const newImage = (bytes: number): DataView => new DataView(new ArrayBuffer(bytes));
/** Addresses wrap at 4 GiB outside 64-bit mode. */
const addressAt = (p: Processor, at: number, offset: number): number => (is64BitCode(p.vp) ? at + offset : (at + offset) >>> 0);
/** Words of the operand size are what must be aligned where alignment is checked (SDM 3A table 6-7). */
const store = (p: Processor, image: DataView, wide: boolean): void => {
  const { memory } = p;
  const at = slotNumber(p.vp, Slot.ARG0);
  memory.probeWrite(at, wide ? 4 : 2);
  memory.probeWrite(at, image.byteLength);
  if (wide) for (let i = 0; i < image.byteLength; i += 4) memory.write32(addressAt(p, at, i), image.getUint32(i, true));
  else for (let i = 0; i < image.byteLength; i += 2) memory.write16(addressAt(p, at, i), image.getUint16(i, true));
};
const load = (p: Processor, image: DataView, wide: boolean): void => {
  const { memory } = p;
  const at = slotNumber(p.vp, Slot.ARG0);
  if (wide) for (let i = 0; i < image.byteLength; i += 4) image.setUint32(i, memory.read32(addressAt(p, at, i)), true);
  else for (let i = 0; i < image.byteLength; i += 2) image.setUint16(i, memory.read16(addressAt(p, at, i)), true);
};
const formatOf = (p: Processor, d: number): EnvironmentFormat => ({ wide: sysWidth(d) !== 1, real: hasRealSegments(p.vp) });

export const storeEnvironment = (p: Processor, d: number): number => {
  const format = formatOf(p, d);
  const image = newImage(environmentBytes(format));
  putEnvironment(p.vp, image, format);
  store(p, image, format.wide);
  maskAll(p.vp);
  return 0;
};
export const loadEnvironment = (p: Processor, d: number): number => {
  const format = formatOf(p, d);
  const image = newImage(environmentBytes(format));
  load(p, image, format.wide);
  takeEnvironment(p.vp, image, format);
  return 0;
};
export const saveFpu = (p: Processor, d: number): number => {
  const format = formatOf(p, d);
  const registers = environmentBytes(format);
  const image = newImage(registers + REGISTERS_BYTES);
  putEnvironment(p.vp, image, format);
  putRegisters(p.vp, image, registers, 10);
  store(p, image, format.wide);
  initializeFpu(p.vp);
  return 0;
};
export const restoreFpu = (p: Processor, d: number): number => {
  const format = formatOf(p, d);
  const registers = environmentBytes(format);
  const image = newImage(registers + REGISTERS_BYTES);
  load(p, image, format.wide);
  takeEnvironment(p.vp, image, format);
  takeRegisters(p.vp, image, registers, 10);
  return 0;
};

/** Bytes of XMM registers in the image: eight of them outside 64-bit mode. They are there whatever CR4.OSFXSR says. */
const vectorBytes = (p: Processor): number => (is64BitCode(p.vp) ? 256 : 128);
const vectorsOf = (p: Processor): Uint8Array => {
  const from = p.vp.base + VpLayout.at.vectors + VectorSlot.XMM * 16;
  return p.views.u8.subarray(from, from + vectorBytes(p));
};
const alignedAddress = (p: Processor): number => {
  const at = slotNumber(p.vp, Slot.ARG0);
  if ((at & 15) !== 0) generalProtection(p);
  return at;
};
/** The descriptor's `a` is 1 for the forms with REX.W. */
export const fxSave = (p: Processor, d: number): number => {
  const at = alignedAddress(p);
  probeBlock(p, at, FX_BYTES);
  const block = new Uint8Array(FX_BYTES);
  const image = new DataView(block.buffer);
  putFxState(p.vp, image, sysA(d) === 1);
  image.setUint32(FX_MXCSR, p.vp.mxcsr, true);
  image.setUint32(FX_MXCSR + 4, mxcsrMask(p), true);
  block.set(vectorsOf(p), FX_VECTORS);
  writeBlock(p, at, block.subarray(0, Math.min(FX_STORED, FX_VECTORS + vectorBytes(p))));
  return 0;
};
export const fxRestore = (p: Processor, d: number): number => {
  const block = readBlock(p, alignedAddress(p), FX_BYTES, false);
  const image = new DataView(block.buffer);
  const mxcsr = image.getUint32(FX_MXCSR, true);
  if ((mxcsr & ~mxcsrMask(p)) !== 0) generalProtection(p);
  takeFxState(p.vp, image, sysA(d) === 1);
  p.vp.mxcsr = mxcsr;
  vectorsOf(p).set(block.subarray(FX_VECTORS, FX_VECTORS + vectorBytes(p)));
  return 0;
};
