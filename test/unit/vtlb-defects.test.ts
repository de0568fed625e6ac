// Defects that random guests have found, each as the shortest guest that shows it.
import test from 'ava';
import { ShadowMmu } from '../../daemon/hypervisor/shadow-mmu.js';
import { VTLB_CLASSES, type VtlbClasses } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { Access } from '../../daemon/machine/guest-memory.js';
import { GuestFault } from '../../daemon/machine/processor.js';
import { Walk } from '../../daemon/machine/walker.js';
import { Cr0, Cr4, Rflags } from '../../shared/abi/registers.js';
import { KICKED, LpContextLayout, TLB_BANK_SIZE, TLB_ENTRY_SIZE, TlbEntry } from '../../shared/layout/lp-context.js';
import { MachineLayout } from '../../shared/layout/machine.js';
import { PageAccess, Pte } from '../../shared/layout/paging.js';
import { lpContextAt, PartitionLayout } from '../../shared/layout/partition.js';
import { SAS_MAX, Sas, sasAt, UNSETTLED, VtlbLpLayout, vtlbLpAt } from '../../shared/layout/vtlb.js';
import { findPolicy, settingOf } from '../../shared/protocol/policies.js';
import { LeavesReplacedTables } from '../interleave/mutants.js';
import { entry32, entry64, legacyVp, longVp, makeLp, makeMachine, resetMachine, setFlags, spaOf } from '../interleave/small-machine.js';
import { checkStructure } from '../interleave/structure-check.js';

const m = makeMachine(1200, 1);
const RW = Pte.P | Pte.W | Pte.U | Pte.A | Pte.D;
const ROOT = 1;
const TABLE = 2;
const UPPER_HALF = 0x20_0000;

const set = (name: string, value: string): void => {
  const policy = findPolicy(name);
  m.machine.i32[(MachineLayout.at.policies >>> 2) + policy.word] = settingOf(policy, value);
};
const makeMmu = (tags: string, spts = 24, classes?: VtlbClasses): ShadowMmu => {
  resetMachine(m, spts);
  set('vtlb.tags', tags);
  const silent = { tlbMiss: () => {}, pageFault: () => {}, reflected: () => {} };
  const none = { flushAll: () => {}, flushBank: () => {}, flushPage: () => {}, select: () => {} };
  return new ShadowMmu(m.machine, m.partition, 0, none, new GuestFault(), silent, { classes });
};

for (const tags of ['1', '64'])
  for (const flushed of [0, UPPER_HALF])
    test.serial(`INVLPG in one half of a page of 4 MiB flushes the other half too: at ${flushed.toString(16)}, vtlb.tags=${tags}`, (t) => {
      const mmu = makeMmu(tags);
      const vp = legacyVp(m, 0, ROOT, Cr4.PSE);
      m.partition.u32[entry32(ROOT, 0) >>> 2] = RW | Pte.PS;
      mmu.load(vp);
      const other = flushed ^ UPPER_HALF;
      t.is(mmu.resolve(other, Access.READ, false, false), spaOf(other >>> 12));
      m.partition.u32[entry32(ROOT, 0) >>> 2] = 0;
      mmu.invlpg(flushed);
      t.is(mmu.peek(other, false, Access.READ), -2);
      t.true(mmu.resolve(other, Access.READ, false, false) < 0);
    });

test.serial('INVLPG that clears the other half of a page of 4 MiB alone leaves the hardware TLBs of its own space out of step', (t) => {
  const two = makeMachine(1200, 2);
  resetMachine(two, 24);
  const policy = findPolicy('vtlb.tags');
  two.machine.i32[(MachineLayout.at.policies >>> 2) + policy.word] = settingOf(policy, '64');
  const lps = [0, 1].map((index) => {
    const lp = makeLp(two, index);
    lp.vtlb.load(legacyVp(two, index, ROOT + index, Cr4.PSE));
    two.partition.u32[entry32(ROOT + index, 0) >>> 2] = RW | Pte.PS;
    return lp;
  });
  const [, own] = lps.map((lp) => lp.vtlb.sas);
  const versions = (): number[] => lps.map((lp) => two.partition.i32[(sasAt(lp.vtlb.sas) + Sas.version) >>> 2]);
  lps[1].vtlb.pageFault(UPPER_HALF, PageAccess.READ);
  t.is(lps[1].walker.walk(UPPER_HALF, PageAccess.READ), Walk.HIT);
  const before = versions();
  lps[1].vtlb.invlpg(0);
  t.not(own, lps[0].vtlb.sas);
  t.deepEqual(versions(), [before[0], before[1] + 1]);
});

test.serial('an LP that may write a page once is asked by who protects the page, until its next fault', (t) => {
  const mmu = makeMmu('64');
  set('vtlb.track', 'write');
  const vp = legacyVp(m, 0, ROOT);
  const window = 0x6000;
  m.partition.u32[entry32(ROOT, 0) >>> 2] = (TABLE << 12) | RW;
  m.partition.u32[entry32(TABLE, window >>> 12) >>> 2] = (TABLE << 12) | RW;
  const settled = (): number => m.partition.i32[(vtlbLpAt(0) + VtlbLpLayout.at.space) >>> 2];
  mmu.load(vp);
  for (let n = 0; n < 200; n++) {
    mmu.resolve(window, Access.READ, false, false);
    mmu.switchAddressSpace(Flush.NON_GLOBAL);
  }
  t.is(settled(), mmu.lp.vtlb.sas + 1);
  t.is(mmu.resolve(window, Access.WRITE, false, false), spaOf(TABLE));
  t.is(settled(), UNSETTLED);
  t.true(mmu.resolve(0x7000, Access.READ, false, false) < 0);
  t.is(settled(), mmu.lp.vtlb.sas + 1);
});

test.serial('a write that is lent to the supervisor once, under SMAP, is seen when it is to a page table', (t) => {
  const mmu = makeMmu('64');
  const vp = legacyVp(m, 0, ROOT, Cr4.SMAP | Cr4.PGE);
  vp.cr0 = (vp.cr0 & ~Cr0.WP) >>> 0;
  setFlags(vp, Rflags.AC);
  const data = 0x5000;
  const window = 0x6000;
  m.partition.u32[entry32(ROOT, 0) >>> 2] = (TABLE << 12) | RW;
  m.partition.u32[entry32(TABLE, data >>> 12) >>> 2] = (40 << 12) | RW;
  m.partition.u32[entry32(TABLE, window >>> 12) >>> 2] = (TABLE << 12) | Pte.P | Pte.U | Pte.A | Pte.D;
  mmu.load(vp);
  t.is(mmu.resolve(data, Access.READ, false, false), spaOf(40));
  for (let n = 0; n < 200; n++) mmu.switchAddressSpace(Flush.NON_GLOBAL);
  t.is(mmu.resolve(data, Access.READ, false, false), spaOf(40));
  // A read-only user page, written by the supervisor: CR0.WP is 0.
  const spa = mmu.resolve(window + (data >>> 12) * 4, Access.WRITE, false, false);
  t.is(spa, entry32(TABLE, data >>> 12));
  m.partition.u32[spa >>> 2] = (41 << 12) | RW;
  mmu.switchAddressSpace(Flush.NON_GLOBAL);
  t.is(mmu.resolve(data, Access.READ, false, false), spaOf(41));
});

test.serial('while a kick is pending no page is entered as writable without a look', (t) => {
  const mmu = makeMmu('64');
  const vp = legacyVp(m, 0, ROOT, Cr4.PSE);
  m.partition.u32[entry32(ROOT, 0) >>> 2] = RW | Pte.PS;
  mmu.load(vp);
  const kick = (lpContextAt(0) + LpContextLayout.at.kick) >>> 2;
  const entry = (lpContextAt(0) + LpContextLayout.at.tlbs + mmu.lp.tlb.bank * TLB_BANK_SIZE + 7 * TLB_ENTRY_SIZE) >>> 2;
  const { i32 } = m.partition;
  i32[kick] = KICKED;
  t.is(mmu.resolve(0x7000, Access.WRITE, false, false), spaOf(7));
  t.is(i32[entry], 0x7000);
  t.is(i32[entry + (TlbEntry.WRITE_TAG >> 2)], -1);
  i32[kick] = 0;
  t.is(mmu.resolve(0x7000, Access.WRITE, false, false), spaOf(7));
  t.is(i32[entry + (TlbEntry.WRITE_TAG >> 2)], 0x7000);
});

/** What the structure is like after the eviction of an address space in which a table was replaced, and the reclaim of others. */
const afterEviction = (classes?: VtlbClasses): string | null => {
  const mmu = makeMmu('64', 600, classes);
  const vp = longVp(m, 0, ROOT);
  const link = (table: number, index: number, frame: number): void => {
    m.partition.u32[entry64(table, index) >>> 2] = (frame << 12) | RW;
  };
  // Two chains of tables; the second replaces the first at the top.
  for (const first of [10, 20]) for (const n of [0, 1, 2]) link(first + n, 0, n === 2 ? 40 : first + n + 1);
  link(ROOT, 0, 10);
  mmu.load(vp);
  mmu.resolve(0, Access.READ, false, false);
  link(ROOT, 0, 20);
  mmu.invlpg(0);
  mmu.resolve(0, Access.READ, false, false);
  // So many address spaces that the first is evicted; then the tables that it had are used again.
  for (let space = 0; space < SAS_MAX + 2; space++) {
    link(200 + space, 0, 10);
    vp.cr3Num = (200 + space) * 4096;
    mmu.switchAddressSpace(Flush.NON_GLOBAL);
    mmu.resolve(0, Access.READ, false, false);
  }
  const lowered = findPolicy('vtlb.pages');
  m.machine.i32[(MachineLayout.at.policies >>> 2) + lowered.word] = settingOf(lowered, '512');
  mmu.lp.spaces.reclaim();
  return checkStructure(m);
};
test.serial('a table that was replaced in an address space that is evicted does not take others with it', (t) => {
  t.is(afterEviction(), null);
  t.not(afterEviction({ ...VTLB_CLASSES, Reclaim: LeavesReplacedTables }), null);
});

for (const tags of ['1', '64'])
  test.serial(`INVLPG flushes a large page that another LP's fill has replaced by a table: vtlb.tags=${tags}`, (t) => {
    const two = makeMachine(1200, 2);
    resetMachine(two, 24);
    const policy = findPolicy('vtlb.tags');
    two.machine.i32[(MachineLayout.at.policies >>> 2) + policy.word] = settingOf(policy, tags);
    two.partition.u32[entry32(ROOT, 0) >>> 2] = RW | Pte.PS;
    const [filler, holder] = [0, 1].map((index) => {
      const lp = makeLp(two, index);
      lp.vtlb.load(legacyVp(two, index, ROOT, Cr4.PSE));
      return lp;
    });
    const [named, other, third] = [0x5000, 0x6000, 0x7000];
    for (const gva of [named, other]) {
      holder.vtlb.pageFault(gva, PageAccess.READ);
      holder.tlb.insert(0, gva, spaOf(gva >>> 12), false, gva >>> 12, false);
    }
    two.partition.u32[entry32(ROOT, 0) >>> 2] = (TABLE << 12) | RW;
    two.partition.u32[entry32(TABLE, third >>> 12) >>> 2] = (40 << 12) | RW;
    filler.vtlb.pageFault(third, PageAccess.READ);
    holder.vtlb.invlpg(named);
    const bank = lpContextAt(1) + LpContextLayout.at.tlbs + holder.tlb.bank * TLB_BANK_SIZE;
    for (const gva of [named, other]) t.is(two.partition.i32[(bank + (gva >>> 12) * TLB_ENTRY_SIZE) >>> 2], -1);
  });

for (const flush of ['generation', 'walk'])
  test.serial(`an edit of the root table is seen under the name that the A20 gate leaves of it, vtlb.flush=${flush}`, (t) => {
    const mmu = makeMmu('64', 64);
    set('vtlb.untracked', '0');
    set('vtlb.flush', flush);
    const gate = (closed: number): void => {
      m.partition.i32[PartitionLayout.at.a20Closed >>> 2] = closed;
      mmu.flushPartition();
    };
    const link = (table: number, index: number, frame: number): void => {
      m.partition.u32[entry64(table, index) >>> 2] = (frame << 12) | RW;
    };
    // Trees of three tables, in which the page is at frame 40, 41 and 42. CR3 names the frame with the gate's bit, or the one without.
    for (const [tree, first] of [10, 20, 30].entries()) {
      link(first, 0, first + 1);
      link(first + 1, 0, first + 2);
      link(first + 2, 5, 40 + tree);
    }
    const behindGate = 0x100 | ROOT;
    link(ROOT, 0, 10);
    link(behindGate, 0, 20);
    const reaches = (frame: number): void => void t.is(mmu.resolve(0x5000, Access.READ, false, false), spaOf(frame));
    // The first switch finds the tables, the second takes the marks away.
    const settle = (frame: number): void => {
      for (let n = 0; n < 3; n++) {
        reaches(frame);
        mmu.switchAddressSpace(Flush.NON_GLOBAL);
      }
      reaches(frame);
    };
    const edit = (root: number, first: number): void => {
      mmu.lp.vtlb.beginStore(root);
      link(root, 0, first);
      mmu.lp.vtlb.endStore();
      mmu.switchAddressSpace(Flush.NON_GLOBAL);
    };
    mmu.load(longVp(m, 0, behindGate));
    settle(41);
    gate(1);
    settle(40);
    edit(ROOT, 30);
    reaches(42);
    settle(42);
    gate(0);
    settle(41);
    edit(behindGate, 30);
    reaches(42);
    t.is(checkStructure(m), null);
  });
