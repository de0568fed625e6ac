// The vTLB when it is small, flushed as a whole, or kept apart for each VP: what a guest reaches stays what its tables say, and each policy costs what it should.
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

const PAGES = 1024;
const RW = Pte.P | Pte.W | Pte.U | Pte.A | Pte.D;
const SPACES = 200;
/** Frames: roots 1.., then a table of each level for every space's own half, and three of the half that all share. */
const rootOf = (space: number): number => 1 + space;
const OWN = 1 + SPACES;
const OWN_TABLES = 3 * SPACES;
const SHARED = OWN + OWN_TABLES;
const FRAMES = SHARED + 3;
const UPPER_HALF = 2 ** 47;
const page = (n: number): number => n * 4096;

const m = makeMachine(PAGES, 2);
const set = (name: string, value: string): void => {
  m.machine.i32[(MachineLayout.at.policies >>> 2) + findPolicy(name).word] = settingOf(findPolicy(name), value);
};
const link = (table: number, index: number, frame: number, bits: number = RW): void => {
  m.partition.i32[entry64(table, index) >>> 2] = (frame << 12) | bits;
};

/** 200 address spaces: page 1 of the lower half is a frame of each one's own, page 1 of the upper half is the same for all. */
const build = (spts: number): void => {
  resetMachine(m, spts);
  for (let space = 0; space < SPACES; space++) {
    const own = OWN + 3 * space;
    link(rootOf(space), 0, own);
    link(own, 0, own + 1);
    link(own + 1, 0, own + 2);
    link(own + 2, 1, FRAMES + (space % 60));
    link(rootOf(space), 256, SHARED);
  }
  link(SHARED, 0, SHARED + 1);
  link(SHARED + 1, 0, SHARED + 2);
  link(SHARED + 2, 1, FRAMES + 61, RW | Pte.G);
};
const reach = (lp: LpMmu, gva: number): number => {
  for (let n = 0; n < 50; n++) {
    if (lp.walker.walk(gva, PageAccess.READ) === Walk.HIT) return lp.walker.spa;
    if (lp.vtlb.pageFault(gva, PageAccess.READ) !== PageFault.FILLED) return -1;
  }
  throw new Error('50 fills and still no hit');
};
const enter = (lp: LpMmu, vp: VpBlock, space: number): void => {
  vp.cr3Num = page(rootOf(space));
  lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
};

for (const tags of ['1', '64'])
  for (const reclaim of ['deferred', 'immediate'])
    test.serial(`200 address spaces run in a vTLB of 64 pages, vtlb.tags=${tags}, vtlb.reclaim=${reclaim}`, (t) => {
      build(700);
      set('vtlb.tags', tags);
      set('vtlb.reclaim', reclaim);
      set('vtlb.pages', '64');
      const lps = [0, 1].map((index) => ({ lp: makeLp(m, index), vp: longVp(m, index, rootOf(index)) }));
      for (const { lp, vp } of lps) lp.vtlb.load(vp);
      let most = 0;
      for (let step = 0; step < 3 * SPACES; step++) {
        const { lp, vp } = lps[step & 1];
        const space = (step * 7) % SPACES;
        enter(lp, vp, space);
        t.is(reach(lp, page(1)), spaOf(FRAMES + (space % 60)));
        t.is(reach(lp, -UPPER_HALF + page(1)), spaOf(FRAMES + 61));
        most = Math.max(most, vtlbCounters(m.partition).sptPool - vtlbCounters(m.partition).sptFree);
        if (step % 50 === 0) t.is(checkTranslations(m, vp, lp.walker, [page(1), -UPPER_HALF + page(1)]), null);
      }
      t.is(checkStructure(m), null);
      t.true(most <= 64, `${most} SPTs in use`);
      const { reclaims, reclaimVictims, flushHandshakes } = vtlbCounters(m.partition);
      t.true(reclaims > 10);
      // A shootdown for every table, or one for some eight of them.
      if (reclaim === 'immediate') t.true(flushHandshakes >= reclaimVictims);
      else t.true(flushHandshakes * 6 <= reclaimVictims, `${flushHandshakes} shootdowns for ${reclaimVictims} tables`);
    });

test.serial('the bound of the vTLB may be lowered and raised while guests run', (t) => {
  build(700);
  const lp = makeLp(m, 0);
  const vp = longVp(m, 0, rootOf(0));
  lp.vtlb.load(vp);
  let from = 0;
  const run = (): number => {
    from = 100 - from;
    for (let space = from; space < from + 100; space++) {
      enter(lp, vp, space);
      t.is(reach(lp, page(1)), spaOf(FRAMES + (space % 60)));
    }
    const { sptPool, sptFree } = vtlbCounters(m.partition);
    return sptPool - sptFree;
  };
  t.true(run() > 256);
  set('vtlb.pages', '128');
  t.true(run() <= 128);
  set('vtlb.pages', '64');
  t.true(run() <= 64);
  set('vtlb.pages', 'all');
  t.true(run() > 256);
  t.is(checkStructure(m), null);
});

test.serial('a flush of everything by generation leaves what it forgets to a later reclaim; by walk it clears every entry', (t) => {
  const entriesCleared = (flush: string): number => {
    build(700);
    set('vtlb.flush', flush);
    const lp = makeLp(m, 0);
    const vp = longVp(m, 0, rootOf(0));
    lp.vtlb.load(vp);
    for (let space = 0; space < 100; space++) {
      enter(lp, vp, space);
      reach(lp, page(1));
      reach(lp, -UPPER_HALF + page(1));
    }
    link(OWN + 3 * 99 + 2, 1, FRAMES + 62);
    const before = vtlbCounters(m.partition);
    lp.vtlb.flush(Flush.ALL);
    const after = vtlbCounters(m.partition);
    t.is(after.wholeFlushes - before.wholeFlushes, 1);
    t.is(reach(lp, page(1)), spaOf(FRAMES + 62));
    // None of the old address spaces is ever found again: what they hold is taken when it is wanted.
    set('vtlb.pages', '64');
    for (let space = 0; space < 100; space++) {
      enter(lp, vp, space);
      t.is(reach(lp, page(1)), spaOf(space === 99 ? FRAMES + 62 : FRAMES + (space % 60)));
    }
    t.is(checkStructure(m), null);
    return after.purgedEntries - before.purgedEntries;
  };
  t.is(entriesCleared('generation'), 0);
  t.true(entriesCleared('walk') >= 100);
});

test.serial('a flush of the partition makes each LP leave its root at the handshake', (t) => {
  for (const flush of ['generation', 'walk']) {
    build(64);
    set('vtlb.flush', flush);
    const [lp, other] = [makeLp(m, 0), makeLp(m, 1)];
    lp.vtlb.load(longVp(m, 0, rootOf(0)));
    other.vtlb.load(longVp(m, 1, rootOf(0)));
    t.is(reach(other, page(1)), spaOf(FRAMES));
    link(OWN + 2, 1, FRAMES + 62);
    lp.vtlb.flushPartition();
    other.handshake.enterGuest();
    t.is(other.walker.walk(page(1), PageAccess.READ), Walk.NOT_PRESENT);
    t.is(reach(other, page(1)), spaOf(FRAMES + 62));
    other.handshake.leaveGuest();
    t.is(reach(lp, page(1)), spaOf(FRAMES + 62));
    t.is(checkStructure(m), null);
  }
});

test.serial('VPs in one address space share its tables, or have their own with vtlb.pervp=on', (t) => {
  const tables = (perVp: string): number => {
    build(64);
    set('vtlb.pervp', perVp);
    const lps = [0, 1].map((index) => makeLp(m, index));
    lps.forEach((lp, index) => {
      lp.vtlb.load(longVp(m, index, rootOf(0)));
      t.is(reach(lp, page(1)), spaOf(FRAMES));
    });
    t.is(lps[0].vtlb.sas === lps[1].vtlb.sas, perVp === 'off');
    t.is(checkStructure(m), null);
    return vtlbCounters(m.partition).sptLive;
  };
  t.is(tables('off'), 4);
  t.is(tables('on'), 8);
});
