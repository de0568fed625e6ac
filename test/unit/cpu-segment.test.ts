// Segment registers: loads with their faults, limits, code modes, selector tests, control-register rules.
import test from 'ava';
import { codeModeOf } from '../../daemon/machine/cpu/code-mode.js';
import {
  applyCr0,
  applyEfer,
  checkCr0,
  checkCr3,
  checkCr4,
  checkEfer,
  cr0Value,
  cr4Supported,
  eferSupported,
  loadPdptes,
} from '../../daemon/machine/cpu/control-registers.js';
import { readArithmeticFlags, rflags, setRflags } from '../../daemon/machine/cpu/flags.js';
import { setSegment } from '../../daemon/machine/cpu/segment.js';
import { segmentCheckSlow } from '../../daemon/machine/cpu/segment-check.js';
import { SysOp } from '../../daemon/translate/micro-op.js';
import { IMPLEMENTED } from '../../shared/cpu/feature-set.js';
import { PartitionHeader, PartitionMap } from '../../shared/layout/partition.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { InterruptShadow, Slot, VpBlock } from '../../shared/layout/vp.js';
import {
  descriptor,
  faultText,
  GDT,
  gdtEntry,
  LDT,
  longMode,
  protectedMode,
  put,
  realMode,
  Sel,
  type TestProcessor,
} from './cpu-processor.js';

/** A register's value as the checks take it. */
const halves = (value: bigint): [number, number] => [Number(value & 0xffff_ffffn), Number(value >> 32n)];

const load = (p: TestProcessor, segment: number, selector: number): number | string => {
  p.set(Slot.ARG1, selector);
  return p.run(SysOp.MOV_TO_SEG, { a: segment });
};
const DS = 3;
const SS = 2;
const FS = 4;

test('data segment loads: every fault with its error code', (t) => {
  const p = protectedMode();
  t.is(load(p, DS, 0x1f0), '#13(1f0)');
  t.is(load(p, DS, Sel.ABSENT), '#11(68)');
  t.is(load(p, DS, Sel.EXECUTE_ONLY), '#13(70)');
  t.is(load(p, DS, Sel.TSS), '#13(28)', 'system descriptor');
  t.is(load(p, DS, Sel.DATA0 | 3), '#13(10)', 'RPL above DPL');
  t.is(load(p, DS, 0x14), '#13(14)', 'no LDT');
  t.is(load(p, 1, Sel.CODE0), '#6', 'MOV to CS');
  t.is(load(p, DS, Sel.READ_ONLY), 1);
  t.is(p.vp.dsSelector, Sel.READ_ONLY);
  t.is(load(p, DS, 3), 1, 'null with any RPL');
  t.is(p.vp.dsAccess, 0x1_0000);
  const q = protectedMode(3);
  t.is(load(q, DS, Sel.DATA0), '#13(10)', 'CPL above DPL');
  t.is(load(q, DS, Sel.CODE0), '#13(8)', 'non-conforming code of an inner level');
  gdtEntry(q, Sel.CONFORMING, descriptor(0, 0xfffff, 0xc09e));
  t.is(load(q, DS, Sel.CONFORMING), 1, 'conforming readable code');
});

test('stack segment loads: every fault, and the interrupt shadow', (t) => {
  const p = protectedMode();
  t.is(load(p, SS, 0), '#13(0)');
  t.is(load(p, SS, Sel.STACK_ABSENT), '#12(78)');
  t.is(load(p, SS, Sel.READ_ONLY), '#13(60)');
  t.is(load(p, SS, Sel.DATA0 | 1), '#13(10)');
  t.is(load(p, SS, Sel.DATA3), '#13(20)');
  t.is(p.vp.interruptShadow, 0);
  t.is(load(p, SS, Sel.DATA0), 1);
  t.is(p.vp.interruptShadow, InterruptShadow.STACK);
  t.is(p.rip, 0x8002n);
});

test('a load marks the descriptor accessed and takes base and limit', (t) => {
  const p = protectedMode();
  gdtEntry(p, Sel.DATA16, descriptor(0x0123_4567, 0x89abc, 0xc092));
  t.is(load(p, FS, Sel.DATA16), 1);
  t.is(p.memory.read8(GDT + Sel.DATA16 + 5), 0x93);
  t.is(p.slot(Slot.FS_BASE), 0x0123_4567n);
  t.is(p.vp.fsLimit, 0x89ab_cfff);
});

test('selectors with TI go to the LDT', (t) => {
  const p = protectedMode();
  put(p, LDT + 8, descriptor(0x1000, 0xfff, 0x4092));
  p.set(Slot.ARG1, Sel.LDT);
  t.is(p.run(SysOp.LLDT), 0);
  t.is(load(p, DS, 0xc), 1);
  t.is(p.slot(Slot.DS_BASE), 0x1000n);
  t.is(load(p, DS, 0x104), '#13(104)');
});

test('64-bit: a null SS loads at levels 0 to 2 when RPL = CPL, FS takes 32 bits of base', (t) => {
  const p = longMode();
  t.is(load(p, SS, 0), 1);
  t.is(load(p, SS, 3), '#13(0)');
  p.set(Slot.FS_BASE, -1n);
  gdtEntry(p, Sel.DATA16, descriptor(0x8000_0000, 0xffff, 0x4092));
  t.is(load(p, FS, Sel.DATA16), 1);
  t.is(p.slot(Slot.FS_BASE), 0x8000_0000n);
  t.is(load(p, FS, 0), 1);
  t.is(p.slot(Slot.FS_BASE), 0n);
  t.is(longMode(3).run(SysOp.MOV_TO_SEG, { a: SS }), '#13(0)');
});

test('LTR and LLDT: types, privilege, 16-byte descriptors in IA-32e mode', (t) => {
  const p = protectedMode();
  const ltr = (selector: number, q = p): number | string => {
    q.set(Slot.ARG1, selector);
    return q.run(SysOp.LTR);
  };
  t.is(ltr(0), '#13(0)');
  t.is(ltr(Sel.DATA0), '#13(10)');
  t.is(ltr(Sel.TSS), 0);
  t.is(p.memory.read8(GDT + Sel.TSS + 5), 0x8b);
  t.is(ltr(Sel.TSS), '#13(28)', 'busy');
  t.is(ltr(Sel.TSS, protectedMode(3)), '#13(0)');
  t.is(realMode().run(SysOp.LTR), '#6');
  const q = longMode();
  put(q, GDT + Sel.TSS + 8, [0xffff_8000, 0]);
  t.is(ltr(Sel.TSS, q), 0);
  t.is(q.vp.trBase, 0xffff_8000_0000_3000n);
  put(q, GDT + Sel.LDT + 8, [0x8000, 0]);
  q.set(Slot.ARG1, Sel.LDT);
  t.is(q.run(SysOp.LLDT), '#13(38)', 'non-canonical base');
});

test('limit slots: plain segments have their limit, unusual ones -1', (t) => {
  const p = protectedMode();
  const limits = (segment: number): [bigint, bigint] => [
    BigInt.asIntN(64, p.slot(Slot.READ_LIMIT + segment)),
    BigInt.asIntN(64, p.slot(Slot.WRITE_LIMIT + segment)),
  ];
  t.deepEqual(limits(DS), [0xffff_ffffn, 0xffff_ffffn]);
  t.deepEqual(limits(1), [0xffff_ffffn, -1n], 'code is never written');
  load(p, DS, Sel.READ_ONLY);
  t.deepEqual(limits(DS), [0xffff_ffffn, -1n]);
  load(p, DS, Sel.DATA16);
  t.deepEqual(limits(DS), [0xffffn, 0xffffn]);
  load(p, DS, Sel.EXPAND_DOWN);
  t.deepEqual(limits(DS), [-1n, -1n]);
  load(p, DS, 0);
  t.deepEqual(limits(DS), [-1n, -1n]);
  const r = realMode();
  t.is(r.slot(Slot.WRITE_LIMIT + 1), 0xffffn, 'CS is writable in real mode');
});

/** What the slow check says of an access. */
const checkOf =
  (p: TestProcessor) =>
  (segment: number, offset: number, bytes: number, write = false): string => {
    try {
      segmentCheckSlow(p, segment, offset, bytes, write);
      return 'ok';
    } catch (caught) {
      if (caught !== p.fault) throw caught;
      return faultText(p.fault);
    }
  };

test('descriptors of a 286, whose last word is 0: a base of 24 bits, a limit of 16, and expand-down segments end at FFFF', (t) => {
  const p = protectedMode();
  const check = checkOf(p);
  gdtEntry(p, Sel.CODE64, descriptor(0xab_cdef, 0x0fff, 0x93));
  t.is(load(p, FS, Sel.CODE64), 1);
  t.is(p.slot(Slot.FS_BASE), 0xab_cdefn);
  t.deepEqual([check(FS, 0x0ffe, 2, true), check(FS, 0x0fff, 2)], ['ok', '#13(0)']);
  gdtEntry(p, Sel.CODE64, descriptor(0xab_cdef, 0x0fff, 0x97));
  t.is(load(p, FS, Sel.CODE64), 1);
  t.deepEqual([check(FS, 0x0fff, 1), check(FS, 0x1000, 1)], ['#13(0)', 'ok']);
  t.deepEqual([check(FS, 0xfffe, 2, true), check(FS, 0xffff, 2), check(FS, 0x1_0000, 1)], ['ok', '#13(0)', '#13(0)']);
});

test('the slow check decides expand-down, null, read-only and execute-only segments', (t) => {
  const p = protectedMode();
  const check = checkOf(p);
  load(p, DS, Sel.EXPAND_DOWN);
  t.is(check(DS, 0x0fff, 1), '#13(0)');
  t.is(check(DS, 0x1000, 1), 'ok');
  t.is(check(DS, 0xffff_fffc, 4, true), 'ok');
  t.is(check(DS, 0xffff_fffd, 4), '#13(0)');
  load(p, DS, Sel.READ_ONLY);
  t.is(check(DS, 0, 4), 'ok');
  t.is(check(DS, 0, 4, true), '#13(0)');
  load(p, DS, 0);
  t.is(check(DS, 0, 1), '#13(0)');
  load(p, DS, Sel.DATA16);
  t.is(check(DS, 0xfffd, 4), '#13(0)');
  t.is(check(DS, 0xfffc, 4), 'ok');
  setSegment(p.vp, SS, Sel.DATA16, 0, 0xff, 0x93);
  t.is(check(SS, 0x100, 1), '#12(0)');
  setSegment(p.vp, 1, Sel.EXECUTE_ONLY, 0, 0xffff_ffff, 0xc099);
  t.is(check(1, 0, 1), '#13(0)');
});

test('code modes', (t) => {
  const mode = (p: TestProcessor): unknown[] => {
    const m = codeModeOf(p.vp, p.modes);
    return [m.bits, m.stackBits, m.flat];
  };
  t.deepEqual(mode(realMode()), [16, 16, false]);
  const p = protectedMode();
  t.deepEqual(mode(p), [32, 32, true]);
  load(p, DS, 0);
  t.deepEqual(mode(p), [32, 32, false], 'a null DS must fault');
  load(p, DS, Sel.DATA0);
  load(p, SS, Sel.DATA16);
  t.deepEqual(mode(p), [32, 16, false]);
  t.deepEqual(mode(longMode()), [64, 64, true]);
  const q = longMode();
  setSegment(q.vp, 1, Sel.CODE0, 0, 0xffff_ffff, 0xc09b);
  t.deepEqual(mode(q), [32, 32, true], 'compatibility mode');
});

test('LAR, LSL, VERR, VERW look without faulting', (t) => {
  const p = protectedMode(3);
  const look = (op: number, selector: number): [boolean, bigint] => {
    p.set(Slot.ARG1, selector);
    p.set(Slot.RBX, 0x5555);
    t.is(p.run(op, { b: 3 }), 0);
    return [(readArithmeticFlags(p.vp) & 0x40) !== 0, p.slot(Slot.RBX)];
  };
  t.deepEqual(look(SysOp.LAR, Sel.DATA3), [true, 0xcf_f200n]);
  t.deepEqual(look(SysOp.LSL, Sel.DATA3), [true, 0xffff_ffffn]);
  t.deepEqual(look(SysOp.LAR, Sel.DATA0), [false, 0x5555n]);
  t.deepEqual(look(SysOp.LAR, Sel.CONFORMING), [true, 0xcf_9e00n]);
  t.deepEqual(look(SysOp.LAR, 0), [false, 0x5555n]);
  t.deepEqual(look(SysOp.LSL, 0x1f0), [false, 0x5555n]);
  t.true(look(SysOp.VERR, Sel.READ_ONLY | 3)[0]);
  t.false(look(SysOp.VERW, Sel.READ_ONLY | 3)[0]);
  t.true(look(SysOp.VERW, Sel.DATA3)[0]);
  t.false(look(SysOp.VERR, Sel.EXECUTE_ONLY)[0]);
  t.is(realMode().run(SysOp.LAR), '#6');
});

test('ARPL raises the RPL and says so', (t) => {
  const p = protectedMode(3);
  p.set(Slot.ARG1, 0x10);
  p.set(Slot.ARG2, 3);
  t.is(p.run(SysOp.ARPL), 0);
  t.is(p.slot(Slot.ARG1), 0x13n);
  t.is(readArithmeticFlags(p.vp) & 0x40, 0x40);
  t.is(p.run(SysOp.ARPL), 0);
  t.is(p.slot(Slot.ARG1), 0x13n);
  t.is(readArithmeticFlags(p.vp) & 0x40, 0);
  t.is(realMode().run(SysOp.ARPL), '#6');
});

test('LGDT takes 24 bits of base with 16-bit operands, 64 bits in 64-bit mode', (t) => {
  const p = protectedMode();
  put(p, 0x9000, [0x5678_00ff, 0x1234]);
  p.memory.write32(0x9002, 0x1234_5678);
  p.set(Slot.ARG0, 0x9000);
  t.is(p.run(SysOp.LGDT, { width: 1 }), 0);
  t.is(p.vp.gdtrBase, 0x34_5678n);
  t.is(p.run(SysOp.LGDT), 0);
  t.is(p.vp.gdtrBase, 0x1234_5678n);
  const q = longMode();
  q.set(Slot.ARG0, 0x9000);
  q.memory.write64(0x9002, 0xffff_8000_0000_0000n);
  t.is(q.run(SysOp.LIDT), 0);
  t.is(q.vp.idtrBase, 0xffff_8000_0000_0000n);
  q.memory.write64(0x9002, 0x8000_0000_0000n);
  t.is(q.run(SysOp.LIDT), '#13(0)');
  t.is(q.run(SysOp.SIDT), 0);
  t.is(q.memory.read64(0x9002), 0xffff_8000_0000_0000n);
});

test('POP SS that faults leaves the stack pointer', (t) => {
  const p = protectedMode();
  p.memory.write32(0x6000, Sel.DATA3);
  t.is(p.run(SysOp.POP_SEG, { a: SS }), '#13(20)');
  t.is(p.rsp, 0x6000n);
  p.memory.write32(0x6000, Sel.DATA16);
  t.is(p.run(SysOp.POP_SEG, { a: SS }), 1);
  t.is(p.rsp, 0x6004n);
  t.is(p.vp.interruptShadow, InterruptShadow.STACK);
});

const CR4 = cr4Supported(IMPLEMENTED);
const EFER = eferSupported(IMPLEMENTED);
test('CR0, CR3, CR4 and EFER: the faults of wrong orders', (t) => {
  const { vp } = longMode();
  const PG = 0x8000_0000n;
  t.false(checkCr0(vp, ...halves(1n)), 'clearing PG in 64-bit mode');
  t.false(checkCr0(vp, ...halves(PG)), 'PG without PE');
  t.false(checkCr0(vp, ...halves(PG | 0x2000_0001n)), 'NW without CD');
  t.false(checkCr0(vp, ...halves(PG | 1n | (1n << 32n))), 'upper half');
  t.true(checkCr0(vp, ...halves(PG | 0x6000_0001n)));
  t.false(checkCr4(vp, ...halves(0n), CR4), 'clearing PAE');
  t.false(checkCr4(vp, ...halves(0x1020n), CR4), 'LA57 does not exist');
  t.false(checkCr4(vp, ...halves(0x20n | (1n << 13n)), CR4), 'reserved');
  t.true(checkCr4(vp, ...halves(0xb0n), CR4));
  t.false(checkEfer(vp, 0xc01n, EFER), 'clearing LME while paging');
  t.false(checkEfer(vp, 0xd03n, EFER), 'reserved');
  t.true(checkEfer(vp, 0x501n, EFER));
  t.false(checkCr3(halves(1n << 40n)[1]));
  t.true(checkCr3(halves(0xff_ffff_f018n)[1]));
  vp.csAccess = 0xc09b;
  t.true(checkCr0(vp, ...halves(1n)), 'clearing PG in compatibility mode');
  applyCr0(vp, 1);
  t.is(vp.efer & 0x400, 0, 'LMA follows PG');
  t.is(vp.cr0, 0x11);
  applyEfer(vp, 0x501);
  t.is(vp.efer, 0x101, 'LMA is not written');
  vp.cr4 = 0;
  t.false(checkCr0(vp, ...halves(PG | 1n)), 'PG with LME and no PAE');
  vp.cr4 = 0x20;
  t.true(checkCr0(vp, ...halves(PG | 1n)));
  vp.csAccess = 0xa09b;
  t.false(checkCr0(vp, ...halves(PG | 1n)), 'PG with LME in CS.L code');
  vp.csAccess = 0xc09b;
  vp.trAccess = 0x83;
  t.false(checkCr0(vp, ...halves(PG | 1n)), 'PG with LME and a 16-bit TSS');
  vp.trAccess = 0x8b;
  applyCr0(vp, 0x8000_0001);
  t.is(vp.efer & 0x400, 0x400);
  t.is(cr0Value(0xffff_ffff), 0xe005_003f);
});

test('PDPTEs are loaded whole or not at all', (t) => {
  const views = viewsOf(new SharedArrayBuffer(PartitionMap.RAM + 0x4000));
  const p = { views, vp: new VpBlock(views, PartitionMap.VPS) };
  new PartitionHeader(views, PartitionMap.HEADER).ramSize = 0x4000;
  const table = (PartitionMap.RAM + 0x1020) >>> 3;
  views.u64.set([0x2001n, 0n, 0x3019n, 0xffff_ffff_ffff_fffen], table);
  t.true(loadPdptes(p, 0x1020 | 0x18));
  t.is(views.u64[p.vp.pdpte >>> 3], 0x2001n);
  t.is(views.u64[(p.vp.pdpte >>> 3) + 3], 0xffff_ffff_ffff_fffen, 'reserved bits of an absent entry are ignored');
  for (const bad of [0x2003n, 0x2021n, 1n | (1n << 40n), 1n | (1n << 63n)]) {
    views.u64[table] = bad;
    t.false(loadPdptes(p, 0x1020));
  }
  t.is(views.u64[p.vp.pdpte >>> 3], 0x2001n);
  t.false(loadPdptes(p, 0x4000), 'outside RAM');
});

test('STI holds interrupts off once, POPF does not; both leave the block', (t) => {
  const p = protectedMode();
  setRflags(p.vp, 2);
  t.is(p.run(SysOp.STI), 1);
  t.is(p.rip, 0x8002n);
  t.is(p.vp.interruptShadow, 1);
  p.vp.interruptShadow = 0;
  t.is(p.run(SysOp.STI), 0, 'IF was set already');
  t.is(p.vp.interruptShadow, 0);
  t.is(p.run(SysOp.CLI), 0);
  p.memory.write32(0x6000, 0x202);
  t.is(p.run(SysOp.POPF), 1);
  t.is(p.vp.interruptShadow, 0);
  t.is(rflags(p.vp), 0x202);
  t.is(protectedMode(3).run(SysOp.STI), '#13(0)');
});

test('POPF at level 3 leaves IOPL and IF alone without faulting', (t) => {
  const p = protectedMode(3);
  p.memory.write32(0x6000, 0x24_30d5);
  t.is(p.run(SysOp.POPF), 0);
  t.is(rflags(p.vp), 0x24_02d7);
  t.is(p.rsp, 0x6004n);
  const q = protectedMode(0);
  q.memory.write16(0x6000, 0x3202);
  t.is(q.run(SysOp.POPF, { width: 1 }), 0);
  t.is(rflags(q.vp), 0x3202);
  t.is(q.run(SysOp.PUSHF, { width: 1 }), 0);
  t.is(q.memory.read16(0x6000), 0x3202);
});

test('64-bit: selectors, flags and far pointers are exact whatever stands above them', (t) => {
  const p = longMode();
  const odd = 0x7fff_1234_5678_0000n;
  p.memory.write64(0x6000, odd | BigInt(Sel.DATA0));
  t.is(p.run(SysOp.POP_SEG, { a: FS, width: 3 }), 1);
  t.is(p.vp.fsSelector, Sel.DATA0);
  p.set(Slot.RSP, 0x6000);
  p.memory.write64(0x6000, odd | 0xad7n);
  t.is(p.run(SysOp.POPF, { width: 3 }), 0);
  t.is(readArithmeticFlags(p.vp), 0x8d5);
  p.set(Slot.ARG1, odd | 0xdef1n);
  p.set(Slot.ARG2, 0);
  t.is(p.run(SysOp.LOAD_FAR, { a: FS, b: 3, width: 3 }), 1);
  t.is(p.slot(Slot.RBX), odd | 0xdef1n);
});

test('real mode: a load keeps the limit, and gives a null register its 64 KiB back', (t) => {
  const p = realMode();
  setSegment(p.vp, DS, 0, 0, 0xffff_ffff, 0xc093);
  t.is(load(p, DS, 0x1234), 1);
  t.deepEqual([p.slot(Slot.DS_BASE), p.vp.dsLimit, p.vp.dsAccess], [0x1_2340n, 0xffff_ffff, 0xc093]);
  setSegment(p.vp, DS, 0, 0, 0, 0x1_0000);
  t.is(load(p, DS, 0x1234), 1);
  t.deepEqual([p.vp.dsLimit, p.vp.dsAccess], [0xffff, 0x93]);
});

test('a stack segment needs all of RPL, DPL and CPL equal', (t) => {
  const p = protectedMode(3);
  t.is(load(p, SS, Sel.DATA3 & ~3), '#13(20)', 'RPL 0');
  t.is(load(p, SS, Sel.DATA0 | 3), '#13(10)', 'DPL 0');
  t.is(load(p, SS, Sel.DATA3), 1);
});
