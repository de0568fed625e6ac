// Conditions may be computed from what set the flags or from the flags themselves: both must agree, for every producer and condition.
import test from 'ava';
import fc from 'fast-check';
import { BlockBuilder } from '../../daemon/translate/block-builder.js';
import { dumpMicroOps } from '../../daemon/translate/dump.js';
import { flagsOf, type Machine, machine, runBlock, setFlags } from './translate-model.js';
import { LONG, translateBytes } from './translate-support.js';

const modrm = fc.integer({ min: 0, max: 63 }).map((x) => 0xc0 | x);
const sized = fc.constantFrom<[number[], number]>([[], 0], [[0x66], 1], [[], 1], [[0x48], 1]);
const alu = fc.tuple(sized, fc.integer({ min: 0, max: 7 }), modrm).map(([[p, w], op, m]) => [...p, (op << 3) | w, m]);
const immediate = fc
  .tuple(sized, fc.integer({ min: 0, max: 7 }), modrm, fc.integer({ min: 0, max: 255 }))
  .map(([[p, w], op, m, i]) => [...p, w ? 0x83 : 0x80, 0xc0 | (op << 3) | (m & 7), i]);
const unary = fc
  .tuple(sized, fc.constantFrom<[number, number]>([0xf6, 3], [0xfe, 0], [0xfe, 1]), modrm)
  .map(([[p, w], [op, ext], m]) => [...p, op | w, 0xc0 | (ext << 3) | (m & 7)]);
const testing = fc.tuple(sized, modrm).map(([[p, w], m]) => [...p, 0x84 | w, m]);
const shifting = fc
  .tuple(sized, fc.constantFrom(0, 1, 2, 3, 4, 5, 7), modrm, fc.constantFrom(0, 1, 2, 7, 9, 31, 33))
  .map(([[p, w], ext, m, i]) => [...p, 0xc0 | w, 0xc0 | (ext << 3) | (m & 7), i]);
const shiftingByCl = fc
  .tuple(sized, fc.constantFrom(0, 1, 4, 5, 7), modrm)
  .map(([[p, w], ext, m]) => [...p, 0xd2 | w, 0xc0 | (ext << 3) | (m & 7)]);
const bits = fc
  .tuple(fc.constantFrom([], [0x66], [0x48]), fc.constantFrom(0xa3, 0xab, 0xb3, 0xbb, 0xbc, 0xbd, 0xaf), modrm)
  .map(([p, op, m]) => [...p, 0x0f, op, m]);
const carry = fc.constantFrom<number[][]>([0xf8], [0xf9], [0xf5], [0x9e]);
const producer: fc.Arbitrary<number[]> = fc.oneof(alu, immediate, unary, testing, shifting, shiftingByCl, bits, carry);
/** Something between producer and condition that may overwrite the operands but no flags: MOV of any width. */
const mover = fc.oneof(
  fc.constant([] as number[]),
  fc.tuple(sized, modrm).map(([[p, w], m]) => [...p, 0x88 | w, m]),
);

const EDGES = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0x8000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_ffffn,
];
const value = fc.oneof(fc.constantFrom(...EDGES), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));
const state = fc.record({
  registers: fc.array(value, { minLength: 8, maxLength: 8 }),
  flags: fc.integer({ min: 0, max: 0xfff }).map((f) => BigInt(f & 0x8d5)),
});

const start = (s: { registers: bigint[]; flags: bigint }): Machine => {
  const m = machine();
  s.registers.forEach((r, i) => {
    m.slots[i] = r;
  });
  setFlags(m, s.flags);
  return m;
};
const run = (builder: BlockBuilder, m: Machine, ...code: number[][]): ReturnType<typeof runBlock> => {
  translateBytes(builder, Uint8Array.from(code.flat()), LONG);
  return runBlock(m, builder);
};
const same = (builder: BlockBuilder, a: Machine, b: Machine): void => {
  for (let r = 0; r < 16; r++)
    if (a.slots[r] !== b.slots[r])
      throw new Error(`register ${r}: ${a.slots[r].toString(16)} and ${b.slots[r].toString(16)}\n${dumpMicroOps(builder).join('\n')}`);
  if (flagsOf(a) !== flagsOf(b))
    throw new Error(`flags ${flagsOf(a).toString(16)} and ${flagsOf(b).toString(16)}\n${dumpMicroOps(builder).join('\n')}`);
};

test('SETcc in the block of the flags equals SETcc in a block of its own', (t) => {
  const builder = new BlockBuilder();
  fc.assert(
    fc.property(producer, producer, mover, fc.integer({ min: 0, max: 15 }), state, (first, produce, move, cc, s) => {
      const set = [0x0f, 0x90 | cc, 0xc0];
      const apart = start(s);
      run(builder, apart, first);
      run(builder, apart, produce);
      run(builder, apart, move, [0x90]);
      run(builder, apart, set);
      const together = start(s);
      run(builder, together, first, produce, move, set);
      same(builder, together, apart);
    }),
    { numRuns: 8000 },
  );
  t.pass();
});

test('CMOVcc and ADC too', (t) => {
  const builder = new BlockBuilder();
  fc.assert(
    fc.property(
      producer,
      mover,
      fc.integer({ min: 0, max: 15 }),
      fc.constantFrom([], [0x48], [0x66]),
      modrm,
      state,
      (produce, move, cc, p, m, s) => {
        const uses = [
          [...p, 0x0f, 0x40 | cc, m],
          [...p, 0x11, m],
        ];
        const apart = start(s);
        for (const part of [produce, [...move, 0x90], ...uses]) run(builder, apart, part);
        const together = start(s);
        run(builder, together, produce, move, ...uses);
        same(builder, together, apart);
      },
    ),
    { numRuns: 8000 },
  );
  t.pass();
});

test('Jcc goes where SETcc says', (t) => {
  const builder = new BlockBuilder();
  fc.assert(
    fc.property(producer, fc.integer({ min: 0, max: 15 }), state, (produce, cc, s) => {
      const flags = start(s);
      run(builder, flags, produce);
      run(builder, flags, [0x0f, 0x90 | cc, 0xc0]);
      const expected = flags.slots[0] & 0xffn;
      const jump = start(s);
      const left = run(builder, jump, produce, [0x70 | cc, 0x10]);
      const next = BigInt(produce.length + 2);
      if (!('taken' in left) || left.taken !== next + (expected ? 0x10n : 0n)) {
        throw new Error(
          `${JSON.stringify(left, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}, condition ${expected}\n${dumpMicroOps(builder).join('\n')}`,
        );
      }
    }),
    { numRuns: 8000 },
  );
  t.pass();
});
