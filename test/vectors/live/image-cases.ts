// State images against the host: FXSAVE, FXRSTOR, XSAVE, XSAVEC, XRSTOR, FNSAVE, FRSTOR, FNSTENV, FLDENV at user level, as sequences that save, change the state,
// spoil the image now and then, and load it again. Instruction and operand pointers are wiped: they are where the code is (PROCESSOR.md, x87 pointers).
import { DATA_PAGE } from '../load.js';
import { type Chance, registerValue } from './chance.js';
import { type Bits, INITIAL_FLAGS, PAGES, stackAt } from './layout.js';
import type { Sequence } from './segment-cases.js';
import { VECTOR_SEEDS } from './vector-state.js';

const [RAX, RDX, RSP, RDI] = [0, 2, 4, 7];
/** Alignment of XSAVE areas. */
const AREA = 64;
/**
 * What changes between save and load, in every mode: FLD1, FNINIT, FINCSTP, FSTP, PXOR, ADDPS, PADDB of MMX, EMMS, VCMPPS of YMM to all ones, VZEROUPPER.
 * Nothing that makes upper halves zero but VZEROUPPER: whether they then count as in use is the processor's own affair (SDM 1 13.6).
 */
const CHANGES = [
  [0xd9, 0xe8],
  [0xdb, 0xe3],
  [0xd9, 0xf7],
  [0xdd, 0xd9],
  [0x66, 0x0f, 0xef, 0xc9],
  [0x0f, 0x58, 0xd3],
  [0x0f, 0xfc, 0xe5],
  [0x0f, 0x77],
  [0xc5, 0xf4, 0xc2, 0xc1, 0x0f],
  [0xc5, 0xf8, 0x77],
];

class Area {
  readonly code: number[] = [];
  readonly bits: Bits;
  constructor(bits: Bits) {
    this.bits = bits;
  }
  /** An instruction with its operand at [rDI]. `prefix`: 66 or REX.W. */
  at(opcode: readonly number[], reg: number, prefix: readonly number[] = []): void {
    this.code.push(...(this.bits === 16 ? [0x67] : []), ...prefix, ...opcode, (reg << 3) | RDI);
  }
  /** MOV dword [rDI + offset], value. */
  put(offset: number, value: number): void {
    const displacement = [0, 8, 16, 24].map((shift) => (offset >>> shift) & 0xff);
    const immediate = [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
    this.code.push(...(this.bits === 16 ? [0x67, 0x66] : []), 0xc7, 0x80 | RDI, ...displacement, ...immediate);
  }
}

interface Format {
  readonly save: readonly [opcode: readonly number[], reg: number];
  readonly load: readonly [opcode: readonly number[], reg: number];
  readonly prefixes: readonly (readonly number[])[];
  /** Wipes the pointers. */
  wipe(area: Area, prefix: readonly number[]): void;
  /** Offsets worth spoiling. */
  readonly fields: readonly number[];
}
const REX_W = [0x48];
const wipeFx = (area: Area): void => {
  for (const offset of [8, 12, 16, 20]) area.put(offset, 0);
  // FOP, the word behind the tags.
  area.code.push(...(area.bits === 16 ? [0x67] : [0x66]), 0xc7, 0x40 | RDI, 6, 0, 0);
};
/** By operand size: 16-bit environments have FIP at 6, the others at 12. */
const wipeEnvironment = (area: Area, prefix: readonly number[]): void => {
  const narrow = (area.bits === 16) === (prefix[0] !== 0x66);
  for (const offset of narrow ? [6, 10] : [12, 16, 20, 24]) area.put(offset, 0);
};
const fx = (save: Format['save'], load: Format['load'], fields: readonly number[], wide: boolean): Format => ({
  save,
  load,
  prefixes: wide ? [[], REX_W] : [[]],
  wipe: wipeFx,
  fields,
});
const formats = (bits: Bits): readonly Format[] => {
  const wide = bits === 64;
  const environment = { wipe: wipeEnvironment, prefixes: [[], [0x66]], fields: [0, 4, 8] };
  const header = [0, 2, 4, 24, 512, 516, 520, 524, 528, 536];
  return [
    fx([[0x0f, 0xae], 0], [[0x0f, 0xae], 1], [0, 2, 4, 24, 28], wide),
    fx([[0x0f, 0xae], 4], [[0x0f, 0xae], 5], header, wide),
    fx([[0x0f, 0xc7], 4], [[0x0f, 0xae], 5], header, wide),
    { save: [[0xd9], 6], load: [[0xd9], 4], ...environment },
    { save: [[0xdd], 6], load: [[0xdd], 4], ...environment },
  ];
};

export const imageSequence = (chance: Chance, bits: Bits): Sequence => {
  const area = new Area(bits);
  const format = chance.pick(formats(bits));
  const prefix = chance.pick(format.prefixes);
  const changes = (): void => {
    for (let n = chance.below(4); n > 0; n--) area.code.push(...chance.pick(CHANGES));
  };
  changes();
  area.at(...format.save, prefix);
  format.wipe(area, prefix);
  changes();
  if (chance.one(3)) area.put(chance.pick(format.fields), chance.one(2) ? chance.below(16) : chance.u32());
  if (!chance.one(4)) area.at(...format.load, prefix);
  const registers = new BigUint64Array(16);
  for (let i = 0; i < (bits === 64 ? 16 : 8); i++) registers[i] = BigInt.asUintN(bits === 64 ? 64 : 32, registerValue(chance));
  // Components that exist here; the host may have more.
  registers[RAX] = BigInt(chance.below(8));
  registers[RDX] = 0n;
  registers[RSP] = BigInt(stackAt(bits, 0xe00));
  const misaligned = chance.one(8) ? chance.pick([1, 4, 8, 16, 32]) : 0;
  const edge = chance.one(10) ? 0xf00 : 0;
  registers[RDI] = BigInt((bits === 16 ? 0 : DATA_PAGE) + (edge === 0 ? AREA * chance.below(40) : edge) + misaligned);
  return {
    code: Uint8Array.from(area.code),
    start: {
      registers,
      flags: chance.u32() & INITIAL_FLAGS & ~0x400,
      page: chance.below(PAGES),
      patchWord: -1,
      patchValue: 0n,
      vectorSeed: chance.below(VECTOR_SEEDS),
    },
  };
};
