import test from 'ava';
import { post } from '../../daemon/hypervisor/apic/post.js';
import { readX2Apic, writeX2Apic } from '../../daemon/hypervisor/apic/x2apic.js';
import { ApicRegister } from '../../shared/abi/apic.js';
import { ApicPartition } from '../rig/apic-partition.js';

const R = ApicRegister;

test('the register page reads as after power-up', (t) => {
  const p = new ApicPartition(3);
  const expected: [number, number][] = [
    [R.ID, 0x0200_0000],
    [R.VERSION, 0x6_0014],
    [R.TPR, 0],
    [R.PPR, 0],
    [R.APR, 0],
    [R.LDR, 0],
    [R.DFR, 0xffff_ffff],
    [R.SVR, 0xff],
    [R.ESR, 0],
    [R.ICR_LOW, 0],
    [R.ICR_HIGH, 0],
    [R.LVT_TIMER, 0x1_0000],
    [R.LVT_LINT0, 0x1_0000],
    [R.LVT_ERROR, 0x1_0000],
    [R.LVT_CMCI, 0x1_0000],
    [R.TIMER_INITIAL, 0],
    [R.TIMER_CURRENT, 0],
    [R.TIMER_DIVIDE, 0],
  ];
  for (const [register, value] of expected) t.is(p.read(2, register), value, register.toString(16));
});

test('read-only registers ignore writes; offsets without a register are an error', (t) => {
  const p = new ApicPartition(1).enable();
  for (const register of [R.ID, R.VERSION, R.PPR, R.APR, R.ISR, R.IRR + 0x10, R.TIMER_CURRENT]) {
    const before = p.read(0, register);
    p.write(0, register, 0xffff_ffff);
    t.is(p.read(0, register), before);
  }
  p.write(0, R.ESR, 0);
  t.is(p.read(0, R.ESR), 0);
  for (const offset of [0x00, 0x40, 0x2a0, 0x3a0, 0x3f0, 0xff0]) {
    t.is(p.read(0, offset), 0);
    p.write(0, R.ESR, 0);
    t.is(p.read(0, R.ESR), 0x80, offset.toString(16));
    p.write(0, offset, 1);
    p.write(0, R.ESR, 0);
    t.is(p.read(0, R.ESR), 0x80, offset.toString(16));
  }
});

test('software disable masks every LVT entry and keeps them masked', (t) => {
  const p = new ApicPartition(1).enable();
  p.write(0, R.LVT_TIMER, 0x40);
  p.write(0, R.LVT_LINT0, 0x700);
  p.write(0, R.SVR, 0xff);
  t.deepEqual([p.read(0, R.LVT_TIMER), p.read(0, R.LVT_LINT0), p.read(0, R.LVT_ERROR)], [0x1_0040, 0x1_0700, 0x1_00fe]);
  p.write(0, R.LVT_TIMER, 0x40);
  t.is(p.read(0, R.LVT_TIMER), 0x1_0040);
  p.write(0, R.SVR, 0x1ff);
  p.write(0, R.LVT_TIMER, 0x40);
  t.is(p.read(0, R.LVT_TIMER), 0x40);
});

test('vectors are delivered by class against TPR, and nest only above what is in service', (t) => {
  const p = new ApicPartition(1).enable();
  const apic = p.apics[0];
  const pending = (): number => {
    apic.pull();
    return apic.pendingVector();
  };
  post(apic.vp, 0x45, false);
  post(apic.vp, 0x47, false);
  apic.cr8 = 4;
  t.is(pending(), -1);
  apic.cr8 = 3;
  t.is(pending(), 0x47);
  apic.accept(0x47);
  t.is(apic.ppr, 0x40);
  t.is(pending(), -1);
  post(apic.vp, 0x51, false);
  t.is(pending(), 0x51);
  apic.accept(0x51);
  t.is(p.read(0, R.ISR + 0x20) >>> 0, (1 << 7) | (1 << 17));
  apic.eoi();
  t.is(pending(), -1);
  apic.eoi();
  t.is(pending(), 0x45);
  t.is(p.read(0, R.IRR + 0x20), 1 << 5);
});

test('a vector that ends by itself never enters ISR', (t) => {
  const p = new ApicPartition(1).enable();
  const { vp } = p.apics[0];
  post(vp, 0x50, false, true);
  p.apics[0].pull();
  p.apics[0].accept(p.apics[0].pendingVector());
  t.is(p.apics[0].ppr, 0);
  post(vp, 0x50, false);
  p.apics[0].pull();
  p.apics[0].accept(p.apics[0].pendingVector());
  t.is(p.apics[0].ppr, 0x50);
});

test('a second edge while the first is in service is kept; a specific EOI ends any vector', (t) => {
  const p = new ApicPartition(1).enable();
  const apic = p.apics[0];
  t.true(post(apic.vp, 0x60, false));
  t.false(post(apic.vp, 0x60, false));
  apic.pull();
  apic.accept(0x60);
  t.true(post(apic.vp, 0x60, false));
  apic.pull();
  t.is(apic.pendingVector(), -1);
  post(apic.vp, 0x70, true);
  apic.pull();
  apic.accept(0x70);
  apic.specificEoi(0x60);
  t.is(apic.ppr, 0x70);
  apic.eoi();
  t.deepEqual(p.eois, [0x70]);
  t.is(apic.pendingVector(), 0x60);
});

test('IA32_APIC_BASE: only the legal transitions', (t) => {
  const base = 0xfee0_0000n;
  const EN = 0x800n;
  const X2 = 0x400n;
  const from = (first: bigint[], next: bigint): boolean => {
    const apic = new ApicPartition(2).enable().apics[1];
    for (const value of first) apic.writeBase(base | value);
    return apic.writeBase(base | next);
  };
  t.true(from([], EN | X2));
  t.true(from([], 0n));
  t.true(from([0n], EN));
  t.false(from([0n], EN | X2));
  t.false(from([], X2));
  t.false(from([EN | X2], EN));
  t.true(from([EN | X2], 0n));
  t.false(from([], EN | 1n));
  t.false(from([], EN | (1n << 40n)));
  const apic = new ApicPartition(1).enable().apics[0];
  apic.writeBase(base | 0x100n);
  apic.writeBase(base | 0x900n);
  t.is(apic.vp.apicSvr, 0xff);
  t.true(apic.respondsAt(0xfee0_0fff));
  t.false(apic.respondsAt(0xfee0_1000));
  apic.writeBase(base | 0xd00n);
  t.false(apic.respondsAt(0xfee0_0000));
});

test('x2APIC MSRs: what reads, what writes, what is #GP', (t) => {
  const p = new ApicPartition(20).enable().x2apic();
  const apic = p.apics[19];
  t.is(readX2Apic(apic, 0x802, 0), 19n);
  t.is(readX2Apic(apic, 0x80d, 0), 0x1_0008n);
  t.true(writeX2Apic(apic, 0x808, 0x20n, 0));
  t.is(readX2Apic(apic, 0x808, 0), 0x20n);
  for (const msr of [0x800, 0x809, 0x80b, 0x80c, 0x80e, 0x831, 0x83a, 0x83f, 0x840, 0x8ff])
    t.is(readX2Apic(apic, msr, 0), -1n, msr.toString(16));
  const refused: [number, bigint][] = [
    [0x802, 0n],
    [0x803, 0n],
    [0x80a, 0n],
    [0x80d, 0n],
    [0x80e, 0n],
    [0x810, 0n],
    [0x831, 0n],
    [0x839, 0n],
    [0x808, 0x100n],
    [0x808, 1n << 32n],
    [0x80b, 1n],
    [0x828, 1n],
    [0x80f, 0x1000n],
    [0x832, 0x8_0000n],
    [0x83e, 0x4n],
    [0x83f, 0x100n],
    [0x830, 0x1000n],
  ];
  for (const [msr, value] of refused) t.false(writeX2Apic(apic, msr, value, 0), `${msr.toString(16)} ${value}`);
  for (const [msr, value] of [
    [0x80b, 0n],
    [0x828, 0n],
    [0x80f, 0x1ffn],
    [0x832, 0x4_0040n],
    [0x83e, 0xbn],
    [0x838, 0xffff_ffffn],
  ] as const)
    t.true(writeX2Apic(apic, msr, value, 0));
  const xapic = new ApicPartition(1).apics[0];
  t.is(readX2Apic(xapic, 0x802, 0), -1n);
  t.false(writeX2Apic(xapic, 0x808, 0n, 0));
});
