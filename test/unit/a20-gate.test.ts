// The A20 gate, by both of its ways (port 92h, keyboard controller): while it is closed, physical addresses have no bit 20, of data, code and page tables alike.
import test from 'ava';
import { Slot } from '../../shared/layout/vp.js';
import { Kernel, KernelMachine } from '../rig/kernel-machine.js';

const { RAX, RBX, RCX, RDX, RSI, RDI } = Slot;
const MIB = 1 << 20;
const LOW = Kernel.DATA + 0x10;
const HIGH = MIB + LOW;
/** Each closes the gate, reads [rdi] into EDX and [rsi] into EBX, opens it, and reads [rdi] into ECX. */
const WAYS = {
  'port 92h': 'e49224fde6928b178b1ee4920c02e6928b0f',
  'keyboard controller': 'b0dde6648b178b1eb0dfe6648b0f',
};

for (const tiers of ['cold', 'hot'] as const) {
  test.serial(`a closed gate folds the second MiB onto the first (${tiers})`, (t) => {
    const machine = new KernelMachine(tiers);
    const word = (gpa: number): number => machine.host(gpa) >>> 2;
    for (const [way, code] of Object.entries(WAYS)) {
      machine.views.u32[word(LOW)] = 1;
      machine.views.u32[word(HIGH)] = 2;
      machine.load(code);
      const { registers } = machine.run({ registers: { [RDI]: HIGH, [RSI]: LOW } });
      t.deepEqual([registers[RDX], registers[RBX], registers[RCX]], [1n, 1n, 2n], way);
    }
    // Closed by the controller's output port; a store to the second MiB goes to the first.
    machine.load('b0d1e664b001e6608917b0dfe6648b1e');
    t.is(machine.run({ registers: { [RDI]: HIGH, [RSI]: LOW, [RDX]: 7 } }).registers[RBX], 7n);
    t.is(machine.views.u32[word(HIGH)], 2);
  });

  test.serial(`code and page tables are read through the gate (${tiers})`, (t) => {
    const machine = new KernelMachine(tiers);
    // mov al, DDh; out 64h, al; jmp rdi: what lies at 1 MiB + 20800h is not run, what lies at 20800h is: mov bl, 1.
    machine.load('b0dde664ffe7');
    machine.load('b302', MIB + Kernel.DATA + 0x800);
    machine.load('b301', Kernel.DATA + 0x800);
    t.is(machine.run({ registers: { [RDI]: MIB + Kernel.DATA + 0x800 } }).registers[RBX], 1n);
    // The gate is still closed: a page table that CR3 says to be in the second MiB is the one in the first.
    machine.load('0f22d88b07');
    machine.views.u32[machine.host(LOW) >>> 2] = 5;
    t.is(machine.run({ registers: { [RAX]: MIB + Kernel.PML4, [RDI]: LOW } }).registers[RAX], 5n);
  });
}
