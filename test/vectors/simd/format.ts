// The files of SIMD vectors: an instruction, and for each of its numbered inputs (inputs.ts) what it changed. Little endian, gzipped.
//
// text = u8 length, bytes.   file = u32 magic, u16 cases, cases.
// case = text name, u8 lanes, u8 plain, text code, i16 offset, u8 pointer, u8 index, u16 undefined flags, u32 seed, u8 results, results.
// result = u8 exception (255 none), u16 flags, u16 MXCSR, then what changed:
//   u16 mask of general registers, u64 each;  u32 mask of 16-byte halves of YMM0..15, low ones first;  u8 mask of MM registers, u64 each;
//   u8 first and u8 count of memory bytes, bytes.
import { gunzipSync, gzipSync } from 'node:zlib';
import type { SimdCase } from './forms.js';
import { LANES, MEMORY_BYTES, type SimdInput } from './inputs.js';

const MAGIC = 0x646d6973;
export const NO_EXCEPTION = 255;

/** State after an instruction. */
export interface SimdResult extends SimdInput {
  /** Vector number, or NO_EXCEPTION. */
  readonly exception: number;
}
export interface SimdVector extends Omit<SimdCase, 'suite' | 'mode'> {
  /** Input k has number seed + k. */
  readonly seed: number;
  /** Results are differences to the inputs: given those, the states after. */
  readonly results: readonly ((input: SimdInput) => SimdResult)[];
}

export class Writer {
  #bytes = Buffer.alloc(1 << 16);
  #at = 0;
  #room(n: number): number {
    while (this.#at + n > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#bytes.length)]);
    this.#at += n;
    return this.#at - n;
  }
  u8(v: number): void {
    const at = this.#room(1);
    this.#bytes.writeUInt8(v, at);
  }
  u16(v: number): void {
    const at = this.#room(2);
    this.#bytes.writeUInt16LE(v, at);
  }
  u32(v: number): void {
    const at = this.#room(4);
    this.#bytes.writeUInt32LE(v >>> 0, at);
  }
  u64(v: bigint): void {
    const at = this.#room(8);
    this.#bytes.writeBigUInt64LE(v, at);
  }
  raw(v: Uint8Array): void {
    const at = this.#room(v.length);
    this.#bytes.set(v, at);
  }
  text(v: Uint8Array | string): void {
    const bytes = typeof v === 'string' ? Buffer.from(v) : v;
    this.u8(bytes.length);
    this.raw(bytes);
  }
  done(): Uint8Array {
    return gzipSync(this.#bytes.subarray(0, this.#at), { level: 9 });
  }
}

const differs = (a: Uint8Array, b: Uint8Array, from: number, bytes: number): boolean => {
  for (let i = from; i < from + bytes; i++) if (a[i] !== b[i]) return true;
  return false;
};
const maskOf = (count: number, changed: (n: number) => boolean): number => {
  let mask = 0;
  for (let n = 0; n < count; n++) if (changed(n)) mask |= 1 << n;
  return mask;
};

export const writeResult = (w: Writer, before: SimdInput, after: SimdResult): void => {
  w.u8(after.exception);
  w.u16(after.flags);
  w.u16(after.mxcsr);
  const registers = maskOf(16, (n) => before.registers[n] !== after.registers[n]);
  w.u16(registers);
  for (let n = 0; n < 16; n++) if ((registers >> n) & 1) w.u64(after.registers[n]);
  const halves = maskOf(32, (n) => differs(before.ymm, after.ymm, n * 16, 16));
  w.u32(halves);
  for (let n = 0; n < 32; n++) if ((halves >>> n) & 1) w.raw(after.ymm.subarray(n * 16, n * 16 + 16));
  const mm = maskOf(8, (n) => differs(before.mm, after.mm, n * 8, 8));
  w.u8(mm);
  for (let n = 0; n < 8; n++) if ((mm >> n) & 1) w.raw(after.mm.subarray(n * 8, n * 8 + 8));
  let first = 0;
  let end = MEMORY_BYTES;
  while (first < end && before.memory[first] === after.memory[first]) first++;
  while (end > first && before.memory[end - 1] === after.memory[end - 1]) end--;
  w.u8(first);
  w.u8(end - first);
  w.raw(after.memory.subarray(first, end));
};

export const startFile = (cases: number): Writer => {
  const w = new Writer();
  w.u32(MAGIC);
  w.u16(cases);
  return w;
};
export const writeCase = (w: Writer, c: SimdCase, seed: number, results: number): void => {
  w.text(c.name);
  w.u8(LANES.indexOf(c.lanes));
  w.u8(c.plain ? 1 : 0);
  w.text(c.code);
  w.u16(c.offset & 0xffff);
  w.u8(c.pointer);
  w.u8(c.index);
  w.u16(c.undefinedFlags);
  w.u32(seed);
  w.u8(results);
};

/** Decodes a file. Throws on a damaged one. */
export const decodeSimdVectors = (file: Uint8Array): SimdVector[] => {
  const bytes = gunzipSync(file);
  let at = 0;
  const take = (n: number): Buffer => {
    at += n;
    if (at > bytes.length) throw new RangeError('SIMD vector file ends early');
    return bytes.subarray(at - n, at);
  };
  const u8 = (): number => take(1).readUInt8();
  const u16 = (): number => take(2).readUInt16LE();
  const u32 = (): number => take(4).readUInt32LE();
  const result = (): ((input: SimdInput) => SimdResult) => {
    const exception = u8();
    const flags = u16();
    const mxcsr = u16();
    const pick = (count: number, mask: number, size: number): [number, Buffer][] =>
      Array.from({ length: count }, (_, n) => n).flatMap((n): [number, Buffer][] => ((mask >>> n) & 1 ? [[n, take(size)]] : []));
    const registers = pick(16, u16(), 8);
    const halves = pick(32, u32(), 16);
    const mm = pick(8, u8(), 8);
    const first = u8();
    const memory = take(u8());
    return (input) => {
      const after = {
        exception,
        flags,
        mxcsr,
        registers: input.registers.slice(),
        ymm: input.ymm.slice(),
        mm: input.mm.slice(),
        memory: input.memory.slice(),
      };
      for (const [n, v] of registers) after.registers[n] = v.readBigUInt64LE();
      for (const [n, v] of halves) after.ymm.set(v, n * 16);
      for (const [n, v] of mm) after.mm.set(v, n * 8);
      after.memory.set(memory, first);
      return after;
    };
  };
  if (u32() !== MAGIC) throw new Error('not a file of SIMD vectors');
  return Array.from({ length: u16() }, () => {
    const name = take(u8()).toString();
    const lanes = LANES[u8()];
    const plain = u8() === 1;
    const code = take(u8());
    const offset = take(2).readInt16LE();
    const pointer = u8();
    const index = u8();
    const undefinedFlags = u16();
    const seed = u32();
    return { name, lanes, plain, code, offset, pointer, index, undefinedFlags, seed, results: Array.from({ length: u8() }, result) };
  });
};
