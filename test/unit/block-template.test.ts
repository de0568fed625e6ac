// A template that says it fits must give what translation would have given, record for record: over all one- and two-byte opcodes, with values and positions
// at the borders of what micro-ops are chosen by.
import test from 'ava';
import { BlockBuilder } from '../../daemon/translate/block-builder.js';
import type { CodeMode } from '../../daemon/translate/code-mode.js';
import { packRecords, RECORD_WORDS } from '../../daemon/translate/records.js';
import { TemplateTable } from '../../daemon/translate/template-table.js';
import { FLAT32, LONG, REAL, translateBytes } from './translate-support.js';

const WINDOW = 64;
const KEY = 1;
const SEGMENTED: CodeMode = { ...FLAT32, flat: false };
const VALUES = [
  0, 1, 5, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ff80, 0xffff_ffff, 0x1234_5678, 0xc0de_f00d,
];
const RIPS_32 = [0x1000, 0x7fff_f000, 0xc010_0123, 0x10, 0xffff_ff80];
const RIPS_64 = [...RIPS_32, 0x7fff_f7fe_d123, 0x7fff_ffff_ff80, -0x8000_0000_0000, -0x7fff_e000_0000, -0x200];
const PREFIXES = [[], [0x66], [0x67], [0x64], [0xf0], [0xf3], [0x48], [0x66, 0x41]];
const MODRMS = [[0xc1], [0x03], [0x04, 0x8d], [0x04, 0x25], [0x84, 0xcb], [0x80], [0x05], [0xbc, 0x24], [0xf8]];
/** Looks at what is known of EAX and of the flags: MOVZX ECX, AL; AND ECX, EAX; SETL DL; CMOVA EBX, ECX; SHR ECX, 4; TEST CX, CX; JG. */
const READERS = [0x0f, 0xb6, 0xc8, 0x21, 0xc1, 0x0f, 0x9c, 0xc2, 0x0f, 0x47, 0xd9, 0xc1, 0xe9, 0x04, 0x66, 0x85, 0xc9, 0x7f, 0x02];

const SEED = Number(process.env.HVD_SEED ?? 3);
const chance = (seed: number) => {
  let state = seed | 1;
  return <T>(list: readonly T[]): T => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return list[(state >>> 8) % list.length];
  };
};

/** Translates blocks as the code cache does, and keeps the table's promise under watch. */
class Rig {
  readonly builder = new BlockBuilder();
  readonly table = new TemplateTable(WINDOW);
  readonly words = new Int32Array(WINDOW / 4);
  readonly bytes = new Uint8Array(this.words.buffer);
  readonly mode: CodeMode;
  copies = 0;

  constructor(mode: CodeMode) {
    this.mode = mode;
  }

  #translated(rip: number): number[] {
    translateBytes(this.builder, this.bytes, this.mode, undefined, rip);
    const records = new Int32Array(this.builder.count * RECORD_WORDS);
    packRecords(this.builder, records, 0);
    return [...records];
  }
  /** What the two say differently, or undefined. */
  run(code: readonly number[], rip: number): string | undefined {
    this.bytes.fill(0x90).set(code);
    const template = this.table.find(KEY, this, rip);
    const made = translateBytes(this.builder, this.bytes, this.mode, undefined, rip);
    if (template === undefined) {
      this.table.consider(KEY, this.builder, made, this);
      return undefined;
    }
    this.copies++;
    const copied = new Int32Array(template.count * RECORD_WORDS);
    template.write(copied, 0, this, rip);
    const same =
      template.bytes === made.bytes && template.instructions === made.instructions && `${[...copied]}` === `${this.#translated(rip)}`;
    return same ? undefined : `${Buffer.from(code).toString('hex')} at ${rip.toString(16)}`;
  }
}

const little = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];

for (const [name, mode] of [
  ['64-bit', LONG],
  ['flat 32-bit', FLAT32],
  ['segmented 32-bit', SEGMENTED],
] as const) {
  test(`templates are what translation gives: ${name}`, (t) => {
    t.timeout(60_000);
    const rig = new Rig(mode);
    const pick = chance(SEED);
    const rips = mode.bits === 64 ? RIPS_64 : RIPS_32;
    const differences: string[] = [];
    for (const prefix of PREFIXES)
      for (const map of [[], [0x0f]])
        for (let opcode = 0; opcode < 256; opcode++)
          for (const modrm of MODRMS) {
            let [first, second] = [pick(VALUES), pick(VALUES)];
            for (let round = 0; round < 6; round++) {
              // Twice the same, for a template; then another value, another place, or both.
              if (round > 1 && pick([true, false])) first = pick(VALUES);
              if (round > 1 && pick([true, false])) second = pick(VALUES);
              const found = rig.run([...prefix, ...map, opcode, ...modrm, ...little(first), ...little(second), ...READERS], pick(rips));
              if (found !== undefined) differences.push(found);
            }
          }
    t.deepEqual(differences.slice(0, 10), [], `HVD_SEED=${SEED}`);
    t.true(rig.copies > 10_000, `only ${rig.copies} copies`);
  });
}

const MOV_RET = (value: number): number[] => [0xb8, ...little(value), 0xc3];
const runs = (rig: Rig, ...codes: readonly (readonly [readonly number[], number])[]): number => {
  const before = rig.copies;
  for (const [code, rip] of codes) rig.run(code, rip);
  return rig.copies - before;
};

test('a shape that comes for the third time is copied, with another immediate at another place', (t) => {
  t.is(runs(new Rig(FLAT32), [MOV_RET(0x1_2345), 0x1000], [MOV_RET(0x5_4321), 0x2000], [MOV_RET(0xface_cafe), 0x3000]), 1);
});
test('what micro-ops are chosen by is not left open: zeros, and how wide a moved value is', (t) => {
  const rig = new Rig(FLAT32);
  t.is(runs(rig, [MOV_RET(5), 0x1000], [MOV_RET(6), 0x1000], [MOV_RET(0), 0x1000], [MOV_RET(0x100), 0x1000], [MOV_RET(7), 0x1000]), 1);
});
test('a block that wraps round is not copied elsewhere, nor one from elsewhere to there', (t) => {
  // JMP far back: from the first bytes of the address space to its last.
  const jump = [0xe9, ...little(0xffff_0000)];
  t.is(runs(new Rig(FLAT32), [jump, 0x10], [jump, 0x10], [jump, 0x20_0000]), 0);
  t.is(runs(new Rig(FLAT32), [jump, 0x20_0000], [jump, 0x20_0000], [jump, 0x30_0000], [jump, 0x10]), 1);
});
test('16-bit code has no templates: its addresses wrap anywhere', (t) => {
  t.is(runs(new Rig(REAL), [[0xb8, 1, 2, 0xc3], 0x100], [[0xb8, 1, 2, 0xc3], 0x100], [[0xb8, 1, 2, 0xc3], 0x100]), 0);
});
test('as many templates as there may be, and new ones after that', (t) => {
  const rig = new Rig(FLAT32);
  // ADD AL, n; shapes differ in two closed bytes.
  for (let n = 0; n < 3000; n++)
    for (let round = 0; round < 3; round++) t.is(rig.run([0x04, n & 0xff, 0x0c, n >>> 8, 0xc3], 0x1000), undefined);
  t.true(rig.copies > 2900, `${rig.copies}`);
  t.true(rig.table.size > 0 && rig.table.size < 1024 * 2000, `${rig.table.size} bytes`);
});
