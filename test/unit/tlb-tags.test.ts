// Tags on one LP: what a switch keeps, what an edit takes away, PCIDs, the banks of the hardware TLB, and settings that change while guests run.
import test from 'ava';
import type { LpMmu } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { PageFault } from '../../daemon/hypervisor/vtlb/page-faults.js';
import { InvpcidType } from '../../daemon/machine/processor.js';
import { Walk } from '../../daemon/machine/walker.js';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { Cr4 } from '../../shared/abi/registers.js';
import { TLB_BANKS } from '../../shared/layout/lp-context.js';
import { MachineLayout } from '../../shared/layout/machine.js';
import { PageAccess, Pte } from '../../shared/layout/paging.js';
import type { VpBlock } from '../../shared/layout/vp.js';
import { MAPPING_RECORDS_MAX, vtlbWord } from '../../shared/layout/vtlb.js';
import { findPolicy, settingOf } from '../../shared/protocol/policies.js';
import { deviceStore, entry64, longVp, makeLp, makeMachine, resetMachine, spaOf } from '../interleave/small-machine.js';
import { checkStructure } from '../interleave/structure-check.js';
import { checkTracking } from '../interleave/track-check.js';

const PAGES = 1024;
const m = makeMachine(PAGES, 2);
const { u32 } = m.partition;
const RW = Pte.P | Pte.W | Pte.U;
const { READ, WRITE } = PageAccess;

const set64 = (frame: number, index: number, low: number): void => {
  u32[entry64(frame, index) >>> 2] = low >>> 0;
};
const setPolicy = (name: string, value: string): void => {
  m.machine.i32[(MachineLayout.at.policies >>> 2) + findPolicy(name).word] = settingOf(findPolicy(name), value);
};
const count = (name: string): number => vtlbCounters(m.partition)[name] ?? Number.NaN;

/** SPA of the page, or what the intercept said, negative. Hardware TLB and walker as a processor uses them. */
const access = (lp: LpMmu, gva: number, kind: number = READ): number => {
  for (let n = 0; n < 3; n++) {
    if (lp.walker.walk(gva, kind) === Walk.HIT) return lp.walker.spa;
    const result = lp.vtlb.pageFault(gva, kind);
    if (result === PageFault.ONCE) return lp.vtlb.found.spa;
    if (result !== PageFault.FILLED) return -result;
  }
  return -99;
};
/** `spaces` address spaces, roots from frame 1 on, with a private table each from frame 100 on; all tables are within reach at their own addresses. */
const PRIVATE = 0x5000;
const SHARED_TABLE = 20;
const machine = (spaces: number, settings: Readonly<Record<string, string>> = {}): { lp: LpMmu; vp: VpBlock } => {
  resetMachine(m, 400);
  for (const [name, value] of Object.entries({ 'vtlb.tags': '64', 'vtlb.untracked': '0', ...settings })) setPolicy(name, value);
  for (let s = 0; s < spaces; s++) {
    const [pdpt, pd, table] = [100 + s * 3, 101 + s * 3, 102 + s * 3];
    set64(1 + s, 0, (pdpt << 12) | RW);
    set64(pdpt, 0, (pd << 12) | RW);
    set64(pd, 0, (table << 12) | RW);
    set64(pd, 1, (SHARED_TABLE << 12) | RW);
    set64(table, PRIVATE >>> 12, ((500 + s) << 12) | RW);
  }
  // The first 512 frames at 2 MiB.
  for (let i = 0; i < 512; i++) set64(SHARED_TABLE, i, (i << 12) | RW);
  const vp = longVp(m, 0, 1);
  const lp = makeLp(m, 0);
  lp.vtlb.load(vp);
  return { lp, vp };
};
const windowOf = (frame: number): number => 0x20_0000 + frame * 4096;
const movCr3 = ({ lp, vp }: { lp: LpMmu; vp: VpBlock }, space: number, pcid = 0): void => {
  vp.cr3Num = (1 + space) * 4096 + pcid;
  lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
};
/** An edit by the guest itself. */
const edit = (lp: LpMmu, table: number, index: number, low: number): void => {
  const spa = access(lp, windowOf(table), WRITE);
  u32[(spa + index * 8) >>> 2] = low >>> 0;
};

test.serial('from one address space to another and back without edits: no fill', (t) => {
  const on = machine(2);
  for (let round = 0; round < 3; round++)
    for (const space of [0, 1]) {
      movCr3(on, space);
      for (const page of [PRIVATE, windowOf(3)]) t.true(access(on.lp, page) > 0);
    }
  const fills = count('fills');
  const validations = count('validations');
  for (let round = 0; round < 10; round++)
    for (const space of [0, 1]) {
      movCr3(on, space);
      t.is(access(on.lp, PRIVATE), spaOf(500 + space));
      t.is(access(on.lp, windowOf(3)), spaOf(3));
    }
  t.is(count('fills'), fills);
  t.is(count('validations'), validations, 'nothing was stale');
  t.is(count('gptUntracked'), 0);
});

test.serial('what is not among the tags used last is forgotten', (t) => {
  const on = machine(4, { 'vtlb.tags': '2', 'vtlb.untracked': '1024' });
  const visit = (space: number): boolean => {
    const before = count('fills');
    movCr3(on, space);
    t.is(access(on.lp, PRIVATE), spaOf(500 + space));
    return count('fills') === before;
  };
  for (const space of [1, 2, 1, 2]) visit(space);
  t.true(visit(1), 'one of the two');
  t.true(visit(2));
  t.false(visit(3));
  t.true(visit(2), 'one of the two again');
  t.false(visit(1), 'the oldest of three');
  t.true(visit(2));
});

for (const track of ['mapping', 'rmap', 'write'])
  test.serial(`vtlb.track=${track}: one edited entry goes at the switch, its neighbours stay`, (t) => {
    const on = machine(2, { 'vtlb.track': track });
    const table = 102;
    for (let i = 0; i < 8; i++) set64(table, i, ((600 + i) << 12) | RW);
    const visit = (): void => {
      movCr3(on, 1);
      movCr3(on, 0);
    };
    const touchAll = (): void => {
      for (let i = 0; i < 8; i++) t.is(access(on.lp, i * 4096), spaOf(600 + i));
      access(on.lp, windowOf(table));
    };
    for (let n = 0; n < 3; n++) {
      touchAll();
      visit();
    }
    touchAll();
    const intercepts = count('pageTableWriteIntercepts');
    edit(on.lp, table, 3, (700 << 12) | RW);
    edit(on.lp, table, 4, 0);
    t.is(count('pageTableWriteIntercepts') - intercepts, track === 'write' ? 2 : 1);
    const fills = count('fills');
    visit();
    t.is(access(on.lp, 3 * 4096), spaOf(700));
    t.is(access(on.lp, 4 * 4096), -PageFault.GUEST_FAULT);
    for (const i of [0, 1, 2, 5, 6, 7]) t.is(access(on.lp, i * 4096), spaOf(600 + i));
    t.is(count('fills'), fills + 1);
    t.is(checkTracking(m, [[0, on.lp]]), null);
    t.is(checkStructure(m), null);
  });

test.serial('a guest that clears A or D sees the next access', (t) => {
  const on = machine(2);
  const table = 102;
  const warm = (): void => {
    access(on.lp, PRIVATE, WRITE);
    access(on.lp, windowOf(table));
    movCr3(on, 1);
    movCr3(on, 0);
  };
  for (let n = 0; n < 3; n++) warm();
  const entry = (): number => u32[entry64(table, PRIVATE >>> 12) >>> 2];
  for (const bit of [Pte.A, Pte.D]) {
    t.is(entry() & (Pte.A | Pte.D), Pte.A | Pte.D);
    edit(on.lp, table, PRIVATE >>> 12, entry() & ~bit);
    movCr3(on, 0);
    access(on.lp, PRIVATE, bit === Pte.A ? READ : WRITE);
    t.not(entry() & bit, 0);
    warm();
  }
});

test.serial('a directory entry that leads elsewhere takes all below it along', (t) => {
  const on = machine(2);
  const [pd, other] = [101, 105];
  const warm = (): void => {
    t.true(access(on.lp, PRIVATE) > 0);
    access(on.lp, windowOf(pd));
    movCr3(on, 1);
    movCr3(on, 0);
  };
  for (let n = 0; n < 3; n++) warm();
  edit(on.lp, pd, 0, (other << 12) | RW);
  movCr3(on, 0);
  t.is(access(on.lp, PRIVATE), spaOf(501));
  t.is(checkStructure(m), null);
});

test.serial('a device writes a page table: noted first, it counts like an edit', (t) => {
  const on = machine(2);
  for (let n = 0; n < 3; n++) {
    access(on.lp, PRIVATE);
    movCr3(on, 1);
    movCr3(on, 0);
  }
  t.is(access(on.lp, PRIVATE), spaOf(500));
  deviceStore(on.lp, 102, () => set64(102, PRIVATE >>> 12, (777 << 12) | RW));
  movCr3(on, 0);
  t.is(access(on.lp, PRIVATE), spaOf(777));
});

test.serial('PCIDs are tags: one root under two of them has two sets of translations, and INVPCID takes what it names', (t) => {
  const on = machine(2);
  on.vp.cr4 |= Cr4.PCIDE;
  on.lp.vtlb.switchAddressSpace(Flush.ALL);
  const warm = (): void => {
    for (const [space, pcid] of [
      [0, 1],
      [0, 2],
      [1, 3],
    ]) {
      movCr3(on, space, pcid);
      t.true(access(on.lp, PRIVATE) > 0);
      access(on.lp, windowOf(102));
    }
  };
  for (let n = 0; n < 3; n++) warm();
  const fills = count('fills');
  warm();
  t.is(count('fills'), fills);
  const made = count('sasLive');
  t.true(made >= 4);
  // INVPCID of each type after an edit: by the VP's next use of the context the edit is seen.
  for (const type of [InvpcidType.ADDRESS, InvpcidType.CONTEXT, InvpcidType.ALL, InvpcidType.ALL_BUT_GLOBAL])
    for (const pcid of [1, 2]) {
      movCr3(on, 0, 2);
      const frame = 520 + type * 2 + pcid;
      edit(on.lp, 102, PRIVATE >>> 12, (frame << 12) | RW);
      on.lp.vtlb.invpcid(type, pcid, PRIVATE);
      movCr3(on, 0, pcid);
      t.is(access(on.lp, PRIVATE), spaOf(frame), `type ${type} PCID ${pcid}`);
    }
});

test.serial('a global page outlives switches and goes with an edit, whichever address space it is edited in', (t) => {
  const on = machine(2);
  for (let s = 0; s < 2; s++) set64(101 + s * 3, 1, (SHARED_TABLE << 12) | RW);
  set64(SHARED_TABLE, 9, (9 << 12) | RW | Pte.G);
  const warm = (): void => {
    for (const space of [0, 1]) {
      movCr3(on, space);
      access(on.lp, windowOf(9));
      access(on.lp, windowOf(SHARED_TABLE));
    }
  };
  for (let n = 0; n < 3; n++) warm();
  const fills = count('fills');
  warm();
  t.is(count('fills'), fills);
  edit(on.lp, SHARED_TABLE, 9, (10 << 12) | RW | Pte.G);
  on.lp.vtlb.invlpg(windowOf(9));
  t.is(access(on.lp, windowOf(9)), spaOf(10));
  movCr3(on, 0);
  t.is(access(on.lp, windowOf(9)), spaOf(10));
  on.vp.cr4 &= ~Cr4.PGE;
  on.lp.vtlb.switchAddressSpace(Flush.ALL);
  t.is(access(on.lp, windowOf(9)), spaOf(10));
});

test.serial('each address space has a bank of the hardware TLB while there are banks, and one that is out of step is flushed', (t) => {
  const on = machine(TLB_BANKS + 1);
  for (let round = 0; round < 3; round++)
    for (const space of [0, 1]) {
      movCr3(on, space);
      access(on.lp, PRIVATE);
      access(on.lp, windowOf(102));
    }
  movCr3(on, 0);
  const bank = on.lp.tlb.bank;
  const flushes = on.lp.tlb.flushes;
  movCr3(on, 1);
  t.not(on.lp.tlb.bank, bank);
  movCr3(on, 0);
  t.is(on.lp.tlb.bank, bank);
  t.is(on.lp.tlb.flushes, flushes);
  // An edit of space 0's table while space 1 is loaded: its bank is flushed when it is taken up again.
  movCr3(on, 1);
  edit(on.lp, 102, PRIVATE >>> 12, (888 << 12) | RW);
  movCr3(on, 0);
  t.is(on.lp.tlb.flushes, flushes + 1);
  for (let space = 1; space <= TLB_BANKS; space++) movCr3(on, space);
  t.is(on.lp.tlb.bank, bank, 'the bank used longest ago is taken');
});

test.serial('settings change while a guest runs: nothing stale is left under any of them', (t) => {
  const on = machine(2);
  const settings: readonly (readonly [string, string])[] = [
    ['vtlb.track', 'rmap'],
    ['vtlb.tags', '1'],
    ['vtlb.track', 'write'],
    ['vtlb.tags', '8'],
    ['vtlb.untracked', '1024'],
    ['vtlb.track', 'mapping'],
    ['vtlb.untracked', '0'],
  ];
  for (const [n, [name, value]] of settings.entries()) {
    setPolicy(name, value);
    for (let round = 0; round < 4; round++)
      for (const space of [0, 1]) {
        movCr3(on, space);
        const frame = 300 + n * 10 + round;
        edit(on.lp, 102 + space * 3, PRIVATE >>> 12, (frame << 12) | RW);
        movCr3(on, space);
        t.is(access(on.lp, PRIVATE), spaOf(frame), `${name}=${value}`);
      }
    t.is(checkTracking(m, [[0, on.lp]]), null);
  }
  t.true(count('trackModeChanges') >= 5);
  t.is(checkStructure(m), null);
});

test.serial('more writable mappings than records: all are purged, and the guest goes on', (t) => {
  const on = machine(2, { 'vtlb.track': 'rmap' });
  const { i32 } = m.partition;
  access(on.lp, PRIVATE, WRITE);
  const next = vtlbWord('mappingNext') >>> 2;
  i32[next] = MAPPING_RECORDS_MAX - 2;
  for (let frame = 200; frame < 210; frame++) t.is(access(on.lp, windowOf(frame), WRITE), spaOf(frame));
  t.true(i32[next] < 100);
  t.is(checkTracking(m, [[0, on.lp]]), null);
});
