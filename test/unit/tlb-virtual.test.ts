// The vTLB on one LP: what control registers, large pages, INVLPG, MOV CR3 and a small pool do to shadow translations.
import test from 'ava';
import type { LpMmu } from '../../daemon/hypervisor/vtlb/create-vtlb.js';
import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { PageFault } from '../../daemon/hypervisor/vtlb/page-faults.js';
import { Walk } from '../../daemon/machine/walker.js';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { Cr0, Cr4, Rflags } from '../../shared/abi/registers.js';
import { MachineLayout } from '../../shared/layout/machine.js';
import { PageAccess, Pte } from '../../shared/layout/paging.js';
import { PartitionMap, vpBlockAt } from '../../shared/layout/partition.js';
import { VpBlock } from '../../shared/layout/vp.js';
import { LockMode, vtlbWord } from '../../shared/layout/vtlb.js';
import { entry32, entry64, legacyVp, longVp, makeLp, makeMachine, resetMachine, setFlags, spaOf } from '../interleave/small-machine.js';
import { checkStructure } from '../interleave/structure-check.js';

const PAGES = 1024;
const m = makeMachine(PAGES, 2);
const { u32 } = m.partition;
const RW = Pte.P | Pte.W | Pte.U;
const { READ, WRITE, USER, FETCH } = PageAccess;

const set32 = (frame: number, index: number, value: number): void => {
  u32[entry32(frame, index) >>> 2] = value >>> 0;
};
const set64 = (frame: number, index: number, low: number, high = 0): void => {
  u32[entry64(frame, index) >>> 2] = low >>> 0;
  u32[(entry64(frame, index) >>> 2) + 1] = high >>> 0;
};
/** Result of one access: SPA of the page, or what the intercept said, negative. */
const access = (lp: LpMmu, gva: number, kind: number): number => {
  for (let n = 0; n < 3; n++) {
    if (lp.walker.walk(gva, kind) === Walk.HIT) return lp.walker.spa;
    const result = lp.vtlb.pageFault(gva, kind);
    if (result !== PageFault.FILLED) return -result;
  }
  return -99;
};
/** 4-level tables in frames 1..4: the first 2 MiB by 4 KiB pages of identity, second 2 MiB as one page at GPA 2 MiB. */
const longMachine = (spts = 64): { lp: LpMmu; vp: VpBlock } => {
  resetMachine(m, spts);
  const vp = longVp(m, 0, 1);
  set64(1, 0, 0x2000 | RW);
  set64(2, 0, 0x3000 | RW);
  set64(3, 0, 0x4000 | RW);
  set64(3, 1, 0x20_0000 | RW | Pte.PS | Pte.G);
  for (let i = 0; i < 512; i++) set64(4, i, (i << 12) | RW);
  const lp = makeLp(m, 0);
  lp.vtlb.load(vp);
  return { lp, vp };
};

test.serial('INVLPG of any address of a large page drops all of its granules, from SPTs and hardware TLB', (t) => {
  const { lp } = longMachine();
  for (const gva of [0x20_0000, 0x30_0000, 0x3f_f000]) {
    t.is(access(lp, gva, WRITE), PartitionMap.RAM + gva);
    lp.tlb.insert(0, gva, lp.walker.spa, lp.walker.writable, lp.walker.gfn, lp.walker.global);
  }
  t.true(lp.walker.global);
  const before = lp.tlb.flushes;
  lp.vtlb.invlpg(0x25_0000);
  t.is(lp.tlb.flushes, before + 1);
  for (const gva of [0x20_0000, 0x30_0000, 0x3f_f000]) t.not(lp.walker.walk(gva, READ), Walk.HIT);
  t.is(access(lp, 0x1000, READ), spaOf(1));
  lp.vtlb.invlpg(0x1000);
  t.is(lp.tlb.flushes, before + 1);
});

test.serial('MOV CR3 drops what is not global and keeps what is; a flush of everything drops both', (t) => {
  const { lp } = longMachine();
  access(lp, 0x1000, READ);
  access(lp, 0x20_0000, READ);
  lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
  t.not(lp.walker.walk(0x1000, READ), Walk.HIT);
  t.is(lp.walker.walk(0x20_0000, READ), Walk.HIT);
  lp.vtlb.flush(Flush.ALL);
  t.not(lp.walker.walk(0x20_0000, READ), Walk.HIT);
  t.is(checkStructure(m), null);
});

test.serial('INVLPG under one CR3 drops a global entry that was filled under another', (t) => {
  const { lp, vp } = longMachine();
  access(lp, 0x20_0000, READ);
  for (let i = 0; i < 512; i++) set64(6, i, u32[entry64(1, i) >>> 2]);
  vp.cr3Num = 6 * 4096;
  lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
  set64(3, 1, 0x20_0000 | Pte.P | Pte.PS | Pte.G); // supervisor, read-only now
  lp.vtlb.invlpg(0x20_0000);
  vp.cr3Num = 1 * 4096;
  lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
  t.is(access(lp, 0x20_0000, READ | USER), -PageFault.GUEST_FAULT);
  t.is(lp.vtlb.found.errorCode, 5);
});

test.serial('a VP sees its own INVLPG after it has moved to another LP and back', (t) => {
  const { lp, vp } = longMachine();
  access(lp, 0x5000, READ);
  lp.tlb.insert(0, 0x5000, lp.walker.spa, false, 5);
  const other = makeLp(m, 1);
  other.vtlb.load(vp);
  set64(4, 5, (9 << 12) | RW);
  other.vtlb.invlpg(0x5000);
  t.is(access(other, 0x5000, READ), spaOf(9));
  const before = lp.tlb.flushes;
  lp.vtlb.load(vp);
  t.is(lp.tlb.flushes, before + 1);
  t.is(access(lp, 0x5000, READ), spaOf(9));
  lp.vtlb.load(vp);
  t.is(lp.tlb.flushes, before + 1, 'nothing to flush when it comes back to where it was');
});

test.serial('a directory entry that changes leads to another SPT, and the old one is condemned', (t) => {
  const { lp } = longMachine();
  access(lp, 0x5000, READ);
  set64(5, 5, (77 << 12) | RW);
  set64(3, 0, 0x5000 | RW);
  lp.vtlb.invlpg(0x5000);
  t.is(access(lp, 0x5000, READ), spaOf(77));
  t.is(vtlbCounters(m.partition).sptCondemned, 1);
  t.is(checkStructure(m), null);
});

test.serial('with CR0.WP = 0 a supervisor write goes to a read-only user page, and user code still may not write', (t) => {
  resetMachine(m, 32);
  const vp = legacyVp(m, 0, 1, 0);
  vp.cr0 = (Cr0.PG | Cr0.PE) >>> 0;
  set32(1, 0, 0x2000 | RW);
  set32(2, 5, (5 << 12) | Pte.P | Pte.U);
  const lp = makeLp(m, 0);
  lp.vtlb.load(vp);
  t.is(access(lp, 0x5000, READ | USER), spaOf(5));
  t.is(access(lp, 0x5000, WRITE), spaOf(5));
  t.is(access(lp, 0x5000, READ | USER), spaOf(5));
  t.is(access(lp, 0x5000, WRITE | USER), -PageFault.GUEST_FAULT);
  t.is(lp.vtlb.found.errorCode, 7);
  t.is(access(lp, 0x5000, WRITE), spaOf(5));
  // The same with SMEP: lending must not make user code executable for the supervisor.
  vp.cr4 = Cr4.SMEP;
  lp.vtlb.switchAddressSpace(Flush.ALL);
  t.is(access(lp, 0x5000, WRITE), spaOf(5));
  t.is(access(lp, 0x5000, FETCH), -PageFault.GUEST_FAULT);
  t.is(lp.vtlb.found.errorCode, 0x11);
  // With WP = 1 the write faults.
  vp.cr0 = (Cr0.PG | Cr0.PE | Cr0.WP) >>> 0;
  lp.vtlb.switchAddressSpace(Flush.NONE);
  t.is(access(lp, 0x5000, WRITE), -PageFault.GUEST_FAULT);
  t.is(lp.vtlb.found.errorCode, 3);
});

test.serial('with CR0.WP = 0 and SMAP such a write is good once and leaves nothing behind', (t) => {
  resetMachine(m, 32);
  const vp = legacyVp(m, 0, 1, Cr4.SMAP);
  vp.cr0 = (Cr0.PG | Cr0.PE) >>> 0;
  set32(1, 0, 0x2000 | RW);
  set32(2, 5, (5 << 12) | Pte.P | Pte.U);
  const lp = makeLp(m, 0);
  lp.vtlb.load(vp);
  setFlags(vp, Rflags.AC);
  t.is(access(lp, 0x5004, WRITE), -PageFault.ONCE);
  t.is(lp.vtlb.found.spa, spaOf(5) + 4);
  setFlags(vp, 0);
  t.is(access(lp, 0x5000, WRITE), -PageFault.GUEST_FAULT);
  t.is(access(lp, 0x5000, READ), -PageFault.GUEST_FAULT);
  t.is(lp.vtlb.found.errorCode, 1);
});

test.serial('a right that hangs on EFLAGS.AC is not for the hardware TLB', (t) => {
  resetMachine(m, 32);
  const vp = legacyVp(m, 0, 1, Cr4.SMAP);
  set32(1, 0, 0x2000 | RW);
  set32(2, 5, (5 << 12) | RW);
  const lp = makeLp(m, 0);
  lp.vtlb.load(vp);
  setFlags(vp, Rflags.AC);
  t.is(access(lp, 0x5000, READ), spaOf(5));
  t.false(lp.walker.cacheable);
  t.is(access(lp, 0x5000, READ | USER), spaOf(5));
  t.true(lp.walker.cacheable);
  t.is(access(lp, 0x5000, READ | PageAccess.IMPLICIT), -PageFault.GUEST_FAULT);
});

test.serial('D in the guest entry comes with the first write, not before', (t) => {
  const { lp } = longMachine();
  t.is(access(lp, 0x7000, READ), spaOf(7));
  t.false(lp.walker.writable);
  t.is(u32[entry64(4, 7) >>> 2], ((7 << 12) | RW | Pte.A) >>> 0);
  t.is(access(lp, 0x7000, WRITE), spaOf(7));
  t.true(lp.walker.writable);
  t.is(u32[entry64(4, 7) >>> 2], ((7 << 12) | RW | Pte.A | Pte.D) >>> 0);
});

test.serial('pages beyond RAM go to the caller and get no SPTE', (t) => {
  const { lp } = longMachine();
  set64(4, 9, 0xfee0_0000 | RW, 0);
  t.is(access(lp, 0x9024, READ), -PageFault.MMIO);
  t.is(lp.vtlb.found.gpa, 0xfee0_0024);
  t.not(lp.walker.walk(0x9024, READ), Walk.HIT);
});

test.serial('a pool much smaller than the working set goes on by reclaim, with many address spaces', (t) => {
  const { lp, vp } = longMachine(24);
  // Sparse: each address needs tables of its own.
  for (let i = 8; i < 40; i++) {
    set64(1, i, 0x2000 | RW);
    set64(2, i, 0x3000 | RW);
  }
  for (let space = 0; space < 6; space++) {
    for (let i = 0; i < 512; i++) set64(100 + space, i, u32[entry64(1, i) >>> 2]);
  }
  for (let round = 0; round < 3; round++)
    for (let space = 0; space < 6; space++) {
      vp.cr3Num = (100 + space) * 4096;
      lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
      for (let i = 8; i < 40; i++) t.is(access(lp, i * 2 ** 39 + i * 2 ** 30 + i * 4096 - (i >= 256 ? 2 ** 48 : 0), READ), spaOf(i));
      t.is(checkStructure(m), null);
    }
  const counters = vtlbCounters(m.partition);
  t.true(counters.reclaims > 0 && counters.reclaimVictims > 0 && counters.sptFreed > 0);
  t.is(counters.sptLive + counters.sptFree + counters.sptCondemned, counters.sptPool);
});

test.serial('more address spaces than the table holds', (t) => {
  resetMachine(m, 1024);
  const vp = longVp(m, 0, 1);
  const lp = makeLp(m, 0);
  for (let root = 1; root <= 300; root++) {
    set64(root, 0, (root === 300 ? 0x2000 : 0) | 0);
    vp.cr3Num = root * 4096;
    if (root === 1) lp.vtlb.load(vp);
    lp.vtlb.switchAddressSpace(Flush.NON_GLOBAL);
  }
  const counters = vtlbCounters(m.partition);
  t.is(counters.sasLive, 128);
  t.is(counters.sasCreated, 300);
  t.is(checkStructure(m), null);
});

test.serial('the lock can be changed while fills go on, and its counters tell', (t) => {
  const { lp } = longMachine();
  const policy = MachineLayout.at.policies >>> 2;
  for (let i = 0; i < 40; i++) {
    m.machine.i32[policy] = (i >> 2) & 1;
    t.is(access(lp, (i + 16) * 4096, READ), spaOf(i + 16));
    t.is(m.partition.i32[vtlbWord('lockMode') >>> 2], (i >> 2) & 1 ? LockMode.GLOBAL : LockMode.GENERATION);
    lp.vtlb.invlpg((i + 16) * 4096);
  }
  const counters = vtlbCounters(m.partition);
  t.is(counters.lockModeChanges, 9);
  // 20 fills and 20 invalidations under the mutex, in five stretches.
  t.is(counters.globalLockTaken, 40);
  t.is(checkStructure(m), null);
});

test.serial('a policy word that is neither value means generation counters', (t) => {
  const { lp } = longMachine();
  m.machine.i32[MachineLayout.at.policies >>> 2] = 7;
  t.is(access(lp, 0x1000, READ), spaOf(1));
  t.is(m.partition.i32[vtlbWord('lockMode') >>> 2], LockMode.GENERATION);
});

test.serial('INIT while the VP was on no LP: its old translations are not found again', (t) => {
  const { lp, vp } = longMachine();
  access(lp, 0x1000, READ);
  lp.vtlb.unload();
  t.is(lp.walker.walk(0x1000, READ), Walk.NOT_PRESENT);
  vp.cr0 = Cr0.PE;
  vp.efer = 0;
  lp.vtlb.load(new VpBlock(m.partition, vpBlockAt(0)));
  t.is(access(lp, 0x3f_f123, WRITE), PartitionMap.RAM + 0x3f_f000);
});
