// Every race of the synthetic interrupt controller under every schedule with few preemptions, and for each step of its protocols a mutant without it that must fail.
// To replay one seed of a scenario: HVD_SCHEDULES=0 HVD_RANDOM=1 HVD_SEED=7 bash test/run.sh dist/test/interleave/synic-interleavings.test.js -m 'EOM*: no*'
import test from 'ava';
import { type Exploration, Explorer } from './explorer.js';
import { THREADS } from './scenario.js';
import { SYNIC_SCENARIOS } from './synic-scenarios.js';

/** Which faults each scenario must find. */
const MUST_FIND: Readonly<Record<string, readonly string[]>> = {
  'messages against a guest that empties its slot': [
    'no second look at the slot',
    'the second look comes before the flag',
    'the interrupt comes before what it tells of',
  ],
  'two posters against a guest that empties its slot': ['controllers are not locked'],
  'EOM against a message': ['controllers are not locked', 'no second look at the slot'],
  'a message against a guest that polls its slot': ['the type is written first'],
  'event flags against a guest that clears them': [
    'an event flag is set by a load and a store',
    'the interrupt comes before what it tells of',
  ],
  'one event flag again and again against a guest that clears it': ['an event flag is looked at before it is set'],
  'messages against a guest that takes its page away and puts it back': ['the page is looked for outside the lock only'],
  'a port is closed, and another one has its place, against a message': [
    'a port of any generation is taken',
    'a closed port leaves its messages',
  ],
};

let explorer: Explorer;
test.before(async () => {
  explorer = new Explorer(THREADS);
  await explorer.ready();
});
test.after.always(() => explorer.close());

const told = (e: Exploration): string => `${e.violation} after ${e.schedules} schedules; replay ${e.replay}`;
const SCHEDULES = Number(process.env.HVD_SCHEDULES ?? 1500);
const RANDOM = Number(process.env.HVD_RANDOM ?? 100);
const SEED = process.env.HVD_SEED === undefined ? undefined : Number(process.env.HVD_SEED);

for (const { name } of SYNIC_SCENARIOS) {
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
