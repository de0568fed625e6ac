// Every race of stores into watched code with its translation under every schedule with few preemptions, and for each step of the protocol a mutant without it
// that must fail. To replay one seed: HVD_SCHEDULES=0 HVD_RANDOM=1 HVD_SEED=7 bash test/run.sh dist/test/interleave/code-interleavings.test.js -m 'a store into code against its t*: no*'

import { CODE_MUTANTS } from './code-mutants.js';
import { CODE_SCENARIOS } from './code-scenarios.js';
import { exploreAll } from './explore-all.js';

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

exploreAll({ scenarios: CODE_SCENARIOS, mutants: CODE_MUTANTS, mustFind: MUST_FIND, schedules: 4000, random: 200 });
