// Reads x87 vectors (see generate-x87.mjs, which has the file's format). HVD_X87_VECTORS names another file than the committed one, for long runs.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { packageRoot } from '../../daemon/root/package-root.js';

/** A register as significand | sign and exponent << 64. */
export interface X87State {
  readonly control: number;
  /** With TOP. */
  readonly status: number;
  /** As in an FXSAVE image: bit n set = R n is full. */
  readonly tags: number;
  /** ST0 to ST7. */
  readonly registers: readonly bigint[];
  /** CF PF ZF SF+OF in bits 0 to 3. */
  readonly flags: number;
  readonly memory: Uint8Array;
}
export interface X87Case {
  readonly family: string;
  readonly code: Uint8Array;
  /** Results may be one unit in the last place away. */
  readonly transcendental: boolean;
  readonly before: X87State;
  readonly after: X87State;
  /** AX after FNSTSW AX, else 0. */
  readonly ax: number;
}

interface Header {
  readonly instructions: readonly { readonly family: string; readonly code: string }[];
  readonly transcendental: number;
  readonly controls: readonly number[];
  readonly stacks: readonly { readonly top: number; readonly tags: number; readonly status: number }[];
  readonly cases: number;
}
const ONE = (0x3fffn << 64n) | (1n << 63n);

/** In the order of their instructions. */
export const loadX87Cases = (): X87Case[] => {
  const file = gunzipSync(readFileSync(process.env.HVD_X87_VECTORS ?? join(packageRoot(), 'test/vectors/data/x87.bin.gz')));
  const headerEnd = 4 + file.readUInt32LE(0);
  const header = JSON.parse(file.toString('utf8', 4, headerEnd)) as Header;
  const register = (from: number): bigint => file.readBigUInt64LE(from) | (BigInt(file.readUInt16LE(from + 8)) << 64n);
  const values = headerEnd;
  const memories = values + 2560;
  let at = memories + 4096;
  const cases: [number, X87Case][] = [];
  for (let n = 0; n < header.cases; n++) {
    const byte = (i: number): number => file[at + i];
    const instruction = header.instructions[byte(0)];
    const control = header.controls[byte(1)];
    const stack = header.stacks[byte(2)];
    const registers = Array.from({ length: 8 }, (_, i) => (i < 4 ? register(values + byte(4 + i) * 10) : ONE));
    const memory = file.subarray(memories + byte(8) * 16, memories + byte(8) * 16 + 16);
    const status = file.readUInt16LE(at + 11);
    const mask = byte(17);
    const changed = byte(18);
    let next = at + 19;
    const after = new Uint8Array(memory);
    after.set(file.subarray(next, next + changed));
    next += changed;
    const turned = ((status >> 11) & 7) - stack.top + 8;
    const results = Array.from({ length: 8 }, (_, i) => {
      if ((mask & (1 << i)) === 0) return registers[(turned + i) & 7];
      next += 10;
      return register(next - 10);
    });
    cases.push([
      byte(0),
      {
        family: instruction.family,
        code: Buffer.from(instruction.code, 'hex'),
        transcendental: byte(0) >= header.transcendental,
        before: {
          control,
          status: (stack.status & ~(~control & 63)) | (stack.top << 11),
          tags: stack.tags,
          registers,
          flags: byte(3),
          memory,
        },
        after: { control: file.readUInt16LE(at + 9), status, tags: byte(13), registers: results, flags: byte(14), memory: after },
        ax: file.readUInt16LE(at + 15),
      },
    ]);
    at = next;
  }
  return cases.sort((a, b) => a[0] - b[0]).map(([, c]) => c);
};
