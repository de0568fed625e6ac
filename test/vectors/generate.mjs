// Makes the committed instruction vectors: builds cases, runs them on this host's processor, writes data/vectors-64.bin.gz and data/vectors-32.bin.gz.
// Usage: node test/vectors/generate.mjs [--seed N]. Needs an x86-64 Linux host with gcc and gcc-multilib; the tests need neither.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { arithmetic, moves } from './generate/arithmetic.mjs';
import { bitTests, conditions, shifts } from './generate/bits.mjs';
import { Builder } from './generate/builder.mjs';
import { Chance } from './generate/chance.mjs';
import { branches, stack } from './generate/control.mjs';
import { faults } from './generate/faults.mjs';
import { CODE_ENTRY, initialRegister, PAGE, PATTERNS, pattern } from './generate/layout.mjs';
import { flagEffects, sequences } from './generate/sequences.mjs';
import { strings } from './generate/strings.mjs';
import { differences, encodeVectors } from './generate/write.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const INPUT_SIZE = 16 * 8 + 8 + 4 + 60 + PAGE;
const OUTPUT_SIZE = 16 * 8 + 3 * 8 + 8 + PAGE;
const BATCH = 2000;
/** Flags that a vector is compared in: status flags, DF, ID. Others belong to the system or are never set here. */
const COMPARED = 0x200cd5;
const TRAP_BREAKPOINT = 3;
const NONE = 0xff;

const seed = Number(process.argv[process.argv.indexOf('--seed') + 1] || 2009) || 2009;
const pages = Array.from({ length: PATTERNS }, (_, n) => pattern(n));

const initialPage = (c) => {
  const page = Buffer.from(pages[c.pattern]);
  for (const [offset, bytes] of c.memory) page.set(bytes, offset);
  return page;
};

const runBatch = (program, work, cases) => {
  const input = Buffer.alloc(cases.length * INPUT_SIZE);
  cases.forEach((c, i) => {
    let at = i * INPUT_SIZE;
    for (let n = 0; n < 16; n++, at += 8)
      input.writeBigUInt64LE(c.registers.get(n) ?? (n < (c.mode === 64 ? 16 : 8) ? initialRegister(n, c.mode) : 0n), at);
    input.writeBigUInt64LE(BigInt(c.flags), at);
    input.writeUInt32LE(c.code.length, at + 8);
    input.set(c.code, at + 12);
    input.set(initialPage(c), at + 72);
  });
  writeFileSync(join(work, 'in'), input);
  execFileSync(program, [join(work, 'in'), join(work, 'out')], { stdio: 'inherit' });
  const output = readFileSync(join(work, 'out'));
  if (output.length !== cases.length * OUTPUT_SIZE) throw new Error(`${program}: ${output.length} bytes for ${cases.length} vectors`);
  cases.forEach((c, i) => {
    const at = i * OUTPUT_SIZE;
    const vector = output.readUInt32LE(at + 152);
    const rip = output.readBigUInt64LE(at + 136);
    const ended = vector === TRAP_BREAKPOINT;
    const registers = new Map();
    for (let n = 0; n < (c.mode === 64 ? 16 : 8); n++) {
      const value = output.readBigUInt64LE(at + n * 8);
      if (value !== (c.registers.get(n) ?? initialRegister(n, c.mode))) registers.set(n, value);
    }
    const effects = c.undefinedFlags === undefined ? flagEffects(c.mode, c.code).undefined : c.undefinedFlags;
    c.result = {
      vector: ended ? NONE : vector,
      error: output.readUInt32LE(at + 156),
      // CR2 is stale unless this was a page fault.
      address: vector === 14 ? output.readBigUInt64LE(at + 144) : 0n,
      rip: ended ? rip - 1n : rip,
      flags: Number(output.readBigUInt64LE(at + 128)) & COMPARED,
      // A fault leaves the flags of before the instruction; repeated compares say otherwise themselves.
      undefinedFlags: ended || c.undefinedFlags !== undefined ? effects : 0,
      registers,
      memory: differences(initialPage(c), output.subarray(at + 160, at + 160 + PAGE)),
    };
  });
};

const instructionCount = (c) => {
  let n = 0;
  for (let at = 0; at < c.code.length; n++) at += Math.max(1, flagEffects(c.mode, c.code.slice(at)).length);
  return n;
};

const build = (mode) => {
  const b = new Builder(mode, new Chance(seed * 64 + mode));
  for (const family of [arithmetic, moves, shifts, bitTests, conditions, branches, stack, strings, faults]) family(b);
  sequences(b, 1200);
  for (const c of b.cases) c.instructions = c.family === 'sequence' ? instructionCount(c) : 1;
  return b.cases;
};

const work = mkdtempSync(join(tmpdir(), 'hvd-vectors-'));
try {
  mkdirSync(join(here, 'data'), { recursive: true });
  for (const mode of [64, 32]) {
    const program = join(work, `capture-${mode}`);
    execFileSync(
      'gcc',
      [`-m${mode}`, '-O2', '-Wall', ...(mode === 64 ? ['-mno-red-zone'] : []), '-o', program, join(here, 'harness/capture.c')],
      { stdio: 'inherit' },
    );
    const cases = build(mode);
    for (let at = 0; at < cases.length; at += BATCH) runBatch(program, work, cases.slice(at, at + BATCH));
    const file = encodeVectors(mode, cases);
    writeFileSync(join(here, `data/vectors-${mode}.bin.gz`), file);
    const exceptions = {};
    for (const c of cases) exceptions[c.result.vector] = (exceptions[c.result.vector] ?? 0) + 1;
    console.log(`${mode}-bit: ${cases.length} vectors, ${file.length} bytes, by exception (255 none): ${JSON.stringify(exceptions)}`);
    if (process.argv.includes('--dump')) {
      for (const c of cases)
        console.log(c.family, c.result.vector, (Number(c.result.rip) - CODE_ENTRY).toString(16), Buffer.from(c.code).toString('hex'));
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
