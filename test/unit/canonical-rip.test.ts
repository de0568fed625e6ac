// RIPs beyond the lower half of the canonical addresses: the 48 bits that translations have are those of the upper half's first byte, which is elsewhere.
// #GP(0) with the RIP that cannot be fetched when code runs over the border, at the branch itself when it goes there (SDM 1 3.3.7.1, SDM 2A JMP, Jcc, CALL).
import test from 'ava';
import { Slot } from '../../shared/layout/vp.js';
import { Kernel, KernelMachine } from '../rig/kernel-machine.js';

const LOW_END = 0x8000_0000_0000;
const LAST = LOW_END - 4096;
const LAST_PAGE = 0x4_0000;
const FIRST_PAGE = 0x4_1000;
const { RAX, RCX, RDX } = Slot;
const GP = 13;

/** The last page of the lower half holds the code at its end, the first of the upper half `inc eax; ret`. */
const machineOf = (tiers: 'cold' | 'hot', code: string): { readonly machine: KernelMachine; readonly at: number } => {
  const machine = new KernelMachine(tiers);
  const entry = (table: number, index: number, value: number): void => {
    machine.views.u64[machine.host(table + index * 8) >>> 3] = BigInt(value);
  };
  const [PDPT, PD, PT] = [0x5000, 0x6000, 0x7000];
  for (const half of [255, 256]) entry(Kernel.PML4, half, PDPT | 3);
  for (const index of [0, 511]) {
    entry(PDPT, index, PD | 3);
    entry(PD, index, PT | 3);
  }
  entry(PT, 511, LAST_PAGE | 3);
  entry(PT, 0, FIRST_PAGE | 3);
  machine.load('ffc0 c3', FIRST_PAGE);
  const bytes = code.replaceAll(' ', '').length / 2;
  machine.views.u8.set(Buffer.from(code.replaceAll(' ', ''), 'hex'), machine.host(LAST_PAGE + 4096 - bytes));
  // CALL RCX; JMP RDX.
  machine.load('ffd1 ffe2');
  return { machine, at: LAST + 4096 - bytes };
};

for (const tiers of ['cold', 'hot'] as const)
  for (const [what, code, faultsAt] of [
    ['runs over the border', '90 90', 2],
    ['jumps over it', 'eb00', 0],
    ['jumps over it by 32 bits', '90 e900000000', 1],
    ['calls over it', 'e800000000', 0],
    ['branches over it', '39c0 7400', 2],
    ['branches to beyond it', '39c0 7402', 2],
    ['loops over it', 'e200', 0],
    ['goes over it as RCX is 0', '31c9 e300', 2],
    ['branches over it when the condition does not hold', '39c0 7580', 4],
  ] as const)
    test(`code that ${what} faults (${tiers})`, (t) => {
      const { machine, at } = machineOf(tiers, code);
      const stop = machine.run({ registers: { [RAX]: 0, [RCX]: -LOW_END, [RDX]: at } });
      t.is(stop.vector, GP);
      t.is(stop.error, 0);
      t.is(stop.rip.toString(16), (at + faultsAt).toString(16));
      t.is(stop.registers[RAX], 1n);
      if (code === 'e200') t.is(stop.registers[RCX], BigInt.asUintN(64, BigInt(-LOW_END)), 'not counted down');
    });

test('an address of the upper half whose 48 bits the lower half has is another one', (t) => {
  const { machine } = machineOf('both' as 'cold', '90 90');
  const stop = machine.run({ registers: { [RAX]: 0, [RCX]: -LOW_END, [RDX]: Kernel.CODE + 4 } });
  t.is(stop.vector, -1);
  t.is(stop.registers[RAX], 1n);
});
