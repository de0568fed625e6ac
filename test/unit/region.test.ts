// Random control flow, irreducible graphs included: compiled regions leave what the micro-op machine leaves, whatever the slices they run in.
import { deepEqual } from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { Slot } from '../../shared/layout/vp.js';
import { assembleCode, type CodeItem, littleEndian } from '../rig/code-bytes.js';
import { clearProgram, codeMemory, Program, type ProgramEnd, programMachine, runProgram } from '../rig/user-program.js';

/** Edges backwards until a program ends: enough for its loops to be compiled (TEST_HOT_RUNS). */
const BACK_EDGES = 1500;
const RUNS = 250;
const COUNTER = Slot.RCX;
const DATA = Slot.RDI;
/** All but RSP, the counter and the data pointer. */
const POOL = [0, 2, 3, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15];

const byte = (n: number): string => littleEndian(n, 1);
const rex = (wide: boolean, reg: number, rm: number): string => byte(0x40 | (wide ? 8 : 0) | (reg >> 3 ? 4 : 0) | (rm >> 3 ? 1 : 0));
const direct = (reg: number, rm: number): string => byte(0xc0 | ((reg & 7) << 3) | (rm & 7));
/** ModR/M and displacement of [RDI + n]. */
const inData = (reg: number, displacement: number): string => byte(0x80 | ((reg & 7) << 3) | DATA) + littleEndian(displacement, 4);

/** The random numbers that an instruction is made of. */
interface Draw {
  readonly a: number;
  readonly b: number;
  readonly n: number;
  readonly size: number;
}
type Maker = (d: Draw) => CodeItem[];

/** Prefixes and opcode for an operand size of 8, 16, 32 or 64 bits; opcodes with a width bit. */
const sized = (size: number, reg: number, rm: number, opcode: string): string => {
  const last = Number.parseInt(opcode.slice(-2), 16) | (size === 0 ? 0 : 1);
  return (size === 1 ? '66' : '') + rex(size === 3, reg, rm) + opcode.slice(0, -2) + byte(last);
};
const condition = (n: number): number => n & 15;
const offset = (n: number): number => n % 4088;

const MAKERS: readonly Maker[] = [
  ({ a, b, n, size }) => [sized(size, a, b, byte((n & 7) << 3)) + direct(a, b)], // ADD ... CMP r, r
  ({ a, n, size }) => [sized(size, a, DATA, byte((n & 7) << 3)) + inData(a, offset(n >> 3))], // [m], r
  ({ a, n, size }) => [sized(size, a, DATA, byte(((n & 7) << 3) | 2)) + inData(a, offset(n >> 3))], // r, [m]
  ({ b, n, size }) => [sized(size, 0, b, '80').replace(/81$/, '83') + direct(n & 7, b) + byte(n >> 3)], // r, imm8
  ({ a, b, size }) => [sized(size, a, b, '88') + direct(a, b)], // MOV
  ({ b, n, size }) => [sized(size, 0, b, 'fe') + direct(n & 1, b)], // INC, DEC
  ({ b, n, size }) => [sized(size, 0, b, 'f6') + direct(2 + (n & 1), b)], // NOT, NEG
  ({ b, n, size }) => [sized(size, 0, b, 'f6') + direct(4 + (n & 1), b)], // MUL, IMUL
  ({ b, n, size }) => [sized(size, 0, b, 'c0') + direct([0, 1, 2, 3, 4, 5, 7][(n >> 8) % 7], b) + byte(n)], // rotates and shifts by imm8
  ({ b, n, size }) => [sized(size, 0, b, 'd2') + direct([0, 1, 2, 3, 4, 5, 7][n % 7], b)], // by CL
  ({ b, n, size }) => [sized(size, 0, b, 'd0') + direct([0, 1, 2, 3, 4, 5, 7][n % 7], b)], // by 1
  ({ b, n }) => [`${rex(false, 0, b)}0f${byte(0x90 | condition(n))}${direct(0, b)}`], // SETcc
  ({ a, b, n, size }) => [`${(size === 1 ? '66' : '') + rex(size === 3, a, b)}0f${byte(0x40 | condition(n))}${direct(a, b)}`], // CMOVcc
  ({ a, b, n, size }) => [
    `${(size === 1 ? '66' : '') + rex(size === 3, a, b)}0f${['a3', 'ab', 'b3', 'bb', 'af', 'b6', 'be', 'b7'][n & 7]}${direct(a, b)}`,
  ], // bit tests, IMUL, MOVZX, MOVSX
  ({ a, b, size }) => [sized(size, a, b, '84') + direct(a, b)], // TEST
  ({ a, n, size }) => [
    `${n & 1 ? 'f0' : ''}${sized(size, a, DATA, ['86', '0fc0', '0fb0'][(n >> 1) % 3])}${inData(a, offset(n >> 3))}`.replace(
      /^f066/,
      '66f0',
    ),
  ], // XCHG, XADD, CMPXCHG
  ({ n }) => [['f5', 'f8', 'f9', '9f', '9e', 'fc', '98', '4899'][n & 7]], // CMC CLC STC LAHF SAHF CLD CWDE CQO
  ({ a, b }) => [(a >> 3 ? '41' : '') + byte(0x50 | (a & 7)) + (b >> 3 ? '41' : '') + byte(0x58 | (b & 7))], // PUSH, POP
  ({ b }) => [`9c${b >> 3 ? '41' : ''}${byte(0x58 | (b & 7))}`], // PUSHF, POP
  ({ n }) => ['488d37', ['ac', '0f31', 'f390', '90'][n & 3]], // RSI := data; slow halves: LODSB, RDTSC, PAUSE
  ({ a, n }) => [`${rex(true, a, DATA)}8d${inData(a, n)}`], // LEA
  ({ n }) => ['e8', { to: `function${n & 1}` }],
  // A page fault when the counter comes to a certain value.
  ({ n }) => [`81f9${littleEndian(n % 4000, 4)}75068b${inData(0, 4096 + (n & 63))}`],
];

interface RandomBlock {
  readonly instructions: readonly (Draw & { readonly maker: number })[];
  readonly end: 'jump' | 'branch' | 'indirect';
  readonly condition: number;
  readonly targets: readonly [number, number];
}
interface RandomProgram {
  readonly blocks: readonly RandomBlock[];
  readonly functions: readonly (readonly (Draw & { readonly maker: number })[])[];
  readonly registers: readonly bigint[];
  readonly budget: number;
}

const draw = fc.record({
  maker: fc.nat(MAKERS.length - 1),
  a: fc.constantFrom(...POOL),
  b: fc.constantFrom(...POOL),
  n: fc.nat(0xffff),
  size: fc.nat(3),
});
const block: fc.Arbitrary<RandomBlock> = fc.record({
  instructions: fc.array(draw, { maxLength: 6 }),
  end: fc.constantFrom('jump', 'branch', 'branch', 'branch', 'indirect'),
  condition: fc.nat(15),
  targets: fc.tuple(fc.nat(99), fc.nat(99)),
});
const leaf = fc.array(
  draw.filter((d) => !JSON.stringify(MAKERS[d.maker](d)).includes('function')),
  { maxLength: 4 },
);
const program: fc.Arbitrary<RandomProgram> = fc.record({
  blocks: fc.array(block, { minLength: 1, maxLength: 12 }),
  functions: fc.tuple(leaf, leaf),
  registers: fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 16, maxLength: 16 }),
  budget: fc.integer({ min: 1, max: 400 }),
});

/** Every edge to the same block or backwards goes through a place that counts down without touching flags: all programs end. */
const itemsOf = (p: RandomProgram): CodeItem[] => {
  const items: CodeItem[] = [];
  const code = (list: RandomBlock['instructions']): void => {
    for (const d of list) items.push(...MAKERS[d.maker](d));
  };
  const edge = (from: number, target: number): CodeItem => {
    const to = target % p.blocks.length;
    return { to: to > from ? `block${to}` : `back${to}` };
  };
  p.blocks.forEach((b, i) => {
    items.push({ label: `block${i}` });
    code(b.instructions);
    if (b.end === 'branch') items.push(`0f${byte(0x80 | b.condition)}`, edge(i, b.targets[0]), 'e9', edge(i, b.targets[1]));
    else if (b.end === 'jump') items.push('e9', edge(i, b.targets[0]));
    else items.push('4c8d3d', edge(i, b.targets[0]), '41ffe7'); // lea r15, [target]; jmp r15
  });
  p.blocks.forEach((_, i) => {
    items.push({ label: `back${i}` }, '8d49ff', 'e305', 'e9', { to: `block${i}` }, 'e9', { to: 'end' }); // lea ecx, [rcx - 1]; jrcxz
  });
  p.functions.forEach((body, i) => {
    items.push({ label: `function${i}` });
    code(body);
    items.push('c3');
  });
  items.push({ label: 'end' }, 'cc');
  return items;
};

const shown = (end: ProgramEnd): unknown => ({
  ...end,
  registers: end.registers.map((r) => r.toString(16)),
  flags: end.flags.toString(16),
  rip: end.rip.toString(16),
  data: Buffer.from(end.data).toString('hex'),
});

test('compiled regions of random control flow do what the micro-op machine does', (t) => {
  const cold = programMachine('cold');
  const hot = programMachine('hot');
  const both = programMachine('both');
  const seed = process.env.FC_SEED;
  let compiled = 0;
  fc.assert(
    fc.property(program, (p) => {
      const { bytes } = assembleCode(Program.CODE, itemsOf(p));
      const registers = {
        ...p.registers,
        [Slot.RSP]: BigInt(Program.STACK_TOP),
        [COUNTER]: BigInt(BACK_EDGES),
        [DATA]: BigInt(Program.DATA),
      };
      const run = (machine: typeof cold, budget?: number): unknown => {
        clearProgram(machine);
        codeMemory(machine, Program.CODE).set(bytes);
        return shown(runProgram(machine, Program.CODE, registers, budget));
      };
      const wanted = run(cold);
      deepEqual(run(both), wanted);
      compiled = both.processor.code.compilations;
      deepEqual(run(hot), wanted);
      deepEqual(run(both, p.budget), wanted);
    }),
    { numRuns: RUNS, ...(seed === undefined ? {} : { seed: Number(seed) }) },
  );
  t.true(compiled > RUNS);
  t.is(both.processor.code.refused + hot.processor.code.refused, 0);
});
