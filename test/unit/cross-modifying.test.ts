// What another processor changes while this one translates, compiles or waits: code and mappings. Each case lets the change happen at its worst moment.
// References: SDM 3A 9.1.3 (cross-modifying code), 9.3 (serializing instructions), 4.10.4 (translations).
import test from 'ava';
import { SharedWords } from '../../daemon/machine/shared-words.js';
import { WatchedCode } from '../../daemon/machine/watched-code.js';
import { KICKED, LpContextLayout, TLB_ENTRIES } from '../../shared/layout/lp-context.js';
import { lpContextAt } from '../../shared/layout/partition.js';
import { Slot } from '../../shared/layout/vp.js';
import type { BareProcessor } from '../rig/bare-processor.js';
import { assembleCode, type CodeItem } from '../rig/code-bytes.js';
import { clearProgram, codeMemory, Program, programMachine, remapCode, runProgram, SPARE_GFN, type Tiers } from '../rig/user-program.js';

const { RAX, RCX, RBX, RSI, RDI } = Slot;
const R9 = 9;
const R10 = 10;
const TIERS = ['cold', 'hot', 'both'] as const;
const PAGE_2 = Program.CODE + 4096;
const PASSES = 2000;

const machineOf = (tiers: Tiers): BareProcessor => {
  const machine = programMachine(tiers);
  clearProgram(machine);
  return machine;
};
const place = (machine: BareProcessor, base: number, items: readonly CodeItem[]): Readonly<Record<string, number>> => {
  const code = assembleCode(base, items);
  codeMemory(machine, base).set(code.bytes);
  return code.at;
};
/** A store of one byte by another processor: its watch of the page first, the kick, then the byte. */
const storeElsewhere = (machine: BareProcessor, linear: number, byte: number): void => {
  const { gfn } = machine.pages.get(Math.floor(linear / 4096))!;
  new WatchedCode(new SharedWords(machine.views)).invalidate(gfn, linear & 4095, 1);
  machine.views.i32[(lpContextAt(0) + LpContextLayout.at.kick) >>> 2] = KICKED;
  machine.views.u8[machine.host(gfn * 4096 + (linear & 4095))] = byte;
};

/** The data page at another address, which takes the TLB's entry from the first and gives it back: each access by turns is looked up. */
const secondData = (machine: BareProcessor): number => {
  const other = Program.DATA + TLB_ENTRIES * 4096;
  machine.pages.set(other / 4096, machine.pages.get(Program.DATA / 4096)!);
  return other;
};
/** Calls `then` whenever the address is looked up. */
const onLookup = ({ pages }: BareProcessor, address: number, then: () => void): void => {
  pages.get = (page) => {
    if (page === address / 4096) then();
    return Map.prototype.get.call(pages, page);
  };
};

for (const tiers of TIERS)
  test(`after CPUID the code is what another processor made of it (${tiers})`, (t) => {
    const machine = machineOf(tiers);
    const labels = place(machine, Program.CODE, [
      { label: 'loop' },
      // mov edx, [rdi + 1]; mov edx, [rsi + 1]: two pages that take the TLB's entry from each other.
      '8b5701',
      '8b5601',
      // xor eax, eax; cpuid; mov eax, 1; add r9d, eax; dec r10d; jne
      '31c0',
      '0fa2',
      'b8',
      { label: 'immediate' },
      '01000000',
      '4101c1',
      '41ffca',
      '0f85',
      { to: 'loop' },
      'cc',
    ]);
    const other = secondData(machine);
    let misses = 0;
    onLookup(machine, other, () => {
      if (++misses === 1500) storeElsewhere(machine, labels.immediate, 2);
    });
    const end = runProgram(machine, Program.CODE, { [RDI]: Program.DATA, [RSI]: other, [R10]: PASSES });
    t.is(misses, PASSES);
    t.is(Number(end.registers[R9]), 1499 + 2 * (PASSES - 1499));
  });

for (const tiers of TIERS)
  test(`code that another processor has just changed still changes itself (${tiers})`, (t) => {
    const machine = machineOf(tiers);
    const labels = place(machine, Program.CODE, [
      { label: 'loop' },
      '8b5701',
      '8b5601',
      // mov [immediate], cl; mov eax, imm32; add r9d, eax; dec ecx; jne
      '880d',
      { to: 'immediate' },
      'b8',
      { label: 'immediate' },
      '00000000',
      '4101c1',
      'ffc9',
      '0f85',
      { to: 'loop' },
      { label: 'end' },
      'cc',
    ]);
    const other = secondData(machine);
    let misses = 0;
    onLookup(machine, other, () => {
      if (++misses === 1500) storeElsewhere(machine, labels.end, 0xcc);
    });
    const end = runProgram(machine, Program.CODE, { [RDI]: Program.DATA, [RSI]: other, [RCX]: PASSES });
    t.is(misses, PASSES);
    let sum = 0;
    for (let i = 1; i <= PASSES; i++) sum += i & 0xff;
    t.is(Number(end.registers[R9]), sum);
  });

test.serial('code that another processor changes while a region over it is compiled is compiled again', (t) => {
  const machine = machineOf('both');
  const labels = place(machine, Program.CODE, [
    { label: 'loop' },
    'e9',
    { to: 'second' },
    '90'.repeat(4096 - 5),
    { label: 'second' },
    // add ebx, 1; dec ecx; jne
    '83c3',
    { label: 'immediate' },
    '01',
    'ffc9',
    '0f85',
    { to: 'loop' },
    'cc',
  ]);
  t.is(labels.second, PAGE_2);
  const { Module } = WebAssembly;
  let compiled = 0;
  WebAssembly.Module = new Proxy(Module, {
    construct: (target, [bytes]: [BufferSource]) => {
      if (++compiled === 1) storeElsewhere(machine, labels.immediate, 2);
      return new target(bytes);
    },
  });
  try {
    runProgram(machine, Program.CODE, { [RCX]: PASSES });
  } finally {
    WebAssembly.Module = Module;
  }
  t.true(compiled > 0);
  t.is(Number(runProgram(machine, Program.CODE, { [RCX]: PASSES }).registers[RBX]), 2 * PASSES);
});

for (const tiers of TIERS)
  test(`a page that is remapped while its code is being watched is looked up again (${tiers})`, (t) => {
    const machine = machineOf(tiers);
    place(machine, Program.CODE, ['b801000000', 'cc']);
    machine.views.u8.set([0xb8, 2, 0, 0, 0, 0xcc], machine.host(SPARE_GFN * 4096));
    machine.watched = () => {
      machine.watched = () => {};
      remapCode(machine, Program.CODE, SPARE_GFN);
    };
    for (let run = 0; run < 2; run++) t.is(Number(runProgram(machine, Program.CODE).registers[RAX]), 2, `run ${run}`);
  });

for (const tiers of TIERS)
  test(`no number of flushes makes forgotten code come back at the end of the address space (${tiers})`, (t) => {
    const machine = machineOf(tiers);
    const high = -0x8000_0000;
    machine.pages.set(high / 4096, machine.pages.get(Program.CODE / 4096)!);
    place(machine, Program.CODE, ['b801000000', 'cc']);
    for (let flushes = 0; flushes < 0x1_0000; flushes++) {
      machine.processor.code.jumps.flush();
      if (flushes < 0xffe0) continue;
      machine.processor.memory.setMode(true, true, false);
      machine.processor.memory.write8(high + 1, flushes & 0xff);
      t.is(Number(runProgram(machine, high).registers[RAX]), flushes & 0xff);
      machine.processor.memory.setMode(true, true, false);
      machine.processor.memory.write8(high + 1, ~flushes & 0xff);
      t.is(Number(runProgram(machine, high).registers[RAX]), ~flushes & 0xff);
    }
  });
