// The 8254: counts and OUT by mode as value tables, latches, and the interrupts of channel 0.
import test from 'ava';
import { nsOfTick, PIT_HZ, ticksAt } from '../../daemon/platform/ticks.js';
import { board, ioapicWrite, startPics } from './platform-board.js';

const at = (tick: number): number => nsOfTick(tick, PIT_HZ);
/** Channel 2 with its gate open, in `mode`, both bytes, `count` written at tick 0. */
const channel2 = (mode: number, count: number, bcd = 0) => {
  const b = board();
  b.out(0x61, 1, 0x43, 0xb0 | (mode << 1) | bcd, 0x42, count & 0xff, 0x42, count >>> 8);
  const count2 = (): number => {
    b.out(0x43, 0x80);
    return b.in(0x42) | (b.in(0x42) << 8);
  };
  const out2 = (): number => (b.in(0x61) >>> 5) & 1;
  return { b, count2, out2 };
};

test('ticks and ns convert exactly, also after years', (t) => {
  for (const tick of [0, 1, 2, 1193181, 1193182, 1193183, 65536 * 1000 + 7, 1193182 * 86400 * 100 + 17]) {
    t.is(ticksAt(at(tick), PIT_HZ), tick);
    if (tick > 0) t.is(ticksAt(at(tick) - 1, PIT_HZ), tick - 1);
  }
});

for (const [name, mode, count, table] of [
  // [tick, count read, OUT]; the count is loaded by the first clock after it was written
  [
    'mode 0 counts once: OUT rises at the terminal count',
    0,
    4,
    [
      [0, 4, 0],
      [1, 4, 0],
      [2, 3, 0],
      [4, 1, 0],
      [5, 0, 1],
      [6, 0xffff, 1],
    ],
  ],
  [
    'mode 2 divides by N: OUT is low for the last clock',
    2,
    4,
    [
      [1, 4, 1],
      [2, 3, 1],
      [4, 1, 0],
      [5, 4, 1],
      [8, 1, 0],
      [401, 4, 1],
    ],
  ],
  [
    'mode 3, even N: two halves, counted by two',
    3,
    6,
    [
      [1, 6, 1],
      [2, 4, 1],
      [3, 2, 1],
      [4, 6, 0],
      [6, 2, 0],
      [7, 6, 1],
    ],
  ],
  [
    'mode 3, odd N: the high half is one clock longer',
    3,
    5,
    [
      [1, 4, 1],
      [3, 0, 1],
      [4, 4, 0],
      [5, 2, 0],
      [6, 4, 1],
    ],
  ],
  [
    'mode 4 strobes low for one clock',
    4,
    3,
    [
      [1, 3, 1],
      [3, 1, 1],
      [4, 0, 0],
      [5, 0xffff, 1],
    ],
  ],
  [
    'a count of 0 means 65536',
    2,
    0,
    [
      [1, 0, 1],
      [2, 0xffff, 1],
      [65536, 1, 0],
      [65537, 0, 1],
    ],
  ],
] as const)
  test(name, (t) => {
    const { b, count2, out2 } = channel2(mode, count);
    for (const [tick, expected, level] of table) {
      b.time = at(tick);
      t.is(count2(), expected, `count at ${tick}`);
      t.is(out2(), level, `OUT at ${tick}`);
    }
  });

test('BCD counts decimally', (t) => {
  const { b, count2 } = channel2(2, 0x1000, 1);
  b.time = at(2);
  t.is(count2(), 0x0999);
  b.time = at(1001);
  t.is(count2(), 0x1000);
});

test('the gate of channel 2 freezes mode 0 and triggers mode 1', (t) => {
  const zero = channel2(0, 100);
  zero.b.time = at(11);
  zero.b.out(0x61, 0);
  zero.b.time = at(1011);
  t.is(zero.count2(), 90);
  zero.b.out(0x61, 1);
  zero.b.time = at(1021);
  t.is(zero.count2(), 80);

  const one = channel2(1, 10);
  one.b.time = at(500);
  t.is(one.out2(), 1, 'not triggered');
  one.b.out(0x61, 0, 0x61, 1);
  one.b.time = at(505);
  t.is(one.out2(), 0);
  one.b.time = at(511);
  t.is(one.out2(), 1);
});

test('a new count in mode 2 waits for the end of the period, in mode 3 for the end of the half', (t) => {
  const two = channel2(2, 10);
  two.b.time = at(4);
  two.b.out(0x42, 100, 0x42, 0);
  two.b.time = at(6);
  t.is(two.count2(), 5);
  two.b.time = at(11);
  t.is(two.count2(), 100);
  two.b.time = at(31);
  t.is(two.count2(), 80);

  const three = channel2(3, 10);
  three.b.time = at(4);
  three.b.out(0x42, 20, 0x42, 0);
  three.b.time = at(6);
  t.is(three.out2(), 0, 'the new low half');
  three.b.time = at(15);
  t.is(three.out2(), 0);
  three.b.time = at(16);
  t.is(three.out2(), 1);
});

test('a latched count stays until it is read, however late', (t) => {
  const { b } = channel2(2, 1000);
  b.time = at(11);
  b.out(0x43, 0x80);
  b.time = at(500);
  b.out(0x43, 0x80);
  t.is(b.in(0x42) | (b.in(0x42) << 8), 990);
  t.is(b.in(0x42) | (b.in(0x42) << 8), 501, 'then the count itself');
});

test('read-back latches status before count', (t) => {
  const { b } = channel2(3, 0x1234);
  b.out(0x43, 0xe8);
  t.is(b.in(0x42), 0x80 | 0x40 | 0x30 | 0x06, 'OUT high, count not loaded yet, both bytes, mode 3');
  b.time = at(3);
  b.out(0x43, 0xc8);
  t.is(b.in(0x42), 0x80 | 0x30 | 0x06);
  t.is(b.in(0x42) | (b.in(0x42) << 8), 0x1230);
});

test('one-byte access modes load and read one byte', (t) => {
  const b = board();
  b.out(0x61, 1, 0x43, 0x94, 0x42, 50);
  b.time = at(11);
  t.is(b.in(0x42), 40);
  t.is(b.in(0x42), 40);
  b.out(0x43, 0xa4, 0x42, 0x10);
  b.time = at(11 + 1 + 0x123);
  t.is(b.in(0x42), (0x1000 - 0x123) >>> 8);
});

test('port 0x61 shows refresh toggling every 15 us', (t) => {
  const b = board();
  const bits = [0, 1, 2, 3].map((i) => {
    b.time = i * 15_085 + 1;
    return (b.in(0x61) >>> 4) & 1;
  });
  t.deepEqual(bits, [0, 1, 0, 1]);
});

test('channel 0 interrupts once a period, in phase, without drift', (t) => {
  const b = board();
  startPics(b, 0xfe, 0xff);
  b.out(0x43, 0x34, 0x40, 1000 & 0xff, 0x40, 1000 >>> 8);
  for (const period of [1, 2, 3]) {
    t.is(b.platform.nextDeadline(), at(1 + 1000 * period));
    b.time = b.platform.nextDeadline() - 1;
    b.platform.advance();
    t.false(b.platform.picPending());
    b.wait(1);
    t.is(b.platform.picAcknowledge(), 0x20);
    b.out(0x20, 0x20);
    t.false(b.platform.picPending());
  }
});

test('a long idle time becomes one interrupt, and the phase is kept', (t) => {
  const b = board();
  startPics(b, 0xfe, 0xff);
  b.out(0x43, 0x34, 0x40, 1000 & 0xff, 0x40, 1000 >>> 8);
  b.wait(3600e9);
  t.is(b.platform.picAcknowledge(), 0x20);
  b.out(0x20, 0x20);
  t.false(b.platform.picPending());
  t.is((ticksAt(b.platform.nextDeadline(), PIT_HZ) - 1) % 1000, 0);
  t.true(b.platform.nextDeadline() - b.time <= at(1000) + 1);
});

test('mode 0 on channel 0 is a one-shot timer', (t) => {
  const b = board();
  startPics(b, 0xfe, 0xff);
  b.out(0x43, 0x30, 0x40, 0xe8, 0x40, 0x03);
  t.is(b.platform.nextDeadline(), at(1001));
  b.wait(at(1001));
  t.is(b.platform.picAcknowledge(), 0x20);
  t.is(b.platform.nextDeadline(), Number.POSITIVE_INFINITY);
});

test('a timer that nobody can be interrupted by asks for no wake-ups, and its last edge is there on unmasking', (t) => {
  const b = board();
  startPics(b, 0xff, 0xff);
  b.out(0x43, 0x34, 0x40, 0, 0x40, 1);
  t.is(b.platform.nextDeadline(), Number.POSITIVE_INFINITY);
  b.time = 1e9;
  b.out(0x21, 0xfe);
  t.is(b.platform.picAcknowledge(), 0x20);
  t.true(b.platform.nextDeadline() < 1.001e9);
});

test('IRQ 0 reaches the I/O APIC at pin 2', (t) => {
  const b = board();
  ioapicWrite(b, 0x15, 0x0300_0000);
  ioapicWrite(b, 0x14, 0x31);
  b.out(0x43, 0x34, 0x40, 0, 0x40, 1);
  b.messages();
  b.wait(at(257));
  t.deepEqual(b.messages(), ['3.0.31']);
});

test('the shortest period costs bounded wake-ups', (t) => {
  const b = board();
  startPics(b, 0xfe, 0xff);
  b.out(0x43, 0x14, 0x40, 1);
  let wakeups = 0;
  while (b.time < 1e6) {
    b.time = Math.max(b.time + 1, b.platform.nextDeadline());
    b.platform.advance();
    wakeups++;
  }
  t.true(wakeups <= 102, `${wakeups} wake-ups in 1 ms`);
});

test('an LP whose clock is behind neither repeats nor takes back an interrupt', (t) => {
  const ahead = board();
  const behind = board(ahead.views);
  startPics(ahead, 0xfe, 0xff);
  ahead.out(0x43, 0x30, 0x40, 100, 0x40, 0);
  ahead.wait(at(101));
  t.is(ahead.platform.picAcknowledge(), 0x20);
  ahead.out(0x20, 0x20);
  behind.wait(at(50));
  behind.in(0x21);
  ahead.wait(1000);
  ahead.in(0x21);
  t.false(ahead.platform.picPending());
});

test('a count written by an LP whose clock is behind switches in the future of all', (t) => {
  const ahead = board();
  const behind = board(ahead.views);
  startPics(ahead, 0xfe, 0xff);
  ahead.out(0x43, 0x34, 0x40, 10, 0x40, 0);
  ahead.wait(at(1002));
  t.is(ahead.platform.picAcknowledge(), 0x20);
  ahead.out(0x20, 0x20);
  behind.time = at(4);
  behind.out(0x40, 30, 0x40, 0);
  // The period of 10 under way ends at 1011, the first of 30 at 1041.
  for (const [tick, pending] of [
    [1010, false],
    [1011, true],
    [1040, false],
    [1041, true],
  ] as const) {
    ahead.time = at(tick);
    ahead.in(0x21);
    t.is(ahead.platform.picPending(), pending, `tick ${tick}`);
    if (pending) ahead.platform.picAcknowledge();
    ahead.out(0x20, 0x20);
  }
});
