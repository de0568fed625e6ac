// The bench's own guest of the vTLB suite does what its rows say: so many fills, of so many shadow tables, and nothing left after a flush.
import test from 'ava';
import { readCosts } from '../../daemon/root/config/machine-file.js';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { measureCommonHalf } from '../bench/vtlb-common-half.js';
import { FillingLp, layOut, RAM_PAGES } from '../bench/vtlb-fills.js';
import { measureVtlbScaling, REGIONS, type Region } from '../bench/vtlb-scaling.js';
import { leastDisturbed, storm, stormMarkdown } from '../bench/vtlb-storm.js';
import { makeMachine } from '../interleave/small-machine.js';

for (const oneSpace of [true, false])
  test.serial(`512 fills and INVLPGs are just that, ${oneSpace ? 'in one space' : 'in spaces apart'}`, (t) => {
    const m = makeMachine(RAM_PAGES, 2);
    layOut(m, 64, 'generation', oneSpace);
    const lps = [0, 1].map((lp) => new FillingLp(m, lp));
    lps[1]!.fillAll();
    lps[1]!.leave();
    const before = vtlbCounters(m.partition);
    t.true(lps[0]!.fillAll() > 0);
    lps[0]!.invalidateAll();
    lps[0]!.fillAll();
    lps[0]!.flushSpace();
    lps[0]!.fillAll();
    const after = vtlbCounters(m.partition);
    t.is(after.fills! - before.fills!, 3 * 512);
    t.is(after.invalidations! - before.invalidations!, 512);
    t.is(after.sasLive, oneSpace ? 1 : 2);
  });

test.serial('large pages need a shadow table each, and a whole flush makes the next fill begin anew', (t) => {
  const m = makeMachine(RAM_PAGES, 1);
  layOut(m, 2000, 'generation', true);
  const lp = new FillingLp(m, 0);
  lp.touchLarge(1000, 1000);
  const { sptLive, fills } = vtlbCounters(m.partition);
  t.true(sptLive! > 1000);
  lp.touchLarge(1000, 1000);
  t.is(vtlbCounters(m.partition).fills, fills);
  lp.flushPartition();
  lp.touchLarge(10, 10);
  t.is(vtlbCounters(m.partition).fills! - fills!, 10);
});

test.serial('a kernel half that 16 processes have in common takes at most 40 % of the tables when it is shared, and fewer fills', (t) => {
  const [off, two, three] = measureCommonHalf();
  for (const row of [two!, three!]) {
    t.true(row.tables <= 0.4 * off!.tables, `${row.tables} of ${off!.tables}`);
    t.true(row.fills < off!.fills && row.stops > 0);
  }
  t.is(off!.stops, 0);
});

test.serial('in virtual time fills under counters go side by side, those under one lock one after the other, the same each time', (t) => {
  const rows = measureVtlbScaling([1, 16]);
  const fills = (lock: string, region: Region, lps: number): number =>
    rows.find((row) => row.lock === lock && row.region === region && row.lps === lps)!.fills;
  for (const region of ['private', 'shared'] as const)
    t.true(fills('generation', region, 16) > 0.9 * 16 * fills('generation', region, 1), `${region}: ${fills('generation', region, 16)}`);
  // A fill holds the lock for as long as it takes.
  const most = 1e6 / readCosts().sptFill!;
  for (const region of REGIONS) t.true(fills('global', region, 16) < 1.01 * most, `${region}: ${fills('global', region, 16)} of ${most}`);
  t.true(fills('fine', 'private', 16) > 0.9 * 16 * fills('fine', 'private', 1));
  t.true(fills('fine', 'shared', 16) < 0.9 * 16 * fills('fine', 'shared', 1));
  for (const lock of ['generation', 'fine']) t.true(fills(lock, 'edits', 16) < 16 * fills(lock, 'edits', 1), lock);
  t.deepEqual(measureVtlbScaling([1, 16]), rows);
});

test('the samples that count are those in which threads were least kept from a core', (t) => {
  const samples = Array.from({ length: 20 }, (_, i) => ({ perSecond: i, kept: ((7 * i) % 20) / 100 }));
  const taken = leastDisturbed(samples);
  t.true(taken.length > 2 && taken.length < 10);
  const most = Math.max(...taken.map(({ kept }) => kept));
  t.true(samples.every((sample) => taken.includes(sample) || sample.kept > most));
  t.is(samples[0]!.perSecond, 0);
});

for (const [region, threads] of [
  ['private', 2],
  ['apart', 2],
  ['shared', 1],
] as const)
  test.serial(`each sample of a storm has a rate, ${region}, ${threads}`, async (t) => {
    t.timeout(60_000);
    const samples = await storm({ lock: 'generation', region, threads });
    t.true(samples.length >= leastDisturbed(samples).length);
    for (const { perSecond, kept } of samples) t.true(perSecond > 0 && kept >= 0);
  });

test('a row of the storm has both rates, their ratio and how disturbed it was', (t) => {
  const table = stormMarkdown([{ lock: 'generation', region: 'private', one: 1e6, two: 1.9e6, kept: 0.014 }]);
  t.regex(table, /\n\| private \| generation \| 1,000,000 \| 1,900,000 \| 1\.90 × \| 1\.4 % \| ≥ 1\.8 ×/);
});
