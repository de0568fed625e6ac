import test from 'ava';
import { assertLint, deliverMessage } from '../../daemon/hypervisor/apic/message.js';
import { applyRequests } from '../../daemon/hypervisor/apic/requests.js';
import { writeX2Apic } from '../../daemon/hypervisor/apic/x2apic.js';
import { ApicRegister, DeliveryMode } from '../../shared/abi/apic.js';
import { Slot, VpState } from '../../shared/layout/vp.js';
import { ApicPartition } from '../rig/apic-partition.js';

const { ICR_LOW, ICR_HIGH, LDR, DFR, SVR, TPR, ESR } = ApicRegister;

const send = (partition: ApicPartition, from: number, destination: number, low: number): void => {
  partition.write(from, ICR_HIGH, destination << 24);
  partition.write(from, ICR_LOW, low);
};

test('a physical IPI reaches the APIC of that ID and nobody else, and kicks it once', (t) => {
  const p = new ApicPartition(4).enable();
  send(p, 0, 2, 0x40);
  send(p, 0, 2, 0x40);
  t.deepEqual(p.kicks, [2]);
  t.deepEqual(p.drainAll(), [[], [], [0x40], []]);
  send(p, 1, 0xff, 0x41);
  t.deepEqual(p.drainAll(), [[0x41], [0x41], [0x41], [0x41]]);
});

test('shorthands: self, all, all but self', (t) => {
  const p = new ApicPartition(3).enable();
  send(p, 1, 0, 0x4_0050);
  t.deepEqual(p.drainAll(), [[], [0x50], []]);
  send(p, 1, 0, 0x8_0051);
  t.deepEqual(p.drainAll(), [[0x51], [0x51], [0x51]]);
  send(p, 1, 0, 0xc_0052);
  t.deepEqual(p.drainAll(), [[0x52], [], [0x52]]);
  // An NMI to oneself by shorthand is not a valid combination.
  send(p, 1, 0, 0x4_0400);
  applyRequests(p.apics[1]);
  t.is(p.vpBlock(1).nmiPending, 0);
});

test('flat logical destinations are a bit mask, cluster ones a cluster and a bit mask', (t) => {
  const p = new ApicPartition(4).enable();
  for (let vp = 0; vp < 4; vp++) p.write(vp, LDR, (1 << vp) << 24);
  send(p, 0, 0b1010, 0x860);
  t.deepEqual(p.drainAll(), [[], [0x60], [], [0x60]]);
  for (let vp = 0; vp < 4; vp++) {
    p.write(vp, DFR, 0x0fff_ffff);
    p.write(vp, LDR, (((vp >> 1) << 4) | (1 << (vp & 1))) << 24);
  }
  send(p, 0, 0x12, 0x861);
  t.deepEqual(p.drainAll(), [[], [], [], [0x61]]);
  send(p, 0, 0xf1, 0x862);
  t.deepEqual(p.drainAll(), [[0x62], [], [0x62], []]);
});

test('x2APIC: 32-bit physical and cluster logical destinations, self IPI', (t) => {
  const p = new ApicPartition(18).enable().x2apic();
  const icr = (from: number, value: bigint): boolean => writeX2Apic(p.apics[from], 0x830, value, 0);
  t.true(icr(0, (17n << 32n) | 0x70n));
  t.deepEqual(p.drain(17), [0x70]);
  t.true(icr(0, (0x0001_0003n << 32n) | 0x871n));
  t.deepEqual([p.drain(16), p.drain(17), p.drain(0), p.drain(1)], [[0x71], [0x71], [], []]);
  t.true(icr(0, (0xffff_ffffn << 32n) | 0x72n));
  t.true(p.drainAll().every((taken) => taken.length === 1 && taken[0] === 0x72));
  t.true(writeX2Apic(p.apics[3], 0x83f, 0x73n, 0));
  t.deepEqual(p.drain(3), [0x73]);
});

test('lowest priority goes to one VP: the one with the lowest task priority', (t) => {
  const p = new ApicPartition(4).enable();
  for (let vp = 0; vp < 4; vp++) p.write(vp, TPR, vp === 2 ? 0x10 : 0x60);
  send(p, 0, 0xff, 0x1a0);
  t.deepEqual(p.drainAll(), [[], [], [0xa0], []]);
  p.write(2, SVR, 0xff);
  send(p, 0, 0xff, 0x1a0);
  t.is(p.drainAll().flat().length, 1);
  t.deepEqual(p.drain(2), []);
});

test('INIT then SIPI starts a VP in real mode at the vector; a second SIPI changes nothing', (t) => {
  const p = new ApicPartition(2).enable();
  const vp = p.vpBlock(1);
  const slot = (number: number): bigint => vp.views.u64[(vp.base >>> 3) + number];
  vp.cr3 = 0x1000n;
  vp.views.u64[vp.base >>> 3] = 5n;
  send(p, 0, 1, 0xc500);
  send(p, 0, 1, 0x8500);
  send(p, 0, 1, 0x69a);
  t.is(vp.state, VpState.WAIT_FOR_SIPI);
  applyRequests(p.apics[1]);
  t.is(vp.state, VpState.READY);
  t.deepEqual([vp.csSelector, slot(Slot.CS_BASE), slot(Slot.RIP)], [0x9a00, 0x9_a000n, 0n]);
  t.deepEqual([vp.cr0 & 1, vp.cr3, slot(Slot.RAX), slot(Slot.RDX), vp.apicSvr], [0, 0n, 0n, 0x6fbn, 0xff]);
  send(p, 0, 1, 0x610);
  applyRequests(p.apics[1]);
  t.is(vp.csSelector, 0x9a00);
});

test('an INIT forgets the SIPI before it', (t) => {
  const p = new ApicPartition(2).enable();
  send(p, 0, 1, 0x69a);
  send(p, 0, 1, 0x4500);
  applyRequests(p.apics[1]);
  t.is(p.vpBlock(1).state, VpState.WAIT_FOR_SIPI);
});

test('INIT clears what is pending but keeps the APIC ID and the x2APIC mode', (t) => {
  const p = new ApicPartition(2).enable().x2apic();
  writeX2Apic(p.apics[0], 0x830, (1n << 32n) | 0x40n, 0);
  writeX2Apic(p.apics[0], 0x830, (1n << 32n) | 0x4500n, 0);
  t.deepEqual(p.drain(1), []);
  t.deepEqual([p.vpBlock(1).apicId, p.vpBlock(1).apicBaseLo & 0xd00], [1, 0xc00]);
});

test('an illegal vector is an error of the sender, logged once per ESR write', (t) => {
  const p = new ApicPartition(2).enable();
  send(p, 0, 1, 0x0f);
  send(p, 0, 1, 0x0f);
  t.deepEqual(p.drainAll(), [[0xfe], []]);
  t.is(p.read(0, ESR), 0);
  p.write(0, ESR, 0);
  t.is(p.read(0, ESR), 0x20);
  send(p, 0, 1, 0x0f);
  t.deepEqual(p.drain(0), [0xfe]);
});

test('messages of the I/O APIC: a level one sets TMR and its EOI comes back; a disabled APIC takes none', (t) => {
  const p = new ApicPartition(2).enable();
  t.true(deliverMessage(p, 1, false, DeliveryMode.FIXED, 0x33, true));
  t.deepEqual(p.drain(1), [0x33]);
  t.deepEqual(p.eois, [0x33]);
  t.true(deliverMessage(p, 1, false, DeliveryMode.FIXED, 0x33, false));
  t.deepEqual(p.drain(1), [0x33]);
  t.deepEqual(p.eois, [0x33]);
  p.write(1, SVR, 0xff);
  t.false(deliverMessage(p, 1, false, DeliveryMode.FIXED, 0x33, false));
  t.true(deliverMessage(p, 1, false, DeliveryMode.NMI, 0, false));
  applyRequests(p.apics[1]);
  t.is(p.vpBlock(1).nmiPending, 1);
  t.false(deliverMessage(p, 9, false, DeliveryMode.FIXED, 0x33, false));
});

test('NMIs: one is handled and one latched, further ones are lost', (t) => {
  const p = new ApicPartition(1).enable();
  const vp = p.vpBlock(0);
  const send = (times: number): number => {
    for (let i = 0; i < times; i++) deliverMessage(p, 0, false, DeliveryMode.NMI, 0, false);
    applyRequests(p.apics[0]);
    return vp.nmiPending;
  };
  t.is(send(1), 1);
  t.is(send(1), 2, 'the processor would be in the handler of the first');
  t.is(send(3), 2);
  vp.nmiPending = 0;
  t.is(send(3), 2, 'before the VP has looked');
  vp.nmiPending = 0;
  vp.nmiBlocked = 1;
  t.is(send(3), 1, 'in a handler');
});

test('LINT pins follow their LVT entries', (t) => {
  const p = new ApicPartition(1).enable();
  t.false(assertLint(p, 0, 0));
  t.false(p.apics[0].acceptsExtInt());
  p.write(0, ApicRegister.LVT_LINT0, 0x700);
  p.write(0, ApicRegister.LVT_LINT1, 0x400);
  t.true(p.apics[0].acceptsExtInt());
  t.true(assertLint(p, 0, 0));
  t.true(assertLint(p, 0, 1));
  applyRequests(p.apics[0]);
  t.is(p.vpBlock(0).nmiPending, 1);
  p.write(0, ApicRegister.LVT_LINT0, 0x35);
  assertLint(p, 0, 0);
  t.deepEqual(p.drain(0), [0x35]);
  p.apics[0].writeBase(0xfee0_0000n);
  t.true(p.apics[0].acceptsExtInt());
});
