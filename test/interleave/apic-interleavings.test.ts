// Every race between posters and the owner of a virtual APIC under every schedule with few preemptions, and for each order of their steps a mutant without it that must fail.
import test from 'ava';
import { APIC_MUTANTS } from './apic-mutants.js';
import { APIC_SCENARIOS } from './apic-scenarios.js';
import { type Exploration, Explorer } from './explorer.js';
import { THREADS } from './scenario.js';

/** Which faults each scenario must find. */
const MUST_FIND: Readonly<Record<string, readonly string[]>> = {
  'an edge that ends itself against the pull': ['an interrupt is requested before its kind is told'],
  'an edge whose vector ended itself before': [
    'an interrupt is requested before its kind is told',
    'the kind of an earlier interrupt is not taken back',
  ],
  'an edge whose vector was a level before': ['the kind of an earlier interrupt is not taken back'],
  'two posters of one word against the pull': [
    'an interrupt is requested by a load and a store',
    'requests are pulled by a load and a store',
    'the kind is looked at before requests are pulled',
  ],
  'a vector that the guest declares, against a post and the pull': ['the kind of an earlier interrupt is not taken back'],
};

let explorer: Explorer;
test.before(async () => {
  explorer = new Explorer(THREADS);
  await explorer.ready();
});
test.after.always(() => explorer.close());

const told = (e: Exploration): string => `${e.violation} after ${e.schedules} schedules; replay ${e.replay}`;
const SCHEDULES = Number(process.env.HVD_SCHEDULES ?? 1500);

test('each mutant is found by a scenario', (t) => {
  t.deepEqual([...new Set(Object.values(MUST_FIND).flat())].sort(), APIC_MUTANTS.map(({ name }) => name).sort());
});
for (const { name } of APIC_SCENARIOS) {
  test.serial(`${name}: no schedule breaks it`, (t) => {
    t.timeout(24 * 3600 * 1000);
    const result = explorer.explore({ scenario: name, limit: SCHEDULES, random: 100, seed: 1 });
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
