// Processes whose address spaces have the same upper half, as Linux makes them: how many shadow tables they need with vtlb.share and without, and that edits of what is
// shared reach each of them when the architecture says so.
import test from 'ava';
import type { LpMmu } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { PageFault } from '../../daemon/hypervisor/vtlb/page-faults.js';
import { Walk } from '../../daemon/machine/walker.js';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { MachineLayout } from '../../shared/layout/machine.js';
import { PageAccess, Pte } from '../../shared/layout/paging.js';
import { PartitionLayout } from '../../shared/layout/partition.js';
import type { VpBlock } from '../../shared/layout/vp.js';
import { vtlbWord } from '../../shared/layout/vtlb.js';
import { findPolicy, settingOf } from '../../shared/protocol/policies.js';
import { checkTranslations } from '../interleave/oracle.js';
import { deviceStore, entry64, longVp, makeLp, makeMachine, resetMachine, spaOf } from '../interleave/small-machine.js';
import { checkStructure } from '../interleave/structure-check.js';

const PAGES = 512;
const PROCESSES = 16;
const RW = Pte.P | Pte.W | Pte.U | Pte.A | Pte.D;
/** Regions of 2 MiB that the kernel touches. */
const REGIONS = 12;
const KERNEL = 100;
const rootOf = (process: number): number => 1 + process * 4;
const kernelPage = (region: number): number => -(2 ** 47) + region * 0x20_0000 + 0x5000;
const USER_PAGE = 0x5000;

const m = makeMachine(PAGES, 2);
const set = (name: string, value: string): void => {
  m.machine.i32[(MachineLayout.at.policies >>> 2) + findPolicy(name).word] = settingOf(findPolicy(name), value);
};
const link = (table: number, index: number, frame: number, bits: number = RW): void => {
  m.partition.i32[entry64(table, index) >>> 2] = (frame << 12) | bits;
};
const build = (share: string, tags: string, coalesce = 'off'): void => {
  resetMachine(m, 700);
  set('vtlb.share', share);
  set('vtlb.tags', tags);
  set('vtlb.coalesce', coalesce);
  for (let process = 0; process < PROCESSES; process++) {
    const root = rootOf(process);
    link(root, 0, root + 1);
    link(root + 1, 0, root + 2);
    link(root + 2, 0, root + 3);
    link(root + 3, 5, 300 + process);
    link(root, 256, KERNEL);
  }
  link(KERNEL, 0, KERNEL + 1);
  for (let region = 0; region < REGIONS; region++) {
    link(KERNEL + 1, region, KERNEL + 2 + region);
    link(KERNEL + 2 + region, 5, 200 + region, RW | (region & 1 ? Pte.G : 0));
  }
};
const reach = (lp: LpMmu, gva: number): number => {
  for (let n = 0; n < 50; n++) {
    if (lp.walker.walk(gva, PageAccess.READ) === Walk.HIT) return lp.walker.spa;
    if (lp.vtlb.pageFault(gva, PageAccess.READ) !== PageFault.FILLED) return -1;
  }
  throw new Error('50 fills and still no hit');
};
const enter = (lp: LpMmu, vp: VpBlock, process: number): void => {
  vp.cr3Num = rootOf(process) * 4096;
  lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
};

/** SPTs in use after all processes have touched their page and the kernel's. */
const run = (
  t: { is(a: unknown, b: unknown): void; true(a: boolean): void },
  share: string,
  tags: string,
  coalesce = 'off',
): { live: number; fills: number; coalesced: number } => {
  build(share, tags, coalesce);
  const lps = [0, 1].map((index) => ({ lp: makeLp(m, index), vp: longVp(m, index, rootOf(index)) }));
  for (const { lp, vp } of lps) lp.vtlb.load(vp);
  for (let n = 0; n < 2 * PROCESSES; n++) {
    const { lp, vp } = lps[n & 1];
    enter(lp, vp, n % PROCESSES);
    t.is(reach(lp, USER_PAGE), spaOf(300 + (n % PROCESSES)));
    for (let region = 0; region < REGIONS; region++) t.is(reach(lp, kernelPage(region)), spaOf(200 + region));
  }
  t.is(checkStructure(m), null);
  const { sptLive, fills, tablesCoalesced } = vtlbCounters(m.partition);
  // An edit in one process is there in every other after a flush of its own.
  for (let process = 0; process < PROCESSES; process++) {
    const { lp, vp } = lps[process & 1];
    deviceStore(lp, KERNEL + 2, () => link(KERNEL + 2, 5, 250));
    enter(lp, vp, process);
    t.is(reach(lp, kernelPage(0)), spaOf(250));
    t.is(checkTranslations(m, vp, lp.walker, [USER_PAGE, kernelPage(0), kernelPage(1), kernelPage(7)]), null);
  }
  return { live: sptLive, fills, coalesced: tablesCoalesced };
};

for (const tags of ['1', '64'])
  test.serial(`16 processes with one kernel half need at most 40 % of the shadow tables with vtlb.share=3, vtlb.tags=${tags}`, (t) => {
    const off = run(t, 'off', tags);
    const two = run(t, '2', tags);
    const three = run(t, '3', tags);
    t.log(`tables: off ${off.live}, level 2 ${two.live}, level 3 ${three.live}; fills: ${off.fills}, ${two.fills}, ${three.fills}`);
    t.true(three.live <= 0.4 * off.live);
    t.true(two.live < 0.5 * off.live);
    t.true(tags === '1' || three.fills < 0.7 * off.fills);
  });

for (const tags of ['1', '64'])
  test.serial(`what processes have of one kernel half is merged, with vtlb.share or without, vtlb.tags=${tags}`, (t) => {
    const off = run(t, 'off', tags);
    for (const share of ['off', '3']) {
      const merged = run(t, share, tags, '16');
      t.log(
        `tables: ${off.live}, merged with vtlb.share=${share} ${merged.live}; ${merged.coalesced} merged; fills ${off.fills}, ${merged.fills}`,
      );
      t.true(merged.live < (share === 'off' ? 0.6 : 0.4) * off.live);
      t.is(merged.coalesced > 0, share === 'off');
    }
    t.is(off.coalesced, 0);
  });

test.serial('the two spaces of a process under page-table isolation come to share its lower half', (t) => {
  for (const tags of ['1', '64']) {
    build('off', tags, '16');
    const lp = makeLp(m, 0);
    const vp = longVp(m, 0, rootOf(0));
    lp.vtlb.load(vp);
    // The second process has the first one's lower half.
    link(rootOf(1), 0, rootOf(0) + 1);
    const other = USER_PAGE + 4096;
    link(rootOf(0) + 3, 6, 350);
    for (let process = 0; process < 2; process++) {
      enter(lp, vp, process);
      t.is(reach(lp, process === 0 ? USER_PAGE : other), spaOf(process === 0 ? 300 : 350));
    }
    m.partition.i32[vtlbWord('tablesMade') >>> 2] = 16;
    t.is(reach(lp, kernelPage(0)), spaOf(200));
    t.is(vtlbCounters(m.partition).tablesCoalesced, 2);
    t.is(checkStructure(m), null);
    enter(lp, vp, 0);
    t.is(reach(lp, other), spaOf(350));
    deviceStore(lp, rootOf(0) + 3, () => link(rootOf(0) + 3, 5, 351));
    lp.vtlb.invlpg(USER_PAGE);
    for (const process of [0, 1]) {
      enter(lp, vp, process);
      t.is(reach(lp, USER_PAGE), spaOf(351));
      t.is(checkTranslations(m, vp, lp.walker, [USER_PAGE, other]), null);
    }
    t.is(checkStructure(m), null);
  }
});

test.serial('an INVLPG in one process takes the shared translation from all, and tables are shared or not as the policy changes', (t) => {
  for (const tags of ['1', '64']) {
    build('3', tags);
    const lp = makeLp(m, 0);
    const vp = longVp(m, 0, rootOf(0));
    lp.vtlb.load(vp);
    for (let process = 0; process < 4; process++) {
      set('vtlb.share', ['3', 'off', '2', '3'][process]);
      enter(lp, vp, process);
      t.is(reach(lp, kernelPage(1)), spaOf(201));
    }
    deviceStore(lp, KERNEL + 3, () => link(KERNEL + 3, 5, 251, RW | Pte.G));
    lp.vtlb.invlpg(kernelPage(1));
    for (let process = 3; process >= 0; process--) {
      enter(lp, vp, process);
      t.is(reach(lp, kernelPage(1)), spaOf(251));
      t.is(checkTranslations(m, vp, lp.walker, [kernelPage(1)]), null);
    }
    t.is(checkStructure(m), null);
  }
});

test.serial('a shared node goes with the last space that has taken it up', (t) => {
  build('3', '64');
  set('vtlb.pages', '64');
  const lp = makeLp(m, 0);
  const vp = longVp(m, 0, rootOf(0));
  lp.vtlb.load(vp);
  for (let n = 0; n < 5 * PROCESSES; n++) {
    enter(lp, vp, (n * 5) % PROCESSES);
    t.is(reach(lp, USER_PAGE), spaOf(300 + ((n * 5) % PROCESSES)));
    t.is(reach(lp, kernelPage(n % REGIONS)), spaOf(200 + (n % REGIONS)));
    if (n % 20 === 0) t.is(checkStructure(m), null);
  }
  lp.vtlb.flushPartition();
  for (let n = 0; n < 5 * PROCESSES; n++) {
    enter(lp, vp, n % PROCESSES);
    t.is(reach(lp, kernelPage(n % REGIONS)), spaOf(200 + (n % REGIONS)));
  }
  t.is(checkStructure(m), null);
  const { nodesMade, nodeLinks } = vtlbCounters(m.partition);
  t.true(nodesMade < nodeLinks);
});

for (const flush of ['generation', 'walk'])
  test.serial(`the A20 gate opens: a root of another name leads to no shared node that others go on filling, vtlb.flush=${flush}`, (t) => {
    build('3', '64');
    set('vtlb.flush', flush);
    const gate = (closed: number): void => {
      m.partition.i32[PartitionLayout.at.a20Closed >>> 2] = closed;
      lp.vtlb.flushPartition();
    };
    const [lp, other] = [makeLp(m, 0), makeLp(m, 1)];
    // Behind the gate there is nothing; while it is closed the name is that of the first process's root.
    lp.vtlb.load(longVp(m, 0, 0x100 | rootOf(0)));
    other.vtlb.load(longVp(m, 1, rootOf(1)));
    gate(1);
    for (const each of [lp, other]) t.is(reach(each, kernelPage(0)), spaOf(200));
    gate(0);
    t.is(reach(other, kernelPage(0)), spaOf(200));
    t.is(reach(lp, kernelPage(0)), -1);
    t.is(checkStructure(m), null);
  });

for (const how of ['vtlb.share', 'vtlb.coalesce'])
  test.serial(`however many shared nodes guests could have, each LP finds an entry for its space: ${how}`, (t) => {
    const lps = 40;
    const many = makeMachine(PAGES, lps);
    resetMachine(many, 700);
    const put = (table: number, index: number, frame: number): void => {
      many.partition.i32[entry64(table, index) >>> 2] = (frame << 12) | RW;
    };
    for (const [name, value] of [how === 'vtlb.share' ? ['vtlb.share', '3'] : ['vtlb.coalesce', '16'], ['vtlb.tags', '64']] as const)
      many.machine.i32[(MachineLayout.at.policies >>> 2) + findPolicy(name).word] = settingOf(findPolicy(name), value);
    // A root and three tables for each, which the root leads to at eight places of its upper half; with vtlb.coalesce two spaces have the same.
    const tablesOf = (n: number): number => 10 + 3 * (how === 'vtlb.share' ? n : n >> 1);
    const rootFrame = (n: number): number => 200 + n;
    const places = 8;
    const vps = Array.from({ length: lps }, (_, n) => {
      const first = tablesOf(n);
      for (let place = 0; place < places; place++) put(rootFrame(n), 256 + place, first);
      put(first, 0, first + 1);
      put(first + 1, 0, first + 2);
      put(first + 2, 5, 300 + n);
      return { lp: makeLp(many, n), vp: longVp(many, n, rootFrame(n)) };
    });
    for (const { lp, vp } of vps) lp.vtlb.load(vp);
    for (let round = 0; round < 3; round++)
      for (const { lp } of vps)
        for (let place = 0; place < places; place++) {
          const gva = -(2 ** 47) + place * 2 ** 39 + 0x5000;
          t.true(reach(lp, gva) > 0);
        }
    t.is(checkStructure(many), null);
    // Each goes to a space that nobody has been in.
    for (const { lp, vp } of vps) {
      vp.cr3Num = 0x5000;
      lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
      vp.cr3Num = rootFrame(vp.index) * 4096;
      lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
      t.true(reach(lp, -(2 ** 47) + 0x5000) > 0);
    }
    t.is(checkStructure(many), null);
    t.true(vtlbCounters(many.partition).nodesMade > 20);
  });

test.serial('nodes of spaces that nobody has loaded make room for others', (t) => {
  build('3', '1');
  const lp = makeLp(m, 0);
  const vp = longVp(m, 0, rootOf(0));
  lp.vtlb.load(vp);
  const ROUNDS = 150;
  for (let round = 1; round <= ROUNDS; round++) {
    lp.vtlb.flush(Flush.ALL);
    t.is(reach(lp, kernelPage(1)), spaOf(201));
    t.is(vtlbCounters(m.partition).nodesMade, round);
  }
  t.is(vtlbCounters(m.partition).nodeLinks, ROUNDS);
  t.is(checkStructure(m), null);
});
