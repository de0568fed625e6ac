// The closed set of micro-ops: names, operands, meaning. What each one does in WebAssembly is in emit/semantics.ts, once, for both tiers.
//
// A record is 16 bytes, as the micro-op machine reads it:
//   +0 u16 op    +2 u8 d    +3 u8 a    +4 u8 b    +5 u8 left    +6 u16 ripOffset    +8 i64 immediate
//   d, a, b: slots (shared/layout/vp); in vector micro-ops (vector-micro-ops.ts) some of them are vector slots. `left`: instructions of the block not yet retired when this one faults (itself included).
//   ripOffset: start of the x86 instruction - start of the block. Micro-ops with a third source `c` keep its slot in the immediate's low byte.
// Values are 64 bits wide; operands narrower than that are kept ZERO-extended in slots and temporaries, unless a micro-op says otherwise.
// GPR slots always hold the whole register; outside 64-bit mode bits 63:32 are zero.

import { VECTOR_MICRO_OPS } from './vector-micro-ops.js';

/** Access widths in bytes are 1 << Width. */
export const Width = { W8: 0, W16: 1, W32: 2, W64: 3 } as const;
export type Width = 0 | 1 | 2 | 3;

/** x86 condition codes in encoding order (Jcc/SETcc/CMOVcc low nibble). */
export const Condition = {
  O: 0,
  NO: 1,
  B: 2,
  AE: 3,
  E: 4,
  NE: 5,
  BE: 6,
  A: 7,
  S: 8,
  NS: 9,
  P: 10,
  NP: 11,
  L: 12,
  GE: 13,
  LE: 14,
  G: 15,
} as const;
export type Condition = number;

/**
 * Operand shapes: letters d (destination), a, b, c (sources), i (64-bit immediate).
 * `b` may be an immediate in the shapes marked `B`: the record then uses the op's immediate form (op number | IMMEDIATE_FORM).
 */
export const MICRO_OPS = {
  // moves: d = a; d = imm
  mov: 'da',
  movi: 'di',
  // 64-bit and 32-bit arithmetic (32: operands' low halves, result zero-extended). Shift counts are taken modulo 64 (32).
  add64: 'daB',
  sub64: 'daB',
  and64: 'daB',
  or64: 'daB',
  xor64: 'daB',
  shl64: 'daB',
  shr64: 'daB',
  sar64: 'daB',
  rotl64: 'daB',
  rotr64: 'daB',
  mul64: 'daB',
  add32: 'daB',
  sub32: 'daB',
  and32: 'daB',
  or32: 'daB',
  xor32: 'daB',
  shl32: 'daB',
  shr32: 'daB',
  sar32: 'daB',
  rotl32: 'daB',
  rotr32: 'daB',
  mul32: 'daB',
  // high halves of 64 x 64 products; unsigned and signed division (callers have excluded zero and overflow)
  umulh: 'dab',
  smulh: 'dab',
  divu64: 'dab',
  remu64: 'dab',
  divs64: 'dab',
  rems64: 'dab',
  // extensions of the low bits to 64; d = a with low bits replaced by b's (x86 partial registers); bits 15:8
  zx8: 'da',
  zx16: 'da',
  zx32: 'da',
  sx8: 'da',
  sx16: 'da',
  sx32: 'da',
  ins8: 'daB',
  ins8h: 'daB',
  ins16: 'daB',
  ext8h: 'da',
  // comparisons of 64-bit values, d = 0 or 1
  eq: 'daB',
  ne: 'daB',
  ltu: 'daB',
  leu: 'daB',
  lts: 'daB',
  les: 'daB',
  // d = c != 0 ? a : b
  select: 'dabc',
  clz64: 'da',
  ctz64: 'da',
  popcnt64: 'da',
  bswap32: 'da',
  bswap64: 'da',
  // effective addresses: d = a + (b << scale) + imm, modulo 2^64, 2^32, 2^16
  ea64s0: 'dabi',
  ea64s1: 'dabi',
  ea64s2: 'dabi',
  ea64s3: 'dabi',
  ea32s0: 'dabi',
  ea32s1: 'dabi',
  ea32s2: 'dabi',
  ea32s3: 'dabi',
  ea16: 'dabi',
  // flags: producers set FLAG_RESULT and FLAG_AUX from operands a, b and result c of the width (zero-extended values)
  fadd8: 'abc',
  fadd16: 'abc',
  fadd32: 'abc',
  fadd64: 'abc', // ADD, ADC
  fsub8: 'abc',
  fsub16: 'abc',
  fsub32: 'abc',
  fsub64: 'abc', // SUB, SBB, CMP, NEG (0 - b)
  flogic8: 'a',
  flogic16: 'a',
  flogic32: 'a',
  flogic64: 'a', // AND, OR, XOR, TEST: CF = OF = AF = 0
  finc8: 'a',
  finc16: 'a',
  finc32: 'a',
  finc64: 'a', // result a; CF kept
  fdec8: 'a',
  fdec16: 'a',
  fdec32: 'a',
  fdec64: 'a',
  /** Any other outcome: arithmetic flags = EFLAGS bits of a (CF 0, PF 2, AF 4, ZF 6, SF 7, OF 11). */
  fset: 'a',
  /** d = the six arithmetic flags at their EFLAGS places. */
  fget: 'd',
  /** d = carry flag, 0 or 1. */
  fcarry: 'd',
  // d = condition of the even code (the odd one is its negation: xor 1)
  fo: 'd',
  fb: 'd',
  fz: 'd',
  fbe: 'd',
  fs: 'd',
  fp: 'd',
  fl: 'd',
  fle: 'd',
  // memory at linear address a: loads are zero-extended; ldw = load that also needs write permission (read-modify-write); st stores b
  ld8: 'da',
  ld16: 'da',
  ld32: 'da',
  ld64: 'da',
  ldw8: 'da',
  ldw16: 'da',
  ldw32: 'da',
  ldw64: 'da',
  st8: 'aB',
  st16: 'aB',
  st32: 'aB',
  st64: 'aB',
  // atomics at linear address a: d = old value. Misaligned, MMIO or write-watched: leaves with Exit.BUS_LOCK (the instruction restarts with the bus locked).
  xadd8: 'dab',
  xadd16: 'dab',
  xadd32: 'dab',
  xadd64: 'dab',
  xchg8: 'dab',
  xchg16: 'dab',
  xchg32: 'dab',
  xchg64: 'dab',
  aand8: 'dab',
  aand16: 'dab',
  aand32: 'dab',
  aand64: 'dab',
  aor8: 'dab',
  aor16: 'dab',
  aor32: 'dab',
  aor64: 'dab',
  axor8: 'dab',
  axor16: 'dab',
  axor32: 'dab',
  axor64: 'dab',
  /** if memory = c then memory := b. */
  cas8: 'dabc',
  cas16: 'dabc',
  cas32: 'dabc',
  cas64: 'dabc',
  fence: '',
  // segment checks: offset a; imm = segment | write << 8 | execute << 9 | (bytes - 1) << 16. Faults #GP(0) or #SS(0).
  segcheck: 'ai',
  // leave with a fault at this instruction when a != 0: imm = vector | hasError << 8 | error << 16
  trapif: 'ai',
  // call the processor's slow half: imm = SysDescriptor. Non-zero result leaves the block.
  sys: 'i',
  /** CPUID: an answer that is kept, or as `sys`. */
  cpuid: 'i',
  // ends of blocks: RIP := imm | a ; branch: RIP := a != 0 ? imm : next (fall-through in `b`-less form: low 32 bits taken, high 32 bits not taken, both relative to the block's start)
  jump: 'i',
  jumpr: 'a',
  branch: 'ai',
  // flags of a - b and a + b, from the operands' low bits of the width; the result itself is nobody's
  fcmp8: 'aB',
  fcmp16: 'aB',
  fcmp32: 'aB',
  fcmp64: 'aB', // CMP, SUB, NEG
  fsum8: 'aB',
  fsum16: 'aB',
  fsum32: 'aB',
  fsum64: 'aB', // ADD, XADD
  /** Shifts, multiplications: result a of the width; AF, CF and OF are the bits of b at their EFLAGS places. */
  faux8: 'ab',
  faux16: 'ab',
  faux32: 'ab',
  faux64: 'ab',
  /** The same when c != 0 (shift count), otherwise all flags kept. */
  fauxif8: 'abc',
  fauxif16: 'abc',
  fauxif32: 'abc',
  fauxif64: 'abc',
  /** Of CF, AF, OF those set in b := those of a (EFLAGS places); the other flags kept. */
  fmerge: 'aB',
  // comparisons of the operands' low 32 bits, d = 0 or 1
  eq32: 'daB',
  ne32: 'daB',
  ltu32: 'daB',
  leu32: 'daB',
  lts32: 'daB',
  les32: 'daB',
  /** Leaves with Exit.BUS_LOCK: a LOCK form that has no atomic micro-op. */
  buslock: '',
  /** The block is entered: adds 1 to its own immediate, and says so in the LP context. Only where instructions are counted. */
  count: 'i',
  // floating point (float-functions.ts): d = function number imm of (a, b)
  call: 'dabi',
  /** Leaves with the fault whose vector is a, when a != 0. */
  raiseby: 'a',
  /** Leaves after this instruction, to its RIP + imm, when a != 0: the instruction is done already. */
  skipif: 'ai',
  ...VECTOR_MICRO_OPS,
} as const;
export type MicroOpName = keyof typeof MICRO_OPS;
export const MICRO_OP_NAMES = Object.keys(MICRO_OPS) as MicroOpName[];
/** Op number of each micro-op. */
export const Op = Object.fromEntries(MICRO_OP_NAMES.map((n, i) => [n, i])) as { readonly [K in MicroOpName]: number };
/** Added to the op number when operand b is the record's immediate; the bits below it are the op number. */
export const IMMEDIATE_FORM = 0x400;
export const OP_MASK: number = IMMEDIATE_FORM - 1;
export const RECORD_SIZE = 16;
/** A block has at most this many x86 instructions and micro-ops. */
export const BLOCK_INSTRUCTIONS_MAX = 48;
export const BLOCK_MICRO_OPS_MAX = 400;

/** Bit of a `segcheck` that asks whether code may run at the offset. */
export const SEGCHECK_EXECUTE = 0x200;

/** Why guest code was left: results of units, of the micro-op machine and of its `run`. */
export const Exit = {
  /** RIP is set; look the next block up. */
  NEXT: 0,
  /** No code for RIP: translate. */
  LOOKUP: 1,
  /** budget < 0 or kick != 0 at a loop head. */
  BUDGET: 2,
  /** vp.faultVector/faultError hold a fault for the instruction at RIP. */
  FAULT: 3,
  /** A sys helper asked to leave (mode change, halt, ...). */
  SYS: 4,
  /** LOCK that the host's atomics cannot do: run the instruction at RIP with the bus locked. */
  BUS_LOCK: 5,
  /** The block at RIP has run often enough to be compiled. */
  HOT: 6,
  /** A store hit code of the running unit: run the instruction at RIP alone, then look everything up again. */
  SELF_MODIFIED: 7,
  /** A loop that only waits (emit/waiting-loops) has done so for the LP's waitWindow. */
  WAITING: 8,
} as const;

/** Immediate of `sys`: which helper and how the instruction was encoded. Low 32 bits only. */
export interface SysDescriptor {
  readonly op: number;
  /** Instruction length in bytes, 1..15. */
  readonly length: number;
  /** Operand size. */
  readonly width: Width;
  /** Address size: W16, W32, W64. */
  readonly addressWidth: Width;
  /** Register operands (encoding numbers), 0..15. */
  readonly a?: number;
  readonly b?: number;
  readonly rep?: boolean;
  readonly repne?: boolean;
  /** Segment of the memory operand, 0..5 (ES CS SS DS FS GS). */
  readonly segment?: number;
  /** Operand is memory: ARG0 holds its linear address. */
  readonly memory?: boolean;
}
export const packSys = (s: SysDescriptor): number =>
  (s.op |
    (s.length << 8) |
    (s.width << 12) |
    (s.addressWidth << 14) |
    ((s.a ?? 0) << 16) |
    ((s.b ?? 0) << 20) |
    (s.rep ? 1 << 24 : 0) |
    (s.repne ? 1 << 25 : 0) |
    ((s.segment ?? 3) << 26) |
    (s.memory ? 1 << 29 : 0)) >>>
  0;
export const sysOp = (d: number): number => d & 0xff;
export const sysLength = (d: number): number => (d >>> 8) & 15;
export const sysWidth = (d: number): Width => ((d >>> 12) & 3) as Width;
export const sysAddressWidth = (d: number): Width => ((d >>> 14) & 3) as Width;
export const sysA = (d: number): number => (d >>> 16) & 15;
export const sysB = (d: number): number => (d >>> 20) & 15;
export const sysRep = (d: number): boolean => (d & (1 << 24)) !== 0;
export const sysRepne = (d: number): boolean => (d & (1 << 25)) !== 0;
export const sysSegment = (d: number): number => (d >>> 26) & 7;
export const sysMemory = (d: number): boolean => (d & (1 << 29)) !== 0;
/** The helper hands something over to micro-ops of the same instruction: guest code must not be left between. */
export const SYS_GOES_ON: number = 1 << 30;
export const sysGoesOn = (d: number): boolean => (d & SYS_GOES_ON) !== 0;

/**
 * The processor's slow half: what `sys` can ask for. Arguments beyond the descriptor are in slots ARG0..ARG2, as noted.
 * Helpers see RIP at the start of the instruction; on return 0 the block goes on after it (RIP slot is not read), otherwise RIP is already set.
 */
export const SysOp = {
  UD: 0, // #UD; ARG0 = iced mnemonic number (counted when the instruction exists but is not implemented)
  INT: 1, // ARG0 = vector (INT n), length given
  INT3: 2,
  INTO: 3,
  INT1: 4,
  BOUND: 5, // BOUND: a = register, ARG0 = linear address of the lower bound, checked
  IRET: 6,
  FAR_JMP: 7,
  FAR_CALL: 8, // ARG1 = offset, ARG2 = selector (loaded by micro-ops when from memory)
  FAR_RET: 9, // ARG1 = bytes to release
  SYSCALL: 10,
  SYSRET: 11,
  SYSENTER: 12,
  SYSEXIT: 13,
  HLT: 14,
  CPUID: 15,
  RDTSC: 16,
  RDTSCP: 17,
  RDMSR: 18,
  WRMSR: 19,
  RDPMC: 20,
  IN: 21,
  OUT: 22, // ARG1 = port; width = size; accumulator is the register
  INS: 23,
  OUTS: 24,
  MOVS: 25,
  STOS: 26,
  LODS: 27,
  CMPS: 28,
  SCAS: 29, // string ops, with their REP
  PUSHF: 30,
  POPF: 31,
  CLI: 32,
  STI: 33,
  MOV_FROM_CR: 34,
  MOV_TO_CR: 35, // a = control register, b = general register
  MOV_FROM_DR: 36,
  MOV_TO_DR: 37,
  MOV_FROM_SEG: 38, // a = segment; ARG1 := selector (result)
  MOV_TO_SEG: 39, // a = segment, ARG1 = selector. Ends the block.
  LOAD_FAR: 40, // LES LDS LSS LFS LGS: a = segment, b = register, ARG1 = offset, ARG2 = selector
  POP_SEG: 41, // a = segment
  SGDT: 42,
  SIDT: 43,
  LGDT: 44,
  LIDT: 45,
  SLDT: 46,
  STR: 47,
  LLDT: 48,
  LTR: 49,
  SMSW: 50,
  LMSW: 51, // ARG0 address, or ARG1 = register value in/out (memory flag)
  LAR: 52,
  LSL: 53,
  VERR: 54,
  VERW: 55,
  ARPL: 56, // ARG1 = selector; LAR/LSL: b = destination register
  INVLPG: 57, // ARG0
  INVD: 58,
  WBINVD: 59,
  CLTS: 60,
  PAUSE: 61,
  DIV64: 62,
  IDIV64: 63, // RDX:RAX by ARG1
  PUSHA: 64,
  POPA: 65,
  ENTER: 66, // ENTER: ARG1 = size, ARG2 = level
  SWAPGS: 67,
  RSM: 68,
  VMRUN: 69, // guest mode, where the hypervisor's own code runs; #UD in guests
  DAA: 71,
  DAS: 72,
  AAA: 73,
  AAS: 74,
  AAM: 75,
  AAD: 76, // AAM/AAD: ARG1 = base
  RCL: 77,
  RCR: 78, // ARG1 = value, ARG2 = count (masked); ARG1 := result, flags set
  MONITOR: 79,
  MWAIT: 80,
  XGETBV: 81,
  XSETBV: 82,
  INVPCID: 83,
  VMCALL: 84,
  RDRAND: 85,
  XLAT_SEG: 86,
  SALC: 87,
  FNSTENV: 100, // ARG0 = linear address of the image, checked against its segment
  FLDENV: 101,
  FNSAVE: 102,
  FRSTOR: 103,
  FXSAVE: 104, // a = 1: with REX.W
  FXRSTOR: 105,
  MASKED_STORE: 89, // ARG0 = address; vector slot SCRATCH = bytes, SCRATCH + 1 = mask (sign bits)
  STAC: 91,
  CLAC: 92,
  READ_BASE: 93,
  WRITE_BASE: 94, // a = FS or GS, b = general register
  READ_PID: 95, // b = general register
  LEVEL0: 90, // #GP(0) unless CPL is 0: before the operand of a privileged instruction is looked at
  LDMXCSR: 106, // ARG1 = value
  STMXCSR: 107, // ARG1 := value
  XSAVE: 120, // a: families/xsave.ts
  XRSTOR: 121,
  MASKED_LOAD: 122, // as MASKED_STORE, to vector slot RESULT; width = element; MASKED_STORE with rep only probes
  GATHER: 123, // a, b: destination, mask; ARG0 = base and displacement; ARG1 = index register | scale << 8 | index width << 12 | elements << 16
} as const;
