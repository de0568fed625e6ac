// What a case starts from and what it ends with, how two ends are compared, and a case as one line of text: what replays it.
import { createHash } from 'node:crypto';
import { COMPARED_FLAGS, DATA_PAGE } from '../load.js';
import { type Bits, pageWords, VECTOR_BYTES } from './layout.js';

export interface Start {
  readonly registers: BigUint64Array;
  readonly flags: number;
  /** Number of the data page's content. */
  readonly page: number;
  /** One 8-byte word of the data page that holds something else, -1 none. */
  readonly patchWord: number;
  readonly patchValue: bigint;
  /** What x87, SSE and AVX state is made from; -1 = the case does not look at it. */
  readonly vectorSeed: number;
}

export interface End {
  /** INT3 (3) is the regular one: RIP is then that of the INT3 itself. */
  readonly vector: number;
  readonly error: number;
  readonly rip: bigint;
  /** 0 but after a page fault. */
  readonly cr2: bigint;
  readonly flags: number;
  readonly registers: BigUint64Array;
  /** ES CS SS DS FS GS; undefined where the descriptor tables are not the host's. */
  readonly selectors: readonly number[] | undefined;
  /** The data page, as 32-bit words. */
  readonly data: Int32Array;
  readonly vectors: Uint8Array | undefined;
}

/** Some code and the states it is to be run from. */
export interface Group {
  readonly bits: Bits;
  readonly code: Uint8Array;
  /** Offset in the code pages. */
  readonly entry: number;
  readonly starts: readonly Start[];
}

/** The data page of a start. */
export const startPage = (s: Start): Int32Array => {
  const page = pageWords(s.page).slice();
  if (s.patchWord >= 0) new BigUint64Array(page.buffer)[s.patchWord] = s.patchValue;
  return page;
};

const PRESENT = 1;
const HOST_PAGES = 0x7fff_ffff_f000n;
const NAMES = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];
/** The host's selector of 64-bit code. Where a case has ended elsewhere, the upper halves of registers are undefined (SDM 1 3.4.1.1). */
const CODE_64 = new Set([0x33]);
const SEGMENT_NAMES = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'];
const hex = (n: bigint | number): string => n.toString(16);

/** A null selector loses its RPL when the host's system returns to the program that looks at it. */
const named = (selector: number): number => (selector < 4 ? 0 : selector);

/** Whether a byte of x87, SSE and AVX state is compared: FOP, FIP and FDP (bytes 6..23) and reserved bytes are not. */
const comparedByte = (i: number, bits: Bits): boolean => {
  const registers = bits === 64 ? 16 : 8;
  if (i < 160) return i < 5 || (i >= 24 && i < 28) || (i >= 32 && (i & 15) < 10);
  return i < 160 + registers * 16 || (i >= 512 && i < 512 + registers * 16);
};
/** First byte of that state in which two ends differ, as text. */
const vectorDifference = (got: Uint8Array, wanted: Uint8Array, bits: Bits): string | null => {
  for (let i = 0; i < VECTOR_BYTES; i++) {
    if (got[i] === wanted[i] || !comparedByte(i, bits)) continue;
    const part =
      i < 32 ? `FXSAVE byte ${i}` : i < 160 ? `ST${(i - 32) >> 4}` : i < 512 ? `XMM${(i - 160) >> 4}` : `YMM${(i - 512) >> 4} (upper half)`;
    const from = i < 32 ? i : i & ~15;
    const bytes = (b: Uint8Array): string => Buffer.from(b.slice(from, i < 32 ? i + 1 : from + 16).reverse()).toString('hex');
    return `${part}: ${bytes(got)} instead of ${bytes(wanted)}`;
  }
  return null;
};

/** What an end comes to, as a short text: stands for the host's answer where there is no such host. */
export const endDigest = (end: End, undefinedFlags: number, bits: Bits): string => {
  const hash = createHash('sha256');
  hash.update([end.vector, end.error, end.rip, end.cr2, end.flags & COMPARED_FLAGS & ~undefinedFlags, ...end.registers].map(String).join());
  hash.update(new Uint8Array(end.data.buffer, end.data.byteOffset, end.data.byteLength));
  if (end.vectors !== undefined) hash.update(end.vectors.filter((_, i) => comparedByte(i, bits)));
  return hash.digest('hex').slice(0, 12);
};

/** What is wrong with an end, or null. `undefinedFlags` are not compared. */
export const difference = (got: End, wanted: End, undefinedFlags: number, bits: Bits): string | null => {
  if (got.vector !== wanted.vector) return `vector ${got.vector} at ${hex(got.rip)} instead of ${wanted.vector} at ${hex(wanted.rip)}`;
  if (got.rip !== wanted.rip) return `RIP ${hex(got.rip)} instead of ${hex(wanted.rip)}`;
  // From the last page of user space on something is present on the host, which user code sees in the error code alone.
  const present = wanted.cr2 >= HOST_PAGES ? PRESENT : 0;
  if ((got.error | present) !== (wanted.error | present)) return `error code ${hex(got.error)} instead of ${hex(wanted.error)}`;
  if (got.cr2 !== wanted.cr2) return `CR2 ${hex(got.cr2)} instead of ${hex(wanted.cr2)}`;
  const narrow = wanted.selectors !== undefined && got.selectors !== undefined && !CODE_64.has(wanted.selectors[1]);
  for (let i = 0; i < (narrow ? 8 : 16); i++)
    if (narrow ? BigInt.asUintN(32, got.registers[i] ^ wanted.registers[i]) !== 0n : got.registers[i] !== wanted.registers[i])
      return `${NAMES[i]} ${hex(got.registers[i])} instead of ${hex(wanted.registers[i])}`;
  const mask = COMPARED_FLAGS & ~undefinedFlags;
  if ((got.flags & mask) !== (wanted.flags & mask)) return `flags ${hex(got.flags & mask)} instead of ${hex(wanted.flags & mask)}`;
  for (const [i, selector] of (got.selectors ?? []).entries())
    if (named(selector) !== named((wanted.selectors ?? [])[i]))
      return `${SEGMENT_NAMES[i]} ${hex(selector)} instead of ${hex((wanted.selectors ?? [])[i])}`;
  const a = got.data;
  const b = wanted.data;
  for (let i = 0; i < a.length; i++)
    if (a[i] !== b[i]) return `memory at ${hex(DATA_PAGE + i * 4)}: ${hex(a[i] >>> 0)} instead of ${hex(b[i] >>> 0)}`;
  return got.vectors !== undefined && wanted.vectors !== undefined ? vectorDifference(got.vectors, wanted.vectors, bits) : null;
};

/** A case as one line: `64 480fc1d8 at=800 f=cd5 page=12 rax=5 …`. */
export const caseLine = (bits: Bits, code: Uint8Array, entry: number, s: Start): string => {
  const parts = [String(bits), Buffer.from(code).toString('hex'), `at=${hex(entry)}`, `f=${hex(s.flags)}`, `page=${s.page}`];
  if (s.patchWord >= 0) parts.push(`patch=${s.patchWord}:${hex(s.patchValue)}`);
  s.registers.forEach((value, i) => {
    if (value !== 0n) parts.push(`${NAMES[i]}=${hex(value)}`);
  });
  if (s.vectorSeed >= 0) parts.push(`x=${s.vectorSeed}`);
  return parts.join(' ');
};

/** A case read from a line. */
export interface ParsedCase extends Group {
  /** Offsets of blocks in the code pages. */
  readonly blocks: readonly number[];
  /** Flags that may be undefined at its end. */
  readonly undefinedFlags: number;
  /** With the descriptor tables of the host's system. */
  readonly tables: boolean;
  /** Digest of the end, '' when the line has none. */
  readonly digest: string;
}

/** Reads such a line; a program's has `blocks=` and `u=` besides. Throws on one that is none. */
export const parseCase = (line: string): ParsedCase => {
  const [mode, code, ...rest] = line.trim().split(/\s+/);
  const bits = Number(mode) as Bits;
  if (![16, 32, 64].includes(bits) || !/^([0-9a-f]{2})+$/.test(code ?? '')) throw new Error(`not a case: ${line}`);
  const values = new Map(rest.map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]));
  const number = (name: string, radix: number): number => Number.parseInt(values.get(name) ?? '0', radix);
  const patch = values.get('patch')?.split(':');
  return {
    bits,
    code: Uint8Array.from(Buffer.from(code, 'hex')),
    entry: number('at', 16),
    blocks: (values.get('blocks') ?? '')
      .split(',')
      .filter((b) => b !== '')
      .map((b) => Number.parseInt(b, 16)),
    undefinedFlags: number('u', 16),
    tables: values.has('tables'),
    digest: values.get('end') ?? '',
    starts: [
      {
        registers: BigUint64Array.from(NAMES, (name) => BigInt(`0x${values.get(name) ?? '0'}`)),
        flags: number('f', 16),
        page: number('page', 10),
        patchWord: patch === undefined ? -1 : Number(patch[0]),
        patchValue: patch === undefined ? 0n : BigInt(`0x${patch[1]}`),
        vectorSeed: Number(values.get('x') ?? -1),
      },
    ],
  };
};
