// The scheduler of an LP against a plain one that is obviously right (rig/reference-schedule, rig/reference-spin): the same choice and the same slice each time. The first of
// them knows nothing of spin waits, so that this also is the proof that with all spin policies off the schedule is as if there were none.
import test from 'ava';
import fc from 'fast-check';
import type { RunQueue } from '../../daemon/lp/schedule/run-queue.js';
import { RESERVE_MAX } from '../../shared/layout/schedule.js';
import { extensionOf } from '../../shared/protocol/policies.js';
import { FakeSchedule, type FakeVp, type Share } from '../rig/fake-schedule.js';
import { fluidShares, ReferenceSchedule, type ReferenceVp, RULES, type Rule } from '../rig/reference-schedule.js';
import { type SpinningVp, SpinSchedule } from '../rig/reference-spin.js';
import { loadMutant, SCHEDULE_MUTANTS } from '../rig/schedule-mutants.js';
import { seeded } from '../rig/seeded.js';

type Partitions = readonly (readonly Required<Omit<Share, 'lps'>>[])[];
const POLICIES = ['credit', 'rr', 'gang'] as const;

const machines: fc.Arbitrary<Partitions> = fc.array(
  fc.array(
    fc.record({
      weight: fc.oneof(fc.constant(100), fc.integer({ min: 20, max: 2000 })),
      reserve: fc.constantFrom(0, 0, 0, 5, 10, 30),
      limit: fc.constantFrom(100, 100, 100, 70, 35),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  { minLength: 1, maxLength: 3 },
);
const isPossible = (partitions: Partitions): boolean => partitions.flat().reduce((sum, { reserve }) => sum + reserve, 0) <= RESERVE_MAX;

interface Changes {
  readonly without?: Rule;
  readonly extend?: string;
  /** What is done for spin waits is drawn, and the plain scheduler knows of it. */
  readonly spins?: boolean;
  readonly Queue?: typeof RunQueue;
}
class Difference extends Error {}
const SHARP = ['off', '1x50000', '1x200000', '4x100000'] as const;

/** First decision that is not the reference's, if any. */
const difference = (partitions: Partitions, policy: string, seed: number, changes: Changes = {}): string | undefined => {
  const draw = seeded(seed);
  const isRestless = draw(3) > 0;
  const rest = () => ({ sleep: 1 + draw(draw(3) === 0 ? 15e6 : 2e6), burst: 1 + draw(3e6) });
  const machine = new FakeSchedule(1, partitions, isRestless ? rest : undefined, changes.Queue);
  const extend = changes.spins ? SHARP[draw(SHARP.length)]! : (changes.extend ?? 'off');
  const settings = { ...extensionOf(extend), express: changes.spins === true && draw(3) > 0, ipi: changes.spins === true && draw(2) > 0 };
  for (const [name, value] of [
    ['sched.policy', policy],
    ['spin.hints', 'off'],
    ['spin.detect', settings.ipi ? 'pause+ipi' : 'off'],
    ['spin.express', settings.express ? 'on' : 'off'],
    ['spin.extend', extend],
  ] as const)
    machine.policy(name, value);
  const fakes = machine.partitions.flat();
  // Some come to all that a period allows.
  const isEager = draw(4) === 0;
  const often = isEager ? 2 : 2 + draw(30);
  let spun = { kind: 0, asked: 0 };
  for (const fake of fakes) {
    // They sleep from the outset or not.
    if (isRestless) Object.assign(fake, { burst: 1 + draw(3e6), wakesAt: draw(2) * draw(3e6) });
    // Sections come with what it has run.
    const [every, long] = [1 + draw(700_000), isEager ? 7 + draw(2) : draw(8)];
    fake.isCritical = () => Math.floor(fake.run / every) % 8 < long;
    if (changes.spins)
      fake.spins = () => {
        spun = { kind: draw(often) === 0 ? 1 + draw(2) : 0, asked: draw(3) === 0 ? draw(8) : 0 };
        fake.record.askedLow = spun.asked;
        return spun.kind;
      };
  }
  const plain = partitions.flatMap((shares, partition) =>
    shares.map((share, index): SpinningVp => {
      const fake = machine.partitions[partition]![index]!;
      return {
        ...share,
        partition,
        index,
        count: shares.length,
        isAwake: (now) => fake.wakesAt <= now,
        isCritical: () => fake.isCritical(),
        spun: () => spun,
      };
    }),
  );
  const reference = changes.spins ? new SpinSchedule(plain, policy, settings) : new ReferenceSchedule(plain, policy, changes.without);
  let last: { readonly vp: ReferenceVp; readonly from: number; readonly cycles: number } | undefined;
  const nameOf = (vp: ReferenceVp | FakeVp | undefined): string =>
    String(vp && [plain.indexOf(vp as SpinningVp), fakes.indexOf(vp as FakeVp)].find((i) => i >= 0));
  machine.decided = ({ now, vp, budget }) => {
    if (last) reference.ran(last.vp, last.from, last.cycles);
    last = undefined;
    const right = reference.decide(now);
    const is = `${nameOf(vp)} for ${budget}`;
    const should = `${nameOf(right?.vp)} for ${right?.budget ?? 0}`;
    if (is !== should) throw new Difference(`at ${now} LP 0 runs ${is}, not ${should}`);
  };
  try {
    // Runs end in the middle of slices, too.
    for (let end = 0; end <= 4e7; end += 1 + draw(draw(2) === 0 ? 2e5 : 2e6))
      machine.runUntil(end, ({ vp, from, cycles }) => {
        last = { vp: plain[fakes.indexOf(vp)]!, from, cycles };
      });
  } catch (error) {
    if (error instanceof Difference) return error.message;
    throw error;
  }
  return undefined;
};

for (const policy of POLICIES)
  for (const [name, changes] of Object.entries({
    'spin policies off: those of a scheduler that knows nothing of them, whether VPs are in critical sections or not': {},
    'spin policies on, sections and spins at random': { spins: true },
  }))
    test(`${policy}: every choice and every slice are those of the plain scheduler; ${name}`, (t) => {
      fc.assert(
        fc.property(machines.filter(isPossible), fc.nat(), (partitions, seed) => {
          const found = difference(partitions, policy, seed, changes);
          if (found !== undefined) throw new Error(found);
        }),
        { numRuns: 60 },
      );
      t.pass();
    });

const CASES = fc.sample(fc.tuple(machines.filter(isPossible), fc.nat()), { numRuns: 60, seed: 7 });
for (const rule of RULES)
  test(`a plain scheduler without the rule about ${rule} is told apart`, (t) => {
    t.true(
      CASES.some(([partitions, seed]) => POLICIES.some((policy) => difference(partitions, policy, seed, { without: rule }) !== undefined)),
    );
  });
test('a scheduler that extends slices is told apart from the plain one', (t) => {
  t.true(CASES.some(([partitions, seed]) => difference(partitions, 'credit', seed, { extend: '1x100000' }) !== undefined));
});

for (const mutant of SCHEDULE_MUTANTS)
  test(`a scheduler is told apart: ${mutant.what}`, async (t) => {
    const { Queue, forget } = await loadMutant(mutant);
    t.teardown(forget);
    t.true(
      CASES.some(([partitions, seed]) =>
        POLICIES.some((policy) => difference(partitions, policy, seed, { spins: true, Queue }) !== undefined),
      ),
    );
  });

test('VPs that always have something to do share an LP as water does, within 1 % over 10^9 cycles', (t) => {
  fc.assert(
    fc.property(machines.filter(isPossible), (partitions) => {
      const machine = new FakeSchedule(1, partitions);
      machine.runUntil(1e9);
      const vps = partitions.flat();
      const shares = fluidShares(vps);
      // A reserve is had in slices: where there is one, the error is as much of the LP and not of the share. Reserves and limits themselves are exact.
      const isExact = vps.every(({ reserve }) => reserve === 0);
      for (const [i, { run }] of machine.partitions.flat().entries()) {
        const [share, { reserve, limit }] = [shares[i]!, vps[i]!];
        if (Math.abs(run - share * 1e9) > 0.01 * 1e9 * (isExact ? share : 1)) throw new Error(`VP ${i}: ${run}, not ${share * 1e9}`);
        if (run < reserve * 1e7 || run > limit * 1e7) throw new Error(`VP ${i}: ${run} of ${reserve} to ${limit} %`);
      }
    }),
    { numRuns: 20 },
  );
  t.pass();
});
