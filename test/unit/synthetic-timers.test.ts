// The synthetic timers: modes, registers and payload as the TLFS has them (12.3), on a clock that the test moves.
import test from 'ava';
import { MessageType, SynicMsr, TimerPayload } from '../../shared/abi/synic.js';
import { SynicRig } from '../rig/synic-rig.js';

const CONFIG = SynicMsr.STIMER0_CONFIG;
const COUNT = SynicMsr.STIMER0_CONFIG + 1;
const ENABLE = 1n;
const PERIODIC = 2n;
const LAZY = 4n;
const AUTO = 8n;
const SINT2 = 2n << 16n;
const DIRECT = 1n << 12n;
const vector = (v: number): bigint => BigInt(v) << 4n;

const started = (config: bigint, count: bigint, direct = true): SynicRig => {
  const rig = new SynicRig(direct).ready(0);
  rig.registers.write(0, SynicMsr.SINT0 + 2, 0x40n);
  rig.registers.write(0, CONFIG, config);
  rig.registers.write(0, COUNT, count);
  return rig;
};
const config = (rig: SynicRig): bigint => rig.registers.read(0, CONFIG);

test('a one-shot timer sends its message at its count, not before, and is off then', (t) => {
  const rig = started(ENABLE | SINT2, 1000n);
  rig.until(99_999);
  t.is(rig.slotType(0, 2), 0);
  rig.until(100_100);
  t.is(rig.slotType(0, 2), MessageType.TIMER_EXPIRED);
  t.deepEqual(rig.interrupts, [{ vp: 0, vector: 0x40, auto: false }]);
  t.is(config(rig) & ENABLE, 0n);
  const payload = rig.payload(0, 2);
  t.is(payload.getUint32(TimerPayload.INDEX, true), 0);
  t.is(payload.getBigUint64(TimerPayload.EXPIRATION, true), 1000n);
  t.true(payload.getBigUint64(TimerPayload.DELIVERY, true) >= 1000n);
});

test('a count that is past expires at once', (t) => {
  const rig = started(ENABLE | SINT2, 0n);
  rig.now = 1_000_000;
  rig.registers.write(0, CONFIG, ENABLE | SINT2);
  rig.registers.write(0, COUNT, 5n);
  t.is(rig.slotType(0, 2), MessageType.TIMER_EXPIRED);
});

test('a count of 0 disables; with auto-enable any other one enables', (t) => {
  const rig = started(AUTO | SINT2, 1000n);
  t.is(config(rig) & ENABLE, ENABLE);
  rig.registers.write(0, COUNT, 0n);
  t.is(config(rig) & ENABLE, 0n);
  rig.until(1_000_000);
  t.is(rig.slotType(0, 2), 0);
  const other = started(SINT2, 1000n);
  t.is(config(other) & ENABLE, 0n);
});

test('SINT 0 is no place for messages: enabling is refused, but in direct mode', (t) => {
  t.is(config(started(ENABLE, 1000n)) & ENABLE, 0n);
  t.is(config(started(AUTO, 1000n)) & ENABLE, 0n);
  t.is(config(started(ENABLE | DIRECT | vector(0x80), 1000n)) & ENABLE, ENABLE);
  t.is(config(started(ENABLE | DIRECT | vector(0x80), 1000n, false)) & ENABLE, 0n, 'where there is no direct mode its bit means nothing');
});

test('direct mode raises a vector and sends nothing', (t) => {
  const rig = started(ENABLE | DIRECT | vector(0xed), 1000n);
  rig.until(200_000);
  t.deepEqual(rig.direct, [0xed]);
  t.deepEqual(rig.interrupts, []);
  t.is(rig.slotType(0, 2), 0);
});

test('a periodic timer does not drift', (t) => {
  const rig = started(ENABLE | PERIODIC | SINT2, 1000n);
  const expirations: bigint[] = [];
  for (let ms = 1; ms <= 10; ms++) {
    rig.until(ms * 100_000 + 50_000);
    expirations.push(rig.payload(0, 2).getBigUint64(TimerPayload.EXPIRATION, true));
    rig.emptySlot(0, 2);
    rig.registers.write(0, SynicMsr.EOM, 0n);
  }
  t.deepEqual(
    expirations,
    Array.from({ length: 10 }, (_, n) => BigInt(n + 1) * 1000n),
  );
});

test('a lazy timer passes over what it has missed, another one makes up for it', (t) => {
  const counts = [LAZY, 0n].map((lazy) => {
    const rig = started(ENABLE | PERIODIC | DIRECT | vector(0x80) | lazy, 1000n);
    // The LP looks after nine periods only, then as often as the timer asks.
    rig.now = 950_000;
    rig.timers[0].advance(rig.moment());
    rig.until(1_990_000);
    return rig.direct.length;
  });
  t.is(counts[0], 11, 'one for all that was missed, ten of the second half');
  t.true(counts[1] > counts[0] && counts[1] <= 19, `${counts[1]}`);
});

test('a timer whose message is not read does not send more than the one that waits', (t) => {
  const rig = started(ENABLE | PERIODIC | SINT2, 1000n);
  rig.until(10_000_000);
  t.is(rig.interrupts.length, 1);
  rig.emptySlot(0, 2);
  rig.registers.write(0, SynicMsr.EOM, 0n);
  t.is(rig.payload(0, 2).getBigUint64(TimerPayload.EXPIRATION, true), 2000n);
  rig.emptySlot(0, 2);
  rig.registers.write(0, SynicMsr.EOM, 0n);
  t.is(rig.slotType(0, 2), 0);
});

test('a timer that is set anew forgets the message that waited', (t) => {
  const rig = started(ENABLE | PERIODIC | SINT2, 1000n);
  rig.until(300_000);
  rig.registers.write(0, COUNT, 0n);
  rig.emptySlot(0, 2);
  rig.registers.write(0, SynicMsr.EOM, 0n);
  t.is(rig.slotType(0, 2), 0);
});

test('periods that no host could keep are lengthened', (t) => {
  const rig = started(ENABLE | PERIODIC | DIRECT | vector(0x80), 1n);
  rig.until(1_000_000);
  t.true(rig.direct.length <= 100, `${rig.direct.length} in a millisecond`);
});

test('the largest counts are far away, and nothing else', (t) => {
  for (const mode of [0n, PERIODIC]) {
    const rig = started(ENABLE | DIRECT | vector(0x80) | mode, (1n << 64n) - 1n);
    t.is(rig.timers[0].deadline(), Infinity);
    rig.until(1e12);
    t.is(rig.direct.length, 0);
    rig.registers.write(0, COUNT, (1n << 64n) - 1n);
    rig.until(2e12);
    t.is(rig.direct.length, 0);
  }
});
