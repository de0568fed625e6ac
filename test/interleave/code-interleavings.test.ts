// Every race of stores into watched code with its translation under every schedule with few preemptions, and for each step of the protocol a mutant without it
// that must fail. To replay one seed: HVD_SCHEDULES=0 HVD_RANDOM=1 HVD_SEED=7 bash test/run.sh dist/test/interleave/code-interleavings.test.js -m 'a store into code against its t*: no*'
import test from 'ava';
import { CODE_SCENARIOS } from './code-scenarios.js';
import { type Exploration, Explorer } from './explorer.js';
import { THREADS } from './scenario.js';

/** Which faults each scenario must find. */
const MUST_FIND: Readonly<Record<string, readonly string[]>> = {
  'a store into code against its translation': [
    'a store does not say that it is under way',
    'a store looks at the lines again instead of saying that it is under way',
    'a translation waits for no store',
    'the version is read last',
    'the version is raised after the store',
  ],
  'a store into code against its first translation': [
    'a store does not say that it is under way',
    'a store looks at the lines again instead of saying that it is under way',
    'a store looks at the lines before it is under way',
    'a translation waits for no store',
  ],
  'a store into other code of the page against a translation': ['the version is read last'],
};

let explorer: Explorer;
test.before(async () => {
  explorer = new Explorer(THREADS);
  await explorer.ready();
});
test.after.always(() => explorer.close());

const told = (e: Exploration): string => `${e.violation} after ${e.schedules} schedules; replay ${e.replay}`;
const SCHEDULES = Number(process.env.HVD_SCHEDULES ?? 4000);
const RANDOM = Number(process.env.HVD_RANDOM ?? 200);
const SEED = process.env.HVD_SEED === undefined ? undefined : Number(process.env.HVD_SEED);

for (const { name } of CODE_SCENARIOS) {
  test.serial(`${name}: no schedule breaks it`, (t) => {
    t.timeout(24 * 3600 * 1000);
    const result = explorer.explore({ scenario: name, limit: SCHEDULES, random: RANDOM, seed: SEED });
    t.log(`${result.schedules} schedules${result.exhausted ? ', all with two preemptions' : ''}`);
    t.is(result.violation, null, told(result));
  });
  for (const mutant of MUST_FIND[name])
    test.serial(`${name}: ${mutant} is found`, (t) => {
      const result = explorer.explore({ scenario: name, mutant, limit: 20_000, random: 2000, seed: 1 });
      t.log(told(result));
      t.not(result.violation, null);
    });
}
