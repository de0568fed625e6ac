// Overlay pages as guests see them: the hypercall page and its register (TLFS 3.12, 3.13, 5.2.1), in both tiers.
import test from 'ava';
import { HvMsr } from '../../shared/abi/hyperv.js';
import { Slot } from '../../shared/layout/vp.js';
import { Kernel, KernelMachine, type Stop } from '../rig/kernel-machine.js';

const TIERS = ['cold', 'hot'] as const;
const PAGE = 0x6_0000;
const WRMSR = '0f30';
const RDMSR = '0f32';

/** WRMSR or RDMSR by registers of the machine's program. */
const msr = (machine: KernelMachine, code: string, index: number, value = 0n): Stop => {
  machine.load(code);
  return machine.run({ registers: { [Slot.RCX]: index, [Slot.RAX]: value & 0xffff_ffffn, [Slot.RDX]: value >> 32n } });
};
const read = (machine: KernelMachine, index: number): bigint => {
  const { vector, registers } = msr(machine, RDMSR, index);
  return vector === -1 ? (registers[Slot.RDX] << 32n) | registers[Slot.RAX] : -1n;
};
const enabled = (tiers: (typeof TIERS)[number]): KernelMachine => {
  const machine = new KernelMachine(tiers, 'max', 1, { hv: 'all' });
  msr(machine, WRMSR, HvMsr.GUEST_OS_ID, 0x8100_0006_0100_0000n);
  msr(machine, WRMSR, HvMsr.HYPERCALL, BigInt(PAGE) | 1n);
  return machine;
};

for (const tiers of TIERS) {
  test(`${tiers}: the hypercall page covers RAM while it is enabled, and RAM is as it was afterwards`, (t) => {
    const machine = enabled(tiers);
    machine.views.u32[machine.host(PAGE) >>> 2] = 0x1234_5678;
    machine.load('8b03'); // mov eax, [rbx]
    t.is(machine.run({ registers: { [Slot.RBX]: PAGE } }).registers[Slot.RAX], 0xc3c1_010fn);
    t.is(read(machine, HvMsr.HYPERCALL), BigInt(PAGE) | 1n);
    msr(machine, WRMSR, HvMsr.HYPERCALL, BigInt(PAGE));
    machine.load('8b03');
    t.is(machine.run({ registers: { [Slot.RBX]: PAGE } }).registers[Slot.RAX], 0x1234_5678n);
  });

  test(`${tiers}: a write to the hypercall page is #GP and changes neither page nor RAM`, (t) => {
    const machine = enabled(tiers);
    for (const code of ['890b', 'f0830b01', '880b']) {
      machine.load(code); // mov [rbx], ecx; lock or [rbx], 1; mov [rbx], cl
      const stop = machine.run({ registers: { [Slot.RBX]: PAGE } });
      t.is(stop.vector, 13, code);
      t.is(stop.error, 0);
    }
    machine.load('8b03');
    t.is(machine.run({ registers: { [Slot.RBX]: PAGE } }).registers[Slot.RAX], 0xc3c1_010fn);
    t.is(machine.views.u32[machine.host(PAGE) >>> 2], 0);
  });

  test(`${tiers}: a call to the page makes a hypercall and comes back; moved, code goes with it`, (t) => {
    const machine = enabled(tiers);
    const moved = PAGE + 0x3000;
    for (const at of [PAGE, moved]) {
      if (at === moved) msr(machine, WRMSR, HvMsr.HYPERCALL, BigInt(at) | 1n);
      machine.load('ffd3'); // call rbx
      // NotifyLongSpinWait, fast.
      const stop = machine.run({ registers: { [Slot.RBX]: at, [Slot.RCX]: 0x1_0008, [Slot.RAX]: 7 } });
      t.is(stop.vector, -1);
      t.is(stop.registers[Slot.RAX], 0n);
    }
    machine.load('ffd3');
    // Where it was there are zeros now: ADD [RAX], AL with RAX = 7 is no hypercall.
    machine.views.u8[machine.host(PAGE)] = 0xf4;
    t.is(machine.run({ registers: { [Slot.RBX]: PAGE } }).rip, PAGE);
  });

  test(`${tiers}: without an identity, VMCALL is #UD; without the interface there are no registers`, (t) => {
    const none = new KernelMachine(tiers, 'max', 1, { hv: 'all' });
    for (const code of ['0f01c1', '0f01d9']) {
      none.load(code);
      t.is(none.run({ registers: { [Slot.RCX]: 0x1_0008 } }).vector, 6);
    }
    const off = new KernelMachine(tiers);
    t.is(msr(off, RDMSR, HvMsr.GUEST_OS_ID).vector, 13);
    off.load('0f01c1');
    t.is(off.run().vector, 6);
  });
}

test('the page of code is where the kernel machine does not have its own', (t) => {
  t.true(PAGE > Kernel.USER_STACK_TOP);
});
