// CMPXCHG8B and CMPXCHG16B in both tiers: equal, different, misaligned, over a page, read-only; with LOCK and without (SDM 2A CMPXCHG8B/CMPXCHG16B).
import test from 'ava';
import { Slot } from '../../shared/layout/vp.js';
import { assembleCode } from '../rig/code-bytes.js';
import { clearProgram, codeMemory, Program, programMachine, runProgram, SPARE_GFN } from '../rig/user-program.js';

const { RAX, RCX, RDX, RBX, RDI } = Slot;
const ZF = 0x40;
const OTHER_FLAGS = 0x895;
/** Sets SF, PF, CF: mov ah, 95h; sahf. */
const FLAGS = 'b4959e';

for (const tiers of ['cold', 'hot'] as const) {
  const machine = programMachine(tiers);
  const { views } = machine;
  machine.pages.set(Program.DATA / 4096 + 1, { gfn: SPARE_GFN, writable: true, user: true });
  const dataAt = machine.host((machine.pages.get(Program.DATA / 4096)?.gfn ?? 0) * 4096);
  const at = (offset: number): number => (offset < 4096 ? dataAt + offset : machine.host(SPARE_GFN * 4096) + offset - 4096);
  const put = (offset: number, value: bigint, bytes = 8): void => {
    for (let i = 0; i < bytes; i++) views.u8[at(offset + i)] = Number((value >> BigInt(8 * i)) & 0xffn);
  };
  const get = (offset: number): bigint => {
    let value = 0n;
    for (let i = 7; i >= 0; i--) value = (value << 8n) | BigInt(views.u8[at(offset + i)]);
    return value;
  };
  const run = (bytes: string, offset: number, registers: Readonly<Record<number, bigint>>) => {
    clearProgram(machine);
    codeMemory(machine, Program.CODE).set(assembleCode(Program.CODE, [FLAGS, '4c89c0', bytes, 'cc']).bytes);
    machine.busLocks = 0;
    // RAX goes through R8: SAHF needs AH.
    return () => runProgram(machine, Program.CODE, { ...registers, 8: registers[RAX], [RDI]: BigInt(Program.DATA + offset) });
  };

  test.serial(`CMPXCHG8B (${tiers})`, (t) => {
    for (const [name, bytes, locked] of [
      ['cmpxchg8b [rdi]', '0fc70f', false],
      ['lock cmpxchg8b [rdi]', 'f00fc70f', true],
    ] as const) {
      for (const offset of [0x100, 0x103, 0x13d, 4093]) {
        const what = `${name} at ${offset}`;
        const go = run(bytes, offset, {
          [RAX]: 0x3333_4444n,
          [RDX]: 0xdddd_dddd_1111_2222n,
          [RBX]: 0xffff_ffff_bbbb_bbbbn,
          [RCX]: 0xaaaa_aaaan,
        });
        put(offset, 0x1111_2222_3333_4444n);
        const equal = go();
        t.is(get(offset), 0xaaaa_aaaa_bbbb_bbbbn, what);
        t.is(equal.flags & ZF, ZF, what);
        t.is(equal.registers[RDX], 0xdddd_dddd_1111_2222n, `${what}: registers stay`);
        t.is(machine.busLocks, locked && (offset & 7) !== 0 ? 1 : 0, what);
        put(offset, 0x5555_6666_7777_8888n);
        const different = go();
        t.is(get(offset), 0x5555_6666_7777_8888n, what);
        t.is(different.flags & ZF, 0, what);
        t.is(different.flags & OTHER_FLAGS, equal.flags & OTHER_FLAGS, `${what}: only ZF`);
        t.deepEqual([different.registers[RAX], different.registers[RDX]], [0x7777_8888n, 0x5555_6666n], what);
      }
    }
  });

  test.serial(`CMPXCHG16B (${tiers})`, (t) => {
    for (const [name, bytes, locked] of [
      ['cmpxchg16b [rdi]', '480fc70f', false],
      ['lock cmpxchg16b [rdi]', 'f0480fc70f', true],
    ] as const) {
      const go = run(bytes, 0xff0, { [RAX]: 1n << 63n, [RDX]: 2n, [RBX]: 3n, [RCX]: 1n << 62n });
      put(0xff0, 1n << 63n);
      put(0xff8, 2n);
      t.is(go().flags & ZF, ZF, name);
      t.deepEqual([get(0xff0), get(0xff8)], [3n, 1n << 62n], name);
      t.is(machine.busLocks, locked ? 1 : 0, name);
      for (const [low, high] of [
        [1n << 63n, 7n],
        [7n, 2n],
      ]) {
        put(0xff0, low);
        put(0xff8, high);
        const end = go();
        t.is(end.flags & ZF, 0, `${name}: both halves must be equal`);
        t.deepEqual([end.registers[RAX], end.registers[RDX], get(0xff0), get(0xff8)], [low, high, low, high], name);
      }
      for (const offset of [0x101, 0x108, 4088]) {
        const end = run(bytes, offset, { [RAX]: 0n, [RDX]: 0n })();
        t.is(end.vector, 13, `${name} misaligned`);
      }
      machine.pages.set(Program.DATA / 4096, { ...machine.pages.get(Program.DATA / 4096)!, writable: false });
      machine.tlb.flushAll();
      const end = run(bytes, 0x100, { [RAX]: 5n, [RDX]: 6n })();
      t.is(end.vector, 14, `${name}: it writes also when different`);
      t.is(end.registers[RDX], 6n, name);
      machine.pages.set(Program.DATA / 4096, { ...machine.pages.get(Program.DATA / 4096)!, writable: true });
      machine.tlb.flushAll();
    }
  });
}
