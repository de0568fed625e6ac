// The pieces that random programs are made of: instructions whose memory operands stay in the data area and that leave pointers and stack alone,
// with what each one reads, defines and leaves undefined of the flags.
import { Decoder, FlowControl, Instruction, InstructionInfoFactory, OpAccess, Register, RegisterExt } from 'iced-x86';
import { statusOf } from './cases.js';
import type { Chance } from './chance.js';
import { encode } from './encode.js';
import { type Form, formsOf } from './forms.js';
import type { Bits } from './layout.js';

const RSP = 4;
const STATUS = 0x8d5;
const CF = 1;
const AF = 0x10;
const OF = 0x800;

/** Registers that hold the middle of the data area throughout, and those that pieces address memory with. */
export const POINTERS: Readonly<Record<Bits, readonly number[]>> = { 64: [3, 5, 12, 13], 32: [3, 5], 16: [3, 5] };
/** Offset in the data page that the pointers hold. */
export const POINTER_OFFSET = 0x400;
/** Pieces stay below this offset; the stack is above it. */
export const DATA_END = 0xc00;

export interface Piece {
  readonly code: Uint8Array;
  /** Flags read before they are written, surely written, left undefined. `keeps`: with some operands it changes none. */
  readonly reads: number;
  readonly writes: number;
  readonly undefined: number;
  readonly keeps: boolean;
}

/** Not in programs: they mostly fault, end a block in ways of their own, move the stack, or give results that are not defined. */
const NOT_IN_PROGRAMS =
  /^(In|Out|Ins[bwd]|Outs[bwd]|Hlt|Cli|Sti|Int|Int3|Into|Bound|Clts|Swapgs|Invd|Wbinvd|Wbnoinvd|Invlpg|Lgdt|Lidt|Lldt|Ltr|Lmsw|Rdmsr|Wrmsr|Rsm|Sysret[dq]|Sysexit[dq]|Ud[012]|Enter[wdq]|Leave[wdq]|Pop[wdq]?|Push[wdq]?|Pusha[wd]|Popa[wd]|Popf[wdq]|Pushf[wdq]|Div|Idiv|Aam|Xlat|V?[Ll]dmxcsr|Fldcw|Fldenv|Frstor|V?[Mm]askmov\w*|Rdssp[dq])$/;
const NOT_IN_PROGRAMS_FORMS =
  /^(Mov_(r32|r64)_(cr|dr)|Mov_(cr|dr)|Sh[lr]d_rm16|Bs[fr]_r32|Bt[src]?_rm(16|32|64)_r|Mov_.*moffs|Mov_\w*_Sreg)/;
const STRING = /^(Movs|Cmps|Stos|Lods|Scas)[bwdq]$/;
const SHIFT_BY_CL = /_CL$/;
const SHIFT = /^(Rol|Ror|Rcl|Rcr|Shl|Sal|Shr|Sar|Shld|Shrd)$/;
const WRITES = new Set<number>([OpAccess.Write, OpAccess.CondWrite, OpAccess.ReadWrite, OpAccess.ReadCondWrite]);

const factory = new InstructionInfoFactory();
const instruction = new Instruction();

/** Decodes one instruction of the form and says what it does to flags, or undefined when it writes a register that must stay. */
const describe = (form: Form, bits: Bits, code: Uint8Array): Piece | undefined => {
  const decoder = new Decoder(bits, code, 0);
  decoder.decodeOut(instruction);
  decoder.free();
  if (instruction.code !== form.code || instruction.length !== code.length || instruction.flowControl !== FlowControl.Next)
    return undefined;
  const info = factory.info(instruction);
  let harmless = true;
  for (const used of info.usedRegisters()) {
    const full = RegisterExt.fullRegister(used.register);
    const number = RegisterExt.isGPR(full) ? RegisterExt.number(full) : -1;
    if (WRITES.has(used.access) && (number === RSP || POINTERS[bits].includes(number))) harmless = false;
    if (used.register >= Register.ES && used.register <= Register.GS && WRITES.has(used.access)) harmless = false;
    used.free();
  }
  info.free();
  if (!harmless) return undefined;
  const shift = SHIFT.test(form.mnemonic);
  const keeps = shift && SHIFT_BY_CL.test(form.name);
  const written = statusOf(instruction.rflagsWritten | instruction.rflagsCleared | instruction.rflagsSet);
  // Rotates and shifts by an immediate may have a count of zero, too.
  return {
    code,
    reads: statusOf(instruction.rflagsRead),
    writes: shift ? 0 : written,
    undefined: shift ? OF | AF | CF : statusOf(instruction.rflagsUndefined),
    keeps: keeps || shift,
  };
};

/** One piece after the other: flags of the whole. */
export const joined = (pieces: readonly Piece[]): Piece => {
  let reads = 0;
  let writes = 0;
  let undefined_ = 0;
  for (const p of pieces) {
    reads |= p.reads & ~writes;
    undefined_ = (undefined_ & ~p.writes) | p.undefined;
    writes |= p.writes;
  }
  return { code: Uint8Array.from(pieces.flatMap((p) => [...p.code])), reads, writes, undefined: undefined_, keeps: false };
};

const rex = (bits: Bits, reg: number, rm: number): number[] => (bits === 64 ? [0x48 | (reg >> 3 ? 4 : 0) | (rm >> 3)] : []);
/** ModR/M and displacement of [pointer + displacement], wide. */
export const pointed = (bits: Bits, reg: number, pointer: number, displacement: number): number[] => {
  const bytes = (n: number): number[] => Array.from({ length: n }, (_, i) => (displacement >> (8 * i)) & 0xff);
  if (bits === 16) return [0x80 | ((reg & 7) << 3) | (pointer === 3 ? 7 : 6), ...bytes(2)];
  const rm = pointer & 7;
  return rm === RSP ? [0x84 | ((reg & 7) << 3), 0x24, ...bytes(4)] : [0x80 | ((reg & 7) << 3) | rm, ...bytes(4)];
};
/** LEA register, [pointer + displacement]. */
const lea = (bits: Bits, register: number, pointer: number, displacement: number): number[] => [
  ...rex(bits, register, pointer),
  0x8d,
  ...pointed(bits, register, pointer, displacement),
];
const plain = (code: readonly number[]): Piece => ({ code: Uint8Array.from(code), reads: 0, writes: 0, undefined: 0, keeps: false });

/** Index registers set, a small count, then the string instruction. */
const stringPiece = (chance: Chance, form: Form, bits: Bits): Piece | undefined => {
  const down = chance.one(4);
  const at = (): number => (down ? 0x200 : 0) + chance.below(0x500) - POINTER_OFFSET;
  const encoded = encode(chance, form, bits, { pointers: POINTERS[bits] });
  const code = Uint8Array.from(encoded.code);
  if (encoded.addressBits !== bits) return undefined;
  const made = describe(form, bits, code);
  if (made === undefined) return undefined;
  const set = [
    ...lea(bits, 6, chance.pick(POINTERS[bits]), at()),
    ...lea(bits, 7, chance.pick(POINTERS[bits]), at()),
    ...(bits === 16 ? [0xb9, chance.below(20), 0] : [0xb9, chance.below(20), 0, 0, 0]),
    down ? 0xfd : 0xfc,
  ];
  // A repeat of zero compares nothing and leaves the flags.
  return joined([plain(set), { ...made, writes: encoded.repeated ? 0 : made.writes }]);
};

/** PUSH, something else, POP. */
const stackPiece = (chance: Chance, bits: Bits, inner: Piece): Piece => {
  const register = (): number => {
    for (;;) {
      const n = chance.below(bits === 64 ? 16 : 8);
      if (n !== RSP && !POINTERS[bits].includes(n)) return n;
    }
  };
  const short = (opcode: number, n: number): number[] => (n > 7 ? [0x41, opcode | (n & 7)] : [opcode | n]);
  const push = chance.one(5) ? { ...plain([0x9c]), reads: STATUS } : plain(short(0x50, register()));
  return joined([push, inner, plain(short(0x58, register()))]);
};
/** A division that can fault: rare, for it ends most programs. */
const division = (chance: Chance, bits: Bits): Piece | undefined => {
  const forms = formsOf(bits).filter((f) => /^I?div$/i.test(f.mnemonic));
  const form = chance.pick(forms);
  const piece = describe(form, bits, Uint8Array.from(encode(chance, form, bits, { pointers: POINTERS[bits] }).code));
  if (piece === undefined || chance.one(4)) return piece;
  return joined([plain([0x31, 0xd2]), { ...piece, writes: STATUS }]);
};

/** So many random pieces for programs of the mode. */
export const pieces = (chance: Chance, bits: Bits, count: number): Piece[] => {
  const usable = formsOf(bits).filter((f) => !NOT_IN_PROGRAMS.test(f.mnemonic) && !NOT_IN_PROGRAMS_FORMS.test(f.name));
  const scalar = usable.filter((f) => !f.vectors);
  const strings = usable.filter((f) => STRING.test(f.mnemonic));
  const out: Piece[] = [];
  while (out.length < count) {
    const kind = chance.below(100);
    let piece: Piece | undefined;
    if (kind < 5) piece = stringPiece(chance, chance.pick(strings), bits);
    else if (kind < 6) piece = division(chance, bits);
    else {
      const form = kind < 80 ? chance.pick(scalar) : chance.pick(usable);
      if (STRING.test(form.mnemonic)) continue;
      const encoded = encode(chance, form, bits, { pointers: POINTERS[bits] });
      if (encoded.code.length > 15) continue;
      piece = describe(form, bits, Uint8Array.from(encoded.code));
    }
    if (piece === undefined) continue;
    out.push(kind >= 95 ? stackPiece(chance, bits, piece) : piece);
  }
  return out;
};
