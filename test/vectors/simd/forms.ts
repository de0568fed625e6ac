// Which SIMD instructions are tried, and how: every code of the extensions by iced's tables, with registers, with memory, and misaligned.
import { Code, CpuidFeature, Encoder, Instruction, OpCodeOperandKind as K, OpKind, Register } from 'iced-x86';
import type { Lanes } from './inputs.js';

/** Where memory operands are: `MEMORY` of capture.c. RAX (RDI where the instruction says so) points there. */
export const MEMORY_ADDRESS = 0x10000800;

/** Results depend on a table of the processor's own (SDM: relative error below 1.5 x 2^-12): checked by error, not by bits. */
const APPROXIMATE = /^(VEX_V)?(rcp|rsqrt)[ps]s/i;
/** Chance, state of the whole machine, or nothing that can be seen. */
const ELSEWHERE = /^(VEX_V)?(rdrand|rdseed|(ld|st)mxcsr|emms|prefetch|clflush|[lms]fence|fx|xsave|xrstor)/i;
const F = CpuidFeature;
const SSE = [F.SSE, F.SSE2, F.SSE3, F.SSSE3, F.SSE4_1, F.SSE4_2, F.AES, F.PCLMULQDQ];
const AVX = [F.AVX, F.AVX2, F.FMA, F.F16C, F.VAES, F.VPCLMULQDQ];
const SCALAR = [F.POPCNT, F.LZCNT, F.BMI1, F.BMI2, F.MOVBE, F.ADX];

/** Suites, each a file: they can be run as soon as the extension is there. */
export const SUITES = ['mmx', 'sse', 'avx', 'general'] as const;
export type Suite = (typeof SUITES)[number];

const names = Object.keys(Code).filter((name) => Number.isNaN(Number(name)));

const suiteOf = (name: string, features: readonly CpuidFeature[]): Suite | undefined => {
  const all = (of: readonly CpuidFeature[]): boolean => features.length > 0 && features.every((f) => of.includes(f));
  if (ELSEWHERE.test(name) || APPROXIMATE.test(name) || /^(EVEX|XOP|MVEX|D3NOW)/.test(name)) return undefined;
  if (/(^|_)mm(_|m|$)/.test(name) && !/xmmm?\d*_mm|mm_xmm/.test(name)) return all([F.MMX, ...SSE]) ? 'mmx' : undefined;
  if (/(^|_)mm(_|m|$)/.test(name)) return all([F.MMX, ...SSE]) ? 'mmx' : undefined;
  if (name.startsWith('Crc32')) return 'general';
  if (all(SSE) && /xmm/.test(name)) return 'sse';
  if (all([...AVX, F.AES, F.PCLMULQDQ])) return 'avx';
  return all(SCALAR) ? 'general' : undefined;
};

/** Floats are what the mnemonic ends in; conversions are named after both. */
const lanesOf = (name: string): Lanes => {
  const mnemonic = name
    .replace(/^VEX_V/, '')
    .split('_')[0]
    .toLowerCase();
  const converts = /^cvtt?(dq|ps|pd|ss|sd|si|pi|ph)2/.exec(mnemonic)?.[1];
  if (converts !== undefined) return /ps|ss/.test(converts) ? 'f32' : /pd|sd/.test(converts) ? 'f64' : 'int';
  if (/^(mov|pack|unpck|p|f?and|or|xor|blend|shuf|insert|extract|broadcast|mask|gather|perm)/.test(mnemonic)) return 'int';
  return /(ps|ss)$/.test(mnemonic) ? 'f32' : /(pd|sd)$/.test(mnemonic) ? 'f64' : 'int';
};

export interface SimdCase {
  readonly suite: Suite;
  readonly name: string;
  readonly mode: 32 | 64;
  readonly lanes: Lanes;
  readonly code: Uint8Array;
  /** What the memory operand's address is added to MEMORY_ADDRESS; -1 = no memory operand. */
  readonly offset: number;
  /** Number of the general register that holds the address. */
  readonly pointer: number;
  /** Number of the vector register that holds a gather's indexes, 255 = none. */
  readonly index: number;
  /** Flags that the architecture leaves undefined. */
  readonly undefinedFlags: number;
  readonly plain: boolean;
}

const FLAGS: readonly (readonly [bit: number, eflags: number])[] = [
  [1, 0x800],
  [2, 0x80],
  [4, 0x40],
  [8, 0x10],
  [16, 1],
  [32, 4],
];

/** One encoding: registers picked by `next`; undefined when the operands cannot be made. */
const encode = (
  code: Code,
  mode: 32 | 64,
  memory: boolean,
  next: () => number,
): { bytes: Uint8Array; pointer: number; index: number; used: boolean; undefinedFlags: number } | undefined => {
  const count = mode === 64 ? 16 : 8;
  const instruction = new Instruction();
  instruction.code = code;
  const info = instruction.opCode;
  let used = false;
  let pointer = 0;
  let index = 255;
  /** Not RAX, which is the pointer, nor RSP. */
  const general = (): number => {
    for (;;) {
      const n = next() % count;
      if (n !== 0 && n !== 4) return n;
    }
  };
  const setMemory = (): void => {
    used = true;
    instruction.memoryBase = mode === 64 ? Register.RAX : Register.EAX;
  };
  try {
    for (let n = 0; n < info.opCount; n++) {
      const kind = info.opKind(n);
      const register = (r: Register): void => {
        instruction.setOpKind(n, OpKind.Register);
        instruction.setOpRegister(n, r);
      };
      const orMemory = (r: Register): void => {
        if (memory) {
          instruction.setOpKind(n, OpKind.Memory);
          setMemory();
        } else register(r);
      };
      switch (kind) {
        case K.xmm_reg:
        case K.xmm_rm:
        case K.xmm_vvvv:
        case K.xmm_is4:
          register(Register.XMM0 + (next() % count));
          break;
        case K.ymm_reg:
        case K.ymm_rm:
        case K.ymm_vvvv:
        case K.ymm_is4:
          register(Register.YMM0 + (next() % count));
          break;
        case K.xmm_or_mem:
          orMemory(Register.XMM0 + (next() % count));
          break;
        case K.ymm_or_mem:
          orMemory(Register.YMM0 + (next() % count));
          break;
        case K.mm_reg:
        case K.mm_rm:
          register(Register.MM0 + (next() % 8));
          break;
        case K.mm_or_mem:
          orMemory(Register.MM0 + (next() % 8));
          break;
        case K.r8_reg:
          register(
            mode === 64
              ? [Register.CL, Register.R9L, Register.SIL, Register.R15L][next() % 4]
              : [Register.CL, Register.DH, Register.BL][next() % 3],
          );
          break;
        case K.r8_or_mem:
          orMemory(
            mode === 64
              ? [Register.CL, Register.R9L, Register.SIL, Register.R15L][next() % 4]
              : [Register.CL, Register.DH, Register.BL][next() % 3],
          );
          break;
        case K.r16_reg:
        case K.r16_rm:
          register(Register.AX + general());
          break;
        case K.r16_or_mem:
          orMemory(Register.AX + general());
          break;
        case K.r32_reg:
        case K.r32_rm:
        case K.r32_vvvv:
          register(Register.EAX + general());
          break;
        case K.r32_or_mem:
          orMemory(Register.EAX + general());
          break;
        case K.r64_reg:
        case K.r64_rm:
        case K.r64_vvvv:
          register(Register.RAX + general());
          break;
        case K.r64_or_mem:
          orMemory(Register.RAX + general());
          break;
        case K.mem:
          if (!memory) return undefined;
          instruction.setOpKind(n, OpKind.Memory);
          setMemory();
          break;
        case K.imm8:
          instruction.setOpKind(n, OpKind.Immediate8);
          instruction.immediate8 = next() & 0xff;
          break;
        case K.mem_vsib32x:
        case K.mem_vsib64x:
        case K.mem_vsib32y:
        case K.mem_vsib64y: {
          // Indexes, destination and mask are three registers.
          if (!memory) return undefined;
          const wide = kind === K.mem_vsib32y || kind === K.mem_vsib64y;
          index = (instruction.op0Register & 7) ^ 5;
          instruction.setOpKind(n, OpKind.Memory);
          setMemory();
          instruction.memoryIndex = (wide ? Register.YMM0 : Register.XMM0) + index;
          instruction.memoryIndexScale = 1 << (next() & 1);
          break;
        }
        case K.seg_rDI:
          if (!memory) return undefined;
          instruction.setOpKind(n, mode === 64 ? OpKind.MemorySegRDI : OpKind.MemorySegEDI);
          pointer = 7;
          used = true;
          break;
        default:
          return undefined;
      }
    }
    if (memory && !used) return undefined;
    const encoder = new Encoder(mode);
    try {
      encoder.encode(instruction, 0x400800n);
      const undefinedBits = instruction.rflagsUndefined;
      return {
        bytes: encoder.takeBuffer(),
        pointer,
        index,
        used,
        undefinedFlags: FLAGS.reduce((m, [bit, eflags]) => m | (undefinedBits & bit ? eflags : 0), 0),
      };
    } finally {
      encoder.free();
    }
  } catch {
    return undefined;
  } finally {
    instruction.free();
  }
};

/** All cases of a mode in a fixed order. `next`: source of register numbers and immediates. */
export const simdCases = (mode: 32 | 64, next: () => number): SimdCase[] => {
  const cases: SimdCase[] = [];
  for (const name of names) {
    const code = Code[name as keyof typeof Code] as unknown as Code;
    const probe = new Instruction();
    probe.code = code;
    const features = [...probe.cpuidFeatures()] as CpuidFeature[];
    const available = probe.opCode.isAvailableInMode(mode) && probe.opCode.isInstruction;
    probe.free();
    const suite = available ? suiteOf(name, features) : undefined;
    if (suite === undefined) continue;
    const lanes = lanesOf(name);
    const withImmediate = /imm8/.test(name);
    const variants: (readonly [memory: boolean, offset: number])[] = [
      [false, 0],
      [true, 0x20],
      [false, 0],
    ];
    if (withImmediate) variants.push([false, 0], [false, 0], [true, 0x20], [false, 0]);
    if (/m(128|256)/.test(name)) variants.push([true, 0x28]);
    for (const [memory, offset] of variants) {
      const made = encode(code, mode, memory, next);
      if (made === undefined) continue;
      cases.push({
        suite,
        name,
        mode,
        lanes,
        code: made.bytes,
        offset: made.used ? offset : -1,
        pointer: made.pointer,
        index: made.index,
        undefinedFlags: made.undefinedFlags,
        plain: lanes === 'int' && !name.includes('Cvt') && !name.includes('cvt'),
      });
    }
  }
  return cases;
};
