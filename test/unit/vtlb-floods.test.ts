// Pages that were page tables and are written as data: after a few rounds nobody intercepts their writes any more, and as soon as they are tables again all is as before.
import test from 'ava';
import type { LpMmu } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { PageFault } from '../../daemon/hypervisor/vtlb/page-faults.js';
import { Walk } from '../../daemon/machine/walker.js';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { MachineLayout } from '../../shared/layout/machine.js';
import { PageAccess, Pte } from '../../shared/layout/paging.js';
import type { VpBlock } from '../../shared/layout/vp.js';
import { findPolicy, settingOf } from '../../shared/protocol/policies.js';
import { checkTranslations } from '../interleave/oracle.js';
import { entry64, longVp, makeLp, makeMachine, resetMachine, spaOf } from '../interleave/small-machine.js';
import { checkStructure } from '../interleave/structure-check.js';
import { checkTracking } from '../interleave/track-check.js';

const RW = Pte.P | Pte.W | Pte.U | Pte.A | Pte.D;
const m = makeMachine(128, 2);
const set = (name: string, value: string): void => {
  m.machine.i32[(MachineLayout.at.policies >>> 2) + findPolicy(name).word] = settingOf(findPolicy(name), value);
};
const link = (table: number, index: number, frame: number): void => {
  m.partition.i32[entry64(table, index) >>> 2] = (frame << 12) | RW;
};
/** Table 4 of space 1 maps PAGE; at WINDOW every space can write it. Space 11 has nothing else. */
const TABLE = 4;
const PAGE = 0x5000;
const WINDOW = 0x20_0000;
const OTHER = 11;

const machine = (track: string): { lp: LpMmu; vp: VpBlock } => {
  resetMachine(m, 64);
  for (const [name, value] of Object.entries({ tags: '64', track, untracked: '0' })) set(`vtlb.${name}`, value);
  for (const root of [1, OTHER]) {
    link(root, 0, root + 1);
    link(root + 1, 0, root + 2);
    link(root + 2, 1, 20);
  }
  link(20, 0, TABLE);
  link(3, 0, TABLE);
  link(TABLE, PAGE >>> 12, 100);
  const lp = makeLp(m, 0);
  const vp = longVp(m, 0, 1);
  lp.vtlb.load(vp);
  // Known from the second switch on.
  for (let n = 0; n < 2; n++) {
    reach(lp, PAGE);
    reach(lp, WINDOW);
    lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
  }
  reach(lp, PAGE);
  return { lp, vp };
};
const reach = (lp: LpMmu, gva: number, access: number = PageAccess.READ): number => {
  for (let n = 0; n < 20; n++) {
    if (lp.walker.walk(gva, access) === Walk.HIT) return lp.walker.spa & -4096;
    const result = lp.vtlb.pageFault(gva, access);
    if (result === PageFault.ONCE) return lp.vtlb.found.spa & -4096;
    if (result !== PageFault.FILLED) return -1;
  }
  throw new Error('20 fills and still no hit');
};
const write = (lp: LpMmu, index: number, value: number): void => {
  m.partition.i32[(reach(lp, WINDOW, PageAccess.WRITE) + index * 8) >>> 2] = value;
};
const turnTo = (lp: LpMmu, vp: VpBlock, root: number): void => {
  vp.cr3Num = root * 4096;
  lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
};
const counts = (): { intercepts: number; unshadowed: number } => {
  const { pageTableWriteIntercepts, tablesUnshadowed } = vtlbCounters(m.partition);
  return { intercepts: pageTableWriteIntercepts!, unshadowed: tablesUnshadowed! };
};

for (const track of ['mapping', 'rmap', 'write'])
  test.serial(
    `a table that is written as data from switch to switch is let go, and is a table again when it is used: vtlb.track=${track}`,
    (t) => {
      const { lp } = machine(track);
      const intercepts: number[] = [];
      for (let round = 0; round < 10; round++) {
        const before = counts().intercepts;
        write(lp, 300, 0x1234_5678 + round);
        lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
        intercepts.push(counts().intercepts - before);
        t.is(checkTracking(m, [[0, lp]]), null);
      }
      // One a round as long as it may be a table; one to find that it is none any more.
      t.deepEqual(intercepts, [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
      t.is(counts().unshadowed >= 1, true);
      for (let round = 0; round < 6; round++) {
        write(lp, PAGE >>> 12, ((101 + round) << 12) | RW);
        lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
        t.is(reach(lp, PAGE), spaOf(101 + round));
        t.is(checkTracking(m, [[0, lp]]), null);
        t.is(checkStructure(m), null);
      }
    },
  );

test.serial('a table that is used between its edits is never let go', (t) => {
  const { lp, vp } = machine('mapping');
  for (let round = 0; round < 12; round++) {
    const { intercepts, unshadowed } = counts();
    write(lp, PAGE >>> 12, ((101 + (round % 20)) << 12) | RW);
    lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
    t.is(reach(lp, PAGE), spaOf(101 + (round % 20)));
    t.deepEqual(counts(), { intercepts: intercepts + 1, unshadowed });
  }
  t.is(checkTranslations(m, vp, lp.walker, [PAGE, WINDOW]), null);
});

test.serial(
  'with vtlb.track=write every edit of a table of a loaded space is intercepted, of one that nobody has loaded the first',
  (t) => {
    const { lp, vp } = machine('write');
    const edits = (): number => {
      const before = counts().intercepts;
      for (let n = 0; n < 100; n++) write(lp, 400 + n, 0x1000_0000 + n);
      return counts().intercepts - before;
    };
    t.is(edits(), 100);
    turnTo(lp, vp, OTHER);
    reach(lp, WINDOW);
    lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
    t.is(edits(), 1);
    write(lp, PAGE >>> 12, (109 << 12) | RW);
    turnTo(lp, vp, 1);
    t.is(reach(lp, PAGE), spaOf(109));
    t.is(checkTracking(m, [[0, lp]]), null);
    t.is(edits(), 100);
  },
);
