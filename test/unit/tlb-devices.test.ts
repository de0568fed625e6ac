// Translations to devices: found again without a walk, for as long as the processor's TLB could have held them, and no longer (SDM 3A 4.10).
import test, { type ExecutionContext } from 'ava';
import { ShadowMmu } from '../../daemon/hypervisor/shadow-mmu.js';
import { Flush } from '../../daemon/hypervisor/vtlb/loaded-space.js';
import { Access, Resolve } from '../../daemon/machine/guest-memory.js';
import { GuestFault } from '../../daemon/machine/processor.js';
import { Cr0, Cr4, Rflags } from '../../shared/abi/registers.js';
import { Pte } from '../../shared/layout/paging.js';
import type { VpBlock } from '../../shared/layout/vp.js';
import { entry64, longVp, makeMachine, resetMachine, setFlags, spaOf } from '../interleave/small-machine.js';

const m = makeMachine(64, 1);
const RW = Pte.P | Pte.W;
const APIC = 0xfee0_0000;
const GVA = 0x9000;

const setEntry = (frame: number, index: number, value: number): void => {
  m.partition.u32[entry64(frame, index) >>> 2] = value >>> 0;
  m.partition.u32[(entry64(frame, index) >>> 2) + 1] = 0;
};
const leaf = (): number => m.partition.u32[entry64(4, GVA >>> 12) >>> 2];

/** 4-level tables in frames 1..4; page 9 is the APIC's. Intercepts are counted. */
const machine = (bits = RW): { mmu: ShadowMmu; vp: VpBlock; intercepts: () => number } => {
  resetMachine(m, 32);
  const vp = longVp(m, 0, 1);
  setEntry(1, 0, 0x2000 | RW | Pte.U);
  setEntry(2, 0, 0x3000 | RW | Pte.U);
  setEntry(3, 0, 0x4000 | RW | Pte.U);
  setEntry(4, GVA >>> 12, APIC | bits);
  let intercepts = 0;
  const nothing = (): void => undefined;
  const listener = { tlbMiss: nothing, pageFault: () => void intercepts++, reflected: nothing };
  const mmu = new ShadowMmu(
    m.machine,
    m.partition,
    0,
    { flushAll: nothing, flushBank: nothing, flushPage: nothing, select: nothing },
    new GuestFault(),
    listener,
  );
  mmu.load(vp);
  return { mmu, vp, intercepts: () => intercepts };
};
const reaches = (t: ExecutionContext, mmu: ShadowMmu, gva: number, gpa: number, access: Access = Access.READ): void => {
  t.is(mmu.resolve(gva, access, false, false), Resolve.MMIO);
  t.is(mmu.gpa, gpa);
};

test.serial('a device is walked to once, and every access is an intercept', (t) => {
  const { mmu, intercepts } = machine();
  const { walker } = mmu.lp;
  reaches(t, mmu, GVA + 0x30, APIC + 0x30);
  const { walks } = walker;
  reaches(t, mmu, GVA + 0xb0, APIC + 0xb0);
  reaches(t, mmu, GVA, APIC);
  t.is(walker.walks, walks);
  t.is(intercepts(), 3);
});

test.serial('addresses of both canonical halves that share an entry do not share a translation', (t) => {
  const { mmu } = machine();
  setEntry(1, 511, 0x2000 | RW);
  const high = -(2 ** 39) + GVA;
  reaches(t, mmu, GVA, APIC);
  setEntry(4, GVA >>> 12, 0xfec0_0000 | RW);
  reaches(t, mmu, high + 5, 0xfec0_0005);
  reaches(t, mmu, high + 4095, 0xfec0_0fff);
  reaches(t, mmu, GVA, 0xfec0_0000);
});

for (const [how, flush] of [
  ['INVLPG', (mmu) => mmu.invlpg(GVA + 8)],
  ['MOV CR3', (mmu) => mmu.switchAddressSpace(Flush.NON_GLOBAL)],
  ['a flush of everything', (mmu) => mmu.switchAddressSpace(Flush.ALL)],
  ['a remapping of guest physical memory', (mmu) => mmu.flushPartition()],
  ['a flush of supervisor rights', (mmu) => mmu.lp.tlb.flushMode(0)],
] satisfies [string, (mmu: ShadowMmu) => void][])
  test.serial(`after ${how} the page is where the guest's tables say`, (t) => {
    const { mmu } = machine();
    reaches(t, mmu, GVA, APIC, Access.WRITE);
    setEntry(4, GVA >>> 12, 0x7000 | RW);
    flush(mmu);
    t.is(mmu.resolve(GVA + 8, Access.READ, false, false), spaOf(7) + 8);
  });

test.serial('another VP on the LP finds nothing of the first', (t) => {
  const { mmu } = machine();
  reaches(t, mmu, GVA, APIC);
  const other = longVp(m, 1, 5);
  setEntry(5, 0, 0x6000 | RW);
  setEntry(6, 0, 0x7000 | RW);
  setEntry(7, 0, 0x8000 | RW);
  setEntry(8, GVA >>> 12, 0xa000 | RW);
  mmu.load(other);
  t.is(mmu.resolve(GVA, Access.READ, false, false), spaOf(10));
});

test.serial('the first write sets D, also after a read', (t) => {
  const { mmu } = machine();
  reaches(t, mmu, GVA, APIC, Access.READ);
  t.is(leaf() & (Pte.A | Pte.D), Pte.A);
  reaches(t, mmu, GVA, APIC, Access.WRITE);
  t.is(leaf() & (Pte.A | Pte.D), Pte.A | Pte.D);
});

test.serial('a read of a read-only page grants no write', (t) => {
  const { mmu, vp } = machine(Pte.P);
  vp.cr0 |= Cr0.WP;
  mmu.switchAddressSpace(Flush.ALL);
  reaches(t, mmu, GVA, APIC, Access.READ);
  t.is(mmu.resolve(GVA, Access.WRITE, false, false), Resolve.FAULT);
});

test.serial('what a supervisor may reach a user may not', (t) => {
  const { mmu } = machine();
  reaches(t, mmu, GVA, APIC);
  t.is(mmu.resolve(GVA, Access.READ, true, false), Resolve.FAULT);
});

test.serial('a right that hangs on EFLAGS.AC goes with it', (t) => {
  const { mmu, vp } = machine(RW | Pte.U);
  vp.cr4 |= Cr4.SMAP;
  mmu.switchAddressSpace(Flush.NONE);
  setFlags(vp, Rflags.AC);
  reaches(t, mmu, GVA, APIC);
  setFlags(vp, 0);
  t.is(mmu.resolve(GVA, Access.READ, false, false), Resolve.FAULT);
});

test.serial('a fetch finds no device translation and leaves none', (t) => {
  const { mmu } = machine();
  t.is(mmu.resolve(GVA, Access.EXECUTE, false, false), Resolve.MMIO);
  const { walks } = mmu.lp.walker;
  reaches(t, mmu, GVA, APIC);
  t.true(mmu.lp.walker.walks > walks);
});
