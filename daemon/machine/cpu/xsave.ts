// XSAVE, XSAVEOPT, XSAVEC, XRSTOR, XGETBV, XSETBV: state components to and from an XSAVE area at ARG0, and XCR0 (SDM 1 chapter 13).
// The components are x87, SSE and AVX; with those three the compacted form has the layout of the standard one.
//
//   0 x87 (as FXSAVE)   24 MXCSR, MXCSR_MASK   32 ST0..7   160 XMM   512 XSTATE_BV   520 XCOMP_BV   528 zero   576 upper halves of YMM
import { Vector } from '../../../shared/abi/exceptions.js';
import { Cr0, Cr4, Xcr0 } from '../../../shared/abi/registers.js';
import { Slot, VectorSlot, type VpBlock, VpLayout } from '../../../shared/layout/vp.js';
import { sysA } from '../../translate/micro-op.js';
import type { Processor } from '../processor.js';
import { leaveAfter } from './code-transfer.js';
import { initializeFpu, putFxState, takeFxState } from './fpu-image.js';
import { readBlock, writeBlock } from './memory-block.js';
import { is64BitCode } from './mode.js';
import { generalProtection, invalidOpcode, raise } from './raise.js';
import { setSlot32, slotLo, slotNumber } from './slots.js';
import { mxcsrMask } from './vector-control.js';

/** Which instruction: bits 2:1 of the descriptor's `a`; bit 0 is REX.W. */
export const XsaveKind = { XSAVE: 0, XSAVEOPT: 1, XSAVEC: 2 } as const;

const ALIGNMENT = 64;
const MXCSR_AT = 24;
const ST_AT = 32;
const XMM_AT = 160;
const HEADER_AT = 512;
const HEADER_BYTES = 64;
const YMM_AT = 576;
const LEGACY_BYTES = HEADER_AT + HEADER_BYTES;
const AREA_BYTES = YMM_AT + 256;
const MXCSR_INIT = 0x1f80;
const COMPACTED = 0x8000_0000;
/** ST0..7 are ten bytes each in sixteen: the whole is initial when FNINIT would not change it and they are 0. */
const FPU_REGISTER_BYTES = 128;

/** Bytes of sixteen registers; outside 64-bit mode of eight. */
const registerBytes = (p: Processor): number => (is64BitCode(p.vp) ? 256 : 128);
const vectorsAt = (vp: VpBlock, slot: number, bytes: number): Uint8Array => {
  const from = vp.base + VpLayout.at.vectors + slot * 16;
  return vp.views.u8.subarray(from, from + bytes);
};
const isZero = (bytes: Uint8Array): boolean => bytes.every((b) => b === 0);

/** Components that are not in their initial configuration (SDM 1 13.6, XINUSE). Registers that the mode cannot name do not count. */
const inUse = (p: Processor): number => {
  const { vp } = p;
  const bytes = registerBytes(p);
  const registers = vp.views.u8.subarray(vp.fpuRegisters, vp.fpuRegisters + FPU_REGISTER_BYTES);
  const fpuInitial =
    vp.fpuControl === 0x37f &&
    (vp.fpuStatus | vp.fpuTop | vp.fpuValid | vp.fpuOpcode) === 0 &&
    vp.fpuInstructionPointer === 0n &&
    vp.fpuDataPointer === 0n &&
    isZero(registers);
  return (
    (fpuInitial ? 0 : Xcr0.X87) |
    (isZero(vectorsAt(vp, VectorSlot.XMM, bytes)) ? 0 : Xcr0.SSE) |
    (isZero(vectorsAt(vp, VectorSlot.YMM_HIGH, bytes)) ? 0 : Xcr0.AVX)
  );
};

/** Address of the area, checked. */
const begin = (p: Processor): number => {
  const { vp } = p;
  if ((vp.cr4 & Cr4.OSXSAVE) === 0) invalidOpcode(p);
  if ((vp.cr0 & Cr0.TS) !== 0) raise(p, Vector.NM);
  const at = slotNumber(vp, Slot.ARG0);
  if (((at % ALIGNMENT) + ALIGNMENT) % ALIGNMENT !== 0) generalProtection(p);
  return at;
};

export const xsave = (p: Processor, d: number): number => {
  const { vp } = p;
  const at = begin(p);
  const kind = sysA(d) >> 1;
  const wanted = vp.xcr0 & slotLo(vp, Slot.RAX);
  const used = inUse(p);
  const size = (wanted & Xcr0.AVX) !== 0 ? AREA_BYTES : LEGACY_BYTES;
  const area = readBlock(p, at, size, true);
  const image = new DataView(area.buffer);
  let saved = kind === XsaveKind.XSAVE ? wanted : wanted & used;
  // An MXCSR of its own makes SSE state worth saving, though no register is in use.
  if (kind === XsaveKind.XSAVEC && (wanted & Xcr0.SSE) !== 0 && vp.mxcsr !== MXCSR_INIT) saved |= Xcr0.SSE;
  if ((saved & Xcr0.X87) !== 0) {
    const mxcsr = area.slice(MXCSR_AT, MXCSR_AT + 8);
    // The reserved bytes behind each register are written as zeros.
    area.fill(0, ST_AT, XMM_AT);
    putFxState(vp, image, (sysA(d) & 1) !== 0);
    area.set(mxcsr, MXCSR_AT);
  }
  if (kind === XsaveKind.XSAVEC ? (saved & Xcr0.SSE) !== 0 : (wanted & (Xcr0.SSE | Xcr0.AVX)) !== 0) {
    image.setUint32(MXCSR_AT, vp.mxcsr, true);
    image.setUint32(MXCSR_AT + 4, mxcsrMask(p), true);
  }
  if ((saved & Xcr0.SSE) !== 0) area.set(vectorsAt(vp, VectorSlot.XMM, registerBytes(p)), XMM_AT);
  if ((saved & Xcr0.AVX) !== 0) area.set(vectorsAt(vp, VectorSlot.YMM_HIGH, registerBytes(p)), YMM_AT);
  if (kind === XsaveKind.XSAVEC) {
    image.setUint32(HEADER_AT, saved, true);
    image.setUint32(HEADER_AT + 4, 0, true);
    image.setUint32(HEADER_AT + 8, wanted, true);
    image.setUint32(HEADER_AT + 12, COMPACTED, true);
  } else image.setUint32(HEADER_AT, (image.getUint32(HEADER_AT, true) & ~wanted) | (used & wanted), true);
  writeBlock(p, at, area);
  return 0;
};

export const xrstor = (p: Processor, d: number): number => {
  const { vp } = p;
  const at = begin(p);
  const wanted = vp.xcr0 & slotLo(vp, Slot.RAX);
  const legacy = readBlock(p, at, LEGACY_BYTES, false);
  const image = new DataView(legacy.buffer);
  const present = image.getUint32(HEADER_AT, true);
  const layout = image.getUint32(HEADER_AT + 8, true);
  const layoutHigh = image.getUint32(HEADER_AT + 12, true);
  const compacted = layoutHigh === COMPACTED;
  const possible = compacted ? layout : vp.xcr0;
  const header = legacy.subarray(HEADER_AT, HEADER_AT + HEADER_BYTES);
  if (compacted ? !p.features.has('xsavec') || (layout & ~vp.xcr0) !== 0 : (layout | layoutHigh) !== 0) generalProtection(p);
  if ((present & ~possible) !== 0 || image.getUint32(HEADER_AT + 4, true) !== 0) generalProtection(p);
  if (!isZero(header.subarray(16, compacted ? HEADER_BYTES : 24))) generalProtection(p);
  const taken = wanted & present;
  const takesMxcsr = compacted ? (taken & Xcr0.SSE) !== 0 : (wanted & (Xcr0.SSE | Xcr0.AVX)) !== 0;
  const mxcsr = image.getUint32(MXCSR_AT, true);
  if (takesMxcsr && (mxcsr & ~mxcsrMask(p)) !== 0) generalProtection(p);
  const bytes = registerBytes(p);
  const upper = (taken & Xcr0.AVX) !== 0 ? readBlock(p, at + YMM_AT, bytes, false) : undefined;
  // Nothing can fault any more.
  if ((taken & Xcr0.X87) !== 0) takeFxState(vp, image, (sysA(d) & 1) !== 0);
  else if ((wanted & Xcr0.X87) !== 0) {
    initializeFpu(vp);
    vp.views.u8.fill(0, vp.fpuRegisters, vp.fpuRegisters + FPU_REGISTER_BYTES);
  }
  if (takesMxcsr) vp.mxcsr = mxcsr;
  else if (compacted && (wanted & Xcr0.SSE) !== 0) vp.mxcsr = MXCSR_INIT;
  const xmm = vectorsAt(vp, VectorSlot.XMM, bytes);
  if ((taken & Xcr0.SSE) !== 0) xmm.set(legacy.subarray(XMM_AT, XMM_AT + bytes));
  else if ((wanted & Xcr0.SSE) !== 0) xmm.fill(0);
  const ymm = vectorsAt(vp, VectorSlot.YMM_HIGH, bytes);
  if (upper !== undefined) ymm.set(upper);
  else if ((wanted & Xcr0.AVX) !== 0) ymm.fill(0);
  return 0;
};

/** XCR0 bits that the processor's features allow. */
const supportedXcr0 = (p: Processor): number => Xcr0.X87 | Xcr0.SSE | (p.features.has('avx') ? Xcr0.AVX : 0);

export const getExtendedControl = (p: Processor): number => {
  const { vp } = p;
  if ((vp.cr4 & Cr4.OSXSAVE) === 0) invalidOpcode(p);
  const index = slotLo(vp, Slot.RCX) >>> 0;
  if (index > 1 || (index === 1 && !p.features.has('xgetbv1'))) generalProtection(p);
  setSlot32(vp, Slot.RAX, index === 0 ? vp.xcr0 : vp.xcr0 & inUse(p));
  setSlot32(vp, Slot.RDX, 0);
  return 0;
};
/** Leaves: what instructions may be used follows from XCR0. */
export const setExtendedControl = (p: Processor, d: number): number => {
  const { vp } = p;
  if ((vp.cr4 & Cr4.OSXSAVE) === 0) invalidOpcode(p);
  const value = slotLo(vp, Slot.RAX) >>> 0;
  const high = slotLo(vp, Slot.RDX);
  const avxAlone = (value & (Xcr0.SSE | Xcr0.AVX)) === Xcr0.AVX;
  if (vp.cpl !== 0 || slotLo(vp, Slot.RCX) !== 0 || high !== 0) generalProtection(p);
  if ((value & Xcr0.X87) === 0 || (value & ~supportedXcr0(p)) !== 0 || avxAlone) generalProtection(p);
  vp.xcr0 = value;
  p.modeChanged();
  return leaveAfter(p, d);
};
