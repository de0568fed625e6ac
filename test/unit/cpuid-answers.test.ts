// Kept answers of CPUID: translated code gives what the intercept said, at the intercept's price, and nothing that may have changed.
import test from 'ava';
import { shortcutsOf } from '../../daemon/machine/shortcuts.js';
import { packSys, SysOp } from '../../daemon/translate/micro-op.js';
import { KICKED, LpContextLayout } from '../../shared/layout/lp-context.js';
import { Slot } from '../../shared/layout/vp.js';
import { type BareProcessor, bareProcessor, CPUID_CYCLES, userMode } from '../rig/bare-processor.js';

const CODE = 0x0040_0000;
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
  const machine = machineWith();
  ask(machine, 1);
  const { views, vp, processor } = machine;
  let slow = 0;
  const { attach, sys } = shortcutsOf(machine.memory, {
    sysSlow: () => ++slow,
    loadSlow: () => 1,
    storeSlow: () => 1,
    portRead: () => 0,
    portWrite: () => undefined,
  });
  attach(vp.base, processor.context.base);
  set(machine, Slot.RAX, 1);
  set(machine, Slot.RCX, 0);
  const descriptor = packSys({ op: SysOp.CPUID, length: 2, width: 2, addressWidth: 2 });
  const kick = (processor.context.base + LpContextLayout.at.kick) >>> 2;
  Atomics.store(views.i32, kick, KICKED);
  t.is(sys(descriptor), 1);
  Atomics.store(views.i32, kick, 0);
  t.is(sys(descriptor), 0);
  t.is(slow, 1);
  t.is(sys(packSys({ op: SysOp.HLT, length: 1, width: 2, addressWidth: 2 })), 2, 'nothing else is answered');
});
