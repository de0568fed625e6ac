// The scheduler against what it promises: shares by weight, reserves, limits, affinity; a VP's time never goes back, nobody starves, nobody runs in two places.
import test from 'ava';
import fc from 'fast-check';
import { SLICE_CYCLES } from '../../daemon/lp/schedule/discipline.js';
import { PERIOD_CYCLES } from '../../daemon/lp/schedule/entitlement.js';
import { FAVOUR_MAX } from '../../daemon/lp/schedule/spin.js';
import { SpinKind, spinCount } from '../../shared/layout/schedule.js';
import { FakeSchedule, type FakeVp, type Ran, type Share } from '../rig/fake-schedule.js';

const seeded = (seed: number) => {
  let state = seed >>> 0 || 1;
  return (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
};

test('VPs of one LP share it by weight: error at most 1 % over 10^9 cycles', (t) => {
  const weights = [100, 200, 300, 50, 1000];
  const machine = new FakeSchedule(1, [weights.map((weight) => ({ weight }))]);
  machine.runUntil(1e9);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, { run }] of machine.partitions[0]!.entries()) {
    const fair = (1e9 * weights[i]!) / total;
    t.true(Math.abs(run / fair - 1) < 0.01, `weight ${weights[i]}: ${run} of ${fair}`);
  }
});

test('three equal VPs on two LPs have two thirds of one each, and of five on three each three fifths', (t) => {
  for (const [vps, lps] of [
    [3, 2],
    [5, 3],
  ] as const) {
    const machine = new FakeSchedule(lps, [Array.from({ length: vps }, () => ({}))]);
    machine.runUntil(1e9);
    for (const { run } of machine.partitions[0]!) t.true(Math.abs(run / ((1e9 * lps) / vps) - 1) < 0.02, `${vps} on ${lps}: ${run}`);
  }
});

test('without balancing every VP stays at home', (t) => {
  const machine = new FakeSchedule(2, [[{}, {}, {}]]);
  machine.policy('sched.balance', 'off');
  machine.runUntil(1e8, ({ lp, vp }) => t.is(lp, vp.home));
  t.is(machine.partitions[0]![1]!.run, 1e8);
});

test('a limit holds in every period, and what it leaves goes to the others', (t) => {
  const machine = new FakeSchedule(1, [[{ limit: 30 }, {}]]);
  const used = new Map<number, number>();
  machine.runUntil(2e8, ({ index, from, cycles }) => {
    if (index !== 0) return;
    const period = Math.floor(from / PERIOD_CYCLES);
    used.set(period, (used.get(period) ?? 0) + cycles);
  });
  t.is(Math.max(...used.values()), 0.3 * PERIOD_CYCLES);
  const [limited, other] = machine.partitions[0]!;
  t.is(limited!.run, 6e7);
  t.is(other!.run, 14e7);
  t.true(limited!.record.limitedCyclesNum > 0);
});

test('an LP whose only VP has come to its limit sleeps until the period is over', (t) => {
  const machine = new FakeSchedule(1, [[{ limit: 10 }]]);
  machine.runUntil(1e8);
  t.is(machine.partitions[0]![0]!.run, 1e7);
});

test('a reserve is kept against heavier VPs in every period', (t) => {
  const machine = new FakeSchedule(1, [[{ weight: 1, reserve: 40 }], [{ weight: 10_000 }, { weight: 10_000 }]]);
  const used = new Map<number, number>();
  machine.runUntil(2e8, ({ slot, from, cycles }) => {
    const period = Math.floor(from / PERIOD_CYCLES);
    if (slot === 0) used.set(period, (used.get(period) ?? 0) + cycles);
  });
  for (let period = 0; period < 20; period++)
    t.true((used.get(period) ?? 0) >= 0.4 * PERIOD_CYCLES - 2 * SLICE_CYCLES, `period ${period}: ${used.get(period)}`);
  t.true(machine.partitions[0]![0]!.run >= 0.4 * 2e8 - 2 * SLICE_CYCLES);
});

test('gang: VPs of two partitions never run side by side while both have work for all LPs', (t) => {
  const machine = new FakeSchedule(2, [
    [{}, {}],
    [{}, {}],
  ]);
  machine.policy('sched.policy', 'gang');
  machine.policy('sched.balance', 'off');
  const turns = new Map<number, Set<number>>();
  machine.runUntil(1e8, ({ slot, from }) => {
    const turn = Math.floor(from / SLICE_CYCLES);
    turns.set(turn, (turns.get(turn) ?? new Set()).add(slot));
  });
  t.true([...turns.values()].every((slots) => slots.size === 1));
  for (const vps of machine.partitions) for (const { run } of vps) t.is(run, 5e7);
});

const shareOf = (lps: number): fc.Arbitrary<Share> =>
  fc.record({
    weight: fc.integer({ min: 1, max: 10_000 }),
    limit: fc.constantFrom(100, 100, 100, 70, 35),
    lps: fc.oneof(fc.constant(undefined), fc.uniqueArray(fc.nat(lps - 1), { minLength: 1, maxLength: lps })) as fc.Arbitrary<number[]>,
  });

test('whatever wakes, sleeps and moves: affinity and limits hold, no VP runs twice at once, before it is awake or in its own past', (t) => {
  fc.assert(
    fc.property(
      fc
        .integer({ min: 1, max: 4 })
        .chain((lps) =>
          fc.tuple(fc.constant(lps), fc.array(fc.array(shareOf(lps), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 })),
        ),
      fc.constantFrom('credit', 'rr', 'gang'),
      fc.nat(),
      ([lps, partitions], policy, seed) => {
        const draw = seeded(seed);
        const machine = new FakeSchedule(lps, partitions, () => ({ sleep: draw(3) === 0 ? 1 + draw(3e6) : 1, burst: 1 + draw(2e6) }));
        machine.policy('sched.policy', policy);
        const ends = new Map<FakeVp, number>();
        const used = new Map<string, number>();
        const check = ({ lp, vp, slot, index, from, cycles }: Ran): void => {
          const { lps: allowed, limit = 100 } = partitions[slot]![index]!;
          if (allowed !== undefined && !allowed.includes(lp)) throw new Error(`VP ${slot}/${index} runs on LP ${lp}, it may on ${allowed}`);
          if (from < (ends.get(vp) ?? 0)) throw new Error(`VP ${slot}/${index} goes back to ${from} from ${ends.get(vp)}`);
          if (vp.wakesAt > from) throw new Error(`VP ${slot}/${index} runs at ${from}, it wakes at ${vp.wakesAt}`);
          ends.set(vp, from + cycles);
          const period = `${slot}/${index} in ${Math.floor(from / PERIOD_CYCLES)}`;
          used.set(period, (used.get(period) ?? 0) + cycles);
          if (limit < 100 && used.get(period)! > (limit * PERIOD_CYCLES) / 100 + 1)
            throw new Error(`VP ${period}: ${used.get(period)} cycles`);
        };
        machine.runUntil(5e7, check);
        return true;
      },
    ),
    { numRuns: 60 },
  );
  t.pass();
});

test('nobody starves: among n equal VPs of an LP the longest wait is n slices', (t) => {
  for (const policy of ['credit', 'rr']) {
    const draw = seeded(7);
    const machine = new FakeSchedule(1, [Array.from({ length: 6 }, () => ({}))], () => ({ sleep: 1 + draw(2e6), burst: 1 + draw(2e6) }));
    machine.policy('sched.policy', policy);
    machine.runUntil(3e8);
    for (const { longestWait } of machine.partitions[0]!) t.true(longestWait <= 6 * SLICE_CYCLES, `${policy}: ${longestWait}`);
  }
});

const always = (): boolean => true;

test('a VP in a critical section has N extensions a slice at most, and pays for all of them', (t) => {
  for (const [setting, times, cycles] of [
    ['1x100000', 1, 100_000],
    ['4x100000', 4, 100_000],
  ] as const) {
    const machine = new FakeSchedule(1, [[{}, {}]]);
    machine.policy('spin.extend', setting);
    const [holder, other] = machine.partitions[0]!;
    holder!.isCritical = always;
    let stint = 0;
    let longest = 0;
    machine.runUntil(3e8, ({ vp, cycles: run }) => {
      stint = vp === holder ? stint + run : 0;
      longest = Math.max(longest, stint);
    });
    t.true(longest <= SLICE_CYCLES + times * cycles, `${setting}: ${longest}`);
    const { extendedCyclesNum, repaidCyclesNum, debtNum } = holder!.record;
    t.true(extendedCyclesNum > 0);
    t.is(repaidCyclesNum + debtNum, extendedCyclesNum);
    t.true(debtNum <= SLICE_CYCLES);
    t.true(Math.abs(holder!.run - other!.run) <= 2 * SLICE_CYCLES, `${holder!.run} and ${other!.run}`);
  }
});

test('an extension ends with the section', (t) => {
  const machine = new FakeSchedule(1, [[{}, {}]]);
  machine.policy('spin.extend', '1x200000');
  const [holder] = machine.partitions[0]!;
  let asked = 0;
  // Critical when its slice is over, no more when the run after that is.
  holder!.isCritical = () => asked++ % 2 === 0;
  machine.runUntil(1e8);
  t.true(spinCount(holder!.record, 'extensionsEnded') > 0);
});

test('nobody is extended who has the LP to itself, and with the policy off nobody at all', (t) => {
  const alone = new FakeSchedule(1, [[{}]]);
  alone.policy('spin.extend', '4x100000');
  alone.partitions[0]![0]!.isCritical = always;
  alone.runUntil(1e8);
  t.is(spinCount(alone.partitions[0]![0]!.record, 'extensions'), 0);
  const off = new FakeSchedule(1, [[{}, {}]]);
  off.partitions[0]![0]!.isCritical = always;
  off.runUntil(1e8);
  t.is(spinCount(off.partitions[0]![0]!.record, 'extensions'), 0);
  t.true(spinCount(off.partitions[0]![0]!.record, 'holderPreemptions') > 0);
});

test('a VP found spinning makes way for the others of its LP, and comes back though they never stop', (t) => {
  const machine = new FakeSchedule(1, [[{}, {}, {}]]);
  const [spinner] = machine.partitions[0]!;
  spinner!.spins = () => SpinKind.LONG;
  machine.runUntil(1e8);
  t.true(spinner!.run > 0);
  t.true(spinner!.longestWait <= 3 * SLICE_CYCLES);
});

test('express: the rest of the slice of one that spins goes to who had to stop in a section, at most FAVOUR_MAX a period', (t) => {
  const machine = new FakeSchedule(1, [[{}, {}, {}]]);
  machine.policy('spin.express', 'on');
  const [spinner, holder, third] = machine.partitions[0]!;
  spinner!.spins = () => SpinKind.SHORT;
  holder!.isCritical = always;
  const favoured = new Map<number, number>();
  let before = 0;
  machine.runUntil(2e8, ({ from }) => {
    const period = Math.floor(from / PERIOD_CYCLES);
    const now = holder!.record.expressCyclesNum;
    favoured.set(period, (favoured.get(period) ?? 0) + now - before);
    before = now;
  });
  t.true(spinCount(spinner!.record, 'expressPreempted') > 0);
  t.is(spinCount(spinner!.record, 'expressReady'), 0);
  t.true(Math.max(...favoured.values()) <= FAVOUR_MAX + SLICE_CYCLES);
  // What it was favoured with is its own time.
  t.true(third!.run > 0.2 * 2e8, String(third!.run));
});

test('express: a VP that spins goes on while whom it waits for may be running, until it has spun for long', (t) => {
  const machine = new FakeSchedule(1, [[{}, {}]]);
  machine.policy('spin.express', 'on');
  const [spinner] = machine.partitions[0]!;
  spinner!.spins = () => SpinKind.SHORT;
  machine.runUntil(1e7);
  t.is(spinCount(spinner!.record, 'expressReady'), 0);
  spinner!.spins = () => SpinKind.LONG;
  machine.runUntil(2e7);
  t.true(spinCount(spinner!.record, 'expressReady') > 0);
});

test('express: a VP that had to stop on another LP is run there next', (t) => {
  const machine = new FakeSchedule(2, [[{ lps: [0] }, { lps: [1] }], [{ lps: [1] }]]);
  machine.policy('spin.express', 'on');
  const [spinner, holder] = machine.partitions[0]!;
  spinner!.spins = () => SpinKind.SHORT;
  holder!.isCritical = always;
  const [rival] = machine.partitions[1]!;
  machine.runUntil(1e8);
  t.true(spinCount(spinner!.record, 'expressKicks') > 0);
  t.true(Math.abs(holder!.run - rival!.run) <= 3 * SLICE_CYCLES, `${holder!.run} and ${rival!.run}`);
});
