// A link to a shared node leads to translations that other spaces fill. So it goes when the space's own translations would, unless the guest's tables still say it:
// each case as the shortest guest that shows it, with writes tracked and without.
import test from 'ava';
import type { LpMmu } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { PageFault } from '../../daemon/hypervisor/vtlb/page-faults.js';
import { Walk } from '../../daemon/machine/walker.js';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { LpContextLayout, TLB_BANK_SIZE, TLB_ENTRIES, TLB_ENTRY_SIZE } from '../../shared/layout/lp-context.js';
import { MachineLayout } from '../../shared/layout/machine.js';
import { PageAccess, Pte } from '../../shared/layout/paging.js';
import { lpContextAt } from '../../shared/layout/partition.js';
import type { VpBlock } from '../../shared/layout/vp.js';
import { findPolicy, settingOf } from '../../shared/protocol/policies.js';
import { memoryOf } from '../interleave/oracle.js';
import { deviceStore, entry64, longVp, makeLp, makeMachine, resetMachine, spaOf } from '../interleave/small-machine.js';
import { checkSpaces } from '../interleave/space-check.js';
import { checkStructure } from '../interleave/structure-check.js';

const m = makeMachine(64, 2);
const RW = Pte.P | Pte.W | Pte.U | Pte.A | Pte.D;
/** Two spaces whose upper halves are one; a second set of tables that the first space may turn to. */
const ROOTS = [1, 2];
const KERNEL = 8;
const OTHER = 12;
const OLD = 20;
const NEW = 40;
const pageAt = (n: number): number => -(2 ** 47) + n * 4096;

const set = (name: string, value: string): void => {
  m.machine.i32[(MachineLayout.at.policies >>> 2) + findPolicy(name).word] = settingOf(findPolicy(name), value);
};
const link = (table: number, index: number, frame: number): void => {
  m.partition.i32[entry64(table, index) >>> 2] = (frame << 12) | RW;
};
const reach = (lp: LpMmu, gva: number): number => {
  for (let n = 0; n < 50; n++) {
    if (lp.walker.walk(gva, PageAccess.READ) === Walk.HIT) {
      lp.tlb.insert(0, gva, lp.walker.spa, lp.walker.writable, lp.walker.gfn, lp.walker.global);
      return lp.walker.spa;
    }
    if (lp.vtlb.pageFault(gva, PageAccess.READ) !== PageFault.FILLED) return -1;
  }
  throw new Error('50 fills and still no hit');
};
/** Whether the hardware TLB's bank in use holds the page. */
const holds = (lp: LpMmu, index: number, gva: number): boolean => {
  const bank = lpContextAt(index) + LpContextLayout.at.tlbs + lp.tlb.bank * TLB_BANK_SIZE;
  return m.partition.i32[(bank + ((gva >>> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY_SIZE) >>> 2] === (gva | 0);
};
/** The VP of LP 0 in the first space, that of LP 1 in the second; the first space has taken the node up. */
const begin = (share: string, tags: string): { lps: LpMmu[]; vps: VpBlock[] } => {
  resetMachine(m, 60);
  set('vtlb.share', share);
  set('vtlb.tags', tags);
  set('vtlb.untracked', '0');
  for (const root of ROOTS) link(root, 256, KERNEL);
  for (const [first, frame] of [
    [KERNEL, OLD],
    [OTHER, NEW],
  ] as const) {
    link(first, 0, first + 1);
    link(first + 1, 0, first + 2);
    for (let n = 0; n < 4; n++) link(first + 2, n, frame + n);
  }
  const vps = ROOTS.map((root, vp) => longVp(m, vp, root));
  const lps = vps.map((vp, index) => {
    const lp = makeLp(m, index);
    lp.vtlb.load(vp);
    reach(lp, pageAt(0));
    return lp;
  });
  // Tables that are known are tracked from here on.
  for (const lp of lps) lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
  for (const lp of lps) reach(lp, pageAt(0));
  return { lps, vps };
};
/** What the first space does to its root; the vTLB is told as of any write that is intercepted. */
const turn = (lp: LpMmu): void => {
  deviceStore(lp, ROOTS[0], () => link(ROOTS[0], 256, OTHER));
};

for (const share of ['3', '2'])
  for (const tags of ['1', '64']) {
    const name = `vtlb.share=${share}, vtlb.tags=${tags}`;

    test.serial(`a link that the guest has changed is not used after MOV CR3, whatever another space fills: ${name}`, (t) => {
      const { lps } = begin(share, tags);
      turn(lps[0]);
      lps[0].vtlb.switchAddressSpace(Flush.NON_GLOBAL);
      t.is(reach(lps[1], pageAt(1)), spaOf(OLD + 1));
      t.is(reach(lps[0], pageAt(1)), spaOf(NEW + 1));
      t.is(checkStructure(m), null);
    });

    test.serial(`a link that the guest has changed is not used after INVLPG, whatever another space fills: ${name}`, (t) => {
      const { lps } = begin(share, tags);
      turn(lps[0]);
      lps[0].vtlb.invlpg(pageAt(0));
      t.is(reach(lps[1], pageAt(0)), spaOf(OLD));
      t.is(reach(lps[0], pageAt(0)), spaOf(NEW));
      t.is(checkStructure(m), null);
    });

    test.serial(`INVLPG that takes a link away leaves nothing of it in hardware TLBs after the next flush: ${name}`, (t) => {
      const { lps } = begin(share, tags);
      t.is(reach(lps[0], pageAt(2)), spaOf(OLD + 2));
      turn(lps[0]);
      lps[0].vtlb.invlpg(pageAt(0));
      lps[0].vtlb.switchAddressSpace(Flush.NON_GLOBAL);
      t.false(holds(lps[0], 0, pageAt(2)));
    });

    test.serial(`a link that the guest has not changed stays when its page is invalidated, and when its space is flushed: ${name}`, (t) => {
      const { lps } = begin(share, tags);
      const { nodeLinks } = vtlbCounters(m.partition);
      deviceStore(lps[0], ROOTS[0], () => {});
      deviceStore(lps[0], KERNEL + 2, () => link(KERNEL + 2, 0, NEW));
      lps[0].vtlb.invlpg(pageAt(0));
      t.is(reach(lps[0], pageAt(0)), spaOf(NEW));
      lps[0].vtlb.switchAddressSpace(Flush.NON_GLOBAL);
      lps[1].vtlb.switchAddressSpace(Flush.NON_GLOBAL);
      for (const lp of lps) t.is(reach(lp, pageAt(0)), spaOf(NEW));
      t.is(vtlbCounters(m.partition).nodeLinks, nodeLinks);
    });

    test.serial(`a link that the guest has changed does not outlive that guest memory is replaced, vtlb.flush=walk: ${name}`, (t) => {
      const { lps } = begin(share, tags);
      set('vtlb.flush', 'walk');
      link(ROOTS[0], 256, OTHER);
      lps[0].vtlb.flushPartition();
      t.is(reach(lps[1], pageAt(1)), spaOf(OLD + 1));
      t.is(reach(lps[0], pageAt(1)), spaOf(NEW + 1));
    });
  }

test.serial('a link that the guest changed while nothing was tracked is not taken for a true one when tracking begins', (t) => {
  for (const share of ['3', '2']) {
    const { lps, vps } = begin(share, '1');
    link(ROOTS[0], 256, OTHER);
    // The first space is left; its VP flushed nothing of it meanwhile.
    vps[0].cr3Num = 5 * 4096;
    link(5, 256, KERNEL);
    lps[0].vtlb.switchAddressSpace(Flush.NON_GLOBAL);
    set('vtlb.tags', '64');
    for (const lp of lps) lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
    t.is(reach(lps[1], pageAt(1)), spaOf(OLD + 1));
    t.is(checkSpaces(m, memoryOf(m), -1), null);
    vps[0].cr3Num = ROOTS[0] * 4096;
    lps[0].vtlb.switchAddressSpace(Flush.NON_GLOBAL);
    t.is(reach(lps[0], pageAt(1)), spaOf(NEW + 1));
  }
});

test.serial('a VP that comes to tables of another owner finds none of its own old translations there, vtlb.tags=1', (t) => {
  resetMachine(m, 60);
  set('vtlb.tags', '1');
  set('vtlb.pervp', 'on');
  link(1, 0, 4);
  link(4, 0, 5);
  link(5, 0, 6);
  link(6, 0, OLD);
  const vp = longVp(m, 0, 1);
  const [lp, other] = [makeLp(m, 0), makeLp(m, 1)];
  lp.vtlb.load(vp);
  t.is(reach(lp, 0), spaOf(OLD));
  set('vtlb.pervp', 'off');
  lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
  link(6, 0, NEW);
  lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
  t.is(reach(lp, 0), spaOf(NEW));
  set('vtlb.pervp', 'on');
  lp.vtlb.unload();
  other.vtlb.load(vp);
  t.is(reach(other, 0), spaOf(NEW));
});
