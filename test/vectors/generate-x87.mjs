// Makes data/x87.bin.gz: what this host's processor does with x87 instructions. Usage: node test/vectors/generate-x87.mjs [--cases N] [--seed N] [--out FILE]
// File, little endian, gzipped: u32 length of a JSON header (instructions, transcendental, controls, stacks, cases), the header, 256 x 10 bytes of register
// values, 256 x 16 bytes of memory, then the cases: u8 instruction, control, stack, flags, ST0, ST1, ST2, ST3, memory; then the outcome: u16 fcw, fsw, u8 tags,
// u8 flags (as the case's), u16 AX, u8 mask of the registers ST(i) that changed, u8 memory bytes that changed from the start on, these bytes, and 10 bytes a register.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { Chance } from './generate/chance.mjs';
import { CONTROLS, cases, INSTRUCTIONS, memories, STACKS, TRANSCENDENTAL, table } from './generate/x87-cases.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const argument = (name, otherwise) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const chance = new Chance(Number(argument('--seed', '387')));
const count = Number(argument('--cases', '9000'));
const out = argument('--out', join(here, 'data/x87.bin.gz'));

/** CF, PF, AF, ZF, SF, OF: a case holds four of them in as many bits. */
const FLAGS = [1, 4, 0x40, 0x880];
const flagsOf = (n) => FLAGS.reduce((all, bit, i) => (n & (1 << i) ? all | bit : all), 0x202);
const packFlags = (flags) => FLAGS.reduce((all, bit, i) => ((flags & bit) === bit ? all | (1 << i) : all), 0);

const bytesOf = (value, length) => Buffer.from(Array.from({ length }, (_, i) => Number((value >> BigInt(i * 8)) & 0xffn)));
const instructions = [...INSTRUCTIONS, ...TRANSCENDENTAL];
const values = table(chance);
const memory = memories(chance, values);
const list = cases(chance, instructions, count);
const ONE = bytesOf((0x3fffn << 64n) | (1n << 63n), 10);

const inputOf = (c) => {
  const stack = STACKS[c.stack];
  const control = CONTROLS[c.control];
  const code = Buffer.from(instructions[c.instruction].code, 'hex');
  const head = Buffer.alloc(20);
  head.writeUInt16LE(control, 0);
  // No unmasked exception is pending before the instruction.
  head.writeUInt16LE((stack.status & ~(~control & 63)) | (stack.top << 11), 2);
  head[4] = stack.tags;
  head[5] = code.length;
  head.set(code, 6);
  const flags = Buffer.alloc(4);
  flags.writeUInt32LE(flagsOf(c.flags), 0);
  const registers = Array.from({ length: 8 }, (_, i) => (i < 4 ? bytesOf(values[c.registers[i]], 10) : ONE));
  return Buffer.concat([head, bytesOf(memory[c.memory], 16), ...registers, flags]);
};
const OUTPUT = 12 + 16 + 80;

const work = mkdtempSync(join(tmpdir(), 'hvd-x87-'));
try {
  const program = join(work, 'x87');
  execFileSync('gcc', ['-O2', '-Wall', '-mno-red-zone', '-o', program, join(here, 'harness/x87.c')], { stdio: 'inherit' });
  const inputs = list.map(inputOf);
  const output = execFileSync(program, { input: Buffer.concat(inputs), maxBuffer: 1 << 30 });
  if (output.length !== list.length * OUTPUT) throw new Error(`${output.length} bytes for ${list.length} cases`);
  const parts = list.map((c, i) => {
    const o = output.subarray(i * OUTPUT, (i + 1) * OUTPUT);
    const input = inputs[i];
    let length = 16;
    while (length > 0 && o[12 + length - 1] === input[20 + length - 1]) length--;
    let mask = 0;
    const registers = [];
    for (let r = 0; r < 8; r++) {
      const after = o.subarray(28 + r * 10, 38 + r * 10);
      // Registers are compared where they physically are: by ST(i) of the new TOP.
      const shift = (((o.readUInt16LE(2) >> 11) & 7) - STACKS[c.stack].top + 8 + r) & 7;
      if (after.equals(input.subarray(36 + shift * 10, 46 + shift * 10))) continue;
      mask |= 1 << r;
      registers.push(after);
    }
    const head = Buffer.from([
      c.instruction,
      c.control,
      c.stack,
      c.flags,
      ...c.registers,
      c.memory,
      0,
      0,
      0,
      0,
      o[4],
      packFlags(o.readUInt32LE(8)),
      0,
      0,
      mask,
      length,
    ]);
    head.set(o.subarray(0, 4), 9);
    // AX is told where the instruction writes it; otherwise it is part of an address.
    if (instructions[c.instruction].code === 'dfe0') head.set(o.subarray(6, 8), 15);
    return Buffer.concat([head, o.subarray(12, 12 + length), ...registers]);
  });
  const header = Buffer.from(
    JSON.stringify({ instructions, transcendental: INSTRUCTIONS.length, controls: CONTROLS, stacks: STACKS, cases: list.length }),
  );
  const size = Buffer.alloc(4);
  size.writeUInt32LE(header.length);
  const file = gzipSync(
    Buffer.concat([size, header, ...values.map((v) => bytesOf(v, 10)), ...memory.map((m) => bytesOf(m, 16)), ...parts]),
    { level: 9 },
  );
  writeFileSync(out, file);
  console.log(`${list.length} cases of ${instructions.length} instructions, ${file.length} bytes`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
