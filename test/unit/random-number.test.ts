// RDRAND and RDSEED in both tiers: widths, flags and #UD as a real processor has them (asked: all rows of UNDEFINED are #UD there too), and numbers that
// follow from the machine's seed, the partition and the VP alone.
import test from 'ava';
import { Rflags } from '../../shared/abi/registers.js';
import { parseProcessor } from '../../shared/cpu/processor-choice.js';
import { PartitionHeader, PartitionMap } from '../../shared/layout/partition.js';
import { Slot } from '../../shared/layout/vp.js';
import { nextRandom, seedRandom, splitMix64 } from '../../shared/layout/vp-random.js';
import { initRegisters } from '../../shared/layout/vp-reset.js';
import { ApicPartition } from '../rig/apic-partition.js';
import { Kernel, KernelMachine } from '../rig/kernel-machine.js';

const { RAX, RBX, RCX, RDI, R9 } = Slot;
const UD = 6;
const ONES = 0xffff_ffff_ffff_ffffn;

const numbers = (count: number, place: { readonly seed: number; readonly id: number; readonly vp: number }): readonly number[] => {
  const vp = new ApicPartition(1).vpBlock(0);
  Object.assign(new PartitionHeader(vp.views, PartitionMap.HEADER), { seed: place.seed, id: place.id });
  seedRandom(vp, place.vp);
  return Array.from({ length: count }, () => nextRandom(vp));
};

test('the generator is xoshiro128**, seeded by SplitMix64', (t) => {
  // Reference outputs: of splitmix64.c for 1234567, of xoshiro128starstar.c (1.1) for the state 1, 2, 3, 4 as in Rust's rand_xoshiro.
  t.is(splitMix64(1234567n), 6457827717110365317n);
  const vp = new ApicPartition(1).vpBlock(0);
  vp.views.u32.set([1, 2, 3, 4], vp.random >>> 2);
  t.deepEqual(
    Array.from({ length: 10 }, () => nextRandom(vp)),
    [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804],
  );
});

test('seed, partition and VP say which numbers come', (t) => {
  const place = { seed: 7, id: 1, vp: 2 };
  t.deepEqual(numbers(8, place), numbers(8, place));
  const seen = new Set<number>();
  const seeds = [0, 1, 2, 0xffff_ffff];
  for (const seed of seeds) for (let id = 0; id < 16; id++) for (let vp = 0; vp < 64; vp++) seen.add(numbers(1, { seed, id, vp })[0]);
  // Among as many random numbers two would be equal once in 500 times.
  t.is(seen.size, seeds.length * 16 * 64);
});

test('INIT leaves the numbers where they are', (t) => {
  const vp = new ApicPartition(1).vpBlock(0);
  const state = (): readonly number[] => [...vp.views.u32.subarray(vp.random >>> 2, (vp.random >>> 2) + 4)];
  const before = state();
  initRegisters(vp);
  t.deepEqual(state(), before);
});

test('chips have RDRAND and RDSEED from the generation on that brought them', (t) => {
  const has = (cpu: string): readonly boolean[] => (['rdrand', 'rdseed'] as const).map((name) => parseProcessor(cpu).features.has(name));
  t.deepEqual(has('max'), [true, true]);
  t.deepEqual(has('x86-64-v3'), [true, false]);
  for (const old of ['x86-64-v2', 'pentium4', 'i486']) t.deepEqual(has(old), [false, false], old);
});

// [what, code, register, bits written]
const FORMS: readonly (readonly [name: string, code: string, register: number, bits: 16 | 32 | 64])[] = [
  ['RDRAND AX', '660fc7f0', RAX, 16],
  ['RDRAND EAX', '0fc7f0', RAX, 32],
  ['RDRAND RAX', '480fc7f0', RAX, 64],
  ['RDRAND RAX, 66 REX.W', '66480fc7f0', RAX, 64],
  ['RDRAND R9D', '410fc7f1', R9, 32],
  ['RDSEED CX', '660fc7f9', RCX, 16],
  ['RDSEED ECX', '0fc7f9', RCX, 32],
  ['RDSEED R9', '490fc7f9', R9, 64],
];
// SDM 2A 3.1.1.1: NFx, F2 and F3 are #UD or another instruction (F3 0F C7 /7 is RDPID). Memory operands: VMPTRLD, VMPTRST.
const UNDEFINED = ['f00fc7f0', 'f00fc7f8', 'f20fc7f0', 'f20fc7f8', 'f30fc7f0', '66f20fc7f0', '66f30fc7f0', '0fc737', '0fc73f'];
/** PUSH 8D5h, POPFQ: all six arithmetic flags set. */
const ALL_FLAGS = '68d50800009d';
/** PUSHFQ, POP RBX. */
const TAKE_FLAGS = '9c5b';

for (const tiers of ['cold', 'hot'] as const) {
  test.serial(`a register gets the next number, CF is set, the other flags are clear (${tiers})`, (t) => {
    const machine = new KernelMachine(tiers);
    for (const [name, code, register, bits] of FORMS) {
      seedRandom(machine.vp, 0);
      const lo = BigInt(nextRandom(machine.vp));
      const number = bits === 64 ? lo | (BigInt(nextRandom(machine.vp)) << 32n) : lo;
      const wanted = bits === 16 ? (ONES ^ 0xffffn) | (number & 0xffffn) : number;
      seedRandom(machine.vp, 0);
      machine.load(ALL_FLAGS + code + TAKE_FLAGS);
      const { vector, registers } = machine.run({ registers: { [register]: ONES } });
      t.deepEqual([vector, registers[register], Number(registers[RBX]) & Rflags.ARITHMETIC], [-1, wanted, Rflags.CF], name);
    }
  });

  test.serial(`JNC after it does not jump, whatever the flags were (${tiers})`, (t) => {
    const machine = new KernelMachine(tiers);
    // XOR ECX, ECX; RDRAND EAX; JNC +2; INC ECX (2 bytes)
    machine.load('31c90fc7f07302ffc1');
    t.is(machine.run().registers[RCX], 1n);
  });

  test.serial(`VPs draw numbers of their own, and the same in another machine (${tiers})`, (t) => {
    const draw = (): readonly bigint[] => {
      const machine = new KernelMachine(tiers, 'max', 2);
      machine.load('480fc7f0480fc7f9');
      machine.prepare(0);
      machine.prepare(1);
      machine.go();
      return machine.vps.flatMap((vp) => [RAX, RCX].map((slot) => machine.views.u64[(vp.base >>> 3) + slot]));
    };
    const first = draw();
    t.is(new Set(first).size, 4);
    t.deepEqual(draw(), first);
  });

  test.serial(`#UD: prefixes, memory operands, and a model without them (${tiers})`, (t) => {
    const machine = new KernelMachine(tiers);
    for (const code of UNDEFINED) {
      machine.load(code);
      t.is(machine.run({ registers: { [RDI]: Kernel.DATA } }).vector, UD, code);
    }
    const without = new KernelMachine(tiers, 'max,-rdrand,-rdseed');
    for (const [name, code] of FORMS) {
      without.load(code);
      const { vector, registers } = without.run({ registers: { [RAX]: 5 } });
      t.deepEqual([vector, registers[RAX]], [UD, 5n], name);
    }
  });
}
