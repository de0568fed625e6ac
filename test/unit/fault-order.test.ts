// Which of several faults an instruction raises, and that nothing is written before it: SDM 3A 6.9 and table 6-2 (priorities), 9.1.2 (LOCK), SDM 2A 2.3.11 (15 bytes),
// SDM 1 3.3.7.1 (canonical addresses), in 64-bit code, both tiers, through the whole hypervisor.
import test from 'ava';
import { Slot } from '../../shared/layout/vp.js';
import { Kernel, KernelMachine, type RunOptions } from '../rig/kernel-machine.js';

const { RAX, RSP, RSI, RDI } = Slot;
const UD = 6;
const SS = 12;
const GP = 13;
const PF = 14;
/** The first page that is not mapped. */
const END = 0x20_0000;
const LAST_CANONICAL = 0x7fff_ffff_ffffn;

type Row = readonly [name: string, code: string, options: RunOptions, vector: number, error?: number];
const at = (address: number | bigint, level: 0 | 3 = 0): RunOptions => ({ level, registers: { [RDI]: address } });
const user = at(END, 3);

const ROWS: readonly Row[] = [
  ['15 bytes', `${'66'.repeat(14)}90`, {}, -1],
  ['16 bytes', `${'66'.repeat(15)}90`, {}, GP, 0],
  ['16 bytes of an instruction that is #UD', `${'66'.repeat(14)}0f0b`, {}, GP, 0],
  // LOCK with a register destination, or with what is not in the list.
  ...['f090', 'f001c0', 'f08907', 'f03907', 'f00fa307', 'f0ffc0', 'f087c8', 'f00fc1c8', 'f00fc7c8', 'f0f4', 'f08507', 'f00faf07'].map(
    (code): Row => [`LOCK ${code.slice(2)}`, code, at(Kernel.DATA), UD],
  ),
  ['LOCK of a form that is #UD comes before its operand', 'f08907', at(END), UD],
  // Not canonical: #GP, through SS #SS; before any translation.
  ['the last canonical bytes', '668907', at(LAST_CANONICAL - 1n), PF, 2],
  ['a write over the end of canonical addresses', '668907', at(LAST_CANONICAL), GP, 0],
  ['a read over it', '668b07', at(LAST_CANONICAL), GP, 0],
  ['a push below', '50', { level: 3, registers: { [RSP]: LAST_CANONICAL + 9n } }, SS, 0],
  ['[rbp]', '894500', { registers: { [Slot.RBP]: LAST_CANONICAL + 1n } }, SS, 0],
  ['a jump', 'ffe7', at(LAST_CANONICAL + 1n), GP, 0],
  // Privilege before operands.
  ...[
    '0f0117',
    '0f011f',
    '0f0137',
    '0f001f',
    '0f0017',
    '0f013f',
    '660f388207',
    '0f22c0',
    '0f23c0',
    'f4',
    '0f06',
    '0f09',
    '0f32',
    '0f30',
    '0f01f8',
    '480f07',
  ].map((code): Row => [`${code} at level 3`, code, user, GP, 0]),
  ['what does not exist before privilege', '0f22e8', user, UD],
  ['DR8 before privilege', '440f23c0', user, UD],
  // Operands before results.
  ['DIV of an absent operand', 'f737', at(END), PF, 0],
  ['DIV by zero', '31c0f7f0', {}, 0],
  ['a fetch over the end', '', { entry: END - 1 }, PF, 0x10],
];

/** Writes of several bytes whose second part lies in an absent or a read-only page: both pages are looked at before any byte changes. */
const CROSSING: readonly (readonly [name: string, code: string, back: number])[] = [
  ['MOV of 4 bytes', '8907', 2],
  ['MOV of 8 bytes', '488907', 4],
  ['ADD', '0107', 2],
  ['LOCK ADD', 'f00107', 2],
  ['XCHG', '8707', 2],
  ['CMPXCHG', '0fb10f', 2],
  ['CMPXCHG8B', '0fc70f', 4],
  ['MOVSD', 'a5', 2],
  ['STOSQ', '48ab', 4],
  ['SGDT', '0f0107', 4],
  ['POP', '8f07', 4],
];

for (const tiers of ['cold', 'hot'] as const) {
  test.serial(`faults by priority (${tiers})`, (t) => {
    const machine = new KernelMachine(tiers);
    machine.views.u8[machine.host(END - 1)] = 0xb8;
    for (const [name, code, options, vector, error = 0] of ROWS) {
      machine.load(code, options.level === 3 ? Kernel.USER_CODE : Kernel.CODE);
      const stop = machine.run(options);
      t.deepEqual([stop.vector, stop.error], [vector, error], name);
    }
  });

  test.serial(`a write over a page boundary is whole or not at all (${tiers})`, (t) => {
    const machine = new KernelMachine(tiers);
    const readOnly = Kernel.DATA + 0x5000;
    machine.pte = { page: readOnly, value: BigInt(readOnly) | 1n };
    for (const [end, error] of [
      [END, 2],
      [readOnly, 3],
    ] as const) {
      for (const [name, code, back] of CROSSING) {
        const first = machine.host(end - 16);
        machine.views.u8.fill(0x5a, first, first + 16);
        machine.load(code);
        const stop = machine.run({ registers: { [RDI]: end - back, [RSI]: Kernel.DATA, [RAX]: 0x1122_3344 } });
        t.deepEqual([stop.vector, stop.error, stop.rip], [PF, error, Kernel.CODE], name);
        t.is(machine.vp.cr2Num, end, `${name}: CR2 is the page that refuses`);
        t.true(
          machine.views.u8.subarray(first, first + 16).every((byte) => byte === 0x5a),
          `${name}: nothing was written`,
        );
        t.is(machine.slot(RDI), BigInt(end - back), name);
      }
    }
  });
}
