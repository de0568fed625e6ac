// Alignment checks: CR0.AM and EFLAGS.AC at level 3 make accesses that are not aligned #AC(0). SDM 3A 2.5 (AM), 6.15 interrupt 17 and table 6-7 (what must be
// aligned to what), 6.9 (order of faults; where it leaves a choice, as the host's processor does: test/vectors/check.mjs --aligned).
import test from 'ava';
import { Slot } from '../../shared/layout/vp.js';
import { Kernel, KernelMachine } from '../rig/kernel-machine.js';

const { RAX, RSP, RSI, RDI } = Slot;
const BP = 3;
const SS = 12;
const GP = 13;
const PF = 14;
const AC = 17;
/** CR0 with AM, and without. */
const AM = 0x8005_0033;
const NO_AM = 0x8001_0033;
/** OSXSAVE. */
const CR4 = 0x4_0000;
const XCR0 = 7;
const AC_FLAG = 0x4_0000;
const DATA = Kernel.USER_DATA;
/** The end of what level 3 may touch. */
const END = 0x4_0000;
const NOT_CANONICAL = 0x8000_0000_0001n;

/** Code, then offsets from an address that is a multiple of 64 at which it faults, and at which it does not. */
const ALIGNMENTS: readonly (readonly [name: string, code: string, faults: readonly number[], passes: readonly number[]])[] = [
  ['byte', '8a07', [], [1, 3]],
  ['word', '668b07', [1, 3], [2, 6]],
  ['doubleword', '8b07', [1, 2, 3], [4]],
  ['quadword', '488b07', [1, 2, 4], [8]],
  ['store', '8907', [1, 2], [4]],
  ['read-modify-write', '0107', [1, 2], [4]],
  ['LOCK', 'f00107', [1, 2, 61], [4]],
  ['CMPXCHG8B', '0fc70f', [1, 4], [8]],
  ['bit string', '0fab07', [1, 2], [4]],
  ['MOVS', 'a5', [1, 2], [4]],
  ['far pointer 16:32', '0fb407', [1, 2], [4]],
  ['m32fp', 'd907', [1, 2], [4]],
  ['m64fp', 'dd07', [1, 4], [8]],
  ['m80fp', 'db2f', [1, 2, 4], [8, 24]],
  ['m80bcd', 'df27', [1, 4], [8]],
  ['FNSTENV', 'd937', [1, 2], [4]],
  ['FNSTENV of 14 bytes', '66d937', [1, 3], [2]],
  ['FNSAVE', 'dd37', [1, 2], [4]],
  ['MOVSS', 'f30f1007', [1, 2], [4]],
  ['MOVSD', 'f20f1007', [1, 4], [8]],
  ['MOVQ of MMX', '0f6f07', [1, 4], [8]],
  ['STMXCSR', '0fae1f', [1, 2], [4]],
  // Exempt: what has a rule of its own, or none.
  ['MOVUPS', '0f1007', [], [1, 4, 8]],
  ['MOVDQU store', 'f30f7f07', [], [1, 4, 8]],
  ['LDDQU', 'f20ff007', [], [1, 8]],
  ['VMOVUPS of 32 bytes', 'c5fc1007', [], [1, 8, 16]],
  ['VCVTPH2PS', 'c4e2791307', [], [1, 2, 4]],
  ['VCVTPS2PH', 'c4e3791d0700', [], [1, 4]],
  ['MASKMOVDQU', '660ff7c0', [], [1, 8]],
];

type Order = readonly [name: string, code: string, registers: Readonly<Record<number, bigint | number>>, vector: number, error?: number];
const ORDER: readonly Order[] = [
  ['not canonical comes first', '8b07', { [RDI]: NOT_CANONICAL }, GP, 0],
  ['not canonical through SS', '8b4500', { [Slot.RBP]: NOT_CANONICAL }, SS, 0],
  ['#GP of a vector operand has nothing to do with it', '0f2807', { [RDI]: DATA + 8 }, GP, 0],
  ['before a page that is absent or forbidden', '8b07', { [RDI]: END + 2 }, AC],
  ['of a store, too', '8907', { [RDI]: END + 2 }, AC],
  ['of a push', '50', { [RSP]: END + 9 }, AC],
  ['the first of two accesses', 'ff37', { [RDI]: END, [RSP]: DATA + 0x101 }, PF, 5],
  ['an aligned one faults as ever', '8b07', { [RDI]: END }, PF, 5],
  ['FLD m80 whose last bytes are not there', 'db2f', { [RDI]: END - 9 }, AC],
  ['FSTP m80 whose last bytes are not there', 'db3f', { [RDI]: END - 9 }, AC],
];

const AT_LEVEL_3 = { level: 3, flags: AC_FLAG } as const;
const registersAt = (address: number): Readonly<Record<number, number>> => ({
  [RDI]: address,
  [RSI]: DATA,
  [RAX]: 0,
  [RSP]: Kernel.USER_STACK_TOP - 64,
});

for (const tiers of ['cold', 'hot'] as const) {
  const machine = new KernelMachine(tiers);
  const on = { cr0: AM, cr4: CR4 };
  machine.vp.xcr0 = XCR0;

  test.serial(`what must be aligned, and to what (${tiers})`, (t) => {
    for (const [name, code, faults, passes] of ALIGNMENTS) {
      machine.load(`${code}cc`, Kernel.USER_CODE);
      for (const offset of [...faults, ...passes]) {
        Object.assign(machine.vp, { fpuControl: 0x37f, fpuStatus: 0, mxcsr: 0x1f80 });
        const stop = machine.run({ ...AT_LEVEL_3, ...on, registers: registersAt(DATA + 0x400 + offset) });
        const wanted = faults.includes(offset) ? [AC, 0, Kernel.USER_CODE] : [BP, 0, Kernel.USER_CODE + code.length / 2 + 1];
        t.deepEqual([stop.vector, stop.error, stop.rip], wanted, `${name} at +${offset}`);
      }
    }
  });

  test.serial(`both bits and level 3 are needed (${tiers})`, (t) => {
    for (const [level, cr0, flags, vector] of [
      [3, AM, AC_FLAG, AC],
      [3, NO_AM, AC_FLAG, BP],
      [3, AM, 0, BP],
      [0, AM, AC_FLAG, BP],
    ] as const) {
      machine.load('8b07cc', level === 3 ? Kernel.USER_CODE : Kernel.CODE);
      const stop = machine.run({ level, cr0, flags, registers: registersAt(DATA + 1) });
      t.is(stop.vector, vector, `level ${level}, CR0.AM ${cr0 === AM}, EFLAGS.AC ${flags !== 0}`);
    }
  });

  test.serial(`among other faults (${tiers})`, (t) => {
    for (const [name, code, registers, vector, error = 0] of ORDER) {
      machine.load(`${code}cc`, Kernel.USER_CODE);
      const stop = machine.run({ ...AT_LEVEL_3, ...on, registers: { ...registersAt(DATA), ...registers } });
      t.deepEqual([stop.vector, stop.error, stop.rip], [vector, error, Kernel.USER_CODE], name);
    }
  });

  test.serial(`POPF turns it on and off for the very next instruction (${tiers})`, (t) => {
    // pushfq; or dword [rsp], AC; popfq; mov eax, [rdi]
    const set = '9c810c24000004009d';
    machine.load(`8b07${set}8b07cc`, Kernel.USER_CODE);
    const stop = machine.run({ level: 3, ...on, registers: registersAt(DATA + 1) });
    t.deepEqual([stop.vector, stop.rip], [AC, Kernel.USER_CODE + 2 + set.length / 2]);
    // and dword [rsp], ~AC
    machine.load(`9c812424fffffbff9d8b07cc`, Kernel.USER_CODE);
    t.is(machine.run({ ...AT_LEVEL_3, ...on, registers: registersAt(DATA + 1) }).vector, BP);
  });

  test.serial(`so does IRET within level 3 (${tiers})`, (t) => {
    // mov eax, ss; push rax; lea rax, [rsp + 8]; push rax; push AC; mov eax, cs; push rax; lea rax, [rip + 3]; push rax; iretq; mov eax, [rdi]; int3
    const into = '8cd050488d442408506800000400' + '8cc850488d050300000050' + '48cf';
    machine.load(`8b07${into}8b07cc`, Kernel.USER_CODE);
    const stop = machine.run({ level: 3, ...on, registers: registersAt(DATA + 1) });
    t.deepEqual([stop.vector, stop.rip], [AC, Kernel.USER_CODE + 2 + into.length / 2]);
  });

  test.serial(`the handler of #AC is not checked, and IRET goes on checking (${tiers})`, (t) => {
    machine.load('8b07cc', Kernel.USER_CODE);
    const stop = machine.run({ ...AT_LEVEL_3, ...on, registers: registersAt(DATA + 1) });
    t.is(stop.vector, AC);
    t.true((stop.flags & AC_FLAG) !== 0, 'the saved image has AC');
    // mov ecx, [rdi]; iretq to the same place: the handler's own accesses to the misaligned word are fine.
    const handler = 0xe000;
    machine.gate(AC, handler);
    machine.views.u8.set(Buffer.from('8b0f5848ffc7e90000000048cf', 'hex'), machine.host(handler));
    machine.load('8b07cc', Kernel.USER_CODE);
    const again = machine.run({ ...AT_LEVEL_3, ...on, registers: registersAt(DATA + 1) });
    machine.gate(AC, Kernel.HANDLERS + AC);
    t.deepEqual([again.vector, again.registers[RDI]], [BP, BigInt(DATA + 4)], 'three faults, then the address is aligned');
  });
}
