// Whether a VP is taken for being in a critical section: by each of the hints of `spin.hints`, alone.
import test from 'ava';
import { type VpWord, WordBase } from '../../shared/layout/critical-ranges.js';
import { Kernel, KernelMachine, type RunOptions } from '../rig/kernel-machine.js';

/** First byte of a page that nobody has touched. */
const UNTOUCHED = 0x2_5000;
/** As Linux has it: the top bit says that somebody waits for the processor, and is none of the count's. */
const COUNT = 0x7fff_ffff;
const IF = 0x200;
const linear = (offset: number, more: Partial<VpWord> = {}): VpWord => ({
  base: WordBase.LINEAR,
  offset: BigInt(offset),
  stride: 0,
  mask: COUNT,
  ...more,
});

const machineOf = (hints: string, criticalWord?: VpWord): KernelMachine => {
  const machine = new KernelMachine('cold', 'max', 2, criticalWord === undefined ? {} : { criticalWord });
  machine.policy('spin.hints', hints);
  return machine;
};
/** Runs a program that leaves its registers in a state, and asks at its HLT. */
const holdsAfter = (machine: KernelMachine, code: string, options: RunOptions = {}): boolean => {
  machine.load(code);
  machine.run({ flags: IF, ...options });
  return machine.guest.isCritical(0);
};
// mov dword [abs32], imm32
const store = (address: number, value: number): string => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(address, 0);
  bytes.writeUInt32LE(value >>> 0, 4);
  return `c7 04 25 ${bytes.toString('hex')}`;
};
const CLI = 'fa';

test('interrupts off are a section, with `if` alone', (t) => {
  t.true(holdsAfter(machineOf('if'), CLI));
  t.false(holdsAfter(machineOf('if'), '90'));
  t.false(holdsAfter(machineOf('tpr+inspect+word'), CLI));
  t.false(holdsAfter(machineOf('off'), CLI));
});

test('a raised task priority is a section, with `tpr` alone', (t) => {
  // mov eax, 2; mov cr8, rax
  const raise = 'b8 02 00 00 00 44 0f 22 c0';
  t.true(holdsAfter(machineOf('tpr'), raise));
  t.false(holdsAfter(machineOf('if+inspect+word'), raise));
  t.false(holdsAfter(machineOf('tpr'), 'b8 01 00 00 00 44 0f 22 c0'), 'class 1');
});

test('a word that is not 0 is a section, with `word` alone, until it is 0', (t) => {
  const machine = machineOf('word', linear(Kernel.DATA));
  t.true(holdsAfter(machine, store(Kernel.DATA, 1)));
  t.false(holdsAfter(machine, store(Kernel.DATA, 0)));
  t.false(holdsAfter(machine, store(Kernel.DATA, 0x8000_0000)), 'a bit outside the mask');
  t.true(holdsAfter(machine, store(Kernel.DATA, 0x8000_0001)));
  const without = machineOf('if+tpr+inspect', linear(Kernel.DATA));
  t.false(holdsAfter(without, store(Kernel.DATA, 1)));
  t.false(holdsAfter(machineOf('word'), store(Kernel.DATA, 1)), 'none was named');
});

test('all bits of the word count: the highest one too', (t) => {
  const machine = machineOf('word', linear(Kernel.DATA, { mask: 0x8000_0000 }));
  t.true(holdsAfter(machine, store(Kernel.DATA, 0x8000_0000)));
});

test('a word at an offset in GS or FS, also below its base', (t) => {
  // mov ecx, C0000101h (or ...100h); mov eax, DATA + 100h; xor edx, edx; wrmsr
  const base = (msr: string): string => `b9 ${msr} 01 00 c0 b8 00 01 02 00 31 d2 0f 30`;
  for (const [name, base64, msr] of [
    ['gs', WordBase.GS, '01'],
    ['fs', WordBase.FS, '00'],
  ] as const)
    for (const offset of [0x40n, -0x80n]) {
      const machine = machineOf('word', { base: base64, offset: BigInt.asUintN(64, offset), stride: 0, mask: COUNT });
      const at = Kernel.DATA + 0x100 + Number(offset);
      t.true(holdsAfter(machine, base(msr) + store(at, 1)), `${name} ${offset}`);
      t.false(holdsAfter(machine, base(msr) + store(at, 0)), `${name} ${offset}`);
      t.false(holdsAfter(machine, store(at, 1)), `${name} ${offset}: another base`);
    }
});

test('each VP has its own word', (t) => {
  const machine = machineOf('word', linear(Kernel.DATA, { stride: 64 }));
  machine.load(store(Kernel.DATA, 1));
  machine.load(store(Kernel.DATA + 64, 0), Kernel.CODE + 0x100);
  for (const index of [0, 1]) {
    machine.prepare(index, { flags: IF, entry: Kernel.CODE + 0x100 * index });
    machine.go();
    t.is(machine.guest.isCritical(index), index === 0, `VP ${index}`);
  }
});

test('where no word can be read there is no section, and nothing happens to the guest', (t) => {
  const machine = machineOf('word', linear(0x20_0000 - 2));
  t.false(holdsAfter(machine, '90'), 'its second half is not mapped');
  const far = machineOf('word', linear(0, { offset: 1n << 50n }));
  t.false(holdsAfter(far, '90'), 'not canonical');
  const top = machineOf('word', linear(0, { offset: 0xffff_ffff_ffff_ffffn }));
  t.false(holdsAfter(top, '90'), 'across the end of all addresses');
  const cold = machineOf('word', linear(UNTOUCHED));
  t.false(holdsAfter(cold, '90'));
  t.is(cold.views.u64[cold.host(Kernel.PAGE_TABLE + (UNTOUCHED >>> 12) * 8) >>> 3] & 0x20n, 0n, 'no accessed bit');
});

test('programs of level 3 hold no lock of a kernel', (t) => {
  const machine = machineOf('if+tpr+inspect+word', linear(Kernel.DATA));
  holdsAfter(machine, store(Kernel.DATA, 1));
  t.true(machine.guest.isCritical(0));
  machine.vp.cpl = 3;
  t.false(machine.guest.isCritical(0));
});
