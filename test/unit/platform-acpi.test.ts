// ACPI fixed hardware, reset and exit ports: PM timer, power off, SCI, every way to reset.
import test from 'ava';
import { pressPowerButton } from '../../daemon/platform/acpi-pm.js';
import { board, ioapicRead, ioapicWrite, startPics } from './platform-board.js';

const [STATUS, ENABLE, CONTROL, TIMER, GPE0] = [0x600, 0x602, 0x604, 0x608, 0x620];

test('the PM timer counts 3.579545 MHz in 32 bits', (t) => {
  const b = board();
  for (const [ns, ticks] of [
    [0, 0],
    [1e9, 3_579_545],
    [279, 0],
    [280, 1],
    [1200e9, (1200 * 3_579_545) % 2 ** 32],
  ]) {
    b.time = ns;
    t.is(b.platform.ioRead(TIMER, 4), ticks, `${ns} ns`);
  }
});

test('the timer carry raises the SCI when enabled, and writing 1 to its status ends it', (t) => {
  const b = board();
  startPics(b, 0xfb, 0xfd);
  b.platform.ioWrite(ENABLE, 2, 1);
  const carry = b.platform.nextDeadline();
  t.is(carry, Math.ceil((2 ** 23 * 1e9) / 3_579_545));
  b.wait(carry);
  t.is(b.platform.picAcknowledge(), 0x29);
  t.is(b.platform.ioRead(STATUS, 2), 1);
  b.out(0xa0, 0x20, 0x20, 0x20);
  t.true(b.platform.picPending(), 'level: asks again');
  b.platform.ioWrite(STATUS, 2, 1);
  t.is(b.platform.ioRead(STATUS, 2), 0);
  t.is(b.platform.nextDeadline(), Math.ceil((2 ** 24 * 1e9) / 3_579_545));
});

test('soft off needs sleep type 5 and SLP_EN', (t) => {
  const b = board();
  for (const value of [0x1400, 0x2000, 0x2001 | (4 << 10)]) b.platform.ioWrite(CONTROL, 2, value);
  t.deepEqual(b.power, []);
  t.is(b.platform.ioRead(CONTROL, 2), (4 << 10) | 1, 'SLP_EN reads 0, SCI_EN reads 1');
  b.platform.ioWrite(CONTROL, 2, 0x2000 | (5 << 10));
  t.deepEqual(b.power, ['off']);
});

test('the power button, pressed by root, becomes an SCI at the next advance', (t) => {
  const b = board();
  ioapicWrite(b, 0x10 + 18, 0x59 | (1 << 15));
  b.platform.ioWrite(ENABLE, 2, 0x100);
  pressPowerButton(b.views);
  t.is(b.platform.nextDeadline(), 0);
  b.platform.advance();
  t.is(b.platform.nextDeadline(), Number.POSITIVE_INFINITY);
  t.deepEqual(b.messages(), ['0.0.59L']);
  t.is(b.platform.ioRead(STATUS, 2), 0x100);
  b.platform.ioWrite(STATUS, 2, 0x100);
  b.platform.ioapicEoi(0x59);
  t.deepEqual(b.messages(), []);
  t.is(ioapicRead(b, 0x10 + 18), 0x59 | (1 << 15));
});

test('GPE0 is there, enables are kept, nothing is ever set', (t) => {
  const b = board();
  b.platform.ioWrite(GPE0 + 2, 2, 0xffff);
  t.is(b.platform.ioRead(GPE0, 4), 0xffff_0000);
});

test('every way to reset the machine resets it, and the same writes with the wrong bits do not', (t) => {
  for (const [port, value, resets] of [
    [0x64, 0xfe, true],
    [0x64, 0xff, false],
    [0x64, 0xf0, true],
    [0x92, 0x01, true],
    [0x92, 0x02, false],
    [0xcf9, 0x06, true],
    [0xcf9, 0x02, false],
  ] as const) {
    const b = board();
    b.out(port, value);
    t.deepEqual(b.power, resets ? ['reset'] : [], `port ${port.toString(16)} value ${value.toString(16)}`);
  }
  const b = board();
  b.out(0x64, 0xd1, 0x60, 0x02);
  t.deepEqual(b.power, ['reset'], 'output port, reset line low');
});

test('the test exit port gives its value in any width', (t) => {
  const b = board();
  b.platform.ioWrite(0xf4, 1, 0x21);
  b.platform.ioWrite(0xf4, 2, 0x1234);
  b.platform.ioWrite(0xf4, 4, 0xfedc_ba98);
  t.deepEqual(b.power, ['exit 33', 'exit 4660', `exit ${0xfedc_ba98}`]);
});
