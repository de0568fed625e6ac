// The x87's state as memory images: FSTENV, FSAVE and their loads in all four formats, and the x87 part of FXSAVE.
// Why through an array of bytes: an image is written or taken over whole, or the instruction faults with nothing changed.
// References: SDM 1 8.1.10, figures 8-9 to 8-12; SDM 1 table 10-2; SDM 2A FSTENV, FSAVE, FXSAVE. FCS and FDS are always 0 (CPUID.7.EBX bit 13).
import { Slot, type VpBlock } from '../../../shared/layout/vp.js';

/** Status word: ES and B, TOP. */
const SUMMARY = 0x8080;
const STATUS_STORED = 0x477f;
const CONTROL_STORED = 0x1f3f;
const CONTROL_ONE = 0x40;
const CONTROL_INIT = 0x37f;
const ALL_MASKED = 0x3f;
const MF = 16n;
/** Tags of the full tag word (SDM 1 8.1.7). */
const Tag = { VALID: 0, ZERO: 1, SPECIAL: 2, EMPTY: 3 } as const;

/** How an environment is laid out. */
export interface EnvironmentFormat {
  /** 32-bit operand size: fields of four bytes. */
  readonly wide: boolean;
  /** Real-address and virtual-8086 mode: linear addresses instead of selectors and offsets. */
  readonly real: boolean;
}
export const environmentBytes = (f: EnvironmentFormat): number => (f.wide ? 28 : 14);
export const REGISTERS_BYTES = 80;

const registerAt = (vp: VpBlock, physical: number): number => vp.fpuRegisters + (physical & 7) * 16;
const tagOf = (vp: VpBlock, physical: number): number => {
  if (((vp.fpuValid >>> physical) & 1) === 0) return Tag.EMPTY;
  const at = registerAt(vp, physical) >>> 2;
  const { u32 } = vp.views;
  const exponent = u32[at + 2] & 0x7fff;
  if (exponent === 0) return u32[at] === 0 && u32[at + 1] === 0 ? Tag.ZERO : Tag.SPECIAL;
  return exponent === 0x7fff || u32[at + 1] >>> 31 === 0 ? Tag.SPECIAL : Tag.VALID;
};
const tagWord = (vp: VpBlock): number => {
  let word = 0;
  for (let i = 0; i < 8; i++) word |= tagOf(vp, i) << (i * 2);
  return word;
};
const statusWord = (vp: VpBlock): number => vp.fpuStatus | (vp.fpuTop << 11);

/** ES, B and the pending fault follow the exceptions that are there and not masked. */
const summarize = (vp: VpBlock, status: number): void => {
  const pending = (status & ~vp.fpuControl & ALL_MASKED) !== 0;
  vp.fpuStatus = pending ? status | SUMMARY : status & ~SUMMARY;
  vp.views.u64[(vp.base >>> 3) + Slot.FPU_FAULT] = pending ? MF : 0n;
};
const loadControlAndStatus = (vp: VpBlock, control: number, status: number): void => {
  vp.fpuControl = (control & CONTROL_STORED) | CONTROL_ONE;
  vp.fpuTop = (status >>> 11) & 7;
  summarize(vp, status & STATUS_STORED);
};

export const putEnvironment = (vp: VpBlock, image: DataView, f: EnvironmentFormat): void => {
  const step = f.wide ? 4 : 2;
  const put = (n: number, low: number, high = 0xffff): void => {
    image.setUint16(n * step, low, true);
    if (f.wide) image.setUint16(n * step + 2, high, true);
  };
  const instruction = vp.fpuInstructionPointerLo;
  const data = vp.fpuDataPointerLo;
  put(0, vp.fpuControl);
  put(1, statusWord(vp));
  put(2, tagWord(vp));
  if (!f.real) {
    put(3, instruction, instruction >>> 16);
    put(4, 0, vp.fpuOpcode);
    put(5, data, data >>> 16);
    put(6, 0);
    return;
  }
  if (f.wide) {
    put(3, instruction);
    image.setUint32(16, ((instruction >>> 16) << 12) | vp.fpuOpcode, true);
    put(5, data);
    image.setUint32(24, (data >>> 16) << 12, true);
    return;
  }
  put(3, instruction);
  put(4, ((instruction >>> 4) & 0xf000) | vp.fpuOpcode);
  put(5, data);
  put(6, (data >>> 4) & 0xf000);
};
export const takeEnvironment = (vp: VpBlock, image: DataView, f: EnvironmentFormat): void => {
  const step = f.wide ? 4 : 2;
  const word = (n: number): number => image.getUint16(n * step, true);
  const tags = word(2);
  let valid = 0;
  for (let i = 0; i < 8; i++) if (((tags >>> (i * 2)) & 3) !== Tag.EMPTY) valid |= 1 << i;
  vp.fpuValid = valid;
  loadControlAndStatus(vp, word(0), word(1));
  const pointer = (n: number): number => {
    if (!f.wide) return f.real ? word(n) | ((word(n + 1) & 0xf000) << 4) : word(n);
    return f.real ? word(n) | (((image.getUint32((n + 1) * 4, true) >>> 12) & 0xffff) << 16) : image.getUint32(n * 4, true);
  };
  vp.fpuInstructionPointer = BigInt(pointer(3) >>> 0);
  vp.fpuDataPointer = BigInt(pointer(5) >>> 0);
  // A protected 16-bit environment has no opcode.
  vp.fpuOpcode = f.real ? image.getUint16(f.wide ? 16 : 8, true) & 0x7ff : f.wide ? image.getUint16(18, true) & 0x7ff : 0;
};
/** What FNSTENV does after its store. */
export const maskAll = (vp: VpBlock): void => {
  vp.fpuControl |= ALL_MASKED;
  summarize(vp, vp.fpuStatus);
};

/** ST0 to ST7, `step` bytes from one to the next. */
export const putRegisters = (vp: VpBlock, image: DataView, from: number, step: number): void => {
  for (let i = 0; i < 8; i++) {
    const at = registerAt(vp, vp.fpuTop + i);
    for (let b = 0; b < 10; b++) image.setUint8(from + i * step + b, vp.views.u8[at + b]);
  }
};
export const takeRegisters = (vp: VpBlock, image: DataView, from: number, step: number): void => {
  for (let i = 0; i < 8; i++) {
    const at = registerAt(vp, vp.fpuTop + i);
    for (let b = 0; b < 10; b++) vp.views.u8[at + b] = image.getUint8(from + i * step + b);
  }
};
/** FNINIT */
export const initializeFpu = (vp: VpBlock): void => {
  vp.fpuControl = CONTROL_INIT;
  vp.fpuTop = vp.fpuValid = vp.fpuOpcode = 0;
  vp.fpuInstructionPointer = vp.fpuDataPointer = 0n;
  summarize(vp, 0);
};

/** The first 24 bytes of an FXSAVE image and its registers. `long`: pointers of 64 bits (REX.W). */
export const putFxState = (vp: VpBlock, image: DataView, long: boolean): void => {
  image.setUint16(0, vp.fpuControl, true);
  image.setUint16(2, statusWord(vp), true);
  image.setUint16(4, vp.fpuValid, true);
  image.setUint16(6, vp.fpuOpcode, true);
  image.setUint32(8, vp.fpuInstructionPointerLo, true);
  image.setUint32(12, long ? vp.fpuInstructionPointerHi : 0, true);
  image.setUint32(16, vp.fpuDataPointerLo, true);
  image.setUint32(20, long ? vp.fpuDataPointerHi : 0, true);
  putRegisters(vp, image, 32, 16);
};
export const takeFxState = (vp: VpBlock, image: DataView, long: boolean): void => {
  vp.fpuValid = image.getUint8(4);
  loadControlAndStatus(vp, image.getUint16(0, true), image.getUint16(2, true));
  vp.fpuOpcode = image.getUint16(6, true) & 0x7ff;
  vp.fpuInstructionPointerLo = image.getUint32(8, true);
  vp.fpuInstructionPointerHi = long ? image.getUint32(12, true) : 0;
  vp.fpuDataPointerLo = image.getUint32(16, true);
  vp.fpuDataPointerHi = long ? image.getUint32(20, true) : 0;
  takeRegisters(vp, image, 32, 16);
};
