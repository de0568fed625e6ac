// Stores into code that runs: the very next instruction is the new one, in both tiers (SDM 3A 9.1.3, 12.6: P6 and later processors need no jump in between).
import test, { type ExecutionContext } from 'ava';
import { jumpEntryAt } from '../../daemon/machine/jump-cache.js';
import { Slot } from '../../shared/layout/vp.js';
import type { BareProcessor } from '../rig/bare-processor.js';
import { assembleCode, type CodeItem, littleEndian } from '../rig/code-bytes.js';
import {
  clearProgram,
  codeMemory,
  Program,
  type ProgramEnd,
  programMachine,
  remapCode,
  runProgram,
  SPARE_GFN,
} from '../rig/user-program.js';

const { RAX, RCX, RDX, RBX, RSP, RSI, RDI } = Slot;
const PAGE_2 = Program.CODE + 4096;
const at = (label: string): CodeItem => ({ label });
const to = (label: string, after = 0): CodeItem => ({ to: label, after });
const INT3 = 'cc';

const place = (machine: BareProcessor, base: number, items: readonly CodeItem[]): Readonly<Record<string, number>> => {
  const code = assembleCode(base, items);
  codeMemory(machine, base).set(code.bytes);
  return code.at;
};

type Case = (t: ExecutionContext, machine: BareProcessor) => void;
const inEachTier = (title: string, run: Case): void => {
  for (const tiers of ['cold', 'hot', 'both'] as const)
    test(`${title} (${tiers})`, (t) => {
      const machine = programMachine(tiers);
      clearProgram(machine);
      run(t, machine);
      t.is(machine.processor.code.refused, 0);
    });
};
const register = (end: ProgramEnd, n: number): number => Number(end.registers[n]);

/** Passes of loops: enough for `both` to compile. */
const PASSES = 2000;
const sumOfLowBytes = (n: number): number => {
  let sum = 0;
  for (let i = 1; i <= n; i++) sum += i & 0xff;
  return sum;
};

inEachTier('a store changes the very next instruction, in every pass of a loop', (t, machine) => {
  place(machine, Program.CODE, [
    at('loop'),
    '880d',
    to('next'),
    '90', // mov [next + 1], cl: the displacement counts from here, where the NOP is
    at('next'),
    'b800000000', // mov eax, imm32
    '01c3',
    'ffc9',
    '0f85',
    to('loop'),
    INT3, // add ebx, eax; dec ecx; jnz
  ]);
  // mov [rip + d] is 6 bytes, NOP 1: `to` leads to `next`, its immediate is one further.
  const memory = codeMemory(machine, Program.CODE);
  memory[2]++;
  for (let pass = 0; pass < 2; pass++) t.is(register(runProgram(machine, Program.CODE, { [RCX]: PASSES }), RBX), sumOfLowBytes(PASSES));
});

inEachTier('a loop is patched from inside after it became hot', (t, machine) => {
  const labels = place(machine, Program.CODE, [
    at('loop'),
    '81f9',
    littleEndian(700, 4),
    '0f85',
    to('skip'), // cmp ecx, 700; jne
    'c605',
    to('patched', 1),
    '05', // mov byte [patched], 5
    at('skip'),
    'b8',
    at('patched'),
    '01000000', // mov eax, 1
    '01c3',
    'ffc9',
    '0f85',
    to('loop'),
    INT3,
  ]);
  t.is(register(runProgram(machine, Program.CODE, { [RCX]: PASSES }), RBX), PASSES - 700 + 700 * 5);
  t.is(codeMemory(machine, labels.patched)[0], 5);
});

inEachTier('a block that stands before the store in the loop is patched', (t, machine) => {
  place(machine, Program.CODE, [
    at('loop'),
    '83c3',
    at('patched'),
    '01', // add ebx, 1
    '81f9',
    littleEndian(900, 4),
    '75',
    '07', // cmp ecx, 900; jne over the store
    'c605',
    to('patched', 1),
    '02',
    'ffc9',
    '0f85',
    to('loop'),
    INT3,
  ]);
  t.is(register(runProgram(machine, Program.CODE, { [RCX]: PASSES }), RBX), PASSES - 900 + 1 + 899 * 2);
});

inEachTier('a jump takes the place of other instructions', (t, machine) => {
  const labels = place(machine, Program.CODE, [
    at('loop'),
    '81f9',
    littleEndian(100, 4),
    '75',
    '09', // cmp ecx, 100; jne over the store
    '66c705',
    to('patched', 2),
    'eb02', // mov word [patched], jmp +2
    at('patched'),
    '9090',
    'ffc3', // nop; nop; inc ebx (jumped over later)
    'ffc9',
    '0f85',
    to('loop'),
    INT3,
  ]);
  const end = runProgram(machine, Program.CODE, { [RCX]: PASSES });
  t.is(register(end, RBX), PASSES - 100);
  t.is(end.vector, 3);
  t.true(end.rip > labels.patched);
});

inEachTier('one store rewrites code on both sides of a page boundary', (t, machine) => {
  // mov rax, imm64 whose immediate has 4 bytes in each page
  const base = PAGE_2 - 6 - 13;
  place(machine, base, [
    at('loop'),
    '48890d',
    to('immediate'), // mov [immediate], rcx
    '0f1f440000',
    '90', // nop
    '48b8',
    at('immediate'),
    '0000000000000000',
    '4801c3',
    '4829f1',
    '0f85',
    to('loop'),
    INT3, // add rbx, rax; sub rcx, rsi; jnz
  ]);
  const step = 0x1_0000_0001n;
  let sum = 0n;
  for (let i = 1n; i <= BigInt(PASSES); i++) sum += i * step;
  const end = runProgram(machine, base, { [RCX]: BigInt(PASSES) * step, [RSI]: step });
  t.is(end.registers[RBX], BigInt.asUintN(64, sum));
});

inEachTier('the second page of an instruction changes while another block of that page runs in between', (t, machine) => {
  // mov eax, imm32: opcode and one byte in the first page. What follows it calls a block elsewhere in the second page.
  const base = PAGE_2 - 2;
  place(machine, base, [
    at('first'),
    'b801',
    at('second'),
    '000000',
    '01c3',
    'ffc9',
    '7501',
    INT3, // add ebx, eax; dec ecx; jnz
    'e8',
    to('block'),
    '8815',
    to('second'),
    '83c201',
    'e9',
    to('first'), // mov [second], dl; add edx, 1
    '90'.repeat(300),
    at('block'),
    '83c601',
    'c3', // add esi, 1; ret
  ]);
  let sum = 0;
  for (let i = 0; i < PASSES; i++) sum += 1 + (i === 0 ? 0 : ((i - 1) & 0xff) << 8);
  t.is(register(runProgram(machine, base, { [RCX]: PASSES }), RBX), sum);
});

inEachTier('the second page of an instruction is remapped', (t, machine) => {
  const base = PAGE_2 - 2;
  place(machine, base, ['b801', '000000', INT3]);
  t.is(register(runProgram(machine, base), RAX), 1);
  machine.views.u8.set([2, 0, 0, 0xcc], machine.host(SPARE_GFN * 4096));
  remapCode(machine, PAGE_2, SPARE_GFN);
  t.is(register(runProgram(machine, base), RAX), 0x201);
  machine.pages.delete(PAGE_2 / 4096);
  machine.tlb.flushAll();
  machine.processor.code.jumps.flush();
  const end = runProgram(machine, base);
  t.is(end.vector, 14);
  t.is(machine.vp.cr2Num, PAGE_2);
  t.is(end.rip, base);
});

inEachTier('REP STOS fills the code behind it', (t, machine) => {
  const labels = place(machine, Program.CODE, [
    at('loop'),
    'b905000000', // mov ecx, 5
    'f3aa', // rep stosb
    at('patched'),
    '83c301',
    '90',
    '90', // add ebx, 1: becomes NOPs
    '48ffca',
    '0f85',
    to('again'),
    INT3, // dec rdx
    at('again'),
    '488d3d',
    to('patched'), // lea rdi, [patched]
    'e9',
    to('loop'),
  ]);
  const end = runProgram(machine, Program.CODE, { [RAX]: 0x90, [RDX]: PASSES, [RDI]: labels.patched });
  t.is(register(end, RBX), 0);
});

inEachTier('REP MOVS copies other code over the code behind it', (t, machine) => {
  const labels = place(machine, Program.CODE, [
    at('loop'),
    '488d3d',
    to('patched'),
    'b903000000',
    'f3a4', // lea rdi, [patched]; mov ecx, 3; rep movsb
    at('patched'),
    '83c301', // add ebx, 1
    '48ffca',
    '0f85',
    to('loop'),
    INT3,
  ]);
  // Passes take their turn at three instructions: add ebx, 1; add ebx, 2; add ebx, 3 (RSI moves on by itself).
  const source = codeMemory(machine, PAGE_2);
  const passes = 1200;
  let sum = 0;
  for (let i = 0; i < passes; i++) {
    source.set([0x83, 0xc3, 1 + (i % 3)], i * 3);
    sum += 1 + (i % 3);
  }
  const end = runProgram(machine, Program.CODE, { [RDX]: passes, [RSI]: PAGE_2 });
  t.is(register(end, RBX), sum);
  t.is(register(end, RDI), labels.patched + 3);
});

inEachTier('a push overwrites the next instruction', (t, machine) => {
  const labels = place(machine, Program.CODE, [
    at('loop'),
    '488d25',
    to('end'), // lea rsp, [end]
    '51', // push rcx
    '48b8',
    at('immediate'),
    '0000000000000000',
    at('end'),
    '01c3',
    'ffc9',
    '0f85',
    to('loop'),
    INT3,
  ]);
  const end = runProgram(machine, Program.CODE, { [RCX]: PASSES });
  t.is(register(end, RBX), (PASSES * (PASSES + 1)) / 2);
  t.is(register(end, RSP), labels.immediate);
});

inEachTier('a call writes its return address into the code that it calls', (t, machine) => {
  const labels = place(machine, Program.CODE, [
    at('loop'),
    '488d25',
    to('end'),
    'e8',
    to('target'), // lea rsp, [end]; call target
    at('return'),
    INT3,
    at('target'),
    '48b8',
    '0000000000000000',
    at('end'),
    '4801c3',
    'ffc9',
    '0f85',
    to('loop'),
    INT3,
  ]);
  const end = runProgram(machine, Program.CODE, { [RCX]: PASSES });
  t.is(register(end, RAX), labels.return);
  t.is(register(end, RBX), labels.return * PASSES);
});

inEachTier('LOCK forms change the next instruction', (t, machine) => {
  place(machine, Program.CODE, [
    at('loop'),
    'f0ff05',
    to('immediate'), // lock inc dword [immediate]
    'b8',
    at('immediate'),
    '00000000',
    '4801c3',
    '8615',
    to('immediate'),
    'b0',
    '00', // add rbx, rax; xchg [immediate], dl; mov al, 0
    '8615',
    to('immediate'), // xchg back
    'ffc9',
    '0f85',
    to('loop'),
    INT3,
  ]);
  const end = runProgram(machine, Program.CODE, { [RCX]: PASSES, [RDX]: 0x77 });
  t.is(register(end, RBX), (PASSES * (PASSES + 1)) / 2);
  t.is(register(end, RDX), 0x77);
  t.true(machine.busLocks >= PASSES);
});

inEachTier('a unit over two pages sees a store into its first page that follows a slow instruction in the second', (t, machine) => {
  // The slow instruction starts a block of its own as well: its address alone says nothing about the unit that runs.
  const labels = place(machine, Program.CODE, [
    at('loop'),
    '83c3',
    at('patched'),
    '01', // add ebx, 1
    'e9',
    to('second'),
    '90'.repeat(4096),
    at('second'),
    'ac', // lodsb
    '81f9',
    littleEndian(500, 4),
    '0f94c2', // cmp ecx, 500; sete dl
    '0015',
    to('patched'), // add [patched], dl: always a store
    'ffc9',
    '0f85',
    to('loop'),
    INT3,
  ]);
  codeMemory(machine, labels.patched)[0] = 1;
  // The block at `second` gets to be known, alone.
  runProgram(machine, labels.second, { [RCX]: 1, [RSI]: Program.DATA });
  const end = runProgram(machine, Program.CODE, { [RCX]: PASSES, [RSI]: Program.DATA });
  t.is(register(end, RBX), PASSES + 499);
});

test('a unit over two pages is compiled again after its second page has changed', (t) => {
  const machine = programMachine('both');
  clearProgram(machine);
  const { code } = machine.processor;
  const labels = place(machine, PAGE_2 - 9, [
    at('function'),
    '83c601',
    'e9',
    to('second'),
    '90', // add esi, 1; jmp
    at('second'),
    '83c7',
    at('patched'),
    '01',
    'c3', // add edi, 1; ret
  ]);
  const store = PAGE_2 + 0x800;
  place(machine, store, ['c605', littleEndian(labels.patched - store - 7, 4), '02', INT3]); // mov byte [patched], 2
  const { loop } = place(machine, Program.CODE, [at('loop'), 'ffd3', 'ffc9', '0f85', to('loop'), INT3]);
  const run = (): ProgramEnd => runProgram(machine, Program.CODE, { [RCX]: PASSES, [RBX]: labels.function });
  /** Whether a unit is entered at the loop or the function, which are taken in together: codes below zero (`core-module.ts`). */
  const isUnit = (): boolean =>
    [loop, labels.function].some((rip) => machine.views.i32[(jumpEntryAt(machine.processor.context.base, rip) >>> 2) + 2] < 0);
  t.is(register(run(), RDI), PASSES);
  t.true(isUnit());
  const before = code.compilations;
  runProgram(machine, store);
  const end = run();
  t.is(register(end, RSI), PASSES);
  t.is(register(end, RDI), 2 * PASSES);
  t.true(code.compilations > before);
  t.true(isUnit(), 'they run compiled again');
  // As long as the second page is what it was, nothing is compiled again.
  const after = code.compilations;
  t.is(register(run(), RDI), 2 * PASSES);
  t.is(code.compilations, after);
});
