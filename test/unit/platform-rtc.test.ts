// The real-time clock: calendar, formats, setting, memory size bytes, periodic, update and alarm interrupts.

import test from 'ava';
import fc from 'fast-check';
import { ALARM_ANY, alarmSecond, calendarOf, fromRegister, secondsOf, toRegister } from '../../daemon/platform/calendar.js';
import { DEFAULT_EPOCH_SECONDS } from '../../daemon/platform/rtc.js';
import { type Board, board, startPics } from './platform-board.js';

const get = (b: Board, index: number): number => {
  b.out(0x70, index);
  return b.in(0x71);
};
const set = (b: Board, ...pairs: number[]): void => {
  for (let i = 0; i < pairs.length; i += 2) b.out(0x70, pairs[i], 0x71, pairs[i + 1]);
};
const time = (b: Board): string => [0x32, 9, 8, 7, 4, 2, 0].map((i) => get(b, i).toString(16).padStart(2, '0')).join(' ');
const S = 1e9;

test('the calendar agrees with Date over 8,000 years', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 8000 * 366 * 86400 }), (seconds) => {
      const c = calendarOf(seconds);
      const d = new Date(seconds * 1000);
      t.deepEqual(c, {
        year: d.getUTCFullYear(),
        month: d.getUTCMonth() + 1,
        day: d.getUTCDate(),
        weekday: d.getUTCDay() + 1,
        hour: d.getUTCHours(),
        minute: d.getUTCMinutes(),
        second: d.getUTCSeconds(),
      });
      t.is(secondsOf(c), seconds);
    }),
  );
});

test('the next alarm is the one a search finds', (t) => {
  const field = (max: number) => fc.oneof(fc.constant(ALARM_ANY), fc.integer({ min: 0, max }));
  fc.assert(
    fc.property(
      fc.record({ hour: field(23), minute: field(59), second: field(59) }),
      fc.integer({ min: 0, max: 3 * 86400 }),
      (alarm, after) => {
        let s = after + 1;
        const match = (wanted: number, value: number): boolean => wanted === ALARM_ANY || wanted === value;
        while (
          !(match(alarm.hour, Math.floor(s / 3600) % 24) && match(alarm.minute, Math.floor(s / 60) % 60) && match(alarm.second, s % 60))
        )
          s++;
        return alarmSecond(alarm, after) === s;
      },
    ),
    { numRuns: 50 },
  );
  t.is(alarmSecond({ hour: 24, minute: 0, second: 0 }, 0), Number.POSITIVE_INFINITY);
});

test('register formats go there and back', (t) => {
  for (const binary of [false, true])
    for (const hours24 of [false, true])
      for (let hour = 0; hour < 24; hour++)
        t.is(fromRegister(toRegister(hour, { binary, hours24 }, true), { binary, hours24 }, true), hour);
  t.is(toRegister(0, { binary: false, hours24: false }, true), 0x12);
  t.is(toRegister(12, { binary: false, hours24: false }, true), 0x92);
  t.is(toRegister(23, { binary: false, hours24: false }, true), 0x91);
  t.is(toRegister(59, { binary: false, hours24: true }, false), 0x59);
});

test('the clock starts at its epoch and follows partition time', (t) => {
  const b = board();
  t.is(DEFAULT_EPOCH_SECONDS, Date.UTC(2024, 0, 1) / 1000);
  t.is(time(b), '20 24 01 01 00 00 00');
  t.is(get(b, 6), 2, 'a Monday');
  b.time = (59 * 86400 + 23 * 3600 + 59 * 60 + 59) * S;
  t.is(time(b), '20 24 02 29 23 59 59');
  b.time += S;
  t.is(time(b), '20 24 03 01 00 00 00');
});

test('formats follow register B', (t) => {
  const b = board();
  b.time = (15 * 3600 + 42 * 60) * S;
  t.is(get(b, 4), 0x15);
  set(b, 11, 0x00);
  t.is(get(b, 4), 0x83, '3 PM in BCD');
  set(b, 11, 0x06);
  t.deepEqual([get(b, 4), get(b, 2)], [15, 42]);
});

test('the guest sets the time under SET, and the clock goes on from there also after a reset', (t) => {
  const b = board();
  set(b, 11, 0x82, 9, 0x31, 8, 0x12, 7, 0x31, 4, 0x23, 2, 0x59, 0, 0x58, 0x32, 0x19);
  b.time = 100 * S;
  t.is(time(b), '19 31 12 31 23 59 58', 'held still');
  set(b, 11, 0x02);
  b.time += 3 * S;
  t.is(time(b), '19 32 01 01 00 00 01');
  b.platform.reset();
  t.is(time(b), '19 32 01 01 00 00 01');
});

test('update in progress is told just before the second changes', (t) => {
  const b = board();
  t.is(get(b, 10), 0x26);
  b.time = S - 2_000_000;
  t.is(get(b, 10), 0xa6);
  b.time = S;
  t.is(get(b, 10), 0x26);
  t.is(get(b, 13), 0x80);
});

test('memory sizes are in CMOS', (t) => {
  const b = board();
  const word = (index: number): number => get(b, index) | (get(b, index + 1) << 8);
  t.is(word(0x15), 640);
  t.is(word(0x17), 63 * 1024);
  t.is(word(0x34), (48 << 20) / 65536);
  t.is(get(b, 0x5f), 1);
});

test('CMOS bytes are memory, and the NMI bit of the index has no effect', (t) => {
  const b = board();
  b.out(0x70, 0xff, 0x71, 0x5a);
  t.is(get(b, 0x7f), 0x5a);
});

test('periodic interrupts come at the rate of register A, one until C is read', (t) => {
  const b = board();
  startPics(b, 0xfb, 0xfe);
  set(b, 10, 0x2f, 11, 0x42);
  t.is(b.platform.nextDeadline(), S / 2);
  b.wait(S / 2);
  t.is(b.platform.picAcknowledge(), 0x28);
  t.is(b.platform.nextDeadline(), Number.POSITIVE_INFINITY, 'none before C is read');
  b.wait(10 * S);
  b.out(0xa0, 0x20, 0x20, 0x20);
  t.false(b.platform.picPending());
  t.is(get(b, 12), 0xd0, 'request, periodic, and the update that came too');
  t.is(get(b, 12), 0x00);
  b.wait(S / 2);
  t.true(b.platform.picPending());
});

test('the update interrupt comes with each new second', (t) => {
  const b = board();
  startPics(b, 0xfb, 0xfe);
  b.time = 0.25 * S;
  set(b, 11, 0x12);
  t.is(b.platform.nextDeadline(), S);
  b.wait(0.75 * S);
  t.is(b.platform.picAcknowledge(), 0x28);
  t.is(get(b, 12) & 0x90, 0x90);
});

test('the alarm fires at its time of day, also when a long sleep passes over it', (t) => {
  const b = board();
  startPics(b, 0xfb, 0xfe);
  set(b, 1, 0x30, 3, 0x15, 5, 0x06, 11, 0x22);
  const at = (6 * 3600 + 15 * 60 + 30) * S;
  t.is(b.platform.nextDeadline(), at);
  b.wait(at - 1);
  t.false(b.platform.picPending());
  b.wait(1);
  t.is(b.platform.picAcknowledge(), 0x28);
  t.is(get(b, 12) & 0xa0, 0xa0);
  b.out(0xa0, 0x20, 0x20, 0x20);
  b.wait(200_000 * S);
  t.is(b.platform.picAcknowledge(), 0x28);
});

test('an alarm with any second fires each second', (t) => {
  const b = board();
  startPics(b, 0xfb, 0xfe);
  set(b, 1, 0xff, 3, 0xff, 5, 0xff, 11, 0x22);
  t.is(b.platform.nextDeadline(), S);
});

test('enabling an interrupt whose flag stands raises it at once', (t) => {
  const b = board();
  startPics(b, 0xfb, 0xfe);
  b.wait(2 * S);
  set(b, 11, 0x12);
  t.true(b.platform.picPending());
});

test('any register contents leave a clock that answers', (t) => {
  const b = board();
  for (let i = 0; i < 2000; i++) {
    set(b, i & 15, (i * 37) & 0xff);
    set(b, 0x32, (i * 91) & 0xff);
    b.wait(0.3 * S);
    time(b);
    const next = b.platform.nextDeadline();
    t.false(Number.isNaN(next));
  }
  set(b, 11, 0x82, 9, 0x24, 8, 1, 7, 1, 4, 0, 2, 0, 0, 0, 0x32, 0x20, 11, 0x02);
  t.is(time(b), '20 24 01 01 00 00 00');
});
