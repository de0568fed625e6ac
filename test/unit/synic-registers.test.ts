// Registers of the synthetic interrupt controller: what reads give, which writes are #GP, and what follows from them (TLFS 11.8).
import test from 'ava';
import { Message, Sint, SynicMsr } from '../../shared/abi/synic.js';
import { PortKind } from '../../shared/layout/synic.js';
import { SynicRig } from '../rig/synic-rig.js';

test('registers have the values of power-up', (t) => {
  const { registers } = new SynicRig();
  t.is(registers.read(0, SynicMsr.SCONTROL), 0n);
  t.is(registers.read(0, SynicMsr.SVERSION), 1n);
  for (const msr of [SynicMsr.SIEFP, SynicMsr.SIMP, SynicMsr.EOM]) t.is(registers.read(0, msr), 0n);
  for (let n = 0; n < 16; n++) t.is(registers.read(0, SynicMsr.SINT0 + n), 0x1_0000n);
  for (let n = 0; n < 8; n++) t.is(registers.read(0, SynicMsr.STIMER0_CONFIG + n), 0n);
  t.is(registers.read(0, 0x4000_0085), -1n);
});

test('reads give what was written, reserved bits too', (t) => {
  const { registers } = new SynicRig();
  const values = [
    [SynicMsr.SCONTROL, 1n],
    [SynicMsr.SIEFP, 0x1234_5001n],
    [SynicMsr.SIMP, 0x1234_6ffdn],
    [SynicMsr.SINT0 + 3, 0xffff_0000_0004_0031n],
  ] as const;
  for (const [msr, value] of values) {
    t.true(registers.write(1, msr, value));
    t.is(registers.read(1, msr), value);
    t.not(registers.read(0, msr), value);
  }
});

const REFUSED: readonly (readonly [string, number, bigint])[] = [
  ['the version is read only', SynicMsr.SVERSION, 1n],
  ['an unmasked SINT needs a vector from 16 on', SynicMsr.SINT0, 15n],
  ['polling does not excuse a bad vector', SynicMsr.SINT0 + 15, BigInt(Sint.POLLING)],
  ['a message page beyond the address space', SynicMsr.SIMP, (1n << 60n) | 1n],
  ['an event-flag page beyond the address space', SynicMsr.SIEFP, (1n << 60n) | 1n],
  ['no such register', 0x4000_0086, 0n],
];
for (const [name, msr, value] of REFUSED)
  test(`#GP: ${name}`, (t) => {
    const { registers } = new SynicRig();
    const before = registers.read(0, msr);
    t.false(registers.write(0, msr, value));
    t.is(registers.read(0, msr), before);
  });

test('a masked SINT may have any vector', (t) => {
  const { registers } = new SynicRig();
  t.true(registers.write(0, SynicMsr.SINT0, BigInt(Sint.MASKED) | 3n));
});

test('the SINT says whether and how its messages interrupt', (t) => {
  const rig = new SynicRig().ready(0);
  rig.directory.openPort({ id: 1, kind: PortKind.MESSAGE, sint: 4, vp: 0 });
  const kinds = [
    [0x50n, [{ vp: 0, vector: 0x50, auto: false }]],
    [0x51n | BigInt(Sint.AUTO_EOI), [{ vp: 0, vector: 0x51, auto: true }]],
    [0x52n | BigInt(Sint.POLLING), []],
    [0x53n | BigInt(Sint.MASKED), []],
  ] as const;
  for (const [value, expected] of kinds) {
    rig.interrupts.length = 0;
    rig.registers.write(0, SynicMsr.SINT0 + 4, value);
    rig.directory.post(1, 1, Uint8Array.of(1));
    t.deepEqual(rig.interrupts, [...expected]);
    t.is(rig.slotType(0, 4), 1, 'the message is in its slot all the same');
    rig.emptySlot(0, 4);
  }
});

test('what waits while a page is away comes when it is back', (t) => {
  const rig = new SynicRig().ready(0);
  rig.directory.openPort({ id: 1, kind: PortKind.MESSAGE, sint: 4, vp: 0 });
  rig.directory.post(1, 1, Uint8Array.of(1));
  rig.directory.post(1, 2, Uint8Array.of(2));
  rig.registers.write(0, SynicMsr.SIMP, 0n);
  rig.emptySlot(0, 4);
  rig.registers.write(0, SynicMsr.EOM, 0n);
  t.is(rig.slotType(0, 4), 0);
  rig.registers.write(0, SynicMsr.SIMP, 0x2001n);
  t.is(rig.slotType(0, 4), 2);
});

test('a slot is 256 bytes: header and payload stand where guests look for them', (t) => {
  const rig = new SynicRig().ready(0);
  rig.directory.openPort({ id: 0x12_3456, kind: PortKind.MESSAGE, sint: 15, vp: 0 });
  rig.directory.post(
    0x12_3456,
    0x77,
    Uint8Array.from({ length: 240 }, (_, i) => i + 1),
  );
  const slot = rig.views.u8.slice(rig.slot(0, 15), rig.slot(0, 15) + Message.BYTES);
  t.deepEqual([...slot.subarray(0, 18)], [0x77, 0, 0, 0, 240, 0, 0, 0, 0x56, 0x34, 0x12, 0, 0, 0, 0, 0, 1, 2]);
  t.is(slot[255], 240);
});

test('the local APIC is told which vectors end by themselves and whose EOI the queues wait for', (t) => {
  const { registers, vectors } = new SynicRig();
  registers.write(1, SynicMsr.SINT0 + 2, 0x50n);
  registers.write(1, SynicMsr.SINT0 + 3, 0xf3n | BigInt(Sint.AUTO_EOI));
  t.deepEqual(vectors[1], { watched: [0x50], auto: [0xf3] });
  registers.write(1, SynicMsr.SINT0 + 2, 0x50n | BigInt(Sint.MASKED));
  registers.write(1, SynicMsr.SINT0 + 3, 0xf4n);
  t.deepEqual(vectors[1], { watched: [0xf4], auto: [] });
  t.is(
    vectors.findIndex((one) => one !== undefined),
    1,
    'of that VP alone',
  );
});
