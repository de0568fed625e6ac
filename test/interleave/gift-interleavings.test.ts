// VPs that are given from LP to LP, against posts, other gifts and the death of an LP: under every schedule with few preemptions, and random ones with more; for each step of the order
// (lp/schedule/balance) a mutant without it that must fail. To run all with two preemptions: HVD_SCHEDULES=1000000.
// To replay one seed: HVD_SCHEDULES=0 HVD_RANDOM=1 HVD_SEED=7 bash test/run.sh dist/test/interleave/gift-interleavings.test.js -m 'quantum: a halted*: no*'
import test from 'ava';
import { type Exploration, Explorer } from './explorer.js';
import { GIFT_MUTANTS } from './gift-mutants.js';
import { GIFT_SCENARIOS } from './gift-scenarios.js';
import { THREADS } from './scenario.js';

/** Which faults each scenario must find. */
const MUST_FIND: Readonly<Record<string, readonly string[]>> = {
  'realtime: a VP that is given to an idle LP, against a post': [
    'a VP is announced before it is given',
    'an LP is told before a VP is announced',
    'an LP takes a VP that it is not given',
    'a halted VP counts as ready',
  ],
  'realtime: a halted VP that goes home, against a post': [
    'whose a VP is is read before the post',
    'an LP is not told of a VP that it is given',
  ],
  'quantum: a VP that is given to an idle LP, against a post': ['an LP is told before a VP is announced'],
  'deterministic: VPs that are given to two LPs and wait for one another': ['an LP is not told of a VP that it is given'],
  'realtime: two LPs that give their VPs to a third': ['arrivals are noted when VPs have been looked for'],
  'quantum: a VP that is given to an LP whose time is earlier': ['a VP is given before its clock is stored'],
  'quantum: a VP that is given to an LP that dies': ['whether an LP has died is not looked at again'],
};

let explorer: Explorer;
test.before(async () => {
  explorer = new Explorer(THREADS);
  await explorer.ready();
});
test.after.always(() => explorer.close());

const told = (e: Exploration): string => `${e.violation} after ${e.schedules} schedules; replay ${e.replay}`;
const SCHEDULES = Number(process.env.HVD_SCHEDULES ?? 60);
const RANDOM = Number(process.env.HVD_RANDOM ?? 20);
const SEED = Number(process.env.HVD_SEED ?? 1);

test('each mutant is found by a scenario', (t) => {
  const found = [...new Set(Object.values(MUST_FIND).flat())].sort();
  t.deepEqual(found, GIFT_MUTANTS.map(({ name }) => name).sort());
  t.deepEqual(
    Object.keys(MUST_FIND).filter((name) => !GIFT_SCENARIOS.some((scenario) => scenario.name === name)),
    [],
  );
});
for (const { name } of GIFT_SCENARIOS) {
  test.serial(`${name}: no schedule breaks it`, (t) => {
    t.timeout(24 * 3600 * 1000);
    const result = explorer.explore({ scenario: name, limit: SCHEDULES, random: RANDOM, seed: SEED });
    t.log(`${result.schedules} schedules${result.exhausted ? ', all with two preemptions' : ''}`);
    t.is(result.violation, null, told(result));
  });
  for (const mutant of MUST_FIND[name] ?? [])
    test.serial(`${name}: ${mutant} is found`, (t) => {
      const result = explorer.explore({ scenario: name, mutant, limit: 20_000, random: 2000, seed: 1 });
      t.log(told(result));
      t.not(result.violation, null);
    });
}
