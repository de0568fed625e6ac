// A VP's registers as GDB numbers and sizes them, in the order of its features (target-description.ts), and how each is read from and written to the VP block.
// Why some cannot be written: what the processor derives from them (segments, modes, pending exceptions) is made when an instruction writes them.
// The program counter is a linear address: GDB knows no segments, and breakpoints are linear.
import { Rflags } from '../../../shared/abi/registers.js';
import { Slot, VectorSlot, type VpBlock } from '../../../shared/layout/vp.js';
import { isLong64, rflagsOf } from '../registers.js';

export interface Register {
  readonly name: string;
  readonly bits: number;
  /** Type in the target description. */
  readonly type: string;
  readonly group?: string;
  readonly get: (vp: VpBlock) => bigint;
  /** Absent: it can be read only. */
  readonly set?: (vp: VpBlock, value: bigint) => void;
}
export interface Feature {
  readonly name: string;
  readonly registers: readonly Register[];
}

/** What GDB takes the processor for. */
export type Bits = 16 | 32 | 64;

/** The option's text; undefined, `auto`: as the VP is. */
export const bitsOf = (text: string | undefined): Bits | undefined => BITS.find((bits) => String(bits) === text);
const BITS: readonly Bits[] = [16, 32, 64];

/** Flags that a debugger may change; the others say what mode the VP is in. */
const FLAGS_WRITABLE = Rflags.ARITHMETIC | Rflags.TF | Rflags.IF | Rflags.DF | Rflags.IOPL | Rflags.NT | Rflags.AC | Rflags.ID;
const NAMES64 = ['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp', 'rsp', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const;
const SLOTS64 = [0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15] as const;
const NAMES32 = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;
const SEGMENT_NAMES = ['cs', 'ss', 'ds', 'es', 'fs', 'gs'] as const;
const MXCSR_WRITABLE = 0xffffn;

const slotAt = (vp: VpBlock, slot: number): number => (vp.slots >>> 3) + slot;
const readSlot = (vp: VpBlock, slot: number): bigint => vp.views.u64[slotAt(vp, slot)]!;
const writeSlot = (vp: VpBlock, slot: number, value: bigint): void => {
  vp.views.u64[slotAt(vp, slot)] = BigInt.asUintN(64, value);
};
const slotRegister = (name: string, bits: number, slot: number, type: string, writable = true): Register => ({
  name,
  bits,
  type,
  get: (vp) => readSlot(vp, slot),
  ...(writable ? { set: (vp: VpBlock, value: bigint) => writeSlot(vp, slot, value) } : {}),
});
const readOnly = (name: string, bits: number, get: (vp: VpBlock) => bigint, type = `int${bits}`, group?: string): Register => ({
  name,
  bits,
  type,
  get,
  ...(group === undefined ? {} : { group }),
});

/** Where the next instruction is. */
export const linearPc = (vp: VpBlock): bigint => {
  const rip = readSlot(vp, Slot.RIP);
  return isLong64(vp) ? rip : BigInt.asUintN(32, rip + readSlot(vp, Slot.CS_BASE));
};
const setLinearPc = (vp: VpBlock, value: bigint): void =>
  writeSlot(vp, Slot.RIP, isLong64(vp) ? value : BigInt.asUintN(32, value - readSlot(vp, Slot.CS_BASE)));

const writeFlags = (vp: VpBlock, value: bigint): void => {
  const flags = (rflagsOf(vp) & ~FLAGS_WRITABLE) | (Number(value & 0xffff_ffffn) & FLAGS_WRITABLE);
  writeSlot(vp, Slot.FLAG_SYSTEM, BigInt((flags & ~Rflags.ARITHMETIC) >>> 0));
  // Result 0 says ZF and PF, result 1 neither; the second word makes up for what is wanted instead (Slot.FLAG_AUX).
  const zero = (flags & Rflags.ZF) !== 0;
  writeSlot(vp, Slot.FLAG_RESULT, zero ? 0n : 1n);
  writeSlot(vp, Slot.FLAG_AUX, BigInt((flags & Rflags.ARITHMETIC & ~Rflags.ZF) ^ (zero ? Rflags.PF : 0)));
};

const wide = (vp: VpBlock, at: number): bigint => vp.views.data.getBigUint64(at, true) | (vp.views.data.getBigUint64(at + 8, true) << 64n);
const setWide = (vp: VpBlock, at: number, value: bigint): void => {
  vp.views.data.setBigUint64(at, BigInt.asUintN(64, value), true);
  vp.views.data.setBigUint64(at + 8, value >> 64n, true);
};
const vectorRegister = (name: string, slot: number, type: string): Register => ({
  name,
  bits: 128,
  type,
  get: (vp) => wide(vp, vp.vectors + slot * 16),
  set: (vp, value) => setWide(vp, vp.vectors + slot * 16, value),
});

const stackAt = (vp: VpBlock, n: number): number => vp.fpuRegisters + ((vp.fpuTop + n) & 7) * 16;
/** The tag word, two bits a register: 0 valid, 1 zero, 2 special, 3 empty (SDM 1 8.1.7). */
const tagWord = (vp: VpBlock): bigint => {
  let word = 0;
  for (let i = 0; i < 8; i++) {
    const value = BigInt.asUintN(80, wide(vp, vp.fpuRegisters + i * 16));
    const exponent = (value >> 64n) & 0x7fffn;
    const significand = BigInt.asUintN(64, value);
    const tag =
      ((vp.fpuValid >>> i) & 1) === 0
        ? 3
        : exponent === 0n
          ? significand === 0n
            ? 1
            : 2
          : exponent === 0x7fffn || significand >> 63n === 0n
            ? 2
            : 0;
    word |= tag << (i * 2);
  }
  return BigInt(word);
};
const float = (name: string, get: (vp: VpBlock) => bigint): Register => readOnly(name, 32, get, 'int', 'float');
const X87: readonly Register[] = [
  ...Array.from(
    { length: 8 },
    (_, n): Register => ({
      name: `st${n}`,
      bits: 80,
      type: 'i387_ext',
      get: (vp) => BigInt.asUintN(80, wide(vp, stackAt(vp, n))),
      set: (vp, value) => setWide(vp, stackAt(vp, n), BigInt.asUintN(80, value)),
    }),
  ),
  float('fctrl', (vp) => BigInt(vp.fpuControl)),
  float('fstat', (vp) => BigInt(vp.fpuStatus | (vp.fpuTop << 11))),
  float('ftag', tagWord),
  float('fiseg', () => 0n),
  float('fioff', (vp) => BigInt.asUintN(32, vp.fpuInstructionPointer)),
  float('foseg', () => 0n),
  float('fooff', (vp) => BigInt.asUintN(32, vp.fpuDataPointer)),
  float('fop', (vp) => BigInt(vp.fpuOpcode)),
];
const FLAGS: Register = { name: 'eflags', bits: 32, type: 'i386_eflags', get: (vp) => BigInt(rflagsOf(vp)), set: writeFlags };
const SELECTORS: readonly Register[] = SEGMENT_NAMES.map((name) => readOnly(name, 32, (vp) => BigInt(vp[`${name}Selector`])));
const pc = (name: string, bits: number): Register => ({ name, bits, type: 'code_ptr', get: linearPc, set: setLinearPc });
/** The base of FS or GS, which 64-bit code may write by itself; those of other segments come with their descriptors. */
const base = (name: string, bits: number, slot: number, writable = false): Register =>
  slotRegister(name, bits, slot, `int${bits}`, writable);

const system = (bits: number): Register[] => [
  readOnly('cr0', bits, (vp) => BigInt(vp.cr0 >>> 0)),
  { name: 'cr2', bits, type: `int${bits}`, get: (vp) => vp.cr2, set: (vp, value) => setCr2(vp, value) },
  readOnly('cr3', bits, (vp) => vp.cr3),
  readOnly('cr4', bits, (vp) => BigInt(vp.cr4 >>> 0)),
  readOnly('cr8', bits, (vp) => BigInt(vp.apicTpr >>> 4)),
  readOnly('efer', bits, (vp) => BigInt(vp.efer >>> 0)),
  base('cs_base', bits, Slot.CS_BASE),
  base('ss_base', bits, Slot.SS_BASE),
  base('ds_base', bits, Slot.DS_BASE),
  base('es_base', bits, Slot.ES_BASE),
];
const setCr2 = (vp: VpBlock, value: bigint): void => {
  vp.cr2 = value;
};

/** `avx`: the partition's processor has the upper halves. */
export const featuresOf = (bits: Bits, avx: boolean): Feature[] => {
  const is64 = bits === 64;
  const vectors = is64 ? 16 : 8;
  const general = is64
    ? NAMES64.map((name, i) => slotRegister(name, 64, SLOTS64[i]!, name === 'rsp' || name === 'rbp' ? 'data_ptr' : 'int64'))
    : NAMES32.map((name, i) => slotRegister(name, 32, i, name === 'esp' || name === 'ebp' ? 'data_ptr' : 'int32'));
  const numbered = (count: number, make: (n: number) => Register): Register[] => Array.from({ length: count }, (_, n) => make(n));
  const mxcsr: Register = {
    name: 'mxcsr',
    bits: 32,
    type: 'i386_mxcsr',
    group: 'vector',
    get: (vp) => BigInt(vp.mxcsr),
    set: (vp, value) => {
      vp.mxcsr = Number(value & MXCSR_WRITABLE);
    },
  };
  const kernelBase: Register = { name: 'k_gs_base', bits: 64, type: 'int64', get: (vp) => vp.kernelGsBase };
  const width = is64 ? 64 : 32;
  const dataBases = [base('fs_base', width, Slot.FS_BASE, is64), base('gs_base', width, Slot.GS_BASE, is64)];
  return [
    { name: 'org.gnu.gdb.i386.core', registers: [...general, pc(is64 ? 'rip' : 'eip', width), FLAGS, ...SELECTORS, ...X87] },
    {
      name: 'org.gnu.gdb.i386.sse',
      registers: [...numbered(vectors, (n) => vectorRegister(`xmm${n}`, VectorSlot.XMM + n, 'vec128')), mxcsr],
    },
    ...(avx
      ? [
          {
            name: 'org.gnu.gdb.i386.avx',
            registers: numbered(vectors, (n) => vectorRegister(`ymm${n}h`, VectorSlot.YMM_HIGH + n, 'uint128')),
          },
        ]
      : []),
    ...(is64 ? [{ name: 'org.gnu.gdb.i386.segments', registers: dataBases }] : []),
    { name: 'org.hvd.system', registers: [...system(width), ...(is64 ? [kernelBase] : dataBases)] },
  ];
};

/** The value as GDB sends and takes it: bytes from the lowest on, in hex. */
export const toHex = ({ bits }: Register, value: bigint): string => {
  let hex = '';
  for (let rest = BigInt.asUintN(bits, value), i = 0; i < bits; i += 8, rest >>= 8n)
    hex += Number(rest & 0xffn)
      .toString(16)
      .padStart(2, '0');
  return hex;
};
export const fromHex = (hex: string): bigint => {
  const bytes = hex.match(/../g) ?? [];
  return bytes.length === 0 ? 0n : BigInt(`0x${bytes.reverse().join('')}`);
};
/** Writes it if that can be: true also where it is so already. */
export const writeRegister = (vp: VpBlock, register: Register, value: bigint): boolean => {
  if (BigInt.asUintN(register.bits, register.get(vp)) === value) return true;
  register.set?.(vp, value);
  return register.set !== undefined;
};
