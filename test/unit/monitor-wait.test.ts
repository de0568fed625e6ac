// MONITOR and MWAIT between two VPs, both tiers: what wakes, what does not, and what is refused (SDM 2B MONITOR, MWAIT; SDM 3A 9.10.3).
import test from 'ava';
import { Slot, VpState } from '../../shared/layout/vp.js';
import { Kernel, KernelMachine, type RunOptions } from '../rig/kernel-machine.js';

const { RAX, RCX, RDI } = Slot;
const LINE = Kernel.DATA + 0x40;
const MONITOR = '0f01c8';
const MWAIT = '0f01c9';
/** mov rax, rdi; monitor; mwait; mov eax, [rdi] */
const WAITER = `4889f8${MONITOR}${MWAIT}8b07`;
const STORER = Kernel.CODE + 0x800;

const machineOf = (tiers: 'cold' | 'hot', cpu = 'max,+monitor'): KernelMachine => new KernelMachine(tiers, cpu, 2);

for (const tiers of ['cold', 'hot'] as const) {
  test.serial(`a store to the line wakes, any other does not (${tiers})`, (t) => {
    const machine = machineOf(tiers);
    const wait = (code: string, offset: number, registers: RunOptions['registers'] = {}): number => {
      machine.views.u32.fill(0, machine.host(Kernel.DATA) >>> 2, machine.host(Kernel.DATA + 0x100) >>> 2);
      machine.load(WAITER);
      machine.load(code, STORER);
      machine.prepare(0, { registers: { [RDI]: LINE } });
      machine.prepare(1, { entry: STORER, registers: { [RDI]: LINE + offset, [RAX]: 7, ...registers } });
      machine.go();
      t.is(machine.vp.state, VpState.HALTED);
      return Number(machine.slot(Slot.RIP)) - Kernel.CODE;
    };
    const END = WAITER.length / 2 + 1;
    const WAITING = END - 3;
    for (const [code, offset, woken] of [
      ['8907', 0, true],
      ['8907', 60, true],
      ['8907', -3, true],
      ['8907', 64, false],
      ['8907', -4, false],
      ['488907', 56, true],
      ['f00fc107', 4, true],
      ['8707', 4, true],
      ['f00fc707', 8, false],
      ['8b07', 0, false],
      ['90', 0, false],
    ] as const) {
      // CMPXCHG8B is 0F C7 /1; 0F C7 /0 does not exist: its #UD handler halts the storer.
      t.is(wait(code, offset), woken ? END : WAITING, `${code} at ${offset}`);
    }
    t.is(wait('f3aa', -8, { [RCX]: 16 }), END, 'REP STOSB over it');
    t.is(wait('f3aa', -8, { [RCX]: 8 }), WAITING, 'REP STOSB up to it');
    wait('8907', 0);
    t.is(machine.slot(RAX), 7n, 'and what was stored is seen');
  });

  test.serial(`a store between MONITOR and MWAIT is not lost, and MWAIT alone waits for nothing (${tiers})`, (t) => {
    const machine = machineOf(tiers);
    machine.load(`4889f8${MONITOR}c70709000000${MWAIT}8b07`);
    t.is(machine.run({ registers: { [RDI]: LINE } }).registers[RAX], 9n);
    machine.load(MWAIT);
    t.is(machine.run().vector, -1);
    t.is(machine.header.monitors, 0);
  });

  test.serial(`interrupts end the wait; masked ones with ECX bit 0 only (${tiers})`, (t) => {
    const machine = machineOf(tiers);
    const end = (ecx: number, flags: number): number => {
      machine.load(`4889f831c9${MONITOR}89f1${MWAIT}90`);
      machine.vp.apicSvr = 0x1ff;
      machine.views.i32[(machine.vp.irr >>> 2) + 1] = 1 << 16;
      machine.prepare(0, { flags, registers: { [RDI]: LINE, [Slot.RSI]: ecx } });
      machine.vps[1].state = VpState.HALTED;
      machine.go();
      machine.views.i32.fill(0, machine.vp.irr >>> 2, (machine.vp.isr >>> 2) + 8);
      return Number(machine.slot(Slot.RIP));
    };
    const wait = Kernel.CODE + 13;
    t.is(end(0, 0), wait, 'masked');
    t.is(end(1, 0), wait + 2, 'masked, with ECX bit 0: it goes on after MWAIT');
    t.is(end(0, 0x200), Kernel.HANDLERS + 0x30 + 1, 'open');
  });

  test.serial(`what they refuse (${tiers})`, (t) => {
    const machine = machineOf(tiers);
    for (const [code, options, vector] of [
      [MONITOR, { registers: { [RAX]: LINE, [RCX]: 1 } }, 13],
      [MONITOR, { registers: { [RAX]: 0x20_0000 } }, 14],
      [MONITOR, { registers: { [RAX]: 0x8000_0000_0000n } }, 13],
      [MONITOR, { level: 3 }, 6],
      [MWAIT, { registers: { [RCX]: 2 } }, 13],
      [MWAIT, { level: 3 }, 6],
    ] as const) {
      machine.load(code, 'level' in options ? Kernel.USER_CODE : Kernel.CODE);
      t.is(machine.run(options).vector, vector, code);
    }
    const without = machineOf(tiers, 'max');
    for (const code of [MONITOR, MWAIT]) {
      without.load(code);
      t.is(without.run().vector, 6);
    }
  });
}
