// The scheduler of an LP against a plain one that is obviously right (rig/reference-schedule): the same choice and the same slice each time. The plain one knows nothing
// of spin waits, so that this also is the proof that with all spin policies off the schedule is as if there were none.
import test from 'ava';
import fc from 'fast-check';
import { RESERVE_MAX } from '../../shared/layout/schedule.js';
import { FakeSchedule, type FakeVp, type Share } from '../rig/fake-schedule.js';
import { fluidShares, ReferenceSchedule, type ReferenceVp, RULES, type Rule } from '../rig/reference-schedule.js';
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

/** First decision that is not the reference's, if any. */
const difference = (
  partitions: Partitions,
  policy: string,
  seed: number,
  changes: { without?: Rule; extend?: string } = {},
): string | undefined => {
  const draw = seeded(seed);
  const isRestless = draw(3) > 0;
  const rest = () => ({ sleep: 1 + draw(draw(3) === 0 ? 15e6 : 2e6), burst: 1 + draw(3e6) });
  const machine = new FakeSchedule(1, partitions, isRestless ? rest : undefined);
  machine.policy('sched.policy', policy);
  for (const name of ['spin.detect', 'spin.hints', 'spin.express']) machine.policy(name, 'off');
  machine.policy('spin.extend', changes.extend ?? 'off');
  const fakes = machine.partitions.flat();
  // They sleep from the outset or not; whether they are in critical sections must not matter.
  for (const fake of fakes) {
    if (isRestless) Object.assign(fake, { burst: 1 + draw(3e6), wakesAt: draw(2) * draw(3e6) });
    fake.isCritical = () => draw(2) === 0;
  }
  const vps = partitions.flatMap((shares, partition) => shares.map((share) => ({ partition, share })));
  const plain: ReferenceVp[] = vps.map(({ partition, share }, i) => ({ ...share, partition, isAwake: (now) => fakes[i]!.wakesAt <= now }));
  const reference = new ReferenceSchedule(plain, policy, changes.without);
  let last: { readonly vp: ReferenceVp; readonly from: number; readonly cycles: number } | undefined;
  let found: string | undefined;
  const nameOf = (vp: ReferenceVp | FakeVp | undefined): string =>
    String(vp && [plain.indexOf(vp as ReferenceVp), fakes.indexOf(vp as FakeVp)].find((i) => i >= 0));
  machine.decided = ({ now, vp, budget }) => {
    if (last) reference.ran(last.vp, last.from, last.cycles);
    last = undefined;
    const right = reference.decide(now);
    const is = `${nameOf(vp)} for ${budget}`;
    const should = `${nameOf(right?.vp)} for ${right?.budget ?? 0}`;
    if (is !== should) found ??= `at ${now} LP 0 runs ${is}, not ${should}`;
  };
  for (let end = 2e6; end <= 4e7 && found === undefined; end += 2e6)
    machine.runUntil(end, ({ vp, from, cycles }) => {
      last = { vp: plain[fakes.indexOf(vp)]!, from, cycles };
    });
  return found;
};

for (const policy of POLICIES)
  test(`${policy}: every choice and every slice are those of the plain scheduler, whether VPs are in critical sections or not`, (t) => {
    fc.assert(
      fc.property(machines.filter(isPossible), fc.nat(), (partitions, seed) => {
        const found = difference(partitions, policy, seed);
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
