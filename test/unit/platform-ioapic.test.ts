// The I/O APIC: registers, edge and level pins, masks, remote IRR and EOI broadcasts.
import test from 'ava';
import { IoApic } from '../../daemon/platform/ioapic.js';
import { DeviceMap } from '../../shared/layout/devices.js';
import { viewsOf } from '../../shared/layout/struct.js';
import { board, ioapicRead, ioapicWrite, startPics } from './platform-board.js';

const LEVEL = 1 << 15;
const MASKED = 1 << 16;
const REMOTE_IRR = 1 << 14;

/** The chip alone, its pins in the test's hand. */
const chip = () => {
  const sent: string[] = [];
  const ioapic = new IoApic(viewsOf(new SharedArrayBuffer(DeviceMap.REGISTERS_END)), {
    now: () => 0,
    deliver: (destination, logical, mode, vector, level) => void sent.push(`${destination} ${logical} ${mode} ${vector} ${level}`),
    setIntr: () => {},
    powerOff: () => {},
    reset: () => {},
    debugExit: () => {},
    lowerLine: () => undefined,
    callRoot: () => undefined,
    beginStore: () => undefined,
    endStore: () => undefined,
    deterministic: false,
    synicTest: () => undefined,
    assertedLine: () => 0,
    patienceMs: 0,
    textSeen: () => {},
    remapped: () => {},
  });
  ioapic.reset();
  const write = (register: number, value: number): void => {
    ioapic.write(0, register);
    ioapic.write(16, value);
  };
  const read = (register: number): number => {
    ioapic.write(0, register);
    return ioapic.read(16);
  };
  return { ioapic, write, read, sent: () => sent.splice(0) };
};

test('identification: 24 pins, version 0x11, an ID of four bits', (t) => {
  const b = board();
  t.is(ioapicRead(b, 1), 0x0017_0011);
  ioapicWrite(b, 0, 0xffff_ffff);
  t.is(ioapicRead(b, 0), 0x0f00_0000);
  t.is(ioapicRead(b, 2), 0x0f00_0000);
  t.true(b.platform.claimsMmio(0xfec0_0000));
  t.true(b.platform.claimsMmio(0xfec0_0fff));
  t.false(b.platform.claimsMmio(0xfec0_1000));
  t.false(b.platform.claimsMmio(0xfee0_0000));
});

test('all pins are masked at reset, and read-only bits of an entry stay as they are', (t) => {
  const c = chip();
  for (let pin = 0; pin < 24; pin++) t.is(c.read(0x10 + 2 * pin), MASKED);
  c.write(0x12, 0xffff_ffff);
  c.write(0x13, 0xffff_ffff);
  t.is(c.read(0x12), 0x1ffff & ~(REMOTE_IRR | (1 << 12)));
  t.is(c.read(0x13), 0xff00_0000);
  t.is(c.read(0x10 + 48), 0, 'no pin 24');
});

test('an edge sends one message with the fields of its entry; a masked edge is lost', (t) => {
  const c = chip();
  c.write(0x10 + 8, 0x0955);
  c.write(0x11 + 8, 0x8100_0000);
  c.ioapic.setPin(4, true);
  c.ioapic.setPin(4, true);
  t.deepEqual(c.sent(), ['129 true 1 85 false']);
  c.ioapic.setPin(4, false);
  c.write(0x10 + 8, 0x55 | MASKED);
  c.ioapic.setPin(4, true);
  c.write(0x10 + 8, 0x55);
  t.deepEqual(c.sent(), []);
  c.ioapic.setPin(4, false);
  c.ioapic.setPin(4, true);
  t.deepEqual(c.sent(), ['129 false 0 85 false']);
});

test('a level interrupt is sent once until its EOI, and again while its line stays asserted', (t) => {
  const c = chip();
  c.write(0x10 + 18, 0x60 | LEVEL);
  c.ioapic.setPin(9, true);
  t.deepEqual(c.sent(), ['0 false 0 96 true']);
  t.is(c.read(0x10 + 18) & REMOTE_IRR, REMOTE_IRR);
  c.ioapic.setPin(9, false);
  c.ioapic.setPin(9, true);
  t.deepEqual(c.sent(), [], 'remote IRR holds it back');
  c.ioapic.endOfInterrupt(0x61);
  t.deepEqual(c.sent(), [], 'not its vector');
  c.ioapic.endOfInterrupt(0x60);
  t.is(c.sent().length, 1);
  c.ioapic.setPin(9, false);
  c.ioapic.endOfInterrupt(0x60);
  t.deepEqual(c.sent(), []);
  t.is(c.read(0x10 + 18) & REMOTE_IRR, 0);
});

test('a level line asserted while masked is sent on unmasking', (t) => {
  const c = chip();
  c.write(0x10 + 18, 0x60 | LEVEL | MASKED);
  c.ioapic.setPin(9, true);
  t.deepEqual(c.sent(), []);
  c.write(0x10 + 18, 0x60 | LEVEL);
  t.is(c.sent().length, 1);
});

test('writing an entry keeps remote IRR, making it edge clears it', (t) => {
  const c = chip();
  c.write(0x10 + 18, 0x60 | LEVEL);
  c.ioapic.setPin(9, true);
  c.write(0x10 + 18, 0x60 | LEVEL | MASKED);
  t.is(c.read(0x10 + 18) & REMOTE_IRR, REMOTE_IRR);
  c.write(0x10 + 18, 0x60 | MASKED);
  t.is(c.read(0x10 + 18) & REMOTE_IRR, 0);
});

test('an EOI reaches every pin that shares the vector', (t) => {
  const c = chip();
  for (const pin of [10, 11]) {
    c.write(0x10 + 2 * pin, 0x70 | LEVEL);
    c.ioapic.setPin(pin, true);
  }
  c.sent();
  c.ioapic.endOfInterrupt(0x70);
  t.is(c.sent().length, 2);
});

test('NMI and ExtINT pins are edge whatever the entry says', (t) => {
  const c = chip();
  c.write(0x10 + 20, 0x0400 | LEVEL);
  c.ioapic.setPin(10, true);
  t.deepEqual(c.sent(), ['0 false 4 0 false']);
  t.is(c.read(0x10 + 20) & REMOTE_IRR, 0);
});

test('pin 0 carries the 8259 INTR as an ExtINT, other lines their own pins', (t) => {
  const b = board();
  startPics(b);
  ioapicWrite(b, 0x10, 0x0700);
  ioapicWrite(b, 0x10 + 8, 0x44);
  b.out(0x3f9, 2);
  t.deepEqual(b.messages(), ['0.7.0', '0.0.44']);
  t.deepEqual(b.intr(), [true]);
  t.is(b.platform.picAcknowledge(), 0x24);
  t.deepEqual(b.intr(), [false]);
});

test('the index register takes a byte, other offsets answer nothing', (t) => {
  const b = board();
  b.platform.mmioWrite(0xfec0_0000, 1, 1);
  t.is(b.platform.mmioRead(0xfec0_0000, 4), 1);
  t.is(b.platform.mmioRead(0xfec0_0010, 1), 0x11);
  t.is(b.platform.mmioRead(0xfec0_0012, 2), 0x17);
  b.platform.mmioWrite(0xfec0_0fff, 4, 0xffff_ffff);
  t.is(b.platform.mmioRead(0xfec0_0fff, 4), 0);
});
