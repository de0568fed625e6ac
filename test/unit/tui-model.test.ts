// The model behind hvtop's screen: rates, lanes, chart history, marks, and the dashboard that joins them.
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import fc from 'fast-check';
import { collectGarbage } from '../../shared/kit/collect-garbage.js';
import type { MachineStats } from '../../shared/protocol/messages.js';
import { BUCKET_MS, BUCKETS, BUCKETS_KEPT, ChartHistory } from '../../tui/model/chart-history.js';
import { ConsoleTail, LINE_MAX, LINES_MAX } from '../../tui/model/console-tail.js';
import { counterRate, counterRates } from '../../tui/model/counter-rate.js';
import { Dashboard, LANE_COLUMN_MS, SWITCHES_MAX } from '../../tui/model/dashboard.js';
import { bytes, clockTime, duration, mips, percent, scaleOf, si, words } from '../../tui/model/format.js';
import { LaneCell, laneColumns, widenClock } from '../../tui/model/lane-columns.js';
import { LANE_COLUMNS_MAX, LaneHistory } from '../../tui/model/lane-history.js';
import { machineRates } from '../../tui/model/machine-rates.js';
import { CHANGES_MAX, PolicyChanges } from '../../tui/model/policy-changes.js';
import { BYTES_MAX, KEPT_MS, SampleRing } from '../../tui/model/sample-ring.js';
import { VpMarks } from '../../tui/model/vp-marks.js';
import { waitPercentile } from '../../tui/model/wait-percentile.js';
import { FakeMachine } from '../e2e/hvtop-fake-machine.js';

test('numbers are short and carry their prefix', (t) => {
  const written = [0, 7.25, 12, 999, 1000, 12_345, 999_499, 1_200_000, 3.2e9, Number.NaN, -1500].map(si);
  t.deepEqual(written, ['0', '7.3', '12', '999', '1.00k', '12.3k', '999k', '1.20M', '3.20G', '-', '-1.50k']);
  t.deepEqual([mips(0), mips(7.5e6), mips(1.2e9)], ['0', '7.5', '1200']);
  t.deepEqual([bytes(512), bytes(64 << 20), bytes(1.5 * 2 ** 30)], ['512 B', '64 MiB', '1.5 GiB']);
  t.deepEqual([clockTime(12.3456), clockTime(185.25), clockTime(3723)], ['12.346 s', '3m05.3s', '1h02m03']);
  t.deepEqual([duration(42_000), duration(192_000), duration(7_500_000), duration(356_400_000)], ['42s', '3m12s', '2h05m', '4d03h']);
  t.deepEqual([percent(0), percent(0.066), percent(1), percent(Number.NaN)], ['0%', '7%', '100%', '-']);
  t.is(words('smallPageTlbFills'), 'small page tlb fills');
});

test('no number of a rate column is wider than five characters', (t) => {
  fc.assert(fc.property(fc.double({ min: 0, max: 1e17, noNaN: true }), (value) => si(value).length <= 5));
  t.pass();
});

test('an axis is scaled to at most four digits', (t) => {
  fc.assert(fc.property(fc.double({ min: 0, max: 1e15, noNaN: true }), (max) => max / scaleOf(max).divisor < 10_000));
  t.deepEqual(scaleOf(2_500_000), { divisor: 1000, prefix: 'k' });
});

test('a rate survives a counter that wraps and one that was reset', (t) => {
  t.is(counterRate(1000, 3000, 2), 1000);
  t.is(counterRate(2 ** 32 - 10, 20, 1), 30);
  t.is(counterRate(5000, 40, 1), 40, 'reset: counts from 0');
  t.is(counterRate(undefined, 40, 1), 0);
  t.is(counterRate(0, 40, 0), 0);
  t.deepEqual(counterRates({ io: 5 }, { io: 15, hlt: 20 }, 2), { io: 5, hlt: 10 }, 'a reason seen first counts from 0');
});

test('rates come from the difference of two samples', (t) => {
  const machine = new FakeMachine(2, 1);
  const before = structuredClone(machine.stats);
  const after = structuredClone(before);
  after.at += 500;
  after.lps[0]!.clock += 250_000_000;
  after.lps[0]!.idleCycles += 62_500_000;
  after.lps[0]!.intercepts = { io: 100, hlt: 25 };
  after.partitions[0]!.vps[1]!.instructions += 50_000_000;
  after.partitions[0]!.vps[1]!.runCycles += 125_000_000;
  after.partitions[0]!.vps[1]!.counters = { smallPageTlbFills: 300, largePageTlbFills: 100 };
  after.partitions[0]!.load[0]!.operations += 50;
  after.partitions[0]!.load[0]!.latencyCount += 50;
  after.partitions[0]!.load[0]!.latencySum += 5000;
  const rates = machineRates(before, after);
  t.is(rates.seconds, 0.5);
  t.is(rates.virtualRate, 0.5);
  t.is(rates.lps[0]!.busyShare, 0.75);
  t.is(rates.intercepts, 250);
  t.deepEqual(rates.byReason, { io: 200, hlt: 50 });
  t.is(rates.partitions[0]!.instructions, 100_000_000);
  t.is(rates.partitions[0]!.vps[1]!.runShare, 0.5);
  t.is(rates.fills, 800);
  t.is(rates.partitions[0]!.load[0]!.operations, 100);
  t.is(rates.partitions[0]!.load[0]!.latencyMean, 100);
});

test('a gauge of the vTLB that falls is no rate', (t) => {
  const machine = new FakeMachine(1, 1);
  const before = structuredClone(machine.stats);
  before.partitions[0]!.vtlb = { fills: 10, sptLive: 400 };
  const after = structuredClone(before);
  after.at += 1000;
  after.partitions[0]!.vtlb = { fills: 30, sptLive: 300 };
  t.deepEqual(machineRates(before, after).partitions[0]!.vtlb, { fills: 20 });
});

test('samples of two daemons have no rates', (t) => {
  const machine = new FakeMachine(2, 1);
  machine.advance(500);
  const other = new FakeMachine(2, 2);
  other.advance(1000);
  const rates = machineRates(machine.stats, other.stats);
  t.is(rates.seconds, 0);
  t.is(rates.intercepts, 0);
});

test('a lane column shows what ran longest in it', (t) => {
  const switches = [
    { clock: 110, code: 7 },
    { clock: 250, code: LaneCell.IDLE },
    { clock: 290, code: 3 },
  ];
  t.deepEqual(laneColumns(100, 300, 5, switches, 2, 3), [7, 7]);
  t.deepEqual(laneColumns(100, 300, 5, switches, 4, 3), [7, 7, 7, LaneCell.IDLE]);
  t.deepEqual(laneColumns(100, 300, 5, [], 3, 4), [4, 4, 4], 'without events: the newer sample');
  t.deepEqual(laneColumns(300, 300, 5, switches, 2, 4), [4, 4], 'a clock that stood still');
  t.deepEqual(laneColumns(200, 300, 5, switches, 1, 3), [7], 'events before the interval only say what ran at its start');
});

test('lane columns name only what ran, and as many as asked', (t) => {
  const switchesOf = fc.array(fc.record({ clock: fc.integer({ min: 0, max: 1200 }), code: fc.integer({ min: -1, max: 9 }) }), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(switchesOf, fc.integer({ min: 1, max: 40 }), (unsorted, count) => {
      const switches = [...unsorted].sort((a, b) => a.clock - b.clock);
      const columns = laneColumns(100, 1100, 42, switches, count, 43);
      const known = new Set([42, 43, ...switches.map((s) => s.code)]);
      return columns.length === count && columns.every((code) => known.has(code));
    }),
  );
  t.pass();
});

test('a 32-bit event clock is widened to the nearest full clock', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 45 }), fc.integer({ min: -(2 ** 30), max: 2 ** 30 }), (near, offset) => {
      const clock = Math.max(0, near + offset);
      return widenClock(clock % 2 ** 32, near) === clock;
    }),
  );
  t.is(widenClock(2 ** 32 + 5, 2 ** 40), 2 ** 32 + 5, 'a full clock is left alone');
});

test('a lane keeps the newest columns only', (t) => {
  const lanes = new LaneHistory();
  t.deepEqual(lanes.last(0, 10), []);
  for (let i = 0; i < LANE_COLUMNS_MAX + 5; i++) lanes.push(0, [i]);
  t.deepEqual(lanes.last(0, 3), [LANE_COLUMNS_MAX + 2, LANE_COLUMNS_MAX + 3, LANE_COLUMNS_MAX + 4]);
  t.is(lanes.last(0, 10_000).length, LANE_COLUMNS_MAX);
});

test('the percentile of waits is the upper bound of its bucket', (t) => {
  t.is(waitPercentile([0, 0, 0], 0.99), Number.NaN);
  t.is(waitPercentile([5, 0, 0], 0.99), 1);
  t.is(waitPercentile([98, 0, 1, 1], 0.98), 1);
  t.is(waitPercentile([98, 0, 1, 1, 0], 0.99), 4);
  t.is(waitPercentile([98, 0, 1, 1, 0], 1), 8);
  t.is(waitPercentile([1, 0, 99], 0.99), Number.POSITIVE_INFINITY, 'the last bucket has no bound');
});

test('the chart keeps two minutes in half-second buckets at any sample rate', (t) => {
  for (const ms of [50, 499, 500, 501, 2000, 10_000]) {
    const chart = new ChartHistory();
    for (let at = 0; at < 200_000; at += ms) chart.push(new Map([['fills', at >= 150_000 ? 7 : 3]]), ms);
    const line = chart.line('fills');
    t.is(line.length, BUCKETS);
    t.is(line[BUCKETS - 1], 7, `${ms} ms`);
    t.is(line[0], 3, `${ms} ms`);
    const sevens = line.filter((value) => value === 7).length;
    t.true(Math.abs(sevens * BUCKET_MS - 50_000) <= Math.max(ms, 1500), `${ms} ms: ${sevens} buckets of the last 50 s`);
  }
});

test('a bucket of several samples is their mean by time', (t) => {
  const chart = new ChartHistory();
  chart.push(new Map([['io', 10]]), 100);
  chart.push(new Map([['io', 20]]), 300);
  t.is(chart.line('io').at(-1), 17.5);
  t.is(chart.end, 1);
  t.is(chart.measured(), 1);
});

test('a chart of the past is what it was then, as long as it is kept', (t) => {
  const chart = new ChartHistory();
  for (let i = 0; i < BUCKETS_KEPT + 300; i++) chart.push(new Map([['n', i]]), BUCKET_MS);
  t.is(chart.end, BUCKETS_KEPT + 300);
  t.deepEqual(chart.line('n', 3), [BUCKETS_KEPT + 297, BUCKETS_KEPT + 298, BUCKETS_KEPT + 299]);
  t.deepEqual(chart.line('n', 3, 1000), [997, 998, 999]);
  t.deepEqual(chart.line('n', 3, 302), [0, 300, 301], 'what is gone is 0');
  t.is(chart.mean('n', 1000, 1003), 1001);
  t.is(chart.mean('none', 1000, 1003), 0);
  t.is(chart.mean('n', 5, 5), Number.NaN);
});

test('what a change of a policy did is told between it and its neighbours', (t) => {
  const chart = new ChartHistory();
  const changes = new PolicyChanges();
  const run = (buckets: number, value: number): void => {
    for (let i = 0; i < buckets; i++) chart.push(new Map([['n', value]]), BUCKET_MS);
  };
  const sample = (lock: string): MachineStats => ({ ...new FakeMachine(1, 1).stats, policies: { 'vtlb.lock': lock } });
  run(100, 10);
  changes.learn(sample('generation'), sample('generation'), chart.end);
  t.is(changes.lastOf('vtlb.lock', chart.end), undefined);
  changes.learn(sample('generation'), sample('global'), chart.end);
  run(20, 5);
  changes.learn(sample('global'), sample('fine'), chart.end);
  run(100, 20);
  const [first, second] = changes.all;
  t.deepEqual(changes.effect(first!, chart, 'n', chart.end), { before: 10, after: 5 });
  t.deepEqual(changes.effect(second!, chart, 'n', chart.end), { before: 5, after: 20 });
  t.is(changes.lastOf('vtlb.lock', chart.end), second);
  t.is(changes.lastOf('vtlb.lock', 110), first, 'as it was then');
  for (let i = 0; i < 2 * CHANGES_MAX; i++) changes.add({ ...second!, bucket: i });
  t.is(changes.all.length, CHANGES_MAX);
});

test('the end of a console is its last lines, without what moves a cursor, of any length and any bytes', (t) => {
  const tail = new ConsoleTail();
  const put = (text: string): void => tail.put(new TextEncoder().encode(text));
  put('one\r\n\x1b[1;31mtwo\x1b[0m\x1b]0;title\x07\n12345\rab\b_\n\tx\x1b(B');
  t.deepEqual(tail.last(10), ['one', 'two', 'a_345', '        x']);
  t.deepEqual(tail.last(2), ['a_345', '        x']);
  put('\x1b]'.padEnd(200, 'y'));
  t.regex(tail.last(1)[0]!, /^ {8}xy+$/, 'a sequence without an end ends');
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), (pieces) => {
      const any = new ConsoleTail();
      const whole = new ConsoleTail();
      for (const piece of pieces) any.put(piece);
      whole.put(Uint8Array.from(pieces.flatMap((piece) => [...piece])));
      const lines = any.last(1000);
      return (
        lines.every((line) => line.length <= LINE_MAX && !/[^\x20-\x7e]/.test(line)) && lines.join('\n') === whole.last(1000).join('\n')
      );
    }),
  );
  for (let i = 0; i < 3 * LINES_MAX; i++) put(`${'z'.repeat(2 * LINE_MAX)}\n`);
  t.is(tail.last(10_000).length, LINES_MAX);
});

test('a line that is gone leaves the chart when its values have', (t) => {
  const chart = new ChartHistory();
  chart.push(
    new Map([
      ['fills:gone', 5],
      ['fills', 5],
    ]),
    BUCKET_MS,
  );
  for (let i = 0; i < BUCKETS_KEPT; i++) chart.push(new Map([['fills', 5]]), BUCKET_MS);
  t.deepEqual(chart.names(), ['fills']);
});

test('marks are stable, follow the order of partitions and differ in colour by partition', (t) => {
  const marks = new VpMarks();
  const { stats } = new FakeMachine(1, 1);
  marks.learn(stats);
  t.is(marks.mark(marks.codeOf('alpha/0')).letter, 'A');
  t.is(marks.mark(marks.codeOf('beta/1')).letter, 'F');
  stats.partitions.shift();
  marks.learn(stats);
  t.is(marks.mark(marks.codeOf('beta/1')).letter, 'F');
  t.not(marks.mark(marks.codeOf('beta/1')).partition, marks.mark(marks.codeOf('legacy/0')).partition);
});

const dashboardAfter = (samples: number, ms = 500): { dashboard: Dashboard; machine: FakeMachine } => {
  const machine = new FakeMachine(4, 1);
  const dashboard = new Dashboard();
  dashboard.connected();
  for (let i = 0; i < samples; i++) {
    machine.advance(ms);
    dashboard.acceptEvents(machine.takeEvents());
    dashboard.accept(structuredClone(machine.stats));
  }
  return { dashboard, machine };
};

test('events draw the lane finer than samples do', (t) => {
  const { dashboard } = dashboardAfter(20);
  const perSample = 500 / LANE_COLUMN_MS;
  t.true(perSample > 1);
  const cells = dashboard.lane(0, 18 * perSample);
  let changesInside = 0;
  for (let i = 0; i < cells.length; i += perSample) if (cells[i] !== cells[i + perSample - 1]) changesInside++;
  t.true(changesInside > 0, 'a column differs from its neighbour of the same sample');
});

test('the lane shows the VP that the sample names where there are no events', (t) => {
  const dashboard = new Dashboard();
  const { stats } = new FakeMachine(1, 1);
  dashboard.accept(structuredClone(stats));
  const next = structuredClone(stats);
  next.at += 500;
  next.lps[0]!.clock += 1000;
  next.lps[0]!.vp = 'beta/0';
  next.lps[0]!.state = 'running';
  dashboard.accept(next);
  t.deepEqual(new Set(dashboard.lane(0, 10)), new Set([dashboard.marks.codeOf('beta/0')]));
});

test('a dead LP has dead columns, as many as the others', (t) => {
  const { dashboard, machine } = dashboardAfter(3);
  machine.advance(500);
  const next = structuredClone(machine.stats);
  next.lps[2]!.state = 'dead';
  dashboard.accept(next);
  t.is(dashboard.lane(2, 1)[0], LaneCell.DEAD);
  t.is(dashboard.lane(2, 99).length, dashboard.lane(0, 99).length);
});

test('another daemon starts with empty lanes and charts', (t) => {
  const { dashboard } = dashboardAfter(5);
  t.true(dashboard.chart.end > 0);
  dashboard.disconnected('gone');
  t.is(dashboard.connection.state, 'disconnected');
  dashboard.connected();
  const other = new FakeMachine(2, 99);
  dashboard.accept(other.stats);
  t.is(dashboard.chart.end, 0);
  t.deepEqual(dashboard.lane(0, 10), []);
  t.is(dashboard.stats?.pid, 99);
});

test('a paused screen stands still, and what happens meanwhile is kept', (t) => {
  const { dashboard, machine } = dashboardAfter(4);
  const frozen = dashboard.stats;
  const lane = dashboard.lane(0, 30);
  const line = dashboard.line('instructions');
  dashboard.setPaused(true);
  for (let i = 0; i < 4; i++) {
    machine.advance(500);
    dashboard.acceptEvents(machine.takeEvents());
    dashboard.accept(structuredClone(machine.stats));
  }
  t.is(dashboard.stats, frozen);
  t.deepEqual(dashboard.lane(0, 30), lane);
  t.deepEqual(dashboard.line('instructions'), line);
  t.is(dashboard.ago, 2000);
  dashboard.setPaused(false);
  t.is(dashboard.stats?.at, machine.stats.at);
  t.is(dashboard.rates?.seconds, 0.5);
  t.deepEqual(dashboard.lane(0, 38).slice(0, lane.length), lane);
  t.false(dashboard.lane(0, 8).includes(LaneCell.GAP));
});

test('what was shown is shown again, from now back to ten minutes ago and forth', (t) => {
  const machine = new FakeMachine(3, 1);
  const dashboard = new Dashboard();
  dashboard.connected();
  const seen = (): unknown => ({
    stats: dashboard.stats,
    rates: dashboard.rates,
    lanes: [0, 1, 2].map((lp) => dashboard.lane(lp, 200)),
    lines: ['fills', 'instructions:beta'].map((name) => dashboard.line(name)),
    vtlb: dashboard.vtlb,
  });
  const shown: unknown[] = [];
  const samples = 1400;
  for (let i = 0; i < samples; i++) {
    machine.advance(500);
    dashboard.acceptEvents(machine.takeEvents());
    dashboard.acceptVtlb('alpha', machine.vtlb(i % 7));
    dashboard.accept(structuredClone(machine.stats));
    shown[i] = i > 150 && i % 97 !== 0 && i !== samples - 1 ? undefined : JSON.parse(JSON.stringify(seen()));
  }
  const compare = (at: number): void => {
    if (shown[at] !== undefined) t.deepEqual(JSON.parse(JSON.stringify(seen())), shown[at], `sample ${at}`);
  };
  let at = samples - 1;
  for (; at > samples - 200; at -= 2) {
    compare(at);
    dashboard.goBack(1000);
  }
  for (; at > 210; at -= 20) {
    compare(at);
    dashboard.goBack(10_000);
  }
  t.is(dashboard.ago, (samples - 1 - at) * 500);
  dashboard.goBack(3_600_000);
  t.is(dashboard.ago, 600_000, 'no further than ten minutes');
  t.is(dashboard.samples.length, 1201);
  for (let i = 0; i < 4; i++) dashboard.goBack(-100_000);
  dashboard.goBack(250);
  dashboard.goBack(-250);
  t.is(dashboard.ago, 200_000);
  compare(samples - 401);
  dashboard.goBack(-1e9);
  t.is(dashboard.ago, 0);
  t.true(dashboard.paused, 'it goes on when it is told to');
  compare(samples - 1);
});

test('samples that are kept take so many bytes at most, and no more than ten minutes', async (t) => {
  const ring = new SampleRing();
  t.is(ring.indexAt(5), -1);
  const { stats } = new FakeMachine(64, 1);
  const noise = (n: number): MachineStats => ({
    ...stats,
    policies: { noise: Array.from({ length: 400_000 }, (_, i) => (i * n * 7919) % 9973).join('') },
  });
  let at = 0;
  for (let i = 0; i < 90; i++) {
    at += 1000;
    ring.push({ at, column: i, bucket: i }, { stats: noise(i + 1) });
  }
  t.true(ring.bytes <= BYTES_MAX && ring.bytes > BYTES_MAX / 2, `${ring.bytes}`);
  collectGarbage();
  const before = process.memoryUsage().external;
  const small = new SampleRing();
  for (let i = 0; i < 1200; i++) small.push({ at: 500 * i, column: i, bucket: i }, { stats });
  // V8 frees what its sweeper has found dead, in a thread of its own: soon, not at once.
  const bound = 2 * small.bytes + (1 << 20);
  let taken = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 100 && taken >= bound; look++) {
    collectGarbage();
    taken = process.memoryUsage().external - before;
    if (taken >= bound) await sleep(20);
  }
  t.true(taken < bound, `${taken} bytes for ${small.bytes}: that is what they take`);
  t.true(ring.length > 10 && ring.length < 90);
  t.deepEqual(ring.sample(ring.length - 1)!.stats, noise(90));
  ring.push({ at: at + 10, column: 0, bucket: 0 }, { stats });
  t.is(ring.place(ring.length - 1)!.at, at, 'one right behind another is not kept');
  ring.push({ at: at + KEPT_MS + 1, column: 0, bucket: 0 }, { stats });
  t.is(ring.length, 1);
  ring.clear();
  t.is(ring.bytes, 0);
});

test('a flood of events is bounded and does not stop the lanes', (t) => {
  const { dashboard, machine } = dashboardAfter(2);
  const event = { lp: 0, clock: machine.stats.lps[0]!.clock % 2 ** 32, kind: 'scheduleIn', partition: 'alpha', vp: 0, a: 0, b: 0 };
  dashboard.acceptEvents(new Array(SWITCHES_MAX * 3).fill(event));
  machine.advance(500);
  dashboard.accept(structuredClone(machine.stats));
  const { vp } = machine.stats.lps[0]!;
  t.is(dashboard.lane(0, 1)[0], vp === null ? LaneCell.IDLE : dashboard.marks.codeOf(vp));
});
