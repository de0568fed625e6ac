// The PCI transport of virtio devices, as a driver meets it: discovery, negotiation, queues, messages and their masks, INTx, the window in configuration space.
import test from 'ava';
import { CommonConfig, ConsoleFeature, VirtioFeature, VirtioStatus } from '../../shared/abi/virtio.js';
import { VirtualDeviceKind } from '../../shared/layout/virtual-devices.js';
import { boardWith, Driver } from '../rig/virtio-driver.js';
import { ioapicWrite } from './platform-board.js';

const text = { address: 0x8000, bytes: 4 };
const consoleDriver = (): Driver => new Driver(boardWith(VirtualDeviceKind.CONSOLE));

test('a modern device is found by its ID, with all five structures and MSI-X', (t) => {
  const d = consoleDriver();
  t.is(d.config(2, 2), 0x1043);
  t.is(d.config(8, 1), 1);
  t.deepEqual([...d.structures.keys()].sort(), [1, 2, 3, 4, 5]);
  t.is(d.config(d.msixCapability + 2, 2), 6, 'seven vectors, off');
  t.is(d.get(CommonConfig.QUEUES, 2), 6);
  t.deepEqual([d.config(0x3c, 1), d.config(0x3d, 1)], [11, 1]);
});

test('FEATURES_OK stays off for features that are not offered, and without VERSION_1', (t) => {
  const d = consoleDriver();
  const negotiate = (low: number, high: number): boolean => {
    d.set(CommonConfig.STATUS, 1, 0);
    for (const [word, bits] of [low, high].entries()) {
      d.set(CommonConfig.DRIVER_FEATURE_SELECT, 4, word);
      d.set(CommonConfig.DRIVER_FEATURE, 4, bits);
    }
    d.set(CommonConfig.STATUS, 1, VirtioStatus.ACKNOWLEDGE | VirtioStatus.DRIVER | VirtioStatus.FEATURES_OK);
    return (d.status & VirtioStatus.FEATURES_OK) !== 0;
  };
  d.set(CommonConfig.DEVICE_FEATURE_SELECT, 4, 0);
  t.is(d.get(CommonConfig.DEVICE_FEATURE, 4), (1 << 28) | (1 << 29) | (1 << ConsoleFeature.SIZE) | (1 << ConsoleFeature.MULTIPORT));
  d.set(CommonConfig.DEVICE_FEATURE_SELECT, 4, 1);
  t.is(d.get(CommonConfig.DEVICE_FEATURE, 4), 1);
  t.true(negotiate(0, 1));
  t.true(negotiate(2, 1));
  t.false(negotiate(0, 0));
  t.false(negotiate(1 << 5, 1));
  t.false(negotiate(0, 3));
});

test('a queue is settled when it is enabled: sizes above the device’s are refused, places no longer change, others do not exist', (t) => {
  const d = consoleDriver();
  d.set(CommonConfig.QUEUE_SELECT, 2, 0);
  t.is(d.get(CommonConfig.QUEUE_SIZE, 2), 64);
  d.set(CommonConfig.QUEUE_SIZE, 2, 128);
  t.is(d.get(CommonConfig.QUEUE_SIZE, 2), 64);
  const [ring] = d.start(2);
  d.set(CommonConfig.QUEUE_SELECT, 2, 0);
  d.set(CommonConfig.QUEUE_DESCRIPTORS, 4, 0x9000);
  t.deepEqual([d.get(CommonConfig.QUEUE_DESCRIPTORS, 4), d.get(CommonConfig.QUEUE_SIZE, 2)], [ring.base, 16]);
  d.set(CommonConfig.QUEUE_SELECT, 2, 6);
  t.deepEqual([d.get(CommonConfig.QUEUE_SIZE, 2), d.get(CommonConfig.QUEUE_ENABLE, 2)], [0, 0]);
  d.set(CommonConfig.STATUS, 1, 0);
  d.set(CommonConfig.QUEUE_SELECT, 2, 0);
  t.deepEqual([d.status, d.get(CommonConfig.QUEUE_ENABLE, 2), d.get(CommonConfig.QUEUE_SIZE, 2)], [0, 0, 64]);
});

for (const [what, field, value] of [
  ['descriptors beyond RAM', CommonConfig.QUEUE_DESCRIPTORS, 0xf_fff0],
  ['a used ring beyond 2^53', CommonConfig.QUEUE_USED + 4, 0xffff_ffff],
  ['a misaligned avail ring', CommonConfig.QUEUE_AVAIL, 0x1801],
  ['a size that is no power of two', CommonConfig.QUEUE_SIZE, 3],
] as const)
  test(`${what}: the device needs a reset`, (t) => {
    const d = consoleDriver();
    d.set(CommonConfig.QUEUE_SELECT, 2, 0);
    d.set(field, field === CommonConfig.QUEUE_SIZE ? 2 : 4, value);
    d.set(CommonConfig.QUEUE_ENABLE, 2, 1);
    t.true(d.needsReset);
    t.is(d.get(CommonConfig.QUEUE_ENABLE, 2), 0);
    d.start(2);
    t.false(d.needsReset, 'a reset is all it needs');
  });

test('used chains are told of by the message of the queue’s vector; masked ones wait', (t) => {
  const d = consoleDriver();
  d.messages(3);
  const [, out] = d.start(2);
  const send = (): void => {
    out.add([text]);
    out.kick();
  };
  send();
  t.deepEqual(d.b.messages(), ['0.0.41']);
  const table = d.msixTable >>> 0;
  d.b.platform.mmioWrite(table + 16 + 12, 4, 1);
  send();
  send();
  t.deepEqual(d.b.messages(), []);
  t.is(d.b.platform.mmioRead(table + 0x800, 4), 2, 'pending');
  d.b.platform.mmioWrite(table + 16 + 12, 4, 0);
  t.deepEqual(d.b.messages(), ['0.0.41'], 'once');
  t.is(d.b.platform.mmioRead(table + 0x800, 4), 0);
  d.setConfig(d.msixCapability + 2, 2, 0xc000);
  send();
  t.deepEqual(d.b.messages(), [], 'the whole function is masked');
  d.setConfig(d.msixCapability + 2, 2, 0x8000);
  t.deepEqual(d.b.messages(), ['0.0.41']);
  t.is(d.isr(), 0, 'no line is used');
  d.b.platform.mmioWrite(table + 16, 4, 0x8000);
  send();
  t.deepEqual(d.b.messages(), [], 'an address that is not the processors’');
});

test('without MSI-X the line is high until ISR is read, unless the command register disables it', (t) => {
  const d = consoleDriver();
  ioapicWrite(d.b, 0x10 + 2 * 11, 0x8055);
  const [, out] = d.start(2);
  out.add([text]);
  out.kick();
  t.deepEqual(d.b.messages(), ['0.0.55L']);
  t.is(d.config(6, 2) & 8, 8);
  t.is(d.isr(), 1);
  t.is(d.isr(), 0);
  d.b.platform.ioapicEoi(0x55);
  t.deepEqual(d.b.messages(), []);
  d.setConfig(4, 2, 0x406);
  out.add([text]);
  out.kick();
  t.deepEqual(d.b.messages(), []);
  t.is(d.config(6, 2) & 8, 8, 'the status says so all the same');
  d.setConfig(4, 2, 6);
  t.deepEqual(d.b.messages(), ['0.0.55L']);
  d.set(CommonConfig.STATUS, 1, 0);
  d.b.platform.ioapicEoi(0x55);
  t.deepEqual(d.b.messages(), [], 'a reset lowers it');
});

test('avail.flags and the event index keep interrupts away that the driver does not want', (t) => {
  const d = consoleDriver();
  d.messages(3);
  const [, plain] = d.start(2);
  plain.setU16(0x800, 1);
  plain.add([text]);
  plain.kick();
  t.deepEqual([plain.used().length, d.b.messages().length], [1, 0]);
  const [, out] = d.start(2, [VirtioFeature.VERSION_1, VirtioFeature.EVENT_IDX]);
  out.wantEvent(2);
  const seen = [1, 2, 3, 4].map(() => {
    out.add([text]);
    out.kick();
    return d.b.messages().length;
  });
  t.deepEqual(seen, [0, 0, 1, 0]);
  t.is(out.used().length, 4, 'the device has kept its own event index up to date');
});

test('a violation is told of by the configuration’s vector, and nothing is done until a reset', (t) => {
  const d = consoleDriver();
  d.messages(3);
  d.set(CommonConfig.CONFIG_VECTOR, 2, 2);
  const [, out] = d.start(2);
  d.set(CommonConfig.CONFIG_VECTOR, 2, 2);
  out.publish(16);
  out.kick();
  t.true(d.needsReset);
  t.deepEqual(d.b.messages(), ['0.0.42']);
  out.add([text]);
  out.kick();
  t.deepEqual(out.used(), []);
  t.is(d.entry.violations, 1);
});

test('without bus mastering no message leaves', (t) => {
  const d = consoleDriver();
  d.messages(3);
  const [, out] = d.start(2);
  d.setConfig(4, 2, 2);
  out.add([text]);
  out.kick();
  t.deepEqual(d.b.messages(), []);
  d.setConfig(4, 2, 6);
  t.deepEqual(d.b.messages(), ['0.0.41']);
});

test('the window in configuration space reaches the structures', (t) => {
  const d = consoleDriver();
  const at = d.windowCapability;
  const window = (offset: number, bytes: number): void => {
    d.setConfig(at + 4, 1, 0);
    d.setConfig(at + 8, 4, offset);
    d.setConfig(at + 12, 4, bytes);
  };
  window(CommonConfig.QUEUES, 2);
  t.is(d.config(at + 16, 2), 6);
  window(CommonConfig.STATUS, 1);
  d.setConfig(at + 16, 1, 3);
  t.is(d.status, 3);
  for (const [offset, bytes] of [
    [0x4000, 4],
    [0x3ffe, 4],
    [0xffff_ffff, 1],
    [0, 3],
    [1, 2],
  ]) {
    window(offset, bytes);
    t.notThrows(() => [d.config(at + 16, 4), d.setConfig(at + 16, 4, 0xffff_ffff)]);
  }
  t.is(d.status, 3);
});
