// Memory of translated code has a limit: guests that make new code without end keep running, right and in bounded memory, in both tiers.
import test from 'ava';
import { ARENA_SIZE, CODE_COUNTS, type CodeCount, LpContextLayout } from '../../shared/layout/lp-context.js';
import { lpContextAt } from '../../shared/layout/partition.js';
import { InterruptShadow, Slot } from '../../shared/layout/vp.js';
import type { BareProcessor } from '../rig/bare-processor.js';
import { littleEndian } from '../rig/code-bytes.js';
import { clearProgram, Program, programMachine, runProgram } from '../rig/user-program.js';

const { RAX, RCX } = Slot;
const counts = ({ views }: BareProcessor): Record<CodeCount, number> => {
  const at = (lpContextAt(0) + LpContextLayout.at.codeCounts) >>> 2;
  return Object.fromEntries(CODE_COUNTS.map((name, i) => [name, views.u32[at + i]])) as Record<CodeCount, number>;
};
const machineOf = (tiers: 'cold' | 'hot', unitBytesMax?: number): BareProcessor => {
  const machine = programMachine(tiers, false, unitBytesMax === undefined ? {} : { unitBytesMax });
  clearProgram(machine);
  return machine;
};
/** Stores the code as the guest would: what was made from the old one is forgotten. */
const store = ({ processor }: BareProcessor, code: Buffer): void => {
  for (let at = 0; at < code.length; at++) processor.memory.write8(Program.CODE + at, code[at]!);
};

const ADDITIONS = 40;
/** ADC EAX, seed + i (no carry comes), forty times, round a loop of RCX passes; INT3. */
const program = (seed: number): Buffer => {
  const additions = Array.from({ length: ADDITIONS }, (_, i) => `15${littleEndian(seed + i, 4)}`).join('');
  return Buffer.from(`${additions}ffc90f85${littleEndian(-(ADDITIONS * 5 + 8), 4)}cc`, 'hex');
};
const expected = (seed: number, passes: number): bigint => BigInt(passes * (ADDITIONS * seed + (ADDITIONS * (ADDITIONS - 1)) / 2));

for (const [tiers, unitBytesMax, rounds] of [
  ['cold', undefined, 8000],
  ['hot', 100_000, 400],
] as const) {
  test(`new code without end (${tiers})`, (t) => {
    const machine = machineOf(tiers, unitBytesMax);
    const { code } = machine.processor;
    const before = counts(machine).drops;
    let records = 0;
    let units = 0;
    for (let round = 1; round <= rounds; round++) {
      store(machine, program(round));
      const end = runProgram(machine, Program.CODE, { [RCX]: 3, [RAX]: 0 });
      if (end.registers[RAX] !== expected(round, 3)) t.fail(`round ${round}`);
      records = Math.max(records, counts(machine).recordBytes);
      units = Math.max(units, counts(machine).unitBytes);
    }
    t.true(counts(machine).drops - before >= 2, 'all was given up more than once');
    t.true(records <= ARENA_SIZE && records > 0);
    if (unitBytesMax !== undefined) t.true(units > 0 && units < unitBytesMax + 50_000, `${units} bytes of units`);
    t.is(code.refused, 0);
  });
}

test('what is counted is what is there', (t) => {
  const machine = machineOf('hot');
  store(machine, program(1));
  runProgram(machine, Program.CODE, { [RCX]: 3 });
  const now = counts(machine);
  // The loop in pieces, INT3, and the handler's HLT.
  t.true(now.blocks >= 3);
  t.is(now.guestBytes, ADDITIONS * 5 + 8 + 1 + 1);
  t.true(now.units >= 1 && now.unitBytes > 100 * now.units && now.machineBytes > 2 * now.unitBytes);
  machine.processor.code.dropAll();
  t.deepEqual(counts(machine), {
    blocks: 0,
    guestBytes: 0,
    recordBytes: 0,
    metadataBytes: 0,
    units: 0,
    unitBytes: 0,
    machineBytes: 0,
    drops: now.drops + 1,
  });
});

test('instructions that run alone take no room', (t) => {
  const machine = machineOf('cold');
  const { processor, views, vp } = machine;
  store(machine, program(1));
  runProgram(machine, Program.CODE, { [RCX]: 1 });
  const { arenaNext } = processor.code.saved;
  const slots = vp.base >>> 3;
  for (let i = 0; i < 100; i++) {
    views.u64[slots + Slot.RIP] = BigInt(Program.CODE);
    processor.runShadowed(InterruptShadow.INTERRUPTS);
    t.not(views.u64[slots + Slot.RIP], BigInt(Program.CODE));
  }
  t.is(processor.code.saved.arenaNext, arenaNext);
});

test('code that changes in its values only takes over its block', (t) => {
  const machine = machineOf('cold');
  // MOV EAX, value; ADD EAX, value; INT3: from the third time on a template is known.
  const patched = (value: number, other: number): Buffer => Buffer.from(`b8${littleEndian(value, 4)}05${littleEndian(other, 4)}cc`, 'hex');
  const run = (code: Buffer): bigint => {
    store(machine, code);
    return runProgram(machine, Program.CODE, {}).registers[RAX]!;
  };
  for (let round = 1; round <= 4; round++) t.is(run(patched(round + 100_000, 100_000)), BigInt(round + 200_000));
  const { recordBytes } = counts(machine);
  for (let round = 1; round <= 50; round++) t.is(run(patched(100_000 + round * 3, 100_000 + round * 2)), BigInt(200_000 + round * 5));
  t.is(counts(machine).recordBytes, recordBytes);
  // SUB in place of ADD is other code, and what comes after that is the first again.
  const other = patched(9000, 2000);
  other[5] = 0x2d;
  t.is(run(other), 7000n);
  t.is(run(patched(9000, 2000)), 11_000n);
  t.true(counts(machine).recordBytes > recordBytes);
});
