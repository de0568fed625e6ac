import test from 'ava';
import { MsrTable } from '../../daemon/hypervisor/msr/msr-table.js';
import { type MsrContext, MsrEffect, REFUSED, type Register } from '../../daemon/hypervisor/msr/register.js';
import { HvMsr } from '../../shared/abi/hyperv.js';
import { Msr } from '../../shared/abi/msr.js';
import { IMPLEMENTED } from '../../shared/cpu/feature-set.js';
import { Slot } from '../../shared/layout/vp.js';
import { ApicPartition } from '../rig/apic-partition.js';

/** Methods that need `this`, as the run loop's have. */
class Context implements MsrContext {
  readonly apic = new ApicPartition(2).enable().apics[0];
  raw = 5000n;
  now(): number {
    return Number(this.raw) / 2.5;
  }
  rawTsc(): bigint {
    return this.raw;
  }
}

test('EFER: reserved bits and LME under paging are #GP; LMA is the processor’s', (t) => {
  const c = new Context();
  const msrs = new MsrTable(IMPLEMENTED);
  t.true(msrs.write(c, Msr.IA32_EFER, 0xd01n));
  t.is(msrs.effects, MsrEffect.EFER);
  t.is(msrs.read(c, Msr.IA32_EFER), 0x901n);
  t.false(msrs.write(c, Msr.IA32_EFER, 0x2n));
  t.false(msrs.write(c, Msr.IA32_EFER, 1n << 40n));
  c.apic.vp.cr0 = 0x8000_0011;
  c.apic.vp.efer |= 0x400;
  t.false(msrs.write(c, Msr.IA32_EFER, 0x801n));
  t.true(msrs.write(c, Msr.IA32_EFER, 0x100n));
  t.is(msrs.read(c, Msr.IA32_EFER), 0x500n);
});

test('addresses must be canonical, PAT and MTRR types valid, and what is refused changes nothing', (t) => {
  const c = new Context();
  const msrs = new MsrTable(IMPLEMENTED);
  const canonical = 0xffff_8000_0000_0000n;
  for (const index of [
    Msr.IA32_LSTAR,
    Msr.IA32_CSTAR,
    Msr.IA32_FS_BASE,
    Msr.IA32_GS_BASE,
    Msr.IA32_KERNEL_GS_BASE,
    Msr.IA32_SYSENTER_ESP,
    Msr.IA32_SYSENTER_EIP,
  ]) {
    t.true(msrs.write(c, index, canonical));
    t.false(msrs.write(c, index, 0x8000_0000_0000n));
    t.is(msrs.read(c, index), canonical);
  }
  t.is(c.apic.vp.views.u64[(c.apic.vp.base >>> 3) + Slot.GS_BASE], canonical);
  const table: [number, bigint, boolean][] = [
    [Msr.IA32_PAT, 0x0007_0406_0007_0406n, true],
    [Msr.IA32_PAT, 0x0002_0406_0007_0406n, false],
    [Msr.IA32_MTRR_DEF_TYPE, 0xc06n, true],
    [Msr.IA32_MTRR_DEF_TYPE, 0xc02n, false],
    [Msr.IA32_MTRR_PHYSBASE0, 0xc000_0006n, true],
    [Msr.IA32_MTRR_PHYSBASE0, 0xc000_0103n, false],
    [Msr.IA32_MTRR_PHYSBASE0 + 15, 0xff_c000_0800n, true],
    [Msr.IA32_MTRR_PHYSBASE0 + 16, 0n, false],
    [Msr.IA32_MTRR_FIX64K_00000, 0x0606_0606_0606_0606n, true],
    [Msr.IA32_MTRR_FIX64K_00000, 0x0706_0606_0606_0606n, false],
    [Msr.IA32_MTRRCAP, 0n, false],
    [Msr.IA32_TSC_AUX, 1n << 32n, false],
    [Msr.IA32_FMASK, 0x47700n, true],
    [Msr.IA32_BIOS_SIGN_ID, 0n, true],
    [0x1234, 0n, false],
    [0x4000_0000, 0n, false],
    [0xffff_ffff, 0n, false],
  ];
  for (const [index, value, accepted] of table) {
    const before = msrs.read(c, index);
    t.is(msrs.write(c, index, value), accepted, `${index.toString(16)} := ${value.toString(16)}`);
    if (!accepted) t.is(msrs.read(c, index), before);
  }
  t.is(msrs.read(c, 0x1234), -1n);
  t.is(msrs.read(c, HvMsr.GUEST_OS_ID), -1n);
});

test('writing the TSC moves it and the deadline with it', (t) => {
  const c = new Context();
  const msrs = new MsrTable(IMPLEMENTED);
  t.is(msrs.read(c, Msr.IA32_TIME_STAMP_COUNTER), 5000n);
  t.true(msrs.write(c, Msr.IA32_TIME_STAMP_COUNTER, 100n));
  c.raw += 7n;
  t.is(msrs.read(c, Msr.IA32_TIME_STAMP_COUNTER), 107n);
  c.apic.writeRegister(0x320, 0x4_0040, c.now());
  t.true(msrs.write(c, Msr.IA32_TSC_DEADLINE, 2600n));
  const before = c.apic.timerDeadline();
  t.true(msrs.write(c, Msr.IA32_TIME_STAMP_COUNTER, 0n));
  t.true(c.apic.timerDeadline() > before);
});

test('IA32_APIC_BASE opens the x2APIC window', (t) => {
  const c = new Context();
  const msrs = new MsrTable(IMPLEMENTED);
  t.is(msrs.read(c, 0x802), -1n);
  t.is(msrs.read(c, Msr.IA32_APIC_BASE), 0xfee0_0900n);
  t.true(msrs.write(c, Msr.IA32_APIC_BASE, 0xfee0_0d00n));
  t.is(msrs.effects & MsrEffect.APIC_BASE, MsrEffect.APIC_BASE);
  t.is(msrs.read(c, 0x802), 0n);
  t.false(msrs.write(c, Msr.IA32_APIC_BASE, 0xfee0_0900n));
});

test('what the hypervisor adds is in the table', (t) => {
  const written: bigint[] = [];
  const eoi: Register = { read: () => 7n, write: (_context, value) => (written.push(value) > 0 ? MsrEffect.TIMER : REFUSED) };
  const msrs = new MsrTable(IMPLEMENTED, [[HvMsr.EOI, eoi]]);
  const c = new Context();
  t.is(msrs.read(c, HvMsr.EOI), 7n);
  t.true(msrs.write(c, HvMsr.EOI, 3n));
  t.is(msrs.effects, MsrEffect.TIMER);
  t.deepEqual(written, [3n]);
});
