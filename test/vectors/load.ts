// Reads the committed instruction vectors: what a real processor did with an instruction. README.md has the rules for a runner.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

/** Linear address of the first code byte; all other bytes of its page are CODE_FILL (INT3). */
export const CODE_ENTRY = 0x00400800;
export const CODE_PAGE = 0x00400000;
export const CODE_FILL = 0xcc;
/** Readable and writable; the pages before and after it are not present. */
export const DATA_PAGE = 0x10000000;
/** Present and not writable, filled with READ_ONLY_FILL. */
export const READ_ONLY_PAGE = 0x10002000;
export const READ_ONLY_FILL = 0x5a;
/** Base of GS in 64-bit vectors, of FS in 32-bit ones. All other segments are flat. */
export const SEGMENT_BASE = DATA_PAGE + 0x100;
/** Bits of RFLAGS that `flags` holds: CF PF AF ZF SF DF OF ID. */
export const COMPARED_FLAGS = 0x200cd5;
const PAGE = 4096;
const STACK_TOP = DATA_PAGE + 0x800;
const MAGIC = 0x76647668;
const VERSION = 1;
const NO_EXCEPTION = 0xff;
const PATTERNS = 4;

export type VectorMode = 32 | 64;

/** Bytes at an offset of the data page. */
export interface MemoryRun {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** State before or after. General registers in encoding order (RAX RCX RDX RBX RSP RBP RSI RDI R8..R15); the upper eight are 0 in 32-bit vectors. */
export interface VectorState {
  readonly registers: BigUint64Array;
  readonly flags: number;
}

export interface VectorException {
  /** Vector number: 0 #DE, 4 #OF, 5 #BR, 6 #UD, 12 #SS, 13 #GP, 14 #PF. */
  readonly vector: number;
  /** As a processor at CPL 3 pushes it; 0 when it pushes none. */
  readonly error: number;
  /** CR2 of a page fault, else 0. */
  readonly address: bigint;
}

export interface Vector {
  /** Position in its file: names the vector together with mode and family. */
  readonly index: number;
  readonly mode: VectorMode;
  readonly family: string;
  /** Instructions in `code`: 1 but for the family `sequence`. */
  readonly instructions: number;
  readonly code: Uint8Array;
  readonly initial: VectorState;
  /** Number of the pattern that fills the data page, and what is written over it. */
  readonly pattern: number;
  readonly memory: readonly MemoryRun[];
  readonly expected: VectorState & {
    /** Address of the INT3 that ended the run; with an exception, the RIP that it saved. */
    readonly rip: bigint;
    /** Flags of `flags` that the architecture leaves undefined here: not to be compared. */
    readonly undefinedFlags: number;
    readonly exception: VectorException | null;
    /** What the data page holds in other bytes than before. */
    readonly memory: readonly MemoryRun[];
  };
}

const patternPage = (number: number): Uint8Array => {
  const page = new Uint8Array(PAGE);
  if (number === 1) page.fill(0xff);
  let x = number;
  for (let i = 0; number > 1 && i < PAGE; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    page[i] = x >>> 24;
  }
  return page;
};
const patternPages: readonly Uint8Array[] = Array.from({ length: PATTERNS }, (_, n) => patternPage(n));

/** Writes the data page as it is before the vector runs. */
export const fillDataPage = (vector: Vector, page: Uint8Array): void => {
  page.set(patternPages[vector.pattern]);
  for (const run of vector.memory) page.set(run.bytes, run.offset);
};
/** Writes the data page as it must be afterwards. */
export const fillExpectedPage = (vector: Vector, page: Uint8Array): void => {
  fillDataPage(vector, page);
  for (const run of vector.expected.memory) page.set(run.bytes, run.offset);
};

const initialRegisters = (mode: VectorMode): BigUint64Array => {
  const registers = new BigUint64Array(16);
  for (let n = 0; n < (mode === 64 ? 16 : 8); n++) {
    registers[n] = n === 4 ? BigInt(STACK_TOP) : BigInt.asUintN(mode, (BigInt(n + 1) * 0x0123456789abcdefn) ^ 0xf0f0f0f00f0f0f0fn);
  }
  return registers;
};

/** A place in the file's bytes; every read moves it on. */
class Reader {
  readonly #data: DataView;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.#data.getUint8(this.#at++);
  }
  u16(): number {
    this.#at += 2;
    return this.#data.getUint16(this.#at - 2, true);
  }
  u32(): number {
    this.#at += 4;
    return this.#data.getUint32(this.#at - 4, true);
  }
  u64(): bigint {
    this.#at += 8;
    return this.#data.getBigUint64(this.#at - 8, true);
  }
  bytes(length: number): Uint8Array {
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new RangeError('vector file ends in the middle of a vector');
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
  get done(): boolean {
    return this.#at === this.#bytes.length;
  }
}

const readRegisters = (r: Reader, mode: VectorMode, before: BigUint64Array): BigUint64Array => {
  const registers = before.slice();
  const mask = r.u16();
  for (let n = 0; n < 16; n++) if ((mask >> n) & 1) registers[n] = mode === 64 ? r.u64() : BigInt(r.u32());
  return registers;
};

const readRuns = (r: Reader): MemoryRun[] => Array.from({ length: r.u16() }, () => ({ offset: r.u16(), bytes: r.bytes(r.u16()) }));

const readVector = (r: Reader, index: number, mode: VectorMode, families: readonly string[], defaults: BigUint64Array): Vector => {
  const family = families[r.u16()];
  const instructions = r.u8();
  const code = r.bytes(r.u8());
  const initial = { registers: readRegisters(r, mode, defaults), flags: r.u16() };
  const pattern = r.u8();
  const memory = readRuns(r);
  const vector = r.u8();
  const exception = vector === NO_EXCEPTION ? null : { vector, error: r.u32(), address: r.u64() };
  const rip = r.u64();
  const flags = r.u32();
  const undefinedFlags = r.u16();
  const registers = readRegisters(r, mode, initial.registers);
  return {
    index,
    mode,
    family,
    instructions,
    code,
    initial,
    pattern,
    memory,
    expected: { registers, flags, rip, undefinedFlags, exception, memory: readRuns(r) },
  };
};

/** Decodes one vector file (gzipped). Throws on a file of another version or a damaged one. */
export const decodeVectors = (file: Uint8Array): Vector[] => {
  const r = new Reader(gunzipSync(file));
  if (r.u32() !== MAGIC || r.u16() !== VERSION) throw new Error('not a vector file of this version');
  const mode = r.u16();
  if (mode !== 32 && mode !== 64) throw new Error(`vector file for ${mode}-bit mode`);
  const families = Array.from({ length: r.u16() }, () => Buffer.from(r.bytes(r.u8())).toString());
  const defaults = initialRegisters(mode);
  const vectors = Array.from({ length: r.u32() }, (_, index) => readVector(r, index, mode, families, defaults));
  if (!r.done) throw new Error('vector file has bytes behind its last vector');
  return vectors;
};

/** The committed vectors of a mode. Works from the sources and from dist/. */
export const loadVectors = (mode: VectorMode): Vector[] => {
  const here = fileURLToPath(import.meta.url);
  const root = here.slice(0, here.lastIndexOf('/test/vectors/')).replace(/\/dist$/, '');
  return decodeVectors(readFileSync(`${root}/test/vectors/data/vectors-${mode}.bin.gz`));
};

/** Names a vector in a failure message: `64 #123 adc 4811d8`. */
export const vectorName = (v: Vector): string => `${v.mode} #${v.index} ${v.family} ${Buffer.from(v.code).toString('hex')}`;
