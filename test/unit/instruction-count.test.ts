// Counts of retired instructions are exact: programs whose numbers follow from their text, in both tiers, left in the middle of blocks in every way there is.
import test from 'ava';
import { InstructionMix } from '../../daemon/translate/decode/instruction-mix.js';
import { Slot } from '../../shared/layout/vp.js';
import type { BareProcessor } from '../rig/bare-processor.js';
import { assembleCode, type CodeItem } from '../rig/code-bytes.js';
import { clearProgram, codeMemory, Program, programMachine, runProgram } from '../rig/user-program.js';

const { RAX, RCX, RSI, RDI, RBP } = Slot;
const PASSES = 1500;

/** Runs the code at its base and gives the counts by mnemonic, without the handler's HLT. */
const counted = (machine: BareProcessor, items: readonly CodeItem[], registers: Readonly<Record<number, number>>, budget?: number) => {
  clearProgram(machine);
  codeMemory(machine, Program.CODE).set(assembleCode(Program.CODE, items).bytes);
  const count = machine.count!;
  count.fold();
  const before = { retired: count.retired, mnemonics: new Map(count.mnemonics) };
  const end = runProgram(machine, Program.CODE, registers, budget);
  count.fold();
  const mnemonics: Record<string, number> = {};
  for (const [name, n] of count.mnemonics) {
    const grown = n - (before.mnemonics.get(name) ?? 0);
    if (grown !== 0 && name !== 'hlt') mnemonics[name] = grown;
  }
  return { end, mnemonics, retired: count.retired - before.retired };
};

for (const tiers of ['cold', 'hot', 'both'] as const) {
  for (const budget of [100_000, 37]) {
    const title = `(${tiers}, slices of ${budget})`;

    test(`a loop, and the INT3 that ends it ${title}`, (t) => {
      const machine = programMachine(tiers, true);
      // loop: add eax, 1; imul edx, eax; test al, 1; je +2 (over inc ebx); inc ebx; dec ecx; jnz loop; int3
      const code = ['83c001', '0fafd0', 'a801', '7402', 'ffc3', 'ffc9', '75f0', 'cc'];
      const { end, mnemonics, retired } = counted(machine, code, { [RCX]: PASSES, [RAX]: 0 }, budget);
      t.deepEqual(mnemonics, { add: PASSES, imul: PASSES, test: PASSES, je: PASSES, inc: PASSES / 2, dec: PASSES, jne: PASSES, int3: 1 });
      t.is(retired, end.retired);
    });

    test(`a fault in the middle of a block: what stands before it was retired, it and what follows were not ${title}`, (t) => {
      const machine = programMachine(tiers, true);
      // loop: add eax, 1; mov edx, [rsi]; sub rsi, 1; add ebp, 1; jmp loop: the load walks out of the page
      const code = ['83c001', '8b16', '4883ee01', '83c501', 'ebf2'];
      const { end, mnemonics, retired } = counted(machine, code, { [RSI]: Program.DATA + 1000, [RBP]: 0 }, budget);
      t.is(end.vector, 14);
      t.deepEqual(mnemonics, { add: 1002 + 1001, mov: 1001, sub: 1001, jmp: 1001 });
      t.is(retired, end.retired);
    });

    test(`slow halves, locks that split a line, code that changes itself ${title}`, (t) => {
      const machine = programMachine(tiers, true);
      // loop: push rcx; cpuid; pop rcx; lock add dword [rdi + 61], 1; mov [next + 1], cl; next: mov eax, imm32; std; cld; dec ecx; jnz loop; int3
      const code: CodeItem[] = [
        { label: 'loop' },
        ...['51', '0fa2', '59', 'f083473d01', '880d', { to: 'value' }, 'b8', { label: 'value' }, '00000000', 'fd', 'fc', 'ffc9'],
        ...['0f85', { to: 'loop' }, 'cc'],
      ];
      const { end, mnemonics, retired } = counted(machine, code, { [RCX]: PASSES, [RDI]: Program.DATA }, budget);
      const n = PASSES;
      t.is(end.vector, 3);
      t.true(machine.busLocks >= n);
      t.deepEqual(mnemonics, { push: n, cpuid: n, pop: n, add: n, mov: 2 * n, std: n, cld: n, dec: n, jne: n, int3: 1 });
      t.is(retired, end.retired);
    });
  }
}

test('counts do not depend on when the arena is given up', (t) => {
  const machine = programMachine('both', true);
  const code = ['83c001', 'ffc9', '75f9', 'cc'];
  const once = counted(machine, code, { [RCX]: PASSES }).mnemonics;
  clearProgram(machine);
  codeMemory(machine, Program.CODE).set(assembleCode(Program.CODE, code).bytes);
  const count = machine.count!;
  const before = count.mnemonics.get('add')!;
  runProgram(machine, Program.CODE, { [RCX]: PASSES });
  machine.processor.code.dropAll();
  runProgram(machine, Program.CODE, { [RCX]: PASSES });
  count.fold();
  t.is(count.mnemonics.get('add')! - before, 2 * once.add);
});

test('every class is what its name says', (t) => {
  const mix = new InstructionMix();
  const classOf = (hex: string): string => mix.of(64, assembleCode(0, [hex]).bytes)[0].class;
  const expected: Record<string, string[]> = {
    integer: ['01d8', '8d4301', '90', '0f1f00', '0fc8'],
    load: ['8b03', '0303', '58', '3b03', '0fa303'],
    store: ['8903', '0103', '50', 'ff03', '0f9403'],
    branch: ['7400', 'eb00', 'e800000000', 'c3', 'ffe0', 'e200'],
    locked: ['f00103', '8703', 'f00fb10b'],
    string: ['f3a4', 'aa', 'a6', '6c'],
    system: ['0fa2', 'f4', 'fa', '0f0103', '0f22d8', 'cd80', '0f05', 'cf', 'f390', 'ec', '8ed8', '0f31', '0f0b'],
    x87: ['d9e8', 'd903', 'dd1b', '9bdbe3'],
    mmx: ['0ffec1', '0f6f03', '0f77'],
    sse: ['0f58c1', '660ffec1', 'f20f5803', '0fae03', '660f38dcc1'],
    avx: ['c5f058c2', 'c4e271b8c2', '62f1744858c2'],
  };
  for (const [name, encodings] of Object.entries(expected)) for (const hex of encodings) t.is(classOf(hex), name, hex);
});
