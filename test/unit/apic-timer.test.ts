import test from 'ava';
import { tscAt } from '../../daemon/hypervisor/apic/timer.js';
import { ApicRegister } from '../../shared/abi/apic.js';
import { ApicPartition, TSC_HZ } from '../rig/apic-partition.js';

const { LVT_TIMER, TIMER_INITIAL, TIMER_CURRENT, TIMER_DIVIDE } = ApicRegister;
const PERIODIC = 1 << 17;
const DEADLINE = 2 << 17;
const MASKED = 1 << 16;
const BY_1 = 0xb;

const timer = (lvt: number, divide = BY_1): ApicPartition => {
  const p = new ApicPartition(1).enable();
  p.write(0, TIMER_DIVIDE, divide);
  p.write(0, LVT_TIMER, lvt);
  return p;
};

test('one-shot: counts down at the divided clock, interrupts once, then stands at 0', (t) => {
  const p = timer(0x40, 0x2); // by 8
  p.write(0, TIMER_INITIAL, 1000, 500);
  const apic = p.apics[0];
  t.is(apic.timerDeadline(), 8500);
  t.is(p.read(0, TIMER_CURRENT, 500), 1000);
  t.is(p.read(0, TIMER_CURRENT, 4500), 500);
  apic.advance(8499);
  t.deepEqual(p.drain(0), []);
  t.is(p.read(0, TIMER_CURRENT, 8499), 1);
  apic.advance(8500);
  t.deepEqual(p.drain(0), [0x40]);
  t.is(p.read(0, TIMER_CURRENT, 9000), 0);
  t.is(apic.timerDeadline(), Infinity);
  apic.advance(1e6);
  t.deepEqual(p.drain(0), []);
});

test('each divide configuration', (t) => {
  for (const [configuration, divisor] of [
    [0, 2],
    [1, 4],
    [2, 8],
    [3, 16],
    [8, 32],
    [9, 64],
    [10, 128],
    [11, 1],
  ]) {
    const p = timer(0x40, configuration);
    p.write(0, TIMER_INITIAL, 100, 0);
    t.is(p.apics[0].timerDeadline(), 100 * divisor);
  }
});

test('periodic: late service neither drifts nor makes up for missed ticks', (t) => {
  const p = timer(0x41 | PERIODIC);
  p.write(0, TIMER_INITIAL, 50_000, 7);
  const apic = p.apics[0];
  let ticks = 0;
  for (let now = 0; now <= 10_000_000; now += 33_333) {
    apic.advance(now);
    ticks += p.drain(0).length;
    t.is((apic.timerDeadline() - 7) % 50_000, 0);
  }
  t.is(ticks, Math.floor((9_999_900 - 7) / 50_000));
  apic.advance(100_000_000);
  t.deepEqual(p.drain(0), [0x41]);
  t.is(apic.timerDeadline(), 100_000_007);
});

test('a period shorter than the floor is stretched to it', (t) => {
  const p = timer(0x41 | PERIODIC);
  p.write(0, TIMER_INITIAL, 1, 0);
  t.is(p.apics[0].timerDeadline(), 20_000);
  p.apics[0].advance(20_000);
  t.is(p.apics[0].timerDeadline(), 40_000);
});

test('masked: the count runs and the interrupt is lost', (t) => {
  const p = timer(0x40 | MASKED);
  p.write(0, TIMER_INITIAL, 1000, 0);
  t.is(p.apics[0].timerDeadline(), Infinity);
  t.is(p.read(0, TIMER_CURRENT, 400), 600);
  p.write(0, LVT_TIMER, 0x40, 2000);
  p.apics[0].advance(3000);
  t.deepEqual(p.drain(0), []);
});

test('writing 0 to the initial count stops the timer; a new divisor keeps the count', (t) => {
  const p = timer(0x40);
  p.write(0, TIMER_INITIAL, 1000, 0);
  p.write(0, TIMER_DIVIDE, 0x1, 400);
  t.is(p.read(0, TIMER_CURRENT, 400), 600);
  t.is(p.apics[0].timerDeadline(), 400 + 600 * 4);
  p.write(0, TIMER_INITIAL, 0, 500);
  t.is(p.apics[0].timerDeadline(), Infinity);
});

test('TSC-deadline: fires when the guest TSC has reached it, and reads 0 afterwards', (t) => {
  const p = timer(0x42 | DEADLINE);
  const { timer: apicTimer, vp } = p.apics[0];
  vp.tscOffset = BigInt.asUintN(64, -1000n);
  const target = 10_001n;
  apicTimer.writeTscDeadline(target, 1000);
  const at = p.apics[0].timerDeadline();
  const guest = (now: number): bigint => tscAt(now, BigInt(TSC_HZ)) - 1000n;
  t.true(guest(at) >= target);
  t.true(guest(at - 1) < target);
  t.is(apicTimer.readTscDeadline(1000), target);
  p.apics[0].advance(at);
  t.deepEqual(p.drain(0), [0x42]);
  t.is(apicTimer.readTscDeadline(at), 0n);
  apicTimer.writeTscDeadline(1n, at);
  t.deepEqual(p.drain(0), [0x42]);
});

test('TSC-deadline: other modes ignore it, leaving the mode disarms, the initial count is ignored, the far future never comes', (t) => {
  const p = timer(0x42);
  const { timer: apicTimer } = p.apics[0];
  apicTimer.writeTscDeadline(5n, 0);
  t.is(p.apics[0].timerDeadline(), Infinity);
  p.write(0, LVT_TIMER, 0x42 | DEADLINE, 0);
  p.write(0, TIMER_INITIAL, 1000, 0);
  t.is(p.apics[0].timerDeadline(), Infinity);
  apicTimer.writeTscDeadline(0xffff_ffff_ffff_ffffn, 0);
  t.is(p.apics[0].timerDeadline(), Infinity);
  apicTimer.advance(Number.MAX_SAFE_INTEGER);
  t.is(p.apics[0].pendingVector(), -1);
  t.is(apicTimer.readTscDeadline(Number.MAX_SAFE_INTEGER), 0xffff_ffff_ffff_ffffn);
  p.write(0, LVT_TIMER, 0x42, 0);
  t.is(p.apics[0].timerDeadline(), Infinity);
});

test('a vector below 16 in the timer entry is an error, and the interrupt of that comes at once', (t) => {
  const p = timer(0x05);
  p.write(0, TIMER_INITIAL, 1000, 0);
  p.apics[0].advance(1000);
  t.is(p.apics[0].pendingVector(), 0xfe);
  p.write(0, ApicRegister.ESR, 0);
  t.is(p.read(0, ApicRegister.ESR), 0x40);
});
