// Loops that only wait, as compilers and kernels write them, are proved to; loops that come to an end by themselves never are.
import test from 'ava';
import type { CodeMode } from '../../daemon/translate/code-mode.js';
import { NO_WAIT } from '../../shared/layout/lp-context.js';
import { Slot } from '../../shared/layout/vp.js';
import { unitOf } from '../rig/unit-bytes.js';
import { clearProgram, codeMemory, Program, programMachine, runProgram } from '../rig/user-program.js';
import { FLAT32, hex, LONG, RIP } from './translate-support.js';

const headsOf = (code: string, mode: CodeMode): number[] => {
  const { graph, waiting } = unitOf(hex(code), mode, RIP);
  return graph.blocks.flatMap(({ rip }, i) => (waiting[i] ? [rip - RIP] : []));
};

const WAITS: readonly (readonly [string, CodeMode, string])[] = [
  ['ticket lock: owner against own ticket', LONG, '8b 07 39 c6 75 fa c3'],
  ['ticket lock with PAUSE, as Linux waits', LONG, 'f3 90 0f b7 07 66 39 c6 75 f6 c3'],
  ['ticket lock, 16 bits of a register', LONG, '66 8b 07 66 39 c6 75 f8 c3'],
  ['MCS lock: the own node is still locked', LONG, '8b 46 08 85 c0 74 f9 c3'],
  ['MCS lock: there is no next node yet', LONG, '48 8b 06 48 85 c0 74 f8 c3'],
  ['byte lock, compared in memory', LONG, '80 3f 00 75 fb c3'],
  ['byte lock, low byte of a register', LONG, '8a 07 84 c0 75 fa c3'],
  ['byte lock, second byte of a register', LONG, '8a 27 84 e4 75 fa c3'],
  ['a bit of a word', LONG, 'f6 07 01 75 fb c3'],
  ['test and test-and-set, before the exchange', FLAT32, '8b 07 a8 01 75 fa b8 01 00 00 00 87 07 85 c0 75 ef c3'],
  ['two words, two ways out', LONG, '8b 07 85 c0 75 08 8b 0e 39 c8 74 f4 c3 90 c3'],
  ['qspinlock: locked byte and pending bits', LONG, '8b 07 a9 ff ff 00 00 74 04 f3 90 eb f3 c3'],
  ['with a back-off that is counted', LONG, '8b 07 39 c6 74 0b b9 10 00 00 00 ff c9 75 fc eb ef c3'],
  ['with LFENCE', LONG, '0f ae e8 8b 07 85 c0 75 f7 c3'],
  ['for ever', LONG, 'eb fe'],
];

const PROGRESSES: readonly (readonly [string, CodeMode, string])[] = [
  ['counts down', LONG, '8b 07 ff c9 75 fa c3'],
  ['waits for a word, but not for ever', LONG, '8b 07 85 c0 74 04 ff c9 75 f6 c3'],
  ['walks a list', LONG, '48 8b 3f 48 85 ff 75 f8 c3'],
  ['searches an array', LONG, '48 83 c7 04 8b 07 85 c0 75 f6 c3'],
  ['adds up what it reads', LONG, '03 07 85 c0 75 fa c3'],
  ['adds up in a byte', LONG, '02 07 84 c0 75 fa c3'],
  ['shifts in what it reads', LONG, '8a 27 66 d1 c8 75 f9 c3'],
  ['looks at the time', LONG, '0f 31 39 c6 75 fa c3'],
  ['asks a port', LONG, 'e4 60 a8 01 74 fa c3'],
  ['exchanges', LONG, '87 07 85 c0 75 fa c3'],
  ['tries to take the lock', LONG, '31 c0 f0 0f b1 37 75 f8 c3'],
  ['stores', LONG, '89 37 8b 07 85 c0 75 f8 c3'],
  ['halts', LONG, 'f4 8b 07 85 c0 75 f9 c3'],
  ['swaps two registers', LONG, '89 c8 89 d1 89 c2 3b 17 75 f6 c3'],
  ['lets the carry go round', LONG, 'd1 d8 8b 0f 39 f1 75 f8 c3'],
  ['moves what it read the time before', LONG, '0f 44 c1 8b 0f 85 c9 eb f7 c3'],
];

for (const [name, mode, code] of WAITS)
  test(`waits: ${name}`, (t) => {
    const heads = headsOf(code, mode);
    t.is(heads.length, 1, String(heads));
  });
for (const [name, mode, code] of PROGRESSES) test(`goes on by itself: ${name}`, (t) => t.deepEqual(headsOf(code, mode), []));

test('a loop inside one that waits is not looked at by itself', (t) => {
  // 0: mov eax, [rdi]; 2: cmp esi, [rdx]; 4: je 2; 6: test eax, eax; 8: jne 0
  t.deepEqual(headsOf('8b 07 3b 32 74 fc 85 c0 75 f6 c3', LONG), [0]);
});

/** Runs a loop until it ends, or has been found to wait so often. */
const findings = (code: string, window: number, registers: Record<number, number>, most: number): { heads: number[]; cycles: number[] } => {
  const machine = programMachine('both');
  clearProgram(machine);
  codeMemory(machine, Program.CODE).set(hex(code));
  const { context } = machine.processor;
  context.waitWindow = window;
  const heads: number[] = [];
  const cycles: number[] = [];
  machine.waited = () => {
    heads.push(Number(machine.views.u64[(machine.vp.base >>> 3) + Slot.RIP]) - Program.CODE);
    cycles.push(context.budget);
    // What it waits for happens.
    if (heads.length === most) machine.views.u32[machine.host(0x5000) >>> 2] = 1;
  };
  runProgram(machine, Program.CODE, { [Slot.RDI]: Program.DATA, ...registers }, 1_000_000);
  return { heads, cycles };
};

test('guest code is left each time such a loop has lasted for the window, at its head', (t) => {
  // mov eax, [rdi]; test eax, eax; je -6; int3
  const { heads, cycles } = findings('8b 07 85 c0 74 fa cc', 5000, {}, 4);
  t.deepEqual(heads, [0, 0, 0, 0]);
  for (let i = 1; i < cycles.length; i++) {
    const lasted = cycles[i - 1]! - cycles[i]!;
    t.true(lasted > 5000 && lasted < 5010, String(lasted));
  }
});

test('a wait that is interrupted by an attempt begins anew', (t) => {
  // 0: mov eax, [rdi]; test al, 1; jne 0; dec ecx; mov [rdi + 8], ecx; jns 0; int3: it waits for one time round, a hundred thousand times.
  t.deepEqual(findings('8b 07 a8 01 75 fa ff c9 89 4f 08 79 f3 cc', 100, { [Slot.RCX]: 100_000 }, 1).heads, []);
});

test('it is never left while nobody wants to know, nor by a loop that ends by itself', (t) => {
  // mov eax, [rdi]; inc ecx; cmp ecx, 100000; jne; int3
  t.deepEqual(findings('8b 07 ff c1 81 f9 a0 86 01 00 75 f4 cc', 100, {}, 1).heads, []);
  t.deepEqual(findings('8b 07 85 c0 74 fa cc', 5000, {}, 1).heads.length, 1);
  const machine = programMachine('both');
  t.is(machine.processor.context.waitWindow, NO_WAIT);
});
