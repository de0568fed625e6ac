// Makes the committed SIMD vectors: cases of forms.ts with inputs of inputs.ts, run on this host's processor by capture.c.
// Usage: npm run build && node dist/test/vectors/simd/generate.js. Needs x86-64 Linux with AVX2, gcc and gcc-multilib; the tests need neither.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NO_EXCEPTION, type SimdResult, startFile, type Writer, writeCase, writeResult } from './format.js';
import { MEMORY_ADDRESS, type SimdCase, SUITES, simdCases } from './forms.js';
import { MEMORY_BYTES, numbers, type SimdInput, simdInput, YMM_BYTES } from './inputs.js';

const STATE_BYTES = 16 * 8 + 16 + 8 + YMM_BYTES + 64 + MEMORY_BYTES + 4 + 28;
const AT = {
  flags: 128,
  rip: 136,
  mxcsr: 144,
  vector: 148,
  ymm: 152,
  mm: 152 + YMM_BYTES,
  memory: 152 + YMM_BYTES + 64,
  code: 152 + YMM_BYTES + 64 + MEMORY_BYTES,
} as const;
const INTEGER_INPUTS = 6;
const FLOAT_INPUTS = { mmx: 12, sse: 24, avx: 10, general: 6 } as const;
const MISALIGNED_INPUTS = 1;
const SEED = 0x51d0;
const STATUS_FLAGS = 0x8d5;
const TRAP_BREAKPOINT = 3;

/** Input number `seed` of a case: the pointer register holds the memory operand's address. */
export const caseInput = (
  c: Pick<SimdCase, 'name' | 'lanes' | 'plain' | 'offset' | 'pointer' | 'index'>,
  mode: 32 | 64,
  seed: number,
): SimdInput => {
  const input = simdInput(seed, mode, c.lanes, c.plain);
  if (c.offset >= 0) input.registers[c.pointer] = BigInt(MEMORY_ADDRESS + c.offset);
  // Indexes of gathers stay in the memory that there is: their low bits, of dwords or quadwords.
  if (c.index < 255) {
    const size = c.name.includes('vm64') ? 8 : 4;
    for (let at = c.index * 32; at < c.index * 32 + 32; at++) input.ymm[at] = at % size === 0 ? input.ymm[at] & 31 : 0;
  }
  return input;
};

const writeState = (out: Buffer, input: SimdInput, code: Uint8Array): void => {
  input.registers.forEach((v, n) => {
    out.writeBigUInt64LE(v, n * 8);
  });
  out.writeBigUInt64LE(BigInt(input.flags), AT.flags);
  out.writeUInt32LE(input.mxcsr, AT.mxcsr);
  out.set(input.ymm, AT.ymm);
  out.set(input.mm, AT.mm);
  out.set(input.memory, AT.memory);
  out.writeUInt32LE(code.length, AT.code);
  out.set(code, AT.code + 4);
};
const readState = (from: Buffer): SimdResult => {
  const vector = from.readUInt32LE(AT.vector);
  return {
    registers: BigUint64Array.from({ length: 16 }, (_, n) => from.readBigUInt64LE(n * 8)),
    flags: Number(from.readBigUInt64LE(AT.flags)) & STATUS_FLAGS,
    mxcsr: from.readUInt32LE(AT.mxcsr),
    ymm: from.subarray(AT.ymm, AT.ymm + YMM_BYTES),
    mm: from.subarray(AT.mm, AT.mm + 64),
    memory: from.subarray(AT.memory, AT.memory + MEMORY_BYTES),
    exception: vector === TRAP_BREAKPOINT ? NO_EXCEPTION : vector,
  };
};

const main = (): void => {
  const here = fileURLToPath(import.meta.url).replace(/\/dist(\/test\/vectors\/simd)\/generate\.js$/, '$1');
  const work = mkdtempSync(join(tmpdir(), 'hvd-simd-'));
  try {
    for (const mode of [64, 32] as const) {
      const program = join(work, `capture-${mode}`);
      execFileSync('gcc', [`-m${mode}`, '-O2', '-Wall', '-o', program, join(here, 'capture.c')], { stdio: 'inherit' });
      const cases = simdCases(mode, numbers(SEED + mode));
      let seed = 1;
      const jobs = cases.map((c) => {
        const inputs =
          c.offset >= 0 && c.offset % 16 !== 0 ? MISALIGNED_INPUTS : c.lanes === 'int' ? INTEGER_INPUTS : FLOAT_INPUTS[c.suite];
        seed += inputs;
        return { c, seed: seed - inputs, inputs: Array.from({ length: inputs }, (_, k) => caseInput(c, mode, seed - inputs + k)) };
      });
      const states = jobs.flatMap((job) => job.inputs.map((input) => ({ input, code: job.c.code })));
      const file = Buffer.alloc(states.length * STATE_BYTES);
      states.forEach(({ input, code }, i) => {
        writeState(file.subarray(i * STATE_BYTES), input, code);
      });
      writeFileSync(join(work, 'in'), file);
      execFileSync(program, [join(work, 'in'), join(work, 'out')], { stdio: 'inherit' });
      const out = readFileSync(join(work, 'out'));
      const writers = new Map<string, Writer>();
      for (const suite of SUITES) writers.set(suite, startFile(jobs.filter((job) => job.c.suite === suite).length));
      let at = 0;
      for (const job of jobs) {
        const w = writers.get(job.c.suite) as Writer;
        writeCase(w, job.c, job.seed, job.inputs.length);
        for (const input of job.inputs) {
          writeResult(w, input, readState(out.subarray(at, at + STATE_BYTES)));
          at += STATE_BYTES;
        }
      }
      for (const [suite, w] of writers) {
        const bytes = w.done();
        writeFileSync(join(here, `../data/simd-${suite}-${mode}.bin.gz`), bytes);
        console.log(`${suite} ${mode}-bit: ${jobs.filter((job) => job.c.suite === suite).length} cases, ${bytes.length} bytes`);
      }
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
};

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
