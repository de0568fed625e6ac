// Random bytes of a form: prefixes, REX or VEX, opcode, ModR/M and SIB of every shape, immediates (SDM 2A chapter 2).
// An operand in memory is left as an equation: `cases.ts` chooses where it is to be and gives base and index their values.
import { OpCodeOperandKind, OpCodeTableKind } from 'iced-x86';
import { CODE_PAGE, DATA_PAGE, READ_ONLY_PAGE } from '../load.js';
import type { Chance } from './chance.js';
import type { Form } from './forms.js';
import { type Bits, codeBase, ENTRY, SEGMENTS } from './layout.js';
import { BRANCH, IMMEDIATE, IS4, OPCODE_REGISTER, OTHER_REG, REG_KINDS, RM_EITHER, RM_MEMORY, RM_REGISTER, VVVV } from './operand-kinds.js';

const K = OpCodeOperandKind;
const ES = 0;
const CS = 1;
const SS = 2;
const DS = 3;
const RSP = 4;
const SEGMENT_PREFIX = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];

/** address = base + (index << scale) + displacement, modulo 2^addressBits, in the segment. -1: no such register. */
export interface MemoryOperand {
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  readonly displacement: bigint;
  readonly addressBits: Bits;
  readonly segment: number;
}
export interface Encoded {
  readonly code: number[];
  /** The ModR/M operand in memory whose registers decide where it is. */
  readonly memory: MemoryOperand | undefined;
  readonly repeated: boolean;
  /** Segment and width of string and XLAT addresses. */
  readonly segment: number;
  readonly addressBits: Bits;
  /** Number of the register in ModR/M.reg, -1 none. */
  readonly reg: number;
  /** Number of the register in ModR/M.rm, -1 none. */
  readonly rm: number;
}

/** Registers that the encoding may not name as base or index, and whether memory operands are to be tame: for programs. */
export interface EncodeOptions {
  /** Base registers and a displacement range to take memory operands from, instead of any. */
  readonly pointers?: readonly number[];
}

export const littleEndian = (value: bigint, bytes: number): number[] => {
  const out: number[] = [];
  let v = BigInt.asUintN(64, value);
  for (let i = 0; i < bytes; i++, v >>= 8n) out.push(Number(v & 0xffn));
  return out;
};

/** Where an operand of some bytes is to be: mostly in the data page, and sometimes where the access must fault or split. */
export const target = (chance: Chance, bytes: number, bits: Bits): bigint => {
  const kind = chance.below(100);
  const inside = (): number => DATA_PAGE + chance.below(4096 - bytes + 1);
  if (kind < 50) return BigInt(inside());
  if (kind < 75) return BigInt(inside() & ~(bytes - 1));
  if (kind < 80) return BigInt(DATA_PAGE + ((chance.between(1, 62) * 64 - chance.below(bytes)) & 4095));
  if (kind < 84) return BigInt(DATA_PAGE + 4096 - chance.below(bytes + 1));
  if (kind < 88) return BigInt(DATA_PAGE - chance.below(bytes + 1));
  if (kind < 93) return BigInt(READ_ONLY_PAGE + chance.below(4096));
  if (kind < 95) return BigInt(CODE_PAGE + chance.below(4096));
  if (bits === 64 && kind < 98) return chance.pick([0x8000_0000_0000n, 0xffff_7fff_ffff_fff8n, 0x1234_5678_90ab_cdefn]);
  return BigInt(chance.below(0x1000));
};

/** Shapes of 16-bit addressing by r/m: base, index. */
const WORD_PAIRS = [
  [3, 6],
  [3, 7],
  [5, 6],
  [5, 7],
  [6, -1],
  [7, -1],
  [5, -1],
  [3, -1],
] as const;

interface ModRm {
  readonly mod: number;
  readonly rm: number;
  readonly tail: number[];
  readonly memory: MemoryOperand | undefined;
  readonly x: number;
  readonly b: number;
  /** Bytes of a displacement that counts from the end of the instruction, to where. */
  readonly ripTarget?: bigint;
}

const memoryShape = (
  chance: Chance,
  bits: Bits,
  addressBits: Bits,
  segmentPrefix: number,
  bytes: number,
  options: EncodeOptions,
): ModRm => {
  const small = (): bigint => BigInt(chance.below(256) - 128);
  const segmentOf = (byDefault: number): number =>
    segmentPrefix >= 0 && (bits !== 64 || segmentPrefix > DS) ? segmentPrefix : bits === 64 && byDefault !== SS ? DS : byDefault;
  const { pointers } = options;
  if (pointers !== undefined) {
    // Pointers stand at 0x400 in the page: 32-bit displacements reach all of it.
    const base = chance.pick(pointers);
    const wide = chance.one(2);
    // Long operands are aligned: most of them have to be.
    const step = bytes >= 16 ? bytes : 1;
    const displacement = BigInt(Math.floor((wide ? chance.below(0xc00 - bytes) - 0x400 : chance.below(256 - bytes) - 128) / step) * step);
    if (addressBits === 16) {
      const rm = WORD_PAIRS.findIndex(([b, i]) => b === base && i === -1);
      const tail = littleEndian(displacement, wide ? 2 : 1);
      return { mod: wide ? 2 : 1, rm, tail, memory: undefined, x: 0, b: 0 };
    }
    const tail = littleEndian(displacement, wide ? 4 : 1);
    const sib = (base & 7) === RSP;
    return { mod: wide ? 2 : 1, rm: sib ? 4 : base & 7, tail: sib ? [0x24, ...tail] : tail, memory: undefined, x: 0, b: base >> 3 };
  }
  if (addressBits === 16) {
    const rm = chance.below(8);
    const mod = chance.below(3);
    if (mod === 0 && rm === 6) {
      const where = target(chance, bytes, bits) - BigInt(SEGMENTS[bits][segmentOf(DS)].base);
      return { mod, rm, tail: littleEndian(where, 2), memory: undefined, x: 0, b: 0 };
    }
    const [base, index] = WORD_PAIRS[rm];
    const displacement = mod === 0 ? 0n : mod === 1 ? small() : BigInt(chance.below(65536));
    const memory = { base, index, scale: 0, displacement, addressBits, segment: segmentOf(base === 5 ? SS : DS) };
    return { mod, rm, tail: littleEndian(displacement, mod), memory, x: 0, b: 0 };
  }
  const registers = bits === 64 ? 16 : 8;
  const mod = chance.pick([0, 0, 1, 1, 2]);
  const displacement = mod === 0 ? 0n : mod === 1 ? small() : BigInt(chance.u32() | 0);
  const displacementBytes = mod === 0 ? 0 : mod === 1 ? 1 : 4;
  if (chance.one(3)) {
    const base = chance.below(registers);
    const index = chance.below(registers);
    const scale = chance.below(4);
    const noBase = mod === 0 && (base & 7) === 5;
    const hasIndex = index !== RSP;
    const sibByte = (scale << 6) | ((index & 7) << 3) | (base & 7);
    const x = index >> 3;
    const b = base >> 3;
    if (noBase) {
      const where = target(chance, bytes, bits);
      const far = BigInt.asIntN(32, BigInt(chance.u32()));
      const segment = segmentOf(DS);
      const absolute = BigInt.asIntN(32, where - BigInt(SEGMENTS[bits][segment].base));
      const disp = hasIndex ? far : absolute;
      const memory = hasIndex ? { base: -1, index, scale, displacement: disp, addressBits, segment } : undefined;
      return { mod, rm: 4, tail: [sibByte, ...littleEndian(disp, 4)], memory, x, b };
    }
    const memory = {
      base,
      index: hasIndex ? index : -1,
      scale,
      displacement,
      addressBits,
      segment: segmentOf(base === RSP || base === 5 ? SS : DS),
    };
    return { mod, rm: 4, tail: [sibByte, ...littleEndian(displacement, displacementBytes)], memory, x, b };
  }
  let base = chance.below(registers);
  while ((base & 7) === RSP) base = chance.below(registers);
  if (mod === 0 && (base & 7) === 5) {
    const where = target(chance, bytes, bits);
    if (bits === 64) return { mod, rm: 5, tail: [], memory: undefined, x: 0, b: 0, ripTarget: where };
    const absolute = where - BigInt(SEGMENTS[bits][segmentOf(DS)].base);
    return { mod, rm: 5, tail: littleEndian(absolute, 4), memory: undefined, x: 0, b: 0 };
  }
  const memory = { base, index: -1, scale: 0, displacement, addressBits, segment: segmentOf(base === 5 ? SS : DS) };
  return { mod, rm: base & 7, tail: littleEndian(displacement, displacementBytes), memory, x: 0, b: base >> 3 };
};

/** One random encoding of the form. It need not decode to it (a LOCK on a register, say): whoever wants that looks. */
export const encode = (chance: Chance, form: Form, bits: Bits, options: EncodeOptions = {}): Encoded => {
  const kinds = form.operands;
  const registers = bits === 64 ? 16 : 8;
  const has = (set: ReadonlySet<number>): boolean => kinds.some((k) => set.has(k));
  const tame = options.pointers !== undefined;
  const memoryOnly = has(RM_MEMORY);
  const inMemory = memoryOnly || (has(RM_EITHER) && chance.one(2));
  const repeatable = form.canRep || form.canRepne;

  let addressBits: Bits = bits;
  let addressPrefix = form.addressSize !== 0 ? form.addressSize !== bits : !tame && chance.one(8);
  if (form.addressSize !== 0) addressBits = form.addressSize as Bits;
  else if (addressPrefix) addressBits = bits === 32 ? 16 : 32;
  if (tame && bits === 32) addressPrefix = false;

  let segmentPrefix = -1;
  if (!tame && chance.one(6)) segmentPrefix = bits === 64 ? 5 : chance.pick([ES, CS, SS, DS, 4, 5]);
  const prefixes: number[] = [];
  if (segmentPrefix >= 0) prefixes.push(SEGMENT_PREFIX[segmentPrefix]);
  if (addressPrefix) prefixes.push(0x67);
  let repeated = false;
  if (repeatable && !chance.one(3)) {
    repeated = true;
    prefixes.push(form.canRepne && chance.one(2) ? 0xf2 : 0xf3);
  }
  if (form.canLock && inMemory && chance.one(4)) prefixes.push(0xf0);

  let w = form.vex ? (form.w < 0 ? chance.below(2) : form.w) : 0;
  if (!form.vex) {
    const sized = form.operandSize;
    if (sized === 16 ? bits !== 16 : sized === 32 && bits === 16) prefixes.push(0x66);
    if (sized === 64 && !form.default64) w = 1;
    else if (sized === 64 && form.default64 && chance.one(8)) w = 1;
    else if (sized === 0 && form.mandatoryPrefix === 0 && bits === 64 && !form.vectors && chance.one(16)) w = 1;
  }
  if (form.mandatoryPrefix !== 0 && !form.vex) prefixes.push(form.mandatoryPrefix);

  let r = 0;
  let x = 0;
  let b = 0;
  let vvvv = 0;
  let needsRex = false;
  let reg = -1;
  let rm = -1;
  const opcode = [...form.opcode];
  let modrm: number | undefined;
  let tail: number[] = [];
  let memory: MemoryOperand | undefined;
  let ripTarget: bigint | undefined;
  const width = (kind: number): number => (kind === K.mm_reg || kind === K.mm_or_mem || kind === K.mm_rm ? 8 : registers);

  if (has(REG_KINDS) || has(RM_EITHER) || has(RM_REGISTER) || memoryOnly || has(OTHER_REG) || form.group >= 0 || form.rmGroup >= 0) {
    let regField = Math.max(form.group, 0);
    const regKind = kinds.find((k) => REG_KINDS.has(k));
    if (regKind !== undefined) {
      reg = chance.below(width(regKind));
      regField = reg & 7;
      r = reg >> 3;
      if (regKind === K.r8_reg && reg > 3) needsRex ||= bits === 64 && chance.one(2);
    } else if (has(OTHER_REG)) regField = has(new Set([K.seg_reg])) ? chance.below(6) : chance.below(8);
    if (inMemory) {
      const shape = memoryShape(chance, bits, addressBits, segmentPrefix, form.memoryBytes, options);
      modrm = (shape.mod << 6) | (regField << 3) | shape.rm;
      ({ tail, memory, x, b, ripTarget } = { ripTarget: undefined, ...shape });
    } else {
      const rmKind = kinds.find((k) => RM_EITHER.has(k) || RM_REGISTER.has(k));
      rm = rmKind === undefined ? Math.max(form.rmGroup, 0) : chance.below(width(rmKind));
      if (rmKind === K.r8_or_mem && rm > 3) needsRex ||= bits === 64 && chance.one(2);
      modrm = 0xc0 | (regField << 3) | (rm & 7);
      b = rm >> 3;
      if (rmKind === undefined) rm = -1;
    }
  } else if (has(OPCODE_REGISTER)) {
    const stack = kinds.includes(K.sti_opcode);
    rm = chance.below(stack ? 8 : registers);
    opcode[opcode.length - 1] |= rm & 7;
    b = rm >> 3;
    if (kinds.includes(K.r8_opcode) && rm > 3) needsRex ||= bits === 64 && chance.one(2);
    if (stack) rm = -1;
  }
  if (has(VVVV)) vvvv = chance.below(registers);

  const immediate: number[] = [];
  const here = (): number => ENTRY; // single instructions stand there
  for (const kind of kinds) {
    const bytes = IMMEDIATE.get(kind);
    if (bytes !== undefined) {
      const edge = chance.pick([0n, 1n, -1n, 0x7fn, -0x80n, 0x7fff_ffffn]);
      immediate.push(...littleEndian(chance.one(3) ? edge : chance.u64(), bytes));
    } else if (IS4.has(kind)) immediate.push((chance.below(registers) << 4) | (bits === 64 ? 0 : 0));
    else if (kind === K.mem_offs) {
      const segment = segmentPrefix >= 0 && (bits !== 64 || segmentPrefix > DS) ? segmentPrefix : DS;
      immediate.push(...littleEndian(target(chance, form.memoryBytes, bits) - BigInt(SEGMENTS[bits][segment].base), addressBits / 8));
    } else if (BRANCH.has(kind)) {
      const bytes = BRANCH.get(kind) as number;
      // Not into the instruction itself: that would be another one, or no end.
      const range = bytes === 1 ? 127 : 1900;
      immediate.push(...littleEndian(BigInt(chance.one(2) ? chance.below(range) : -16 - chance.below(range - 16)), bytes));
    }
  }
  if (form.mnemonic === 'Int' && immediate[0] === 0x80) immediate[0] = 0x81;

  const code: number[] = [];
  if (form.fwait) code.push(0x9b);
  code.push(...prefixes);
  if (form.vex) {
    const map = form.table === OpCodeTableKind.T0F ? 1 : form.table === OpCodeTableKind.T0F38 ? 2 : 3;
    const pp = form.mandatoryPrefix === 0x66 ? 1 : form.mandatoryPrefix === 0xf3 ? 2 : form.mandatoryPrefix === 0xf2 ? 3 : 0;
    const l = form.l < 0 ? chance.below(2) : form.l;
    const last = ((~vvvv & 15) << 3) | (l << 2) | pp;
    if (map === 1 && w === 0 && x === 0 && b === 0 && chance.one(2)) code.push(0xc5, ((r ^ 1) << 7) | last);
    else code.push(0xc4, ((r ^ 1) << 7) | ((x ^ 1) << 6) | ((b ^ 1) << 5) | map, (w << 7) | last);
  } else {
    const rex = (w << 3) | (r << 2) | (x << 1) | b;
    if (bits === 64 && (rex !== 0 || needsRex)) code.push(0x40 | rex);
    if (form.table === OpCodeTableKind.T0F) code.push(0x0f);
    if (form.table === OpCodeTableKind.T0F38) code.push(0x0f, 0x38);
    if (form.table === OpCodeTableKind.T0F3A) code.push(0x0f, 0x3a);
  }
  code.push(...opcode);
  if (modrm !== undefined) code.push(modrm);
  if (ripTarget !== undefined) {
    const end = BigInt(codeBase(bits) + here() + code.length + 4 + immediate.length);
    tail = littleEndian(addressBits === 32 ? BigInt.asUintN(32, ripTarget - end) : ripTarget - end, 4);
  }
  code.push(...tail, ...immediate);
  const byDefault = bits === 64 ? DS : DS;
  const segment = segmentPrefix >= 0 && (bits !== 64 || segmentPrefix > DS) ? segmentPrefix : byDefault;
  return { code, memory, repeated, segment, addressBits, reg, rm };
};
