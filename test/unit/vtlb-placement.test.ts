// Where shadow tables come from on a machine of two nodes, and how many shootdowns the protection of guest page tables takes: counted, each setting against its baseline.
import test from 'ava';
import { initVtlb } from '../../daemon/hypervisor/vtlb/arena.js';
import type { LpMmu } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { PageFault } from '../../daemon/hypervisor/vtlb/page-faults.js';
import { Walk } from '../../daemon/machine/walker.js';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { Cr0 } from '../../shared/abi/registers.js';
import { LpLayout, lpBlockAt, MachineLayout } from '../../shared/layout/machine.js';
import { PageAccess, Pte } from '../../shared/layout/paging.js';
import { PartitionLayout, vpBlockAt } from '../../shared/layout/partition.js';
import { VpBlock } from '../../shared/layout/vp.js';
import { vtlbWord } from '../../shared/layout/vtlb.js';
import { findPolicy, settingOf } from '../../shared/protocol/policies.js';
import { checkTranslations } from '../interleave/oracle.js';
import { entry64, longVp, makeLp, makeMachine, resetMachine, spaOf } from '../interleave/small-machine.js';
import { checkStructure } from '../interleave/structure-check.js';
import { checkTracking } from '../interleave/track-check.js';

const PAGES = 512;
const SPTS = 512;
const RW = Pte.P | Pte.W | Pte.U | Pte.A | Pte.D;
const m = makeMachine(PAGES, 2);
const set = (name: string, value: string): void => {
  m.machine.i32[(MachineLayout.at.policies >>> 2) + findPolicy(name).word] = settingOf(findPolicy(name), value);
};
const link = (table: number, index: number, frame: number): void => {
  m.partition.i32[entry64(table, index) >>> 2] = (frame << 12) | RW;
};
const reach = (lp: LpMmu, gva: number, access: number = PageAccess.READ): number => {
  for (let n = 0; n < 50; n++) {
    if (lp.walker.walk(gva, access) === Walk.HIT) return lp.walker.spa;
    const result = lp.vtlb.pageFault(gva, access);
    if (result === PageFault.ONCE) return lp.vtlb.found.spa & -4096;
    if (result !== PageFault.FILLED) return -1;
  }
  throw new Error('50 fills and still no hit');
};

const TABLES = 64;
/** Page of the region that leaf table `n` maps. */
const region = (n: number): number => n * 0x20_0000 + 0x5000;

for (const [protect, most] of [
  ['deferred', 1],
  ['immediate', TABLES],
] as const)
  test.serial(`${TABLES} page tables that were edited are protected again by ${most} shootdowns, vtlb.protect=${protect}`, (t) => {
    resetMachine(m, SPTS);
    set('vtlb.tags', '64');
    set('vtlb.track', 'mapping');
    set('vtlb.untracked', '0');
    set('vtlb.protect', protect);
    link(1, 0, 2);
    link(2, 0, 3);
    for (let n = 0; n < TABLES; n++) {
      link(3, n, 4 + n);
      link(4 + n, 5, 100 + n);
    }
    const [lp, editor] = [makeLp(m, 0), makeLp(m, 1)];
    lp.vtlb.load(longVp(m, 0, 1));
    // The editor has paging off: every frame is at its own address.
    const vp = new VpBlock(m.partition, vpBlockAt(1));
    vp.index = 1;
    vp.cr0 = Cr0.PE;
    editor.vtlb.load(vp);
    const fill = (frame: (n: number) => number): void => {
      for (let n = 0; n < TABLES; n++) t.is(reach(lp, region(n)), spaOf(frame(n)));
    };
    fill((n) => 100 + n);
    lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
    fill((n) => 100 + n);
    let writes = 0;
    for (let round = 1; round <= 3; round++) {
      for (let n = 0; n < TABLES; n++)
        for (let write = 0; write < 4; write++, writes++) {
          const spa = reach(editor, (4 + n) * 4096, PageAccess.WRITE);
          m.partition.i32[(spa + 5 * 8) >>> 2] = ((200 + ((n + round) % 64)) << 12) | RW;
        }
      const before = vtlbCounters(m.partition);
      lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
      const after = vtlbCounters(m.partition);
      t.is(after.tablesProtected - before.tablesProtected, TABLES);
      t.is(after.flushHandshakes - before.flushHandshakes, most);
      t.is(after.protectShootdowns - before.protectShootdowns, most);
      fill((n) => 200 + ((n + round) % 64));
      t.is(checkTranslations(m, new VpBlock(m.partition, vpBlockAt(0)), lp.walker, [region(0), region(9), region(63)]), null);
    }
    const { protectShootdowns } = vtlbCounters(m.partition);
    t.log(`${((protectShootdowns * 1000) / writes).toFixed(1)} shootdowns for 1,000 writes`);
    t.is(checkStructure(m), null);
  });

test.serial(
  'the LP that edited is not asked to flush once it is in another space, and writes through a fault again when it comes back',
  (t) => {
    resetMachine(m, SPTS);
    set('vtlb.tags', '64');
    set('vtlb.track', 'mapping');
    set('vtlb.untracked', '0');
    set('vtlb.protect', 'deferred');
    const [TABLE, OTHER] = [4, 8];
    // Page 5 of the space is edited by its own VPs through page 6. The other space has nothing.
    for (const table of [1, 2, 3]) link(table, 0, table + 1);
    link(TABLE, 5, 100);
    link(TABLE, 6, TABLE);
    const lps = [0, 1].map((index) => {
      const lp = makeLp(m, index);
      const vp = longVp(m, index, 1);
      lp.vtlb.load(vp);
      return { lp, vp };
    });
    const [reader, editor] = [lps[0]!, lps[1]!];
    const turnTo = (root: number): void => {
      editor.vp.cr3Num = root * 4096;
      editor.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
    };
    const edit = (frame: number): void => {
      m.partition.i32[(reach(editor.lp, 0x6000, PageAccess.WRITE) + 5 * 8) >>> 2] = (frame << 12) | RW;
      editor.lp.tlb.insert(0, 0x6000, editor.lp.walker.spa, editor.lp.walker.writable, editor.lp.walker.gfn);
    };
    const counted = (act: () => void): { asked: number; saved: number; intercepts: number } => {
      const before = vtlbCounters(m.partition);
      act();
      const after = vtlbCounters(m.partition);
      return {
        asked: after.flushHandshakes! - before.flushHandshakes!,
        saved: after.flushesSaved! - before.flushesSaved!,
        intercepts: after.pageTableWriteIntercepts! - before.pageTableWriteIntercepts!,
      };
    };
    t.is(reach(reader.lp, 0x5000), spaOf(100));
    reader.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
    for (const [round, away] of [true, false, true].entries()) {
      turnTo(1);
      t.is(reach(reader.lp, 0x5000), spaOf(round === 0 ? 100 : 100 + round));
      t.is(counted(() => edit(101 + round)).intercepts, 1);
      if (away) turnTo(OTHER);
      const { asked, saved } = counted(() => reader.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL));
      t.deepEqual([asked, saved], away ? [0, 1] : [1, 0], `round ${round}`);
      t.is(reach(reader.lp, 0x5000), spaOf(101 + round));
      t.is(checkTracking(m, [[0, reader.lp]]), null);
    }
    // The bank that the editor left behind lets it write no more.
    turnTo(1);
    t.is(counted(() => edit(120)).intercepts, 1);
    reader.lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
    t.is(reach(reader.lp, 0x5000), spaOf(120));
  },
);

/** Two nodes, an LP on each, and a VP on each LP whose tables are in its own node's half of RAM. Share of walks that end in another node's table. */
const remoteShare = (t: { is(a: unknown, b: unknown): void }, numa: string): { share: number; fills: number } => {
  const roots = [1, PAGES / 2 + 1];
  resetMachine(m, SPTS);
  m.partition.i32[PartitionLayout.at.nodeCount >>> 2] = 2;
  roots.forEach((_, index) => {
    m.machine.u32[(lpBlockAt(index) + LpLayout.at.node) >>> 2] = index;
  });
  // As in a machine: LPs are there before the arena is laid out.
  m.partition.u32[vtlbWord('sptCount') >>> 2] = 0;
  const lps = roots.map((_, index) => makeLp(m, index));
  initVtlb(m.partition, SPTS);
  set('vtlb.numa', numa);
  roots.forEach((root) => {
    link(root, 0, root + 1);
    link(root + 1, 0, root + 2);
    for (let n = 0; n < 40; n++) {
      link(root + 2, n, root + 3 + n);
      link(root + 3 + n, 5, root + 100 + n);
    }
  });
  for (const [index, lp] of lps.entries()) lp.vtlb.load(longVp(m, index, roots[index]!));
  for (let round = 0; round < 20; round++)
    lps.forEach((lp, index) => {
      for (let n = 0; n < 40; n++) t.is(reach(lp, region(n)), spaOf(roots[index] + 100 + n));
    });
  for (const lp of lps) lp.vtlb.unload();
  t.is(checkStructure(m), null);
  const { walks, remoteWalks, fills, sptPool, sptFree, sptUsedNode0, sptUsedNode1 } = vtlbCounters(m.partition);
  t.is(sptUsedNode0! + sptUsedNode1!, sptPool! - sptFree!);
  return { share: remoteWalks / walks, fills };
};

test.serial("walks stay on the LP's node with vtlb.numa=local where the guest's tables do, and always with instance", (t) => {
  const off = remoteShare(t, 'off');
  const local = remoteShare(t, 'local');
  const instance = remoteShare(t, 'instance');
  t.log(`remote walks: off ${off.share}, local ${local.share}, instance ${instance.share}`);
  t.true(off.share > 0.3);
  t.true(local.share <= off.share / 20);
  t.is(instance.share, 0);
});

test.serial(
  'each node has a vTLB of its own with vtlb.numa=instance: what two nodes use is filled twice, and an INVLPG goes over both',
  (t) => {
    resetMachine(m, SPTS);
    m.partition.i32[PartitionLayout.at.nodeCount >>> 2] = 2;
    initVtlb(m.partition, SPTS);
    set('vtlb.numa', 'instance');
    link(1, 0, 2);
    link(2, 0, 3);
    link(3, 0, 4);
    link(4, 5, 100);
    const lps = [0, 1].map((index) => {
      m.machine.u32[(lpBlockAt(index) + LpLayout.at.node) >>> 2] = index;
      const lp = makeLp(m, index);
      lp.vtlb.load(longVp(m, index, 1));
      t.is(reach(lp, region(0)), spaOf(100));
      return lp;
    });
    t.not(lps[0].vtlb.sas, lps[1].vtlb.sas);
    link(4, 5, 101);
    lps[0].vtlb.invlpg(region(0));
    for (const lp of lps) t.is(reach(lp, region(0)), spaOf(101));
    t.is(checkStructure(m), null);
  },
);

test.serial('what is below a large page is on the node of the table that has its entry, with vtlb.numa=local', (t) => {
  const [ROOT, LARGE] = [PAGES / 2 + 1, 0x20_0000];
  resetMachine(m, SPTS);
  m.partition.i32[PartitionLayout.at.nodeCount >>> 2] = 2;
  initVtlb(m.partition, SPTS);
  set('vtlb.numa', 'local');
  link(ROOT, 0, ROOT + 1);
  link(ROOT + 1, 0, ROOT + 2);
  // The page itself begins in the first node's half.
  m.partition.i32[entry64(ROOT + 2, 1) >>> 2] = RW | Pte.PS;
  const lp = makeLp(m, 0);
  lp.vtlb.load(longVp(m, 0, ROOT));
  t.is(reach(lp, LARGE + 0x5000), spaOf(5));
  const { sptUsedNode0, sptUsedNode1 } = vtlbCounters(m.partition);
  t.deepEqual([sptUsedNode0, sptUsedNode1], [0, 4]);
  lp.vtlb.unload();
  t.is(checkStructure(m), null);
});
