// An encoding: all that iced says of an instruction but for the values of its displacement and immediates. Two instructions that differ in those alone share it.
// Why: every question to iced is a call into another WebAssembly module; a program has few encodings and they are asked about once.
import { EncodingKind, type Instruction, OpKind, Register } from 'iced-x86';
import type { Width } from '../micro-op.js';
import { OPERAND_WIDTH, SECOND_WIDTH } from './forms.js';
import { Prefix, scanPrefixes } from './prefixes.js';

/** Operands that iced counts at most. */
const OPERANDS = 5;

export interface Encoding {
  readonly code: number;
  readonly mnemonic: number;
  /** Of the whole instruction. */
  readonly length: number;
  /** Bytes before the displacement and the immediates: they alone decide all of this. 0: they do not, this holds for one instruction only. */
  readonly head: number;
  readonly opCount: number;
  readonly kinds: readonly OpKind[];
  readonly registers: readonly Register[];
  /** Widths of the first and second operand that have one. */
  readonly width: Width;
  readonly secondWidth: Width;
  readonly memoryBase: Register;
  readonly memoryIndex: Register;
  readonly memoryIndexScale: number;
  readonly memorySegment: Register;
  readonly segmentPrefix: Register;
  readonly isStackInstruction: boolean;
  readonly hasRepPrefix: boolean;
  readonly hasRepnePrefix: boolean;
  readonly locked: boolean;
  readonly segmentOverride: boolean;
  readonly addressWidth: Width;
  /** Where the values are, from the instruction's first byte on. A size of 0: there is none. */
  readonly displacementAt: number;
  readonly displacementBytes: number;
  /** What a displacement byte is multiplied with (EVEX). */
  readonly displacementScale: number;
  readonly immediateAt: number;
  readonly secondImmediateAt: number;
  /** Of operands that are immediates without a byte of their own: the 1 of D1 /4. */
  readonly impliedImmediate: number;
  /** The displacement counts from the end of the instruction. */
  readonly ripRelative: boolean;
}

const isImmediate = (kind: OpKind): boolean => kind >= OpKind.Immediate8 && kind <= OpKind.Immediate32to64;
const isNearBranch = (kind: OpKind): boolean => kind >= OpKind.NearBranch16 && kind <= OpKind.NearBranch64;
const isFarBranch = (kind: OpKind): boolean => kind === OpKind.FarBranch16 || kind === OpKind.FarBranch32;

/** What iced's `getConstantOffsets` returns, as far as it is used. */
interface Constants {
  readonly displacementOffset: number;
  readonly displacementSize: number;
  readonly hasDisplacement: boolean;
  readonly immediateOffset: number;
  readonly immediateSize: number;
  readonly hasImmediate: boolean;
  readonly immediateOffset2: number;
  readonly immediateSize2: number;
  readonly hasImmediate2: boolean;
}

/**
 * Bytes before the first value, or 0 when the bytes after them are more than values: opcodes behind the displacement (3DNow!), registers in immediates
 * (VEX is4), scaled displacements (EVEX).
 */
const headOf = (i: Instruction, kinds: readonly OpKind[], c: Constants): number => {
  if (i.encoding !== EncodingKind.Legacy && i.encoding !== EncodingKind.VEX) return 0;
  // Of five operands one shares its byte with a register (VPERMIL2PS).
  if (i.opCount === OPERANDS) return 0;
  let wanted = 0;
  for (const kind of kinds) wanted += isFarBranch(kind) ? 2 : isImmediate(kind) || isNearBranch(kind) ? 1 : 0;
  const given = (c.hasImmediate ? 1 : 0) + (c.hasImmediate2 ? 1 : 0);
  if (given !== 0 && given !== wanted) return 0;
  let head = i.length;
  // From the last one to the first: each ends where the next begins.
  for (const [has, at, bytes] of [
    [c.hasImmediate2, c.immediateOffset2, c.immediateSize2],
    [c.hasImmediate, c.immediateOffset, c.immediateSize],
    [c.hasDisplacement, c.displacementOffset, c.displacementSize],
  ] as const) {
    if (!has) continue;
    if (at + bytes !== head) return 0;
    head = at;
  }
  return head;
};

const addressWidthOf = (bits: 16 | 32 | 64, prefixed: boolean): Width =>
  prefixed ? (bits === 32 ? 1 : 2) : bits === 64 ? 3 : bits === 32 ? 2 : 1;

/** Takes everything over from iced. `bytes` begin with the instruction. */
export const encodingOf = (i: Instruction, c: Constants, bits: 16 | 32 | 64, bytes: Uint8Array): Encoding => {
  const { code, length, opCount } = i;
  const kinds: OpKind[] = [];
  const registers: Register[] = [];
  for (let n = 0; n < OPERANDS; n++) {
    kinds.push(n < opCount ? i.opKind(n) : OpKind.Register);
    registers.push(n < opCount && kinds[n] === OpKind.Register ? i.opRegister(n) : Register.None);
  }
  const memory = kinds.includes(OpKind.Memory);
  const prefixes = scanPrefixes(bytes, 0, bits);
  const displacementByte = c.displacementSize === 1 ? (bytes[c.displacementOffset] << 24) >> 24 : 0;
  const head = headOf(i, kinds, c);
  const ownImmediate = c.hasImmediate && head !== 0;
  const scaled = i.encoding === EncodingKind.EVEX && displacementByte !== 0;
  return {
    code,
    mnemonic: i.mnemonic,
    length,
    head,
    opCount,
    kinds,
    registers,
    width: OPERAND_WIDTH[code] as Width,
    secondWidth: SECOND_WIDTH[code] as Width,
    memoryBase: memory ? i.memoryBase : Register.None,
    memoryIndex: memory ? i.memoryIndex : Register.None,
    memoryIndexScale: memory ? i.memoryIndexScale : 1,
    memorySegment: i.memorySegment,
    segmentPrefix: i.segmentPrefix,
    isStackInstruction: i.isStackInstruction,
    hasRepPrefix: i.hasRepPrefix,
    hasRepnePrefix: i.hasRepnePrefix,
    locked: (prefixes & Prefix.LOCK) !== 0,
    segmentOverride: (prefixes & Prefix.SEGMENT) !== 0,
    addressWidth: addressWidthOf(bits, (prefixes & Prefix.ADDRESS_SIZE) !== 0),
    displacementAt: c.displacementOffset,
    displacementBytes: c.hasDisplacement ? c.displacementSize : 0,
    displacementScale: scaled ? Number(i.memoryDisplacement) / displacementByte : 1,
    immediateAt: ownImmediate ? c.immediateOffset : 0,
    secondImmediateAt: c.hasImmediate2 ? c.immediateOffset2 : 0,
    impliedImmediate: !ownImmediate && kinds.some(isImmediate) ? i.immediate8 : 0,
    ripRelative: memory && (i.memoryBase === Register.RIP || i.memoryBase === Register.EIP),
  };
};
