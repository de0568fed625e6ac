// Single-instruction cases: a random encoding of a form and the states to run it from, chosen so that most runs do what the instruction is for.
import { Decoder, Instruction, OpCodeOperandKind, RflagsBits } from 'iced-x86';
import { DATA_PAGE } from '../load.js';
import { type Chance, registerValue } from './chance.js';
import { type Encoded, encode, type MemoryOperand, target } from './encode.js';
import type { Form } from './forms.js';
import { ARITHMETIC_FLAGS, type Bits, codeBase, ENTRY, INITIAL_FLAGS, PAGES, pageWords, SEGMENTS, stackAt } from './layout.js';
import type { Start } from './state.js';
import { VECTOR_SEEDS } from './vector-state.js';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RBX = 3;
const RSP = 4;
const RBP = 5;
const RSI = 6;
const RDI = 7;
const ES = 0;
const AC = 0x4_0000;
const BITS_OF = [
  [RflagsBits.CF, 1],
  [RflagsBits.PF, 4],
  [RflagsBits.AF, 0x10],
  [RflagsBits.ZF, 0x40],
  [RflagsBits.SF, 0x80],
  [RflagsBits.OF, 0x800],
] as const;
/** iced's flag bits as those of RFLAGS. */
export const statusOf = (flags: number): number => BITS_OF.reduce((f, [iced, bit]) => f | (flags & iced ? bit : 0), 0);

const STRING = /^(Movs|Cmps|Stos|Lods|Scas|Ins|Outs)[bwdq]$/;
const STACK = /^(Push|Pop|Call|Retn|Enter|Leave)/;
const INDIRECT = /^(Jmp|Call)_rm/;
const BIT_STRING = /^Bt[src]?_rm(16|32|64)_r/;
const DIVISION = /^Idiv|^Div/;
const COMPARE_EXCHANGE = /^Cmpxchg/;
const COUNTED = /^(Loop|J[er]?cxz)/;
const POP_FLAGS = /^Popf/;
/** TF, IOPL, NT, RF, VM, AC, VIF, VIP: POPF images leave them alone. */
const HARMLESS_IMAGE = 0xcd7n;

/** An instruction to make cases of. */
export interface Subject {
  readonly form: Form;
  readonly bits: Bits;
  readonly encoded: Encoded;
  readonly code: Uint8Array;
  /** What iced says of all its flags that are undefined. */
  readonly undefinedFlags: number;
}

const TRIES = 50;

const instruction = new Instruction();
/** A random encoding of the form that iced-x86 decodes as that form, or undefined when none came up. */
export const subject = (chance: Chance, form: Form, bits: Bits): Subject | undefined => {
  for (let i = 0; i < TRIES; i++) {
    const encoded = encode(chance, form, bits);
    const code = Uint8Array.from(encoded.code);
    if (code.length > 15) continue;
    const decoder = new Decoder(bits, code, 0);
    decoder.decodeOut(instruction);
    decoder.free();
    if (instruction.code !== form.code || instruction.length !== code.length) continue;
    return { form, bits, encoded, code, undefinedFlags: statusOf(instruction.rflagsUndefined) };
  }
  return undefined;
};

const put = (registers: BigUint64Array, bits: Bits, n: number, value: bigint): void => {
  registers[n] = BigInt.asUintN(bits === 64 ? 64 : 32, value);
};
/** The low bits of a register, junk above them. */
const putLow = (chance: Chance, registers: BigUint64Array, bits: Bits, n: number, value: bigint, width: number): void =>
  put(registers, bits, n, width >= 64 ? value : ((chance.u64() >> BigInt(width)) << BigInt(width)) | BigInt.asUintN(width, value));

/** Gives base and index values that put the operand at the linear address. */
const solve = (chance: Chance, registers: BigUint64Array, bits: Bits, m: MemoryOperand, where: bigint): void => {
  const width = m.addressBits;
  const offset = where - BigInt(SEGMENTS[bits][m.segment].base) - m.displacement;
  if (m.index >= 0 && m.index === m.base) {
    // (1 << scale) + 1 times the register: as near as division comes.
    putLow(chance, registers, bits, m.base, BigInt.asUintN(width, offset) / (1n + (1n << BigInt(m.scale))), width);
    return;
  }
  if (m.index >= 0) {
    const inner =
      m.base < 0 ? BigInt.asUintN(width, offset) >> BigInt(m.scale) : chance.one(2) ? chance.u64() : BigInt(chance.below(4096) - 2048);
    putLow(chance, registers, bits, m.index, inner, width);
    if (m.base >= 0) putLow(chance, registers, bits, m.base, offset - (BigInt.asUintN(width, inner) << BigInt(m.scale)), width);
  } else if (m.base >= 0) putLow(chance, registers, bits, m.base, offset, width);
};

/** Value of the linear address in the data page, as far as it is there. */
const wordAt = (page: number, where: bigint): bigint => {
  const at = Number(where) - DATA_PAGE;
  if (at < 0 || at > 4088) return 0n;
  const words = pageWords(page);
  return new DataView(words.buffer).getBigUint64(at, true);
};

/** One state to run the subject from. */
export const start = (chance: Chance, s: Subject, aligned = false): Start => {
  const { form, bits, encoded } = s;
  const registers = new BigUint64Array(16);
  const width = bits === 64 ? 64 : 32;
  for (let i = 0; i < (bits === 64 ? 16 : 8); i++) put(registers, bits, i, registerValue(chance));
  const stackOffset = chance.one(12)
    ? chance.pick([0, 1, 2, 4, 8, 4092, 4094, 4096, 4090, 4088, 4100])
    : chance.one(6)
      ? 0x400 + chance.below(0x800)
      : 0x400 + 8 * chance.below(256);
  putLow(chance, registers, bits, RSP, BigInt(stackAt(bits, stackOffset)), bits === 16 ? 16 : width);
  const page = chance.below(PAGES);
  let patchWord = -1;
  let patchValue = 0n;
  const { memory, addressBits } = encoded;
  let where = 0n;
  if (memory !== undefined) {
    where = memory.base === RSP ? BigInt(DATA_PAGE + stackOffset) + memory.displacement : target(chance, form.memoryBytes, bits);
    if (BIT_STRING.test(form.name)) {
      where = BigInt(DATA_PAGE + 0x400 + chance.below(0x800));
      const size = form.operandSize;
      if (!chance.one(8)) putLow(chance, registers, bits, encoded.reg, BigInt(chance.below(4096) - 2048), size);
    }
    if (form.name.startsWith('Cmpxchg16b') && !chance.one(4)) where &= ~15n;
    if (memory.base !== RSP) solve(chance, registers, bits, memory, where);
    else if (memory.index >= 0) putLow(chance, registers, bits, memory.index, BigInt(chance.below(64) - 32), memory.addressBits);
  }
  const { mnemonic, name } = form;
  if (form.operands.includes(OpCodeOperandKind.seg_rDI))
    putLow(
      chance,
      registers,
      bits,
      RDI,
      target(chance, form.memoryBytes, bits) - BigInt(SEGMENTS[bits][encoded.segment].base),
      addressBits,
    );
  if (STRING.test(mnemonic)) {
    const inPage = (segment: number): bigint => target(chance, 8, bits) - BigInt(SEGMENTS[bits][segment].base);
    putLow(chance, registers, bits, RSI, inPage(encoded.segment), addressBits);
    putLow(chance, registers, bits, RDI, inPage(ES), addressBits);
    if (chance.one(6)) putLow(chance, registers, bits, RDI, registers[RSI] + BigInt(chance.below(33) - 16), addressBits);
    if (encoded.repeated) putLow(chance, registers, bits, RCX, BigInt(chance.one(12) ? chance.below(2000) : chance.below(40)), addressBits);
    if (/^(Scas|Stos)/.test(mnemonic) && chance.one(2)) put(registers, bits, RAX, wordAt(page, BigInt(DATA_PAGE + 8 * chance.below(512))));
  } else if (mnemonic === 'Xlat') {
    putLow(chance, registers, bits, RBX, target(chance, 256, bits) - BigInt(SEGMENTS[bits][encoded.segment].base), addressBits);
  } else if (STACK.test(mnemonic)) {
    if (/^(Leave|Enter)/.test(mnemonic)) {
      const frame = chance.one(8) ? chance.pick([0, 4, 8, 4094, 4088, 4096]) : 0x600 + 8 * chance.below(256);
      putLow(chance, registers, bits, RBP, BigInt(stackAt(bits, frame)), bits === 16 ? 16 : width);
    }
    if (/^Retn/.test(mnemonic) && chance.one(2)) {
      patchWord = (stackOffset >> 3) & 511;
      patchValue = BigInt(codeBase(bits) + chance.below(ENTRY));
    }
    if (POP_FLAGS.test(mnemonic)) {
      patchWord = (stackOffset >> 3) & 511;
      putLow(chance, registers, bits, RSP, BigInt(stackAt(bits, patchWord * 8)), bits === 16 ? 16 : width);
      patchValue = chance.u64() & HARMLESS_IMAGE;
    }
  } else if (DIVISION.test(mnemonic)) {
    const size = form.operandSize === 0 ? 8 : form.operandSize;
    if (size === 8) {
      if (chance.one(2)) putLow(chance, registers, bits, RAX, BigInt(chance.below(2048)), 16);
    } else if (!chance.one(4)) {
      const signed = mnemonic === 'Idiv' && (registers[RAX] >> BigInt(size - 1)) & 1n;
      putLow(chance, registers, bits, RDX, chance.one(3) ? BigInt(chance.below(16)) : signed ? -1n : 0n, size);
    }
  } else if (COMPARE_EXCHANGE.test(mnemonic) && chance.one(2)) {
    const value = wordAt(page, where);
    if (name.startsWith('Cmpxchg8b')) {
      putLow(chance, registers, bits, RAX, value, 32);
      putLow(chance, registers, bits, RDX, value >> 32n, 32);
    } else if (name.startsWith('Cmpxchg16b')) {
      registers[RAX] = value;
      registers[RDX] = wordAt(page, where + 8n);
    } else put(registers, bits, RAX, encoded.rm >= 0 ? registers[encoded.rm] : value);
    // The accumulator may have been the operand's base: then it is somewhere else now, which is as good a case.
  } else if (COUNTED.test(mnemonic)) putLow(chance, registers, bits, RCX, BigInt(chance.below(3)), addressBits);
  if (INDIRECT.test(name) && encoded.rm >= 0 && !chance.one(4))
    put(registers, bits, encoded.rm, BigInt(codeBase(bits) + chance.below(ENTRY)));
  if (POP_FLAGS.test(mnemonic) && (stackOffset & 4095) > 4088) patchWord = 511;
  return {
    registers,
    flags: (chance.u32() & INITIAL_FLAGS) | (aligned ? AC : 0),
    page,
    patchWord,
    patchValue,
    vectorSeed: form.vectors ? chance.below(VECTOR_SEEDS) : -1,
  };
};

const SHIFT = /^(Rol|Ror|Rcl|Rcr|Shl|Sal|Shr|Sar|Shld|Shrd)$/;
const CF = 1;
const AF = 0x10;
const OF = 0x800;

/** Flags that the architecture leaves undefined after the subject has run from the state (SDM 2B: shifts and rotates by their count). */
export const undefinedAfter = (s: Subject, registers: BigUint64Array): number => {
  const { mnemonic, name, operandSize } = s.form;
  if (!SHIFT.test(mnemonic)) return s.undefinedFlags;
  const size = operandSize === 0 ? 8 : operandSize;
  const raw = name.endsWith('_CL') ? Number(registers[RCX] & 0xffn) : name.endsWith('_1') ? 1 : s.code[s.code.length - 1];
  const count = raw & (size === 64 ? 63 : 31);
  if (count === 0) return 0;
  const overflow = count === 1 ? 0 : OF;
  if (mnemonic[0] === 'R') return overflow;
  if (mnemonic === 'Shld' || mnemonic === 'Shrd') return count > size ? ARITHMETIC_FLAGS : AF | overflow;
  return AF | overflow | (mnemonic !== 'Sar' && count >= size ? CF : 0);
};
