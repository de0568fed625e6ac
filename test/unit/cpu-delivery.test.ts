// Interrupts and exceptions on their way in, in every mode, and IRET on the way back.
import test from 'ava';
import { deliver, deliverFault, promote } from '../../daemon/machine/cpu/deliver.js';
import { rflags, setRflags } from '../../daemon/machine/cpu/flags.js';
import { setSegment } from '../../daemon/machine/cpu/segment.js';
import { SysOp } from '../../daemon/translate/micro-op.js';
import { EventKind, Slot, vpCounterIndex } from '../../shared/layout/vp.js';
import {
  descriptor,
  gate,
  gate64,
  gdtEntry,
  idtGate,
  longMode,
  protectedMode,
  put,
  realMode,
  Sel,
  type TestProcessor,
  TSS,
} from './cpu-processor.js';

const { EXTERNAL, EXCEPTION, SOFTWARE, NMI } = EventKind;

test('real mode: INT saves FLAGS, CS, IP and IRET takes them back', (t) => {
  const p = realMode();
  p.memory.write32(0x21 * 4, 0x0400_0123);
  p.set(Slot.ARG0, 0x21);
  t.is(p.run(SysOp.INT), 1);
  t.is(p.rip, 0x123n);
  t.is(p.vp.csSelector, 0x400);
  t.is(p.slot(Slot.CS_BASE), 0x4000n);
  t.deepEqual(p.stack(0x20fa, 3, 2), [0x42, 0x100, 0x202]);
  t.is(rflags(p.vp) & 0x200, 0, 'IF is clear in the handler');
  t.is(p.run(SysOp.IRET, { width: 1 }), 1);
  t.is(p.rip, 0x42n);
  t.is(p.vp.csSelector, 0x100);
  t.is(p.rsp, 0x100n);
  t.is(rflags(p.vp), 0x202);
});

test('real mode: a vector beyond the IDT limit ends in shutdown when #GP and #DF lie beyond it too', (t) => {
  const p = realMode();
  p.vp.idtrLimit = 0x1f;
  deliver(p, EXTERNAL, 0x20, -1, 0x40);
  t.deepEqual(p.intercepts.calls, ['tripleFault']);
});

test('real mode: the stack pointer wraps at 64 KiB', (t) => {
  const p = realMode();
  p.memory.write32(8 * 4, 0x0400_0000);
  p.set(Slot.RSP, 0);
  deliver(p, EXTERNAL, 8, -1, 0x40);
  t.is(p.rsp, 0xfffan);
  t.is(p.memory.read16(0x2000 + 0xfffe), 0x202);
});

test('32-bit interrupt gate at the same level: three doublewords, IF cleared', (t) => {
  const p = protectedMode();
  idtGate(p, 0x30, gate(Sel.CODE0, 0x9000, 0x8e));
  deliver(p, EXTERNAL, 0x30, -1, 0x8000);
  t.is(p.rip, 0x9000n);
  t.is(p.rsp, 0x5ff4n);
  t.deepEqual(p.stack(0x5ff4, 3), [0x8000, Sel.CODE0, 0x202]);
  t.is(rflags(p.vp), 2);
});

test('a trap gate leaves IF; a fault saves RF and pushes its error code', (t) => {
  const p = protectedMode();
  idtGate(p, 13, gate(Sel.CODE0, 0x9000, 0x8f));
  deliverFault(p, 13, 0x18);
  t.is(p.rsp, 0x5ff0n);
  t.deepEqual(p.stack(0x5ff0, 4), [0x18, 0x8000, Sel.CODE0, 0x1_0202]);
  t.is(rflags(p.vp), 0x202);
});

test('a 16-bit gate pushes words and enters at a 16-bit offset', (t) => {
  const p = protectedMode();
  idtGate(p, 0x30, gate(Sel.CODE0, 0x1234_9000, 0x86));
  deliver(p, EXTERNAL, 0x30, -1, 0x8000);
  t.is(p.rip, 0x9000n);
  t.deepEqual(p.stack(0x5ffa, 3, 2), [0x8000, Sel.CODE0, 0x202]);
});

test('level 3 to level 0: the stack comes from the TSS, pushes are supervisor accesses, IRET goes back out', (t) => {
  const p = protectedMode(3);
  idtGate(p, 0x80, gate(Sel.CODE0, 0x9000, 0xee));
  p.memory.supervisorOnly.add(4).add(1).add(2).add(3);
  p.set(Slot.ARG0, 0x80);
  t.is(p.run(SysOp.INT), 1);
  t.is(p.vp.cpl, 0);
  t.is(p.vp.ssSelector, Sel.DATA0);
  t.is(p.rsp, 0x5000n - 20n);
  t.deepEqual(p.stack(0x4fec, 5), [0x8002, Sel.CODE3, 0x202, 0x6000, Sel.DATA3]);
  t.false(p.memory.forced);
  t.is(p.run(SysOp.IRET), 1);
  t.is(p.vp.cpl, 3);
  t.is(p.rip, 0x8002n);
  t.is(p.rsp, 0x6000n);
  t.is(p.vp.ssSelector, Sel.DATA3);
  t.is(p.vp.dsSelector, Sel.DATA3);
});

test('IRET to level 3 nulls data segments that level 3 may not use', (t) => {
  const p = protectedMode();
  gdtEntry(p, Sel.DATA16, descriptor(0, 0xffff, 0xf2));
  setSegment(p.vp, 4, Sel.DATA16, 0, 0xffff, 0xf3);
  setSegment(p.vp, 5, Sel.CONFORMING, 0, 0xffff_ffff, 0xc09f);
  setSegment(p.vp, 0, 3, 0, 0, 0x1_0000);
  put(p, 0x6000, [0x8100, Sel.CODE3, 0x202, 0x5800, Sel.DATA3]);
  t.is(p.run(SysOp.IRET), 1);
  t.is(p.vp.dsSelector, 0);
  t.is(p.vp.dsAccess & 0x1_0000, 0x1_0000);
  t.is(p.vp.fsSelector, Sel.DATA16, 'DPL 3 stays');
  t.is(p.vp.gsSelector, Sel.CONFORMING, 'conforming code stays');
  t.is(p.vp.esSelector, 0, 'a null selector loses its RPL');
});

test('faults of gates carry vector * 8 + 2, and EXT unless the program asked', (t) => {
  const trial = (kind: number, prepare: (p: TestProcessor) => void): number[] => {
    const p = protectedMode(3);
    idtGate(p, 13, gate(Sel.CODE0, 0x9000, 0x8e));
    idtGate(p, 11, gate(Sel.CODE0, 0x9100, 0x8e));
    idtGate(p, 10, gate(Sel.CODE0, 0x9200, 0x8e));
    idtGate(p, 8, gate(Sel.CODE0, 0x9300, 0x8e));
    prepare(p);
    deliver(p, kind, 0x40, -1, 0x8002);
    return [Number(p.rip), ...p.stack(Number(p.rsp), 2)];
  };
  const absent = (p: TestProcessor): void => idtGate(p, 0x40, gate(Sel.CODE0, 0, 0x6e));
  t.deepEqual(trial(EXTERNAL, absent), [0x9100, 0x203, 0x8000], 'absent gate: #NP, saved RIP is the instruction');
  t.deepEqual(trial(SOFTWARE, absent), [0x9100, 0x202, 0x8000]);
  const private0 = (p: TestProcessor): void => idtGate(p, 0x40, gate(Sel.CODE0, 0, 0x8e));
  t.deepEqual(trial(SOFTWARE, private0), [0x9000, 0x202, 0x8000], 'gate DPL below CPL: #GP');
  t.deepEqual(
    trial(EXTERNAL, (p) => idtGate(p, 0x40, gate(Sel.CODE0, 0, 0x82))),
    [0x9000, 0x203, 0x8000],
    'not a gate',
  );
  t.deepEqual(
    trial(EXTERNAL, (p) => idtGate(p, 0x40, gate(0, 0, 0x8e))),
    [0x9000, 1, 0x8000],
    'null code selector',
  );
  t.deepEqual(
    trial(EXTERNAL, (p) => idtGate(p, 0x40, gate(Sel.DATA0, 0, 0x8e))),
    [0x9000, Sel.DATA0 | 1, 0x8000],
    'data as code',
  );
  t.deepEqual(
    trial(EXTERNAL, (p) => idtGate(p, 0x40, gate(0x1f0, 0, 0x8e))),
    [0x9000, 0x1f1, 0x8000],
    'beyond the GDT',
  );
  t.deepEqual(
    trial(EXTERNAL, (p) => {
      gdtEntry(p, Sel.ABSENT, descriptor(0, 0xfffff, 0xc01a));
      idtGate(p, 0x40, gate(Sel.ABSENT, 0, 0x8e));
    }),
    [0x9100, Sel.ABSENT | 1, 0x8000],
    'absent code segment',
  );
  t.deepEqual(
    trial(EXTERNAL, (p) => {
      gdtEntry(p, Sel.CODE1, descriptor(0, 0xff, 0x40ba));
      idtGate(p, 0x40, gate(Sel.CODE1, 0x100, 0x8e));
    }),
    [0x9000, 1, 0x8000],
    'entry point beyond the limit',
  );
  t.deepEqual(
    trial(EXTERNAL, (p) => {
      idtGate(p, 0x40, gate(Sel.CODE1, 0x100, 0x8e));
      p.memory.write32(TSS + 16, Sel.DATA0);
    }),
    [0x9200, Sel.DATA0 | 1, 0x8000],
    'inner stack of the wrong level: #TS',
  );
  t.deepEqual(
    trial(EXTERNAL, (p) => {
      idtGate(p, 0x40, gate(Sel.CODE1, 0x100, 0x8e));
      p.memory.write32(TSS + 16, 0);
    }),
    [0x9200, 1, 0x8000],
    'null inner stack',
  );
});

test('an inner stack that is absent is #SS with its selector, one without room too', (t) => {
  for (const [words, name] of [
    [descriptor(0, 0xfffff, 0xc032), 'absent'],
    [descriptor(0, 3, 0x40b2), 'too small'],
  ] as const) {
    const p = protectedMode(3);
    idtGate(p, 0x40, gate(Sel.CODE1, 0x100, 0x8e));
    idtGate(p, 12, gate(Sel.CODE0, 0x9000, 0x8e));
    gdtEntry(p, Sel.DATA1, words);
    deliver(p, EXTERNAL, 0x40, -1, 0x8000);
    t.is(p.rip, 0x9000n, name);
    t.is(p.stack(Number(p.rsp), 1)[0], Sel.DATA1 | 1);
  }
});

test('the double-fault table is that of the manual', (t) => {
  const benign = [1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 0x20];
  const contributory = [0, 10, 11, 12, 13];
  for (const first of benign) for (const second of [...benign, ...contributory, 14]) t.is(promote(first, second), 0, `${first} ${second}`);
  for (const first of contributory) {
    for (const second of contributory) t.is(promote(first, second), 1, `${first} ${second}`);
    for (const second of [...benign, 14]) t.is(promote(first, second), 0, `${first} ${second}`);
  }
  for (const second of [...contributory, 14]) t.is(promote(14, second), 1, `14 ${second}`);
  for (const second of [...contributory, 14]) t.is(promote(8, second), 2, `8 ${second}`);
  for (const second of benign) t.is(promote(14, second), 0);
});

test('#GP whose gate is absent becomes #DF with error code 0 at the same instruction', (t) => {
  const p = protectedMode();
  idtGate(p, 8, gate(Sel.CODE0, 0x9800, 0x8e));
  deliverFault(p, 13, 0x50);
  t.is(p.rip, 0x9800n);
  t.deepEqual(p.stack(0x5ff0, 3), [0, 0x8000, Sel.CODE0]);
  t.deepEqual(p.intercepts.calls, []);
});

test('#DF that cannot be delivered shuts the processor down', (t) => {
  const p = protectedMode();
  deliverFault(p, 14, 2);
  t.deepEqual(p.intercepts.calls, ['tripleFault']);
});

test('an interrupt that page-faults on the stack reports the page fault with the interrupted instruction', (t) => {
  const p = protectedMode(3);
  idtGate(p, 0x40, gate(Sel.CODE1, 0x9000, 0x8e));
  idtGate(p, 14, gate(Sel.CODE0, 0x9100, 0x8e));
  p.memory.write32(TSS + 12, 0x20000);
  p.memory.absent.add(0x1f);
  deliver(p, EXTERNAL, 0x40, -1, 0x8000);
  t.is(p.rip, 0x9100n);
  t.is(p.vp.cr2Num, 0x1fffc);
  t.deepEqual(p.stack(0x4fe8, 3), [2, 0x8000, Sel.CODE3]);
  t.false(p.memory.forced);
});

test('NMI blocks further ones until IRET', (t) => {
  const p = protectedMode();
  idtGate(p, 2, gate(Sel.CODE0, 0x9000, 0x8e));
  deliver(p, NMI, 2, -1, 0x8000);
  t.is(p.vp.nmiBlocked, 1);
  p.run(SysOp.IRET);
  t.is(p.vp.nmiBlocked, 0);
});

test('delivery ends an interrupt shadow and counts exceptions', (t) => {
  const p = protectedMode();
  idtGate(p, 6, gate(Sel.CODE0, 0x9000, 0x8e));
  p.vp.interruptShadow = 1;
  deliver(p, EXCEPTION, 6, -1, 0x8000);
  t.is(p.vp.interruptShadow, 0);
  t.is(p.views.u32[(p.vp.counters >>> 2) + vpCounterIndex.exceptionsDelivered], 1);
});

test('64-bit: the frame is five quadwords on an aligned stack, SS becomes null', (t) => {
  const p = longMode(3);
  idtGate(p, 0x40, gate64(Sel.CODE64, 0x9000, 0x8e));
  p.memory.supervisorOnly.add(4).add(1).add(2).add(3);
  deliver(p, EXTERNAL, 0x40, -1, 0x8000);
  t.is(p.rip, 0x9000n);
  t.is(p.rsp, 0x5000n - 40n);
  t.deepEqual(p.stack(0x5000 - 40, 5, 8), [0x8000, Sel.CODE64_3, 0x202, 0x6000, Sel.DATA3]);
  t.is(p.vp.ssSelector, 0);
  t.is(p.vp.cpl, 0);
  t.is(p.run(SysOp.IRET, { width: 3 }), 1);
  t.is(p.vp.cpl, 3);
  t.is(p.rip, 0x8000n);
  t.is(p.rsp, 0x6000n);
  t.is(p.vp.ssSelector, Sel.DATA3);
});

test('64-bit: at the same level SS:RSP is saved too and SS stays; IRET pops it', (t) => {
  const p = longMode();
  p.set(Slot.RSP, 0x5ff8);
  idtGate(p, 14, gate64(Sel.CODE64, 0x9000, 0x8e));
  deliverFault(p, 14, 2);
  t.is(p.rsp, 0x5ff0n - 48n);
  t.deepEqual(p.stack(0x5ff0 - 48, 6, 8), [2, 0x8000, Sel.CODE64, 0x1_0202, 0x5ff8, Sel.DATA0]);
  t.is(p.vp.ssSelector, Sel.DATA0);
  p.set(Slot.RSP, 0x5ff0 - 40);
  t.is(p.run(SysOp.IRET, { width: 3 }), 1);
  t.is(p.rsp, 0x5ff8n);
  t.is(rflags(p.vp), 0x202, 'RF is not kept');
});

test('64-bit: IST replaces the stack even at the same level', (t) => {
  const p = longMode();
  idtGate(p, 2, gate64(Sel.CODE64, 0x9000, 0x8e, 1));
  deliver(p, NMI, 2, -1, 0x8000);
  t.is(p.rsp, 0x7000n - 40n);
  t.deepEqual(p.stack(0x7000 - 40, 5, 8), [0x8000, Sel.CODE64, 0x202, 0x6000, Sel.DATA0]);
});

test('64-bit: user code may keep any 64-bit value in RSP across an interrupt', (t) => {
  const p = longMode(3);
  const odd = 0x1234_5678_9abc_def1n;
  p.set(Slot.RSP, odd);
  idtGate(p, 0x40, gate64(Sel.CODE64, 0x9000, 0x8e));
  deliver(p, EXTERNAL, 0x40, -1, 0x8000);
  t.is(p.memory.read64(0x5000 - 16), odd);
  p.run(SysOp.IRET, { width: 3 });
  t.is(p.rsp, odd);
});

test('64-bit: gates must lead to 64-bit code, and a non-canonical stack is #SS', (t) => {
  const p = longMode();
  idtGate(p, 0x40, gate64(Sel.CODE0, 0x9000, 0x8e));
  idtGate(p, 13, gate64(Sel.CODE64, 0x9100, 0x8e));
  deliver(p, EXTERNAL, 0x40, -1, 0x8000);
  t.is(p.rip, 0x9100n);
  t.is(p.stack(Number(p.rsp), 1, 8)[0], Sel.CODE0 | 1);
  const q = longMode();
  q.set(Slot.RSP, 1n << 60n);
  idtGate(q, 0x40, gate64(Sel.CODE64, 0x9000, 0x8e));
  idtGate(q, 12, gate64(Sel.CODE64, 0x9200, 0x8e, 1));
  deliver(q, EXTERNAL, 0x40, -1, 0x8000);
  t.is(q.rip, 0x9200n);
  t.is(q.stack(Number(q.rsp), 1, 8)[0], 1);
});

test('64-bit: IRET to compatibility mode clears the upper register halves', (t) => {
  const p = longMode();
  p.set(Slot.RBX, 0x1111_2222_3333_4444n);
  for (const [i, v] of [0x8100, Sel.CODE3, 0x202, 0x5800, Sel.DATA3].entries()) p.memory.write64Number(0x6000 + i * 8, v);
  t.is(p.run(SysOp.IRET, { width: 3 }), 1);
  t.is(p.vp.cpl, 3);
  t.is(p.slot(Slot.RBX), 0x3333_4444n);
  t.is(p.rsp, 0x5800n);
});

test('64-bit: IRET may load a null SS at level 0 only', (t) => {
  const p = longMode();
  for (const [i, v] of [0x8100, Sel.CODE64, 0x202, 0x5800, 0].entries()) p.memory.write64Number(0x6000 + i * 8, v);
  t.is(p.run(SysOp.IRET, { width: 3 }), 1);
  t.is(p.rsp, 0x5800n);
  const q = longMode();
  for (const [i, v] of [0x8100, Sel.CODE64_3, 0x202, 0x5800, 3].entries()) q.memory.write64Number(0x6000 + i * 8, v);
  t.is(q.run(SysOp.IRET, { width: 3 }), '#13(0)');
  t.is(q.rsp, 0x6000n);
});

test('IRET faults: null, outer-level, wrong-level, absent and non-canonical targets', (t) => {
  const trial = (frame: number[], level: 0 | 3 = 0): number | string => {
    const p = protectedMode(level);
    put(p, 0x6000, frame);
    const result = p.run(SysOp.IRET);
    t.is(p.rsp, 0x6000n, 'nothing is popped by a faulting IRET');
    return result;
  };
  t.is(trial([0x8100, 0, 2, 0, 0]), '#13(0)');
  t.is(trial([0x8100, Sel.CODE0, 2, 0, 0], 3), '#13(8)', 'to an inner level');
  t.is(trial([0x8100, Sel.CODE0 | 3, 2, 0x5000, Sel.DATA3]), '#13(8)', 'RPL 3 with DPL 0');
  t.is(trial([0x8100, Sel.DATA0, 2, 0, 0]), '#13(10)');
  t.is(trial([0x8100, Sel.CODE3, 2, 0x5000, Sel.DATA0]), '#13(10)', 'stack of the wrong level');
  t.is(trial([0x8100, Sel.CODE3, 2, 0x5000, 0]), '#13(0)');
  t.is(trial([0x8100, 0x1f0, 2, 0, 0]), '#13(1f0)');
  const p = longMode();
  p.memory.write64(0x6000, 1n << 50n);
  for (const [i, v] of [Sel.CODE64, 0x202, 0x5800, Sel.DATA0].entries()) p.memory.write64Number(0x6008 + i * 8, v);
  t.is(p.run(SysOp.IRET, { width: 3 }), '#13(0)');
});

test('IRET at level 3 changes neither IOPL nor, with IOPL 0, IF', (t) => {
  const p = protectedMode(3);
  put(p, 0x6000, [0x8100, Sel.CODE3, 0x3ed7]);
  p.run(SysOp.IRET);
  t.is(rflags(p.vp), (0xed7 & ~0x200) | 0x200);
  const q = protectedMode(0);
  put(q, 0x6000, [0x8100, Sel.CODE0, 0x3cd7]);
  q.run(SysOp.IRET);
  t.is(rflags(q.vp), 0x3cd7);
});

const vm86 = (): TestProcessor => {
  const p = protectedMode();
  put(p, 0x6000, [0x40, 0x100, 0x2_3202, 0x200, 0x300, 0x310, 0x320, 0x330, 0x340]);
  p.run(SysOp.IRET);
  return p;
};

test('IRET from level 0 enters virtual-8086 mode', (t) => {
  const p = vm86();
  t.is(p.vp.cpl, 3);
  t.is(p.rip, 0x40n);
  t.deepEqual(
    [p.vp.csSelector, p.vp.ssSelector, p.vp.esSelector, p.vp.dsSelector, p.vp.fsSelector, p.vp.gsSelector],
    [0x100, 0x300, 0x310, 0x320, 0x330, 0x340],
  );
  t.is(p.slot(Slot.DS_BASE), 0x3200n);
  t.is(p.vp.dsLimit, 0xffff);
  t.is(rflags(p.vp), 0x2_3202);
});

test('an interrupt from virtual-8086 mode saves nine doublewords and nulls the data segments', (t) => {
  const p = vm86();
  idtGate(p, 0x21, gate(Sel.CODE0, 0x9000, 0xee));
  p.set(Slot.ARG0, 0x21);
  t.is(p.run(SysOp.INT), 1);
  t.is(p.vp.cpl, 0);
  t.is(rflags(p.vp) & 0x2_0000, 0);
  t.deepEqual(p.stack(0x5000 - 36, 9), [0x42, 0x100, 0x2_3202, 0x200, 0x300, 0x310, 0x320, 0x330, 0x340]);
  t.deepEqual([p.vp.esSelector, p.vp.dsSelector, p.vp.fsSelector, p.vp.gsSelector], [0, 0, 0, 0]);
  t.is(p.run(SysOp.IRET), 1);
  t.is(p.vp.csSelector, 0x100);
  t.is(p.vp.gsSelector, 0x340);
  t.is(p.rsp, 0x200n);
});

test('virtual-8086 mode with IOPL below 3: INT, PUSHF, POPF, CLI, STI and IRET are #GP(0)', (t) => {
  const p = vm86();
  setRflags(p.vp, 0x2_0202);
  p.set(Slot.ARG0, 0x21);
  for (const op of [SysOp.INT, SysOp.PUSHF, SysOp.POPF, SysOp.CLI, SysOp.STI, SysOp.IRET]) t.is(p.run(op, { width: 1 }), '#13(0)');
});

test('virtual-8086 mode: a gate to a level other than 0 is #GP(selector)', (t) => {
  const p = vm86();
  idtGate(p, 0x21, gate(Sel.CODE1, 0x9000, 0xee));
  idtGate(p, 13, gate(Sel.CODE0, 0x9100, 0x8e));
  deliver(p, EXTERNAL, 0x21, -1, 0x40);
  t.is(p.rip, 0x9100n);
  t.is(p.stack(Number(p.rsp), 1)[0], Sel.CODE1 | 1);
});

test('64-bit: only interrupt and trap gates of 64 bits, present, to code of no outer level', (t) => {
  const trial = (words: readonly number[]): bigint[] => {
    const p = longMode();
    put(p, 0x2000 + 0x40 * 16, words);
    idtGate(p, 13, gate64(Sel.CODE64, 0x9100, 0x8e));
    idtGate(p, 11, gate64(Sel.CODE64, 0x9200, 0x8e));
    deliver(p, EXTERNAL, 0x40, -1, 0x8000);
    return [p.rip, p.memory.read64(Number(p.rsp))];
  };
  t.deepEqual(trial(gate64(Sel.CODE64, 0x9000, 0x8f)), [0x9000n, 0x8000n]);
  for (const type of [0x85, 0x86, 0x87, 0x8c, 0x82]) t.deepEqual(trial(gate64(Sel.CODE64, 0x9000, type)), [0x9100n, 0x203n]);
  t.deepEqual(trial(gate64(Sel.CODE64, 0x9000, 0x0e)), [0x9200n, 0x203n]);
  t.deepEqual(trial(gate64(Sel.DATA0, 0x9000, 0x8e)), [0x9100n, BigInt(Sel.DATA0 | 1)]);
  t.deepEqual(trial(gate64(Sel.CODE64_3, 0x9000, 0x8e)), [0x9100n, BigInt(Sel.CODE64_3 & ~3) | 1n]);
  t.deepEqual(trial([...gate64(Sel.CODE64, 0x9000, 0x8e).slice(0, 2), 0x0001_0000, 0]), [0x9100n, 1n], 'non-canonical handler');
});

test('a TSS too small for the inner stack pointer is #TS with its selector', (t) => {
  for (const [limit, rip] of [
    [17, 0x9000n],
    [16, 0x9100n],
  ] as const) {
    const p = protectedMode(3);
    idtGate(p, 0x40, gate(Sel.CODE1, 0x9000, 0x8e));
    idtGate(p, 10, gate(Sel.CODE0, 0x9100, 0x8e));
    p.vp.trLimit = limit;
    deliver(p, EXTERNAL, 0x40, -1, 0x8000);
    t.is(p.rip, rip, `limit ${limit}`);
    if (limit === 16) t.is(p.stack(Number(p.rsp), 1)[0], Sel.TSS | 1);
  }
});

test('an expand-down inner stack has room above its limit only', (t) => {
  const trial = (esp: number): bigint => {
    const p = protectedMode(3);
    gdtEntry(p, Sel.DATA1, descriptor(0, 0x4fff, 0x40b6));
    p.memory.write32(TSS + 12, esp);
    idtGate(p, 0x40, gate(Sel.CODE1, 0x9000, 0x8e));
    idtGate(p, 12, gate(Sel.CODE0, 0x9100, 0x8e));
    deliver(p, EXTERNAL, 0x40, -1, 0x8000);
    return p.rip;
  };
  t.is(trial(0x5014), 0x9000n);
  t.is(trial(0x5013), 0x9100n);
});
