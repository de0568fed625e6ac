// Shortcuts through the slow half (daemon/shortcuts) against the slow half itself (machine/cpu): from thousands of random states of VP, tables and stack, a shortcut
// either leaves everything as it was or does exactly what the slow half does, and never where that would fault or somebody wants a look afterwards.
import test, { type ExecutionContext } from 'ava';
import { deliver } from '../../daemon/machine/cpu/deliver.js';
import { sysHelpers } from '../../daemon/machine/cpu/sys-helpers.js';
import { shortcutsOf } from '../../daemon/machine/shortcuts.js';
import { SysResult } from '../../daemon/translate/emit/frame.js';
import { packSys, SysOp } from '../../daemon/translate/micro-op.js';
import { Rflags } from '../../shared/abi/registers.js';
import { KICKED, LpContextLayout, Shortcut } from '../../shared/layout/lp-context.js';
import { EventKind, Slot } from '../../shared/layout/vp.js';
import { System } from '../rig/bare-processor.js';
import { compare, NOT_TAKEN, prepare, RIP, random, rigOf, tableAt, VECTOR } from '../rig/shortcut-states.js';

const CASES = 6000;

for (const bits of [32, 64] as const) {
  const sysOf = (op: number): number => packSys({ op, length: 2, width: bits === 64 ? 3 : 2, addressWidth: 2 });
  const instruction = (t: ExecutionContext, op: number, seed: number): number => {
    const rig = rigOf(bits);
    const descriptor = sysOf(op);
    let taken = 0;
    for (let n = 0; n < CASES; n++) {
      prepare(rig, random(seed + n * 7919));
      const go = (): number => rig.short.sys(descriptor);
      if (compare(t, rig, `case ${n}`, go, () => sysHelpers[op]!(rig.machine.processor, descriptor))) taken++;
    }
    return taken;
  };
  test(`${bits} bits: INT n within a level is what the slow half makes of it`, (t) => {
    t.true(instruction(t, SysOp.INT, 1) > CASES / 12);
  });
  test(`${bits} bits: IRET within a level is what the slow half makes of it`, (t) => {
    t.true(instruction(t, SysOp.IRET, 2) > CASES / 12);
  });
  test(`${bits} bits: exceptions and interrupts within a level are what the slow half makes of them`, (t) => {
    const rig = rigOf(bits);
    const { processor, vp } = rig.machine;
    let taken = 0;
    for (let n = 0; n < CASES; n++) {
      const pick = random(3 + n * 104729);
      prepare(rig, pick);
      const kind = pick(2) === 0 ? EventKind.EXTERNAL : EventKind.EXCEPTION;
      const error = kind === EventKind.EXCEPTION && pick(2) === 0 ? pick(0x10000) : -1;
      const go = (): number => {
        const done = rig.short.deliver(kind, VECTOR, error, RIP, 0) !== 0;
        // The slow half counts exceptions outside of the shortcut.
        if (done && kind === EventKind.EXCEPTION) vp.views.u32[(vp.counters >>> 2) + 24]++;
        return done ? SysResult.DISPATCH : NOT_TAKEN;
      };
      const slow = (): number => {
        deliver(processor, kind, VECTOR, error, RIP);
        return 1;
      };
      if (compare(t, rig, `case ${n}`, go, slow)) taken++;
    }
    t.true(taken > CASES / 12);
  });
}

test('RF is in the image that a fault saves, and nowhere else', (t) => {
  for (const bits of [32, 64] as const) {
    const rig = rigOf(bits);
    const { processor, vp, views, tlb, pages } = rig.machine;
    for (const [vector, wanted] of [
      [13, Rflags.RF],
      [3, 0],
    ] as const) {
      prepare(rig, () => 1);
      for (const [linear, page] of pages) tlb.insert(0, linear * 4096, rig.machine.host(page.gfn * 4096), true, page.gfn);
      deliver(processor, EventKind.EXCEPTION, vector, -1, RIP);
      const sp = Number(views.u64[(vp.base >>> 3) + Slot.RSP]);
      t.is(views.u32[(tableAt(rig, System.STACK) + (sp - System.STACK) + bits / 4) >>> 2] & Rflags.RF, wanted);
    }
  }
});

test('IN and OUT: widths, privilege, and a look where somebody has asked for one', (t) => {
  const { machine } = rigOf(32);
  const { vp, views, processor } = machine;
  const asked: number[][] = [];
  const short = shortcutsOf(machine.memory, {
    sysSlow: () => NOT_TAKEN,
    loadSlow: () => NOT_TAKEN,
    storeSlow: () => NOT_TAKEN,
    portRead: (port, bytes) => {
      asked.push([port, bytes]);
      return 0x8765_4321 | 0;
    },
    portWrite: (port, bytes, value) => void asked.push([port, bytes, value >>> 0]),
  });
  short.attach(vp.base, processor.context.base);
  processor.context.shortcuts = Shortcut.OWN | Shortcut.INTERCEPTS;
  const slot = (s: number): number => (vp.base >>> 3) + s;
  const go = (op: number, width: 0 | 1 | 2): number => {
    views.u64[slot(Slot.RAX)] = 0x1111_2222_fedc_ba98n;
    views.u64[slot(Slot.ARG1)] = 0x3f8n;
    views.u64[slot(Slot.RIP)] = 0xffff_ffffn;
    return short.sys(packSys({ op, length: 1, width, addressWidth: 2 }));
  };
  vp.cpl = 0;
  for (const [width, rax] of [
    [0, 0x1111_2222_fedc_ba21n],
    [1, 0x1111_2222_fedc_4321n],
    [2, 0x8765_4321n],
  ] as const) {
    t.is(go(SysOp.IN, width), SysResult.CONTINUE);
    t.is(views.u64[slot(Slot.RAX)], rax);
  }
  for (const width of [0, 1, 2] as const) t.is(go(SysOp.OUT, width), SysResult.CONTINUE);
  t.deepEqual(asked, [
    [0x3f8, 1],
    [0x3f8, 2],
    [0x3f8, 4],
    [0x3f8, 1, 0x98],
    [0x3f8, 2, 0xba98],
    [0x3f8, 4, 0xfedc_ba98],
  ]);
  const kick = (processor.context.base + LpContextLayout.at.kick) >>> 2;
  Atomics.store(views.i32, kick, KICKED);
  t.is(go(SysOp.IN, 0), SysResult.LEAVE);
  t.is(views.u64[slot(Slot.RIP)], 0n, 'RIP of 32-bit code wraps');
  Atomics.store(views.i32, kick, 0);
  // IOPL 0 at level 3: the permission bitmap decides, which is the slow half's to read. Virtual-8086 mode likewise.
  vp.cpl = 3;
  t.is(go(SysOp.OUT, 0), NOT_TAKEN);
  views.u64[slot(Slot.FLAG_SYSTEM)] = 0x3002n;
  t.is(go(SysOp.OUT, 0), SysResult.CONTINUE);
  views.u64[slot(Slot.FLAG_SYSTEM)] = 0x2_3002n;
  t.is(go(SysOp.OUT, 0), NOT_TAKEN);
  views.u64[slot(Slot.FLAG_SYSTEM)] = 2n;
  vp.cr0 &= ~1;
  t.is(go(SysOp.OUT, 0), SysResult.CONTINUE, 'real mode has no I/O privilege');
  processor.context.shortcuts = 0;
  t.is(go(SysOp.OUT, 0), NOT_TAKEN, 'breakpoints may be set on ports');
});
