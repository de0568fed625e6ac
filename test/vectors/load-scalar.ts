// Reads data/scalar.bin.gz: what a real processor did with SSE scalar operations (see generate-scalar.mjs, which has the file's format).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { packageRoot } from '../../daemon/root/package-root.js';

export interface ScalarCase {
  readonly operation: string;
  readonly mxcsr: number;
  readonly a: bigint;
  readonly b: bigint;
  readonly resultBits: number;
  /** Exceptions in MXCSR's places; `trapped`: one of them was unmasked, and there is no result. */
  readonly flags: number;
  readonly trapped: boolean;
  readonly result: bigint;
}

interface Header {
  readonly operations: readonly (readonly [name: string, bits: number, resultBits: number, immediate?: number])[];
  readonly controls: readonly number[];
  readonly cases: number;
}

export function* loadScalarCases(): Generator<ScalarCase> {
  const file = gunzipSync(readFileSync(join(packageRoot(), 'test/vectors/data/scalar.bin.gz')));
  const headerEnd = 4 + file.readUInt32LE(0);
  const header = JSON.parse(file.toString('utf8', 4, headerEnd)) as Header;
  const n = header.cases;
  const columns = headerEnd + 2 * 256 * 8;
  const operand = (bits: number, index: number): bigint => file.readBigUInt64LE(headerEnd + (bits === 64 ? 0 : 2048) + index * 8);
  for (let i = 0; i < n; i++) {
    const column = (c: number): number => file[columns + c * n + i];
    const [operation, bits, resultBits, immediate] = header.operations[column(0)];
    yield {
      operation,
      mxcsr: header.controls[column(1)],
      a: operand(bits, column(2)),
      b: immediate === undefined ? operand(bits, column(3)) : BigInt(immediate),
      resultBits,
      flags: column(4) & 63,
      trapped: (column(4) & 0x80) !== 0,
      result: file.readBigUInt64LE(columns + 5 * n + i * 8),
    };
  }
}
