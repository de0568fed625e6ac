// The file format of the committed vectors (see ../README.md), written here and read by ../load.ts.
import { gzipSync } from 'node:zlib';
import { initialRegister, PAGE } from './layout.mjs';

export const MAGIC = 0x76647668;
export const VERSION = 1;

class Writer {
  #buffer = Buffer.alloc(1 << 16);
  #length = 0;

  #room(n) {
    while (this.#length + n > this.#buffer.length) this.#buffer = Buffer.concat([this.#buffer, Buffer.alloc(this.#buffer.length)]);
  }
  u8(v) {
    this.#room(1);
    this.#length = this.#buffer.writeUInt8(v, this.#length);
  }
  u16(v) {
    this.#room(2);
    this.#length = this.#buffer.writeUInt16LE(v, this.#length);
  }
  u32(v) {
    this.#room(4);
    this.#length = this.#buffer.writeUInt32LE(v >>> 0, this.#length);
  }
  u64(v) {
    this.#room(8);
    this.#length = this.#buffer.writeBigUInt64LE(BigInt.asUintN(64, v), this.#length);
  }
  bytes(list) {
    this.#room(list.length);
    this.#buffer.set(list, this.#length);
    this.#length += list.length;
  }
  take() {
    return this.#buffer.subarray(0, this.#length);
  }
}

const registersOut = (w, mode, map) => {
  let mask = 0;
  for (const n of map.keys()) mask |= 1 << n;
  w.u16(mask);
  for (let n = 0; n < 16; n++) if (map.has(n)) mode === 64 ? w.u64(map.get(n)) : w.u32(Number(map.get(n)));
};

const memoryOut = (w, runs) => {
  w.u16(runs.length);
  for (const [offset, bytes] of runs) {
    w.u16(offset);
    w.u16(bytes.length);
    w.bytes(bytes);
  }
};

/** Runs of bytes in which two pages differ; gaps below four bytes are bridged. */
export const differences = (before, after) => {
  const runs = [];
  for (let i = 0; i < PAGE; i++) {
    if (before[i] === after[i]) continue;
    const last = runs.at(-1);
    if (last && i - (last[0] + last[1].length) < 4) last[1].push(...after.subarray(last[0] + last[1].length, i + 1));
    else runs.push([i, [after[i]]]);
  }
  return runs;
};

/** Gzipped file of all vectors of one mode; `results` are in the order of `cases`. */
export const encodeVectors = (mode, cases) => {
  const w = new Writer();
  const families = [...new Set(cases.map((c) => c.family))];
  w.u32(MAGIC);
  w.u16(VERSION);
  w.u16(mode);
  w.u16(families.length);
  for (const name of families) {
    const bytes = Buffer.from(name);
    w.u8(bytes.length);
    w.bytes(bytes);
  }
  w.u32(cases.length);
  for (const c of cases) {
    const initial = new Map([...c.registers].filter(([n, v]) => v !== initialRegister(n, mode)));
    w.u16(families.indexOf(c.family));
    w.u8(c.instructions);
    w.u8(c.code.length);
    w.bytes(c.code);
    registersOut(w, mode, initial);
    w.u16(c.flags);
    w.u8(c.pattern);
    memoryOut(w, c.memory);
    w.u8(c.result.vector);
    if (c.result.vector !== 0xff) {
      w.u32(c.result.error);
      w.u64(c.result.address);
    }
    w.u64(c.result.rip);
    w.u32(c.result.flags);
    w.u16(c.result.undefinedFlags);
    registersOut(w, mode, c.result.registers);
    memoryOut(w, c.result.memory);
  }
  return gzipSync(w.take(), { level: 9 });
};
