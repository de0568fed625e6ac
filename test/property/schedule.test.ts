// The scheduler against what it promises: shares by weight, reserves, limits, affinity; a VP's time never goes back, nobody starves, nobody runs in two places.
import test from 'ava';
import fc from 'fast-check';
import { SLICE_CYCLES } from '../../daemon/lp/schedule/discipline.js';
import { PERIOD_CYCLES } from '../../daemon/lp/schedule/entitlement.js';
import { FAVOUR_MAX } from '../../daemon/lp/schedule/spin.js';
import { SpinKind, spinCount } from '../../shared/layout/schedule.js';
import { FakeSchedule, type FakeVp, type Ran, type Share } from '../rig/fake-schedule.js';
import { seeded } from '../rig/seeded.js';

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

test('VPs leave an LP that they may not run on any more, the one that runs with the end of its run, and go where they may', (t) => {
  const machine = new FakeSchedule(3, [[{}, {}, {}], [{}]]);
  machine.policy('sched.balance', 'off');
  machine.runUntil(3e7);
  for (const vp of machine.partitions[0]!) {
    vp.record.affinityLow = 0b110;
    if (vp.home === 0) vp.home = 1;
  }
  machine.runUntil(6e7, ({ slot, lp, from }) => {
    if (slot === 0 && from > 3e7 + SLICE_CYCLES) t.not(lp, 0);
  });
  for (const vp of machine.partitions[0]!) t.not(vp.lp, 0);
  t.true(machine.partitions[1]![0]!.run > 3e7);
});

test('a blocked VP runs where it may when it wakes, though its LP has no other', (t) => {
  const machine = new FakeSchedule(2, [[{ lps: [0] }]], () => ({ sleep: 1e6, burst: 1e5 }));
  machine.partitions[0]![0]!.burst = 1e5;
  machine.runUntil(1e7);
  const [vp] = machine.partitions[0]!;
  vp!.record.affinityLow = 0b10;
  vp!.home = 1;
  const before = vp!.run;
  machine.runUntil(3e7, ({ lp }) => t.is(lp, 1));
  t.true(vp!.run > before + 1e6);
});

test('reserves that are raised while their VPs are together are kept from the next period on: who has a home elsewhere goes there', (t) => {
  const machine = new FakeSchedule(2, [
    [{ lps: [0] }, { lps: [0] }],
    [{ weight: 10_000 }, { weight: 10_000 }],
  ]);
  machine.policy('sched.balance', 'off');
  machine.runUntil(2e7);
  const [one, other] = machine.partitions[0]!;
  for (const vp of [one!, other!]) {
    vp.record.reserve = 60;
    vp.record.affinityLow = 0b11;
  }
  one!.home = 0;
  other!.home = 1;
  const used = new Map<string, number>();
  machine.runUntil(2e8, ({ slot, index, from, cycles }) => {
    const key = `${slot}.${index}.${Math.floor(from / PERIOD_CYCLES)}`;
    used.set(key, (used.get(key) ?? 0) + cycles);
  });
  for (const index of [0, 1])
    for (let period = 4; period < 19; period++)
      t.true((used.get(`0.${index}.${period}`) ?? 0) >= 0.6 * PERIOD_CYCLES, `${index}, ${period}`);
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
    t.true((used.get(period) ?? 0) >= 0.4 * PERIOD_CYCLES, `period ${period}: ${used.get(period)}`);
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

test('gang: VPs of a partition that share an LP take turns within its turns', (t) => {
  const machine = new FakeSchedule(1, [[{}, {}, {}], [{}]]);
  machine.policy('sched.policy', 'gang');
  machine.runUntil(6e8);
  t.deepEqual(
    machine.partitions.map((vps) => vps.map(({ run }) => run)),
    [[1e8, 1e8, 1e8], [3e8]],
  );
});

test('a run with a limit does not go on into the next period', (t) => {
  // It wakes up late in a period and has nearly all its share of two of them left.
  const machine = new FakeSchedule(1, [[{ limit: 30 }]], () => ({ sleep: 1e9, burst: 1 }));
  const [late] = machine.partitions[0]!;
  Object.assign(late!, { wakesAt: 0.9 * PERIOD_CYCLES, burst: PERIOD_CYCLES });
  const runs: Ran[] = [];
  machine.runUntil(2 * PERIOD_CYCLES, (run) => runs.push(run));
  t.deepEqual(
    runs.map(({ from, cycles }) => [from, cycles]),
    [
      [0.9 * PERIOD_CYCLES, 0.1 * PERIOD_CYCLES],
      [PERIOD_CYCLES, 0.3 * PERIOD_CYCLES],
    ],
  );
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

test('nobody starves, whatever the weights: a ready VP waits no longer than the bound in the README', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.integer({ min: 10, max: 5000 }), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 }),
      fc.constantFrom('credit', 'rr', 'gang'),
      fc.nat(),
      (partitions, policy, seed) => {
        const draw = seeded(seed);
        const machine = new FakeSchedule(
          1,
          partitions.map((weights) => weights.map((weight) => ({ weight }))),
          () => ({ sleep: draw(3) === 0 ? 1 + draw(3e6) : 1, burst: 1 + draw(2e6) }),
        );
        machine.policy('sched.policy', policy);
        machine.runUntil(1e8);
        const weights = partitions.flat();
        const bounds = waitBounds(weights, policy, partitions.length);
        for (const [i, { longestWait }] of machine.partitions.flat().entries())
          if (longestWait > bounds[i]!) throw new Error(`VP ${i} of weights ${weights}: ${longestWait}, the bound is ${bounds[i]}`);
      },
    ),
    { numRuns: 60 },
  );
  t.pass();
});

/** How long each of the VPs of an LP waits at most (daemon/lp/schedule/README.md). */
const waitBounds = (weights: readonly number[], policy: string, partitions: number): number[] => {
  const sum = weights.reduce((all, one) => all + one, 0);
  const slice = (weight: number): number => Math.max(50_000, (SLICE_CYCLES * weights.length * weight) / sum);
  return weights.map((own, i) => {
    const others = weights.filter((_, j) => j !== i);
    if (policy === 'rr') return weights.length * SLICE_CYCLES;
    const credit = others.reduce(
      (all, one) => all + (SLICE_CYCLES * one) / 100 + (SLICE_CYCLES * weights.length * one) / own + slice(one),
      0,
    );
    return policy === 'gang' ? partitions * (credit + SLICE_CYCLES) : credit;
  });
};

test('VPs that spin for one another in a circle do not keep the LP to themselves', (t) => {
  for (const policy of ['credit', 'rr', 'gang'])
    for (const spinners of [2, 3, 6]) {
      const machine = new FakeSchedule(1, [Array.from({ length: spinners }, () => ({})), [{}]]);
      machine.policy('sched.policy', policy);
      machine.policy('spin.express', 'on');
      machine.policy('spin.detect', 'pause+ipi');
      const [circle, [other]] = machine.partitions;
      for (const [i, vp] of circle!.entries())
        vp.spins = () => {
          vp.record.askedLow = 1 << ((i + 1) % spinners);
          return SpinKind.SHORT;
        };
      machine.runUntil(1e8);
      // Half a fair share, and no longer away than all may lead it by.
      t.true(other!.run > 1e8 / (spinners + 1) / 2, `${policy}, ${spinners}: ${other!.run}`);
      t.true(other!.longestWait <= (spinners + 1) * (FAVOUR_MAX + 2 * SLICE_CYCLES), `${policy}, ${spinners}: ${other!.longestWait}`);
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

test('an extension ends within 10,000 cycles of a section whose end no instruction tells', (t) => {
  const machine = new FakeSchedule(1, [[{}, {}]]);
  machine.policy('spin.extend', '1x200000');
  const [holder] = machine.partitions[0]!;
  // Its section begins before its slice is over, and goes on for so long after that.
  const REST = 33_000;
  holder!.isCritical = () => holder!.run > 0 && holder!.run < SLICE_CYCLES + REST;
  machine.runUntil(SLICE_CYCLES + 200_000);
  t.is(spinCount(holder!.record, 'extensionsEnded'), 1);
  t.true(holder!.run >= SLICE_CYCLES + REST && holder!.run <= SLICE_CYCLES + REST + 10_000, String(holder!.run));
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
