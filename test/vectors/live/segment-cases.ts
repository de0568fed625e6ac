// Loads of segment registers, far transfers and IRET at user level, as short sequences: selectors of every kind, then accesses that show what was loaded, or
// a landing whose bytes mean something else in each code size. SDM 2A/2B CALL, IRET, JMP, LAR, LDS, LSL, MOV, POP, RET, VERR; SDM 3A 5.6, 5.8.
import { DATA_PAGE } from '../load.js';
import { type Chance, registerValue } from './chance.js';
import { GDT_ENTRIES, LDT_ENTRIES, LOCAL_CODE } from './host-tables.js';
import { type Bits, CODE_BYTES, codeBase, ENTRY, INITIAL_FLAGS, PAGES, stackAt } from './layout.js';
import type { Start } from './state.js';

/** Code and what it starts from. */
export interface Sequence {
  readonly code: Uint8Array;
  readonly start: Start;
}
type Width = 2 | 4 | 8;

const [RBX, RSP, RSI, RDI] = [3, 4, 6, 7];
const SS = 2;
const PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
/** TF and NT stay out of images: the case would not end where it should. */
const IMAGE = ~0x4100;
/** The upper halves of TSS and LDT, and the host's CPU number. */
const NOT_ASKED = [9, 11, 15];
const CODE_SELECTORS = [0x23, 0x33, 0x07, 0x2f, 0x47, 0x5f];
const DATA_SELECTORS = [0x2b, 0x0f, 0x17, 0x1f, 0x27, 0x4f, 0x57];
/** MOV eAX; PUSH eAX; POP eAX; INC eAX or REX: one after the other, each ended by INT3. */
const LANDINGS = [[0xb8, 0x44, 0x33, 0x22, 0x11], [0x50], [0x58], [0x40], []];

const bytes = (value: number, count: number): number[] => Array.from({ length: count }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff);
const widths = (bits: Bits): readonly Width[] => (bits === 64 ? [2, 4, 8] : [2, 4]);

const anySelector = (chance: Chance): number => {
  const rpl = chance.one(4) ? chance.below(4) : 3;
  for (;;) {
    const kind = chance.below(8);
    if (kind === 0) return chance.below(4);
    if (kind < 4) return (chance.below(LDT_ENTRIES + 2) << 3) | 4 | rpl;
    if (kind < 6) return chance.pick(DATA_SELECTORS);
    const index = kind === 6 ? chance.below(GDT_ENTRIES + 4) : chance.below(0x2000);
    if (!NOT_ASKED.includes(index)) return (index << 3) | rpl;
  }
};
const codeSelector = (chance: Chance): number => (chance.one(4) ? anySelector(chance) : chance.pick(CODE_SELECTORS));
const stackSelector = (chance: Chance): number => (chance.one(3) ? anySelector(chance) : chance.pick(DATA_SELECTORS));
/** Offset of a place in the code pages in the selector's segment; sometimes of none. */
const offsetOf = (chance: Chance, selector: number, place: number): number => {
  if (chance.one(10)) return chance.pick([0, 0xffff, 0x1_0000, CODE_BYTES, 0x7fff_ffff]);
  return (selector & 4) !== 0 && LOCAL_CODE.includes(selector >> 3) ? place : codeBase(64) + place;
};

/** Instruction parts of a mode. */
class Assembler {
  readonly code: number[] = [];
  readonly bits: Bits;
  constructor(bits: Bits) {
    this.bits = bits;
  }
  #operand(width: Width): number[] {
    if (width === 8) return [0x48];
    return (width === 2) === (this.bits === 16) ? [] : [0x66];
  }
  /** Operand-size prefix or REX.W, then the bytes. Where the width is that of the mode there is no prefix. */
  sized(width: Width, ...rest: number[]): void {
    this.code.push(...this.#operand(width), ...rest);
  }
  /** With an operand at [rDI] (ModR/M mod 0), or [rSI]. */
  withMemory(width: Width, opcode: readonly number[], reg: number, rm = RDI, segment = -1): void {
    if (this.bits === 16) this.code.push(0x67);
    if (segment >= 0) this.code.push(PREFIXES[segment]);
    this.sized(width, ...opcode, (reg << 3) | rm);
  }
  /** MOV of words to [rSP + …] or [rDI + …]. */
  store(base: number, width: Width, values: readonly number[]): void {
    for (const [i, value] of values.entries()) {
      if (this.bits === 16) this.code.push(0x67);
      this.sized(width, 0xc7, 0x40 | base, ...(base === RSP ? [0x24] : []), i * width, ...bytes(value, Math.min(width, 4)));
    }
  }
}

type Make = (a: Assembler, chance: Chance, place: number) => void;

/** Shows base, limit and rights of what was loaded. */
const probe = (a: Assembler, chance: Chance, segment: number): void => {
  if (segment === SS) a.code.push(0x52);
  if (chance.one(3)) return;
  // MOV CL, [rSI]; MOV [rSI], CH.
  a.withMemory(a.bits === 16 ? 2 : 4, [0x8a], 1, RSI, segment);
  a.withMemory(a.bits === 16 ? 2 : 4, [0x88], 5, RSI, segment);
};
const narrow = (a: Assembler): Width => (a.bits === 16 ? 2 : 4);

const moveToSegment: Make = (a, chance) => {
  const segment = chance.below(6);
  if (chance.one(2)) {
    a.store(RDI, 2, [anySelector(chance)]);
    a.withMemory(chance.pick(widths(a.bits)), [0x8e], segment);
  } else a.sized(chance.pick(widths(a.bits)), 0x8e, 0xc0 | (segment << 3) | RBX);
  probe(a, chance, segment);
};
const popSegment: Make = (a, chance) => {
  const segment = chance.pick(a.bits === 64 ? [4, 5] : [0, 2, 3, 4, 5]);
  const width = chance.pick(a.bits === 64 ? ([2, 8] as const) : widths(a.bits));
  a.store(RSP, width, [anySelector(chance)]);
  const opcode = { 0: [0x07], 2: [0x17], 3: [0x1f], 4: [0x0f, 0xa1], 5: [0x0f, 0xa9] }[segment] as number[];
  a.sized(width === 8 ? narrow(a) : width, ...opcode);
  probe(a, chance, segment);
};
const loadFarPointer: Make = (a, chance) => {
  const segment = chance.pick(a.bits === 64 ? [2, 4, 5] : [0, 2, 3, 4, 5]);
  const width = chance.pick(widths(a.bits));
  a.store(RDI, width, [chance.u32() & 0x7fff, anySelector(chance)]);
  const opcode = { 0: [0xc4], 2: [0x0f, 0xb2], 3: [0xc5], 4: [0x0f, 0xb4], 5: [0x0f, 0xb5] }[segment] as number[];
  a.withMemory(width, opcode, chance.pick([0, 1, 2, 3, 5]));
  probe(a, chance, segment);
};
const direct: Make = (a, chance, place) => {
  const width = chance.pick([2, 4] as const);
  const selector = codeSelector(chance);
  a.sized(width, chance.pick([0x9a, 0xea]), ...bytes(offsetOf(chance, selector, place), width), ...bytes(selector, 2));
};
const indirect: Make = (a, chance, place) => {
  const width = chance.pick(widths(a.bits));
  const selector = codeSelector(chance);
  a.store(RDI, width, [offsetOf(chance, selector, place), selector]);
  a.withMemory(width, [0xff], chance.pick([3, 5]));
};
const farReturn: Make = (a, chance, place) => {
  const width = chance.pick(widths(a.bits));
  const selector = codeSelector(chance);
  a.store(RSP, width, [offsetOf(chance, selector, place), selector]);
  if (chance.one(2)) a.sized(width, 0xcb);
  else a.sized(width, 0xca, ...bytes(8 * chance.below(8), 2));
};
const interruptReturn: Make = (a, chance, place) => {
  const width = chance.pick(widths(a.bits));
  const selector = codeSelector(chance);
  const frame = [offsetOf(chance, selector, place), selector, chance.u32() & IMAGE];
  const stack = stackSelector(chance);
  const outer = (chance.one(2) ? 0x600 : DATA_PAGE + 0x600) + (chance.one(4) ? chance.below(8) : 0);
  a.store(RSP, width, a.bits === 64 ? [...frame, outer, stack] : frame);
  a.sized(width, 0xcf);
};
/** LAR, LSL, VERR, VERW. */
const examine: Make = (a, chance) => {
  const [opcode, reg] = chance.pick([
    [[0x0f, 0x02], 0],
    [[0x0f, 0x03], 0],
    [[0x0f, 0x00], 4],
    [[0x0f, 0x00], 5],
  ] as const);
  const width = chance.pick(widths(a.bits));
  if (chance.one(2)) {
    a.store(RDI, 2, [anySelector(chance)]);
    a.withMemory(width, opcode, reg);
  } else a.sized(width, ...opcode, 0xc0 | (reg << 3) | RBX);
};
const adjustRpl: Make = (a, chance) => {
  if (a.bits !== 64) a.code.push(0x63, 0xc0 | (RBX << 3) | chance.pick([0, 1, 2, 6]));
};
const MAKERS: readonly Make[] = [
  moveToSegment,
  moveToSegment,
  popSegment,
  loadFarPointer,
  direct,
  indirect,
  farReturn,
  interruptReturn,
  interruptReturn,
  examine,
  adjustRpl,
];

const sequenceCode = (chance: Chance, bits: Bits): number[] => {
  const make = chance.pick(MAKERS);
  const landing = chance.pick(LANDINGS);
  // Once for the length, once with the place of the landing behind it: the same choices both times.
  const [seed, stream] = [chance.u32(), chance.u32()];
  const made = (place: number): number[] => {
    const a = new Assembler(bits);
    make(a, chance.fork(seed, stream), place);
    return a.code;
  };
  const main = made(ENTRY + made(ENTRY).length + 1);
  return [...main, 0xcc, ...landing];
};

export const segmentSequence = (chance: Chance, bits: Bits): Sequence => {
  const code = sequenceCode(chance, bits);
  const registers = new BigUint64Array(16);
  for (let i = 0; i < (bits === 64 ? 16 : 8); i++) registers[i] = BigInt.asUintN(bits === 64 ? 64 : 32, registerValue(chance));
  registers[RBX] = (registers[RBX] & ~0xffffn) | BigInt(anySelector(chance));
  registers[RSP] = BigInt(stackAt(bits, 0x800 + 8 * chance.below(64)));
  registers[RDI] = BigInt(stackAt(bits, 0x200 + 8 * chance.below(64)));
  const where = chance.one(8) ? 0xa00 + chance.below(0x1000) : 0x100 + chance.below(0xc00);
  registers[RSI] = BigInt(chance.one(2) ? where : DATA_PAGE + where);
  return {
    code: Uint8Array.from(code),
    start: {
      registers,
      flags: chance.u32() & INITIAL_FLAGS,
      page: chance.below(PAGES),
      patchWord: -1,
      patchValue: 0n,
      vectorSeed: -1,
    },
  };
};
