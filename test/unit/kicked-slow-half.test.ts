// A kick that comes while the slow half of an instruction is at work: the rest of the instruction is done before guest code is left.
import test from 'ava';
import { Cr4 } from '../../shared/abi/registers.js';
import { KICKED, LpContextLayout } from '../../shared/layout/lp-context.js';
import { Slot } from '../../shared/layout/vp.js';
import type { BareProcessor } from '../rig/bare-processor.js';
import { assembleCode } from '../rig/code-bytes.js';
import { clearProgram, codeMemory, Program, type ProgramEnd, programMachine, runProgram } from '../rig/user-program.js';

const { RAX, RCX, RDX, RDI } = Slot;
const REGISTERS = { [RAX]: 0x1122_3344_5566_7788n, [RCX]: 0x8877_6655_4433_2211n, [RDX]: 5n, [RDI]: BigInt(Program.DATA) };
/** Their slow halves hand results over to what follows, or have written all there is. */
const INSTRUCTIONS: readonly (readonly [name: string, bytes: string])[] = [
  ['mov eax, ss', '8cd0'],
  ['mov rax, cs', '488cc8'],
  ['mov ax, ds', '668cd8'],
  ['mov [rdi + 8], ss', '8c5708'],
  ['sldt eax', '0f00c0'],
  ['str rcx', '480f00c9'],
  ['smsw edx', '0f01e2'],
  ['smsw [rdi + 8]', '0f016708'],
  ['rcl eax, 3', 'c1d003'],
  ['rcr rax, 5', '48c1d805'],
  ['rcl byte [rdi + 8], 1', 'd05708'],
  ['stmxcsr [rdi + 8]', '0fae5f08'],
  ['div rcx', '48f7f1'],
  ['idiv ecx', 'f7f9'],
  ['lar eax, ecx', '0f02c1'],
  ['xgetbv', '31c90f01d0'],
];

/** The first instruction reads a page that the TLB does not know: the walk for it raises the kick, and nothing looks at it before the next slow half. */
const run = (machine: BareProcessor, bytes: string, kicked: boolean): ProgramEnd & { readonly kicks: number } => {
  clearProgram(machine);
  codeMemory(machine, Program.CODE).set(assembleCode(Program.CODE, ['488b1f', bytes, 'ffc3', 'cc']).bytes);
  const word = (machine.processor.context.base + LpContextLayout.at.kick) >>> 2;
  let kicks = 0;
  machine.pages.get = (page) => {
    if (kicked && page === Program.DATA / 4096 && kicks === 0) {
      kicks++;
      Atomics.store(machine.views.i32, word, KICKED);
    }
    return Map.prototype.get.call(machine.pages, page);
  };
  return { ...runProgram(machine, Program.CODE, REGISTERS), data: machine.views.u8.slice(0, 0), kicks };
};

for (const tiers of ['cold', 'hot'] as const)
  test(`an instruction is whole although a kick comes in its slow half (${tiers})`, (t) => {
    const machine = programMachine(tiers);
    machine.vp.cr4 |= Cr4.OSFXSR | Cr4.OSXSAVE;
    const memory = (): string => {
      const { gfn } = Map.prototype.get.call(machine.pages, Program.DATA / 4096) as { gfn: number };
      return Buffer.from(machine.views.u8.slice(machine.host(gfn * 4096), machine.host(gfn * 4096) + 16)).toString('hex');
    };
    for (const [name, bytes] of INSTRUCTIONS) {
      const quiet = run(machine, bytes, false);
      const written = memory();
      const kicked = run(machine, bytes, true);
      t.is(quiet.vector, 3, name);
      t.is(kicked.kicks, 1, name);
      t.deepEqual({ ...kicked, kicks: 0 }, quiet, name);
      t.is(memory(), written, name);
    }
  });
