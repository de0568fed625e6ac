// Going to rest, and lazy EOI, against work that comes: under every schedule with few preemptions, and random ones with more; for each step of the order (lp/rounds, lp/turn,
// hypervisor/reach, hypervisor/run-loop, apic/eoi-assist) a mutant without it that must fail. To run all with two preemptions: HVD_SCHEDULES=1000000.
// To replay one seed: HVD_SCHEDULES=0 HVD_RANDOM=1 HVD_SEED=7 bash test/run.sh dist/test/interleave/lp-interleavings.test.js -m 'quantum: two*: no*'
import test from 'ava';
import { ASSIST_SCENARIOS } from './assist-scenarios.js';
import { type Exploration, Explorer } from './explorer.js';
import { IDLE_SCENARIOS } from './idle-scenarios.js';
import { LP_MUTANTS } from './lp-mutants.js';
import { THREADS } from './scenario.js';

/** Which faults each scenario must find. */
const MUST_FIND: Readonly<Record<string, readonly string[]>> = {
  'realtime: a VP that is about to halt against a post': [
    'the doorbell is looked at when work has been looked for',
    'the state of a VP is read before the post',
    'a VP is kicked before the post',
  ],
  'realtime: a VP that has halted against a post': [
    'the doorbell is looked at when work has been looked for',
    'a VP is kicked before the post',
  ],
  'quantum: a VP that is about to halt against a post': [
    'the doorbell is looked at when work has been looked for',
    'work is not looked for once more',
    'work is looked for once more before the LP is at rest',
    'the state of a VP is read before the post',
  ],
  'quantum: a VP that has halted against a post': ['the doorbell is rung before the step is moved'],
  'quantum: two VPs that wait for each other': ['the doorbell is rung before the step is moved'],
  'deterministic: two VPs that wait for each other': [
    'an LP says that it waits once it has looked',
    'those that wait are told before a word is published',
    'the doorbell is rung before the step is moved',
  ],
  'deterministic: a post against an LP whose time is later': ["other LPs' words are not of one moment"],
  'deterministic: two LPs when one is let go from rest': [
    'an LP goes on before all are told',
    'whether all are told is looked at before the turn',
  ],
  'deterministic: three LPs when one is let go from rest': ['an LP goes on before all are told'],
  'a guest that computes, against a lower interrupt behind a higher one': [
    'a VP that runs is not kicked',
    'the state of a VP is read before the post',
    'a VP is kicked before the post',
    'the kick is taken back after the look for posts',
    'a marker is set before posts are looked for',
    'a marker stands over requests',
    'an EOI by the marker counts at the next entry only',
    'an EOI by the marker is carried out twice',
  ],
  'a guest that computes, against a higher interrupt behind a lower one': [
    'a marker is taken away unseen',
    'an EOI by the marker is carried out twice',
  ],
  'a guest that computes, against interrupts of one class': ['a marker stands over requests'],
  'a guest that halts, against a lower interrupt behind a higher one': ['an EOI by the marker counts at the next entry only'],
};
const SCENARIOS = [...IDLE_SCENARIOS, ...ASSIST_SCENARIOS];

let explorer: Explorer;
test.before(async () => {
  explorer = new Explorer(THREADS);
  await explorer.ready();
});
test.after.always(() => explorer.close());

const told = (e: Exploration): string => `${e.violation} after ${e.schedules} schedules; replay ${e.replay}`;
const SCHEDULES = Number(process.env.HVD_SCHEDULES ?? 300);
const RANDOM = Number(process.env.HVD_RANDOM ?? 50);
const SEED = Number(process.env.HVD_SEED ?? 1);

test('each mutant is found by a scenario', (t) => {
  const found = [...new Set(Object.values(MUST_FIND).flat())].sort();
  t.deepEqual(found, LP_MUTANTS.map(({ name }) => name).sort());
  t.deepEqual(
    Object.keys(MUST_FIND).filter((name) => !SCENARIOS.some((scenario) => scenario.name === name)),
    [],
  );
});
for (const { name } of SCENARIOS) {
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
