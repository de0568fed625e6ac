// Scheduling policies that change at any moment, under VPs that sleep, spin and hold locks as they like: what must hold then too.
// Longer: HVD_SWITCH_RUNS=5000 bash test/run.sh dist/test/property/schedule-switches.test.js
import test from 'ava';
import fc from 'fast-check';
import { SLICE_CYCLES } from '../../daemon/lp/schedule/discipline.js';
import { PERIOD_CYCLES } from '../../daemon/lp/schedule/entitlement.js';
import { FAVOUR_MAX } from '../../daemon/lp/schedule/spin.js';
import { extensionOf, findPolicy, POLICIES } from '../../shared/protocol/policies.js';
import { FakeSchedule, type FakeVp, type Ran } from '../rig/fake-schedule.js';
import { seeded } from '../rig/seeded.js';

const RUNS = Number(process.env.HVD_SWITCH_RUNS ?? 40);
const SWITCHED = POLICIES.filter(({ name }) => /^(sched|spin)\./.test(name));
const LONGEST_EXTENSION = Math.max(
  ...findPolicy('spin.extend')
    .values.map(extensionOf)
    .map(({ times, cycles }) => times * cycles),
);
/** Nobody's slice is longer: that of the heaviest of five VPs. */
const SLICE_MAX = 5 * SLICE_CYCLES;
const STEP = 500_000;
const END = 1e8;

const shares = (lps: number) =>
  fc.array(
    fc.array(
      fc.record({
        weight: fc.constantFrom(50, 100, 100, 200),
        limit: fc.constantFrom(100, 100, 100, 70, 35),
        lps: fc.constantFrom(
          Array.from({ length: lps }, (_, lp) => lp),
          [lps - 1],
        ),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    { minLength: 1, maxLength: 2 },
  );

/** What a VP has been favoured with, in all. */
const favoured = ({ record }: FakeVp): number => record.extendedCyclesNum + record.expressCyclesNum;

const switchAndRun = (lps: number, partitions: readonly (readonly { limit: number; lps: number[] }[])[], seed: number): void => {
  const draw = seeded(seed);
  const machine = new FakeSchedule(lps, partitions, () => ({ sleep: draw(3) === 0 ? 1 + draw(3e6) : 1, burst: 1 + draw(2e6) }));
  for (const vps of machine.partitions)
    for (const vp of vps) {
      vp.isCritical = () => draw(2) === 0;
      vp.spins = () => {
        vp.record.askedLow = draw(1 << vps.length);
        return draw(3);
      };
    }
  const ends = new Map<FakeVp, number>();
  const used = new Map<string, number>();
  const before = new Map<FakeVp, { readonly period: number; readonly favoured: number }>();
  const check = ({ lp, vp, slot, index, from, cycles }: Ran): void => {
    const name = `VP ${slot}/${index}`;
    const { limit, lps: allowed } = partitions[slot]![index]!;
    if (!allowed.includes(lp)) throw new Error(`${name} runs on LP ${lp}`);
    if (from < (ends.get(vp) ?? 0)) throw new Error(`${name} goes back to ${from} from ${ends.get(vp)}`);
    if (vp.wakesAt > from) throw new Error(`${name} runs at ${from}, it wakes at ${vp.wakesAt}`);
    ends.set(vp, from + cycles);
    const period = Math.floor(from / PERIOD_CYCLES);
    const key = `${name} in period ${period}`;
    used.set(key, (used.get(key) ?? 0) + cycles);
    if (limit < 100 && used.get(key)! > (limit * PERIOD_CYCLES) / 100) throw new Error(`${key}: ${used.get(key)} of ${limit} %`);
    const { extendedCyclesNum, repaidCyclesNum, debtNum } = vp.record;
    if (repaidCyclesNum + debtNum !== extendedCyclesNum)
      throw new Error(`${name}: ${repaidCyclesNum} and ${debtNum} of ${extendedCyclesNum}`);
    if (before.get(vp)?.period !== period) before.set(vp, { period, favoured: favoured(vp) });
    const more = favoured(vp) - before.get(vp)!.favoured;
    if (more > FAVOUR_MAX + SLICE_MAX + LONGEST_EXTENSION) throw new Error(`${key}: favoured with ${more}`);
  };
  for (let end = STEP; end <= END; end += STEP) {
    machine.runUntil(end, check);
    if (draw(3) > 0) continue;
    const { name, values } = SWITCHED[draw(SWITCHED.length)]!;
    machine.policy(name, values[draw(values.length)]!);
  }
  for (const [slot, vps] of machine.partitions.entries())
    for (const [index, { run, longestWait }] of vps.entries())
      if (run === 0 || longestWait > END / 2) throw new Error(`VP ${slot}/${index} has run for ${run} and waited for ${longestWait}`);
};

test('whatever is switched while VPs run: limits, affinity and debts hold, nobody runs twice at once or while asleep, nobody starves', (t) => {
  t.timeout(24 * 3600 * 1000);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3 }).chain((lps) => fc.tuple(fc.constant(lps), shares(lps))),
      fc.nat(),
      ([lps, partitions], seed) => switchAndRun(lps, partitions, seed),
    ),
    { numRuns: RUNS },
  );
  t.pass();
});
