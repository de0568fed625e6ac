// What surrounds x87 arithmetic: #NM and #MF, FERR#, the pointers, memory operands that fault, and the images of the state. SDM 1 8.1, 8.5 to 8.7; SDM 3A 2.5.
import test from 'ava';
import { Left } from '../../daemon/machine/guest-exits.js';
import { Slot } from '../../shared/layout/vp.js';
import { type BareProcessor, bareProcessor, type TakenEvent, takeEvent, userMode } from '../rig/bare-processor.js';
import { hex } from './translate-support.js';

const SYSTEM = 0x8000;
const CODE = 0x0040_0000;
const DATA = 0x1000_0000;
const BREAKPOINT = 3;
const NM = 7;
const PF = 14;
const MF = 16;
const EM = 4;
const TS = 8;
const MP = 2;
const NE = 0x20;

interface Bench {
  readonly machine: BareProcessor;
  readonly bits: 32 | 64;
  /** Runs the code (RAX = DATA) until an exception; INT3 ends it otherwise. */
  run(code: string): TakenEvent;
  word(offset: number): number;
  bytes(offset: number, count: number): string;
}
/** CODE and DATA are mapped, the page after DATA is not. */
const bench = (tiers: 'cold' | 'hot', bits: 32 | 64 = 64): Bench => {
  const machine = bareProcessor(0x10000, { tiers });
  const { views, vp, processor } = machine;
  machine.pages.set(CODE / 4096, { gfn: 1, writable: false, user: true });
  machine.pages.set(DATA / 4096, { gfn: 2, writable: true, user: true });
  userMode(machine, bits, SYSTEM);
  return {
    machine,
    bits,
    run: (code) => {
      const { cr0 } = vp;
      const page = views.u8.subarray(machine.host(0x1000), machine.host(0x2000));
      page.fill(0xcc);
      page.set(hex(code));
      processor.code.dropAll();
      machine.tlb.flushAll();
      userMode(machine, bits, SYSTEM);
      vp.cr0 = cr0;
      const slots = vp.base >>> 3;
      views.u64[slots + Slot.RIP] = BigInt(CODE);
      views.u64[slots + Slot.RAX] = BigInt(DATA);
      views.u64[slots + Slot.RSP] = BigInt(DATA + 0x800);
      machine.halted = false;
      processor.modeChanged();
      for (let i = 0; i < 100 && !machine.halted; i++)
        if (processor.run(1000) === Left.BUDGET && processor.context.budget >= 0) processor.takeKick();
      return takeEvent(machine, bits, SYSTEM);
    },
    word: (offset) => views.data.getUint16(machine.host(0x2000) + offset, true),
    bytes: (offset, count) =>
      Buffer.from(views.u8.subarray(machine.host(0x2000) + offset, machine.host(0x2000) + offset + count)).toString('hex'),
  };
};
const at = (event: TakenEvent): number => Number(event.rip) - CODE;

for (const tiers of ['cold', 'hot'] as const) {
  test(`#NM follows EM and TS, FWAIT MP and TS (${tiers})`, (t) => {
    const b = bench(tiers);
    const { vp } = b.machine;
    const plain = vp.cr0 & ~(EM | TS | MP);
    for (const [bits, code, vector] of [
      [0, 'd9 e8', BREAKPOINT],
      [TS, 'd9 e8', NM],
      [EM, 'd9 e8', NM],
      [TS, 'db e3', NM],
      [TS, '0f ae 00', NM],
      [TS, '9b', BREAKPOINT],
      [MP, '9b', BREAKPOINT],
      [MP | TS, '9b', NM],
      [EM | MP, '9b', BREAKPOINT],
    ] as const) {
      vp.cr0 = plain | bits;
      t.is(b.run(code).vector, vector, `${code} with ${bits}`);
    }
  });

  test(`an unmasked exception is #MF at the next waiting instruction (${tiers})`, (t) => {
    const b = bench(tiers);
    const { vp } = b.machine;
    // fninit; fldcw [rax] (ZE unmasked); fld1; fldz; fdivp; fnstsw ax; fld1
    b.machine.views.data.setUint16(b.machine.host(0x2000), 0x37b, true);
    const event = b.run('db e3 d9 28 d9 e8 d9 ee de f9 df e0 d9 e8');
    t.is(event.vector, MF);
    t.is(at(event), 12);
    t.is(Number(b.machine.views.u64[vp.base >>> 3] & 0xffffn) & 0x80ff, 0x8084, 'FNSTSW does not wait');
    t.is(Number(vp.fpuInstructionPointer) - CODE, 8);
    t.is(vp.fpuOpcode, 0x6f9);
    t.is(vp.fpuTop, 6, 'nothing was popped');
    // FNCLEX takes it back, and does not wait either.
    t.is(b.run('db e2 d9 e8').vector, BREAKPOINT);
    t.is(vp.fpuStatus & 0x80ff, 0);
    // Of a memory operand the offset is kept: fdiv qword [rax+16] of 1 by 0.
    t.is(b.run('dc 70 10 9b').vector, MF);
    t.is(vp.fpuOpcode, 0x470);
    t.is(Number(vp.fpuDataPointer), DATA + 16);
    // Unmasking what is there already makes it pending: fninit; fldz; fld1; fdivrp (masked); fldcw [rax]; fwait
    t.is(at(b.run('db e2 db e3 d9 ee d9 e8 de f1 d9 28 9b')), 12);
  });

  test(`with CR0.NE clear the error goes out by FERR#, and the instruction waits (${tiers})`, (t) => {
    const b = bench(tiers);
    const { vp, views } = b.machine;
    views.data.setUint16(b.machine.host(0x2000), 0x37b, true);
    t.is(b.run('db e3 d9 28 d9 e8 d9 ee de f9').vector, BREAKPOINT);
    vp.cr0 &= ~NE;
    const slots = vp.base >>> 3;
    views.u8.set([0xd9, 0xe8], b.machine.host(0x1000));
    b.machine.processor.code.dropAll();
    userMode(b.machine, 64, SYSTEM);
    vp.cr0 &= ~NE;
    views.u64[slots + Slot.RIP] = BigInt(CODE);
    b.machine.halted = false;
    b.machine.processor.modeChanged();
    t.is(b.machine.processor.run(1000), Left.ATTENTION);
    t.is(b.machine.floatErrors, 1);
    t.is(Number(views.u64[slots + Slot.RIP]), CODE);
    // IGNNE#
    views.u64[slots + Slot.FPU_FAULT] = 0n;
    t.is(b.run('d9 e8').vector, BREAKPOINT);
    t.is(b.machine.floatErrors, 1);
  });

  test(`a store that faults leaves the stack and memory alone (${tiers})`, (t) => {
    const b = bench(tiers);
    const { vp } = b.machine;
    t.is(b.run('db e3 d9 e8').vector, BREAKPOINT);
    for (const [code, what] of [
      ['dd 98 00 10 00 00', 'm64 on a missing page'],
      ['db b8 fa 0f 00 00', 'm80, its end on a missing page'],
      ['db b8 f8 0f 00 00', 'm80, the last two bytes on a missing page'],
      ['df b0 fc 0f 00 00', 'BCD across the end'],
    ]) {
      b.machine.views.u8.fill(0x5a, b.machine.host(0x2000), b.machine.host(0x3000));
      const event = b.run(code);
      t.is(event.vector, PF, what);
      t.is(at(event), 0);
      t.is(vp.fpuTop, 7);
      t.is(vp.fpuValid, 0x80);
      t.regex(b.bytes(0xff0, 16), /^(5a)+$/, what);
    }
  });

  test(`environments have the formats of the SDM (${tiers})`, (t) => {
    // fninit; fldz; fld1; fnstenv [rax]
    const wide = bench(tiers);
    t.is(wide.run('db e3 d9 ee d9 e8 d9 30').vector, BREAKPOINT);
    // FLD1 at CODE + 4. FOP, FCS, FDP and FDS are 0.
    t.is(wide.bytes(0, 28), '7f03ffff' + '0030ffff' + 'ff4fffff' + '04004000' + '00000000' + '00000000' + '0000ffff');
    t.is(wide.machine.vp.fpuControl & 0x3f, 0x3f);
    const narrow = bench(tiers);
    t.is(narrow.run('db e3 d9 ee d9 e8 66 d9 30').vector, BREAKPOINT);
    t.is(narrow.bytes(0, 14), '7f03' + '0030' + 'ff4f' + '0400' + '0000' + '0000' + '0000');
    // FNSTENV masks everything, FLDENV brings it back: TOP, tags, a pending exception.
    const back = bench(tiers, 32);
    back.machine.views.u8.set(
      hex('7b 03 ff ff 04 28 ff ff ff 1f ff ff 04 00 40 00 00 00 00 00 00 00 00 00 00 00 ff ff'),
      back.machine.host(0x2000),
    );
    t.is(back.run('d9 20 9b').vector, MF);
    t.is(back.machine.vp.fpuTop, 5);
    t.is(back.machine.vp.fpuValid, 0xc0);
    t.is(back.machine.vp.fpuStatus, 0x8084);
  });

  test(`FNSAVE and FRSTOR, FXSAVE and FXRSTOR carry the state (${tiers})`, (t) => {
    for (const bits of [64, 32] as const) {
      const b = bench(tiers, bits);
      const { vp, views } = b.machine;
      const registers = (): string => Buffer.from(views.u8.slice(vp.fpuRegisters, vp.fpuRegisters + 128)).toString('hex');
      // fninit; fldpi; fld1; fnsave [rax]
      t.is(b.run('db e3 d9 eb d9 e8 dd 30').vector, BREAKPOINT);
      t.deepEqual([vp.fpuControl, vp.fpuStatus, vp.fpuTop, vp.fpuValid], [0x37f, 0, 0, 0]);
      t.is(b.bytes(28, 20), '0000000000000080ff3f' + '35c26821a2da0fc90040');
      const saved = registers();
      // fninit; fldz; fldl2e; frstor [rax]
      t.is(b.run('db e3 d9 ee d9 ea dd 20').vector, BREAKPOINT);
      t.is(registers(), saved);
      t.deepEqual([vp.fpuTop, vp.fpuValid], [6, 0xc0]);
      // fxsave [rax]; fninit; fldz; fxrstor [rax]
      vp.mxcsr = 0x9fc0;
      const vectors = views.u8.subarray(vp.vectors, vp.vectors + 256);
      for (let i = 0; i < 256; i++) vectors[i] = i ^ 0x55;
      const before = Buffer.from(vectors).toString('hex');
      views.u8.fill(0x11, b.machine.host(0x2000), b.machine.host(0x2200));
      t.is(b.run('0f ae 00 db e3 d9 ee').vector, BREAKPOINT);
      t.is(b.bytes(0, 8), '7f03' + '0030' + 'c000' + '0000');
      t.is(b.bytes(24, 8), 'c09f0000' + 'ffff0000');
      t.is(b.bytes(32, 16), '0000000000000080ff3f' + '000000000000');
      const held = bits === 64 ? 256 : 128;
      t.is(b.bytes(160, held), before.slice(0, held * 2));
      t.regex(b.bytes(160 + held, 512 - 160 - held), /^(11)+$/, 'what is not saved is not written');
      vectors.fill(0);
      vp.mxcsr = 0x1f80;
      t.is(b.run('0f ae 08').vector, BREAKPOINT);
      t.is(registers(), saved);
      t.deepEqual([vp.fpuTop, vp.fpuValid, vp.mxcsr], [6, 0xc0, 0x9fc0]);
      t.is(Buffer.from(vectors.subarray(0, held)).toString('hex'), before.slice(0, held * 2));
      // A misaligned image, and reserved bits of MXCSR, are #GP(0).
      t.is(b.run('0f ae 40 08').vector, 13);
      views.u8[b.machine.host(0x2000) + 26] = 1;
      t.is(b.run('0f ae 08').vector, 13);
    }
  });
}
