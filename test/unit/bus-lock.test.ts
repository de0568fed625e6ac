// LOCK forms that no host atomic can do: over a cache line, over a page boundary, over a page that may not be written (SDM 3A 9.1.2).
import test from 'ava';
import { Slot } from '../../shared/layout/vp.js';
import { assembleCode } from '../rig/code-bytes.js';
import { clearProgram, codeMemory, Program, programMachine, runProgram, SPARE_GFN } from '../rig/user-program.js';

const { RAX, RCX, RDX, RBX, RDI } = Slot;
const SECOND = Program.DATA + 4096;
const INITIAL = 0x1122_3344_5566_7788n;

/** Instructions on [rdi], and what they do to a 64-bit value there. RAX, RDX and RBX are as below. */
const REGISTERS = { [RAX]: INITIAL, [RDX]: 0x1111_1111_1111_1111n, [RBX]: 0x0fff_ffff_ffff_fff0n };
const CASES: readonly [string, string, (v: bigint) => bigint][] = [
  ['lock add [rdi], rdx', 'f0480117', (v) => v + REGISTERS[RDX]],
  ['lock sub [rdi], rdx', 'f0482917', (v) => v - REGISTERS[RDX]],
  ['lock and [rdi], rdx', 'f0482117', (v) => v & REGISTERS[RDX]],
  ['lock or [rdi], rdx', 'f0480917', (v) => v | REGISTERS[RDX]],
  ['lock xor [rdi], rdx', 'f0483117', (v) => v ^ REGISTERS[RDX]],
  ['lock inc [rdi]', 'f048ff07', (v) => v + 1n],
  ['lock neg [rdi]', 'f048f71f', (v) => -v],
  ['lock not [rdi]', 'f048f717', (v) => ~v],
  ['xchg [rdi], rdx', '488717', () => REGISTERS[RDX]],
  ['lock xadd [rdi], rdx', 'f0480fc117', (v) => v + REGISTERS[RDX]],
  ['lock cmpxchg [rdi], rdx', 'f0480fb117', () => REGISTERS[RDX]],
  ['lock bts [rdi], 4', 'f0480fba2f04', (v) => v | 0x10n],
];

for (const tiers of ['cold', 'hot'] as const) {
  test(`split locks take the bus once and are complete (${tiers})`, (t) => {
    const machine = programMachine(tiers);
    const { views } = machine;
    machine.pages.set(SECOND / 4096, { gfn: SPARE_GFN, writable: true, user: true });
    const first = machine.host((machine.pages.get(Program.DATA / 4096)?.gfn ?? 0) * 4096);
    const second = machine.host(SPARE_GFN * 4096);
    const put = (at: number, value: bigint): void => {
      for (let i = 0; i < 8; i++)
        views.u8[at + i < 4096 ? first + at + i : second + at + i - 4096] = Number((value >> BigInt(8 * i)) & 0xffn);
    };
    const get = (at: number): bigint => {
      let value = 0n;
      for (let i = 7; i >= 0; i--) value = (value << 8n) | BigInt(views.u8[at + i < 4096 ? first + at + i : second + at + i - 4096]);
      return value;
    };
    for (const [name, bytes, effect] of CASES) {
      for (const at of [0x101, 0x13c, 4089, 4092, 4095]) {
        clearProgram(machine);
        codeMemory(machine, Program.CODE).set(assembleCode(Program.CODE, [bytes, 'cc']).bytes);
        put(at, INITIAL);
        machine.busLocks = 0;
        const end = runProgram(machine, Program.CODE, { ...REGISTERS, [RDI]: Program.DATA + at });
        t.is(end.vector, 3, name);
        t.is(get(at), BigInt.asUintN(64, effect(INITIAL)), `${name} at ${at}`);
        t.is(machine.busLocks, 1, `${name} at ${at}`);
      }
    }
    // The second page may not be written: nothing of the first one changes, and the fault is the write's.
    machine.pages.set(SECOND / 4096, { gfn: SPARE_GFN, writable: false, user: true });
    for (const [name, bytes] of CASES) {
      clearProgram(machine);
      codeMemory(machine, Program.CODE).set(assembleCode(Program.CODE, [bytes, 'cc']).bytes);
      put(4093, INITIAL);
      const end = runProgram(machine, Program.CODE, { ...REGISTERS, [RCX]: 5, [RDI]: Program.DATA + 4093 });
      t.is(end.vector, 14, name);
      t.is(machine.vp.cr2Num, SECOND, name);
      t.is(get(4093), INITIAL, name);
      t.is(end.registers[RDX], REGISTERS[RDX], name);
      t.is(end.rip, Program.CODE, name);
    }
  });
}
