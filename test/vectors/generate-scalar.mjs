// Makes data/scalar.bin.gz: what this host's processor does with SSE scalar operations, results and flags.
// Usage: node test/vectors/generate-scalar.mjs [--check N]: with --check writes nothing and compares N fresh cases with daemon/float (after a build).
// File, little endian, gzipped: u32 length of a JSON header (operations as name, operand bits, result bits, immediate; MXCSR values; number of cases), the header,
// 256 x u64 operands of binary64 and of binary32, then by column: operations, controls, a, b (u8 each), flags (u8; bit 7: trapped, there is no result), results (u64).
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { Chance } from './generate/chance.mjs';
import { CONTROLS, cases, OPERATIONS, tables } from './generate/scalar-cases.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const argument = (name) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : Number(process.argv[at + 1]);
};
const checked = argument('--check');
const COMMITTED = 9000;

const chance = new Chance(argument('--seed') ?? 754);
const operands = tables(chance);
const list = cases(chance, checked ?? COMMITTED);

const work = mkdtempSync(join(tmpdir(), 'hvd-scalar-'));
let output;
try {
  const program = join(work, 'scalar');
  execFileSync('gcc', ['-O2', '-Wall', '-msse4.1', '-o', program, join(here, 'harness/scalar.c')], { stdio: 'inherit' });
  const input = Buffer.alloc(list.length * 24);
  list.forEach((c, i) => {
    const [number, , bits] = OPERATIONS[c.operation];
    input.writeUInt32LE(number, i * 24);
    input.writeUInt32LE(CONTROLS[c.control], i * 24 + 4);
    input.writeBigUInt64LE(operands[bits][c.a], i * 24 + 8);
    input.writeBigUInt64LE(operands[bits][c.b], i * 24 + 16);
  });
  output = execFileSync(program, { input, maxBuffer: 1 << 30 });
} finally {
  rmSync(work, { recursive: true, force: true });
}
const results = list.map((c, i) => {
  const trapped = output.readUInt32LE(i * 16 + 12) !== 0;
  return {
    value: trapped ? 0n : BigInt.asUintN(OPERATIONS[c.operation][3], output.readBigUInt64LE(i * 16)),
    flags: output.readUInt32LE(i * 16 + 8) | (trapped ? 0x80 : 0),
  };
});

if (checked === undefined) {
  const column = (of) => Buffer.from(list.map(of));
  const words = (values) => Buffer.from(BigUint64Array.from(values).buffer);
  const header = Buffer.from(JSON.stringify({ operations: OPERATIONS.map((o) => o.slice(1)), controls: CONTROLS, cases: list.length }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  const file = gzipSync(
    Buffer.concat([
      length,
      header,
      words(operands[64]),
      words(operands[32]),
      column((c) => c.operation),
      column((c) => c.control),
      column((c) => c.a),
      column((c) => c.b),
      Buffer.from(results.map((r) => r.flags)),
      words(results.map((r) => r.value)),
    ]),
    { level: 9 },
  );
  writeFileSync(join(here, 'data/scalar.bin.gz'), file);
  console.log(`${list.length} cases, ${file.length} bytes`);
} else {
  const { VpLayout } = await import('../../dist/shared/layout/vp.js');
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  const module = new WebAssembly.Module(readFileSync(join(here, '../../dist/daemon/float/float.wasm')));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const words = new Int32Array(memory.buffer);
  const hex = (n) => BigInt.asUintN(64, n).toString(16);
  let wrong = 0;
  list.forEach((c, i) => {
    const [, name, bits, resultBits, immediate] = OPERATIONS[c.operation];
    words[VpLayout.at.mxcsr >> 2] = CONTROLS[c.control];
    words[VpLayout.at.floatFlags >> 2] = 0;
    const a = operands[bits][c.a];
    const b = immediate === undefined ? operands[bits][c.b] : BigInt(immediate);
    const value = BigInt.asUintN(resultBits, exports[name](0, a, b));
    const flags = words[VpLayout.at.floatFlags >> 2];
    const { value: wanted, flags: wantedFlags } = results[i];
    const trapped = (wantedFlags & 0x80) !== 0;
    if (flags === (wantedFlags & 63) && (trapped || value === wanted)) return;
    if (wrong++ < 30)
      console.log(
        `${name}${immediate ?? ''}(${hex(a)}, ${hex(b)}) mxcsr ${CONTROLS[c.control].toString(16)}: ${hex(value)} ${flags.toString(2)}, processor ${hex(wanted)} ${wantedFlags.toString(2)}`,
      );
  });
  console.log(`${list.length} cases, ${wrong} wrong`);
  process.exitCode = wrong > 0 ? 1 : 0;
}
