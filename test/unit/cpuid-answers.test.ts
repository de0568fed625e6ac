// Kept answers of CPUID: translated code gives what the intercept said, at the intercept's price, and nothing that may have changed.
import test from 'ava';
import { KICKED, LpContextLayout } from '../../shared/layout/lp-context.js';
import { Slot } from '../../shared/layout/vp.js';
import { type BareProcessor, bareProcessor, CPUID_CYCLES, userMode } from '../rig/bare-processor.js';

const CODE = 0x0040_0000;
const DATA = 0x0050_0000;
/** mov eax, ebp; mov ecx, esi; cpuid; hlt and, from LOOP on: the same without hlt, edi times. */
const ONCE = [0x89, 0xe8, 0x89, 0xf1, 0x0f, 0xa2, 0xf4];
const LOOP = [0x89, 0xe8, 0x89, 0xf1, 0x0f, 0xa2, 0xff, 0xcf, 0x75, 0xf6, 0xf4];
const LOOP_AT = 0x100;

const machineWith = (tiers: 'cold' | 'hot' | 'both' = 'both'): BareProcessor => {
  const machine = bareProcessor(0x10000, { tiers });
  machine.pages.set(CODE / 4096, { gfn: 1, writable: false, user: true });
  userMode(machine, 64, 0x8000);
  machine.views.u8.set(ONCE, machine.host(0x1000));
  machine.views.u8.set(LOOP, machine.host(0x1000 + LOOP_AT));
  machine.vp.cpl = 0;
  machine.processor.modeChanged();
  return machine;
};
const slot = (machine: BareProcessor, s: number): number => Number(machine.views.u64[(machine.vp.base >>> 3) + s]);
const set = (machine: BareProcessor, s: number, value: number): void => {
  machine.views.u64[(machine.vp.base >>> 3) + s] = BigInt(value);
};
/** Runs from an offset up to HLT; cycles that it took. */
const run = (machine: BareProcessor, offset: number): number => {
  const { processor } = machine;
  set(machine, Slot.RIP, CODE + offset);
  machine.halted = false;
  processor.context.budget = 100_000_000;
  for (let n = 0; n < 1000 && !machine.halted; n++) processor.run(processor.context.budget);
  return 100_000_000 - processor.context.budget;
};
const ask = (machine: BareProcessor, leaf: number, subleaf = 0): number[] => {
  set(machine, Slot.RBP, leaf);
  set(machine, Slot.RSI, subleaf);
  run(machine, 0);
  return [Slot.RAX, Slot.RBX, Slot.RCX, Slot.RDX].map((s) => slot(machine, s));
};

for (const tiers of ['cold', 'hot'] as const)
  test(`${tiers}: an answer is asked for once, and costs the same every time`, (t) => {
    const machine = machineWith(tiers);
    set(machine, Slot.RBP, 1);
    const cycles = [1000, 2000].map((times) => {
      set(machine, Slot.RDI, times);
      return run(machine, LOOP_AT);
    });
    t.is(machine.cpuid.asked, 1);
    t.is(machine.cpuid.answered, 2999);
    // Five instructions a turn, and what the intercept charges.
    t.is(cycles[1]! - cycles[0]!, 1000 * (5 + CPUID_CYCLES));
  });

test('leaf, subleaf and neighbours of one place are told apart', (t) => {
  const machine = machineWith();
  for (const leaf of [0, 1, 0x10, 0x4000_0000, 0x8000_0000, 0x8000_0004, 0xffff_ffff, 0, 1])
    for (const subleaf of [0, 1, 0]) t.deepEqual(ask(machine, leaf, subleaf), [leaf, subleaf, 3, 0xffff_ffff]);
});

test('upper halves of the registers are cleared', (t) => {
  const machine = machineWith();
  ask(machine, 7);
  machine.views.u64[(machine.vp.base >>> 3) + Slot.RDX] = 0xffff_ffff_ffff_ffffn;
  t.deepEqual(ask(machine, 7), [7, 0, 3, 0xffff_ffff]);
});

test('what may have changed is asked for again', (t) => {
  const machine = machineWith();
  ask(machine, 1);
  machine.cpuid.third = 4;
  t.is(ask(machine, 1)[2], 3, 'nothing said that it changed');
  machine.processor.modeChanged();
  t.is(ask(machine, 1)[2], 4);
  machine.cpuid.third = 5;
  machine.processor.load(0);
  t.is(ask(machine, 1)[2], 5, 'another VP may be loaded');
});

test('with a kick waiting CPUID goes the slow way, which looks at what another processor changed', (t) => {
  const asked = (kicked: boolean): number => {
    const machine = machineWith();
    ask(machine, 1);
    // mov edx, [rdi]; mov eax, ebp; mov ecx, esi; cpuid; hlt: the load looks its page up, and meanwhile another thread asks for attention.
    machine.views.u8.set([0x8b, 0x17, ...ONCE], machine.host(0x1000 + LOOP_AT));
    machine.pages.set(DATA / 4096, { gfn: 2, writable: true, user: true });
    set(machine, Slot.RDI, DATA);
    const kick = (machine.processor.context.base + LpContextLayout.at.kick) >>> 2;
    machine.pages.get = (page) => {
      if (kicked && page === DATA / 4096) machine.views.i32[kick] = KICKED;
      return Map.prototype.get.call(machine.pages, page);
    };
    run(machine, LOOP_AT);
    return machine.cpuid.asked;
  };
  t.is(asked(false), 1);
  t.is(asked(true), 2);
});

test('flags of before are there after it, whether it was asked or an answer was kept', (t) => {
  // mov ecx, esi; cmp edi, r8d; jae over; inc r8d; over: cpuid; lahf; movzx eax, ah; add r10d, eax; dec edi; jne loop; hlt
  const rest = [0x89, 0xf1, 0x44, 0x39, 0xc7, 0x73, 3, 0x41, 0xff, 0xc0, 0x0f, 0xa2, 0x9f, 0x0f, 0xb6, 0xc4, 0x41, 0x01, 0xc2, 0xff, 0xcf];
  const sum = (tiers: 'cold' | 'hot', leaf: readonly number[]): number => {
    const machine = machineWith(tiers);
    const loop = [...leaf, ...rest];
    machine.views.u8.set([...loop, 0x75, -(loop.length + 2), 0xf4], machine.host(0x1000 + LOOP_AT));
    set(machine, Slot.RDI, 2000);
    set(machine, Slot.RAX + 8, 1000);
    run(machine, LOOP_AT);
    return slot(machine, Slot.RAX + 10);
  };
  // mov eax, ebp: one leaf. mov eax, edi; shl eax, 4: leaves that take each other's place.
  const kept = [0x89, 0xe8];
  const asked = [0x89, 0xf8, 0xc1, 0xe0, 4];
  const [first, ...others] = [sum('cold', asked), sum('hot', asked), sum('cold', kept), sum('hot', kept)];
  t.not(first, 0);
  t.deepEqual(others, [first, first, first]);
});
