// Every race of the synthetic interrupt controller under every schedule with few preemptions, and for each step of its protocols a mutant without it that must fail.
// To replay one seed of a scenario: HVD_SCHEDULES=0 HVD_RANDOM=1 HVD_SEED=7 bash test/run.sh dist/test/interleave/synic-interleavings.test.js -m 'EOM*: no*'

import { exploreAll } from './explore-all.js';
import { SYNIC_MUTANTS } from './synic-mutants.js';
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

exploreAll({ scenarios: SYNIC_SCENARIOS, mutants: SYNIC_MUTANTS, mustFind: MUST_FIND, schedules: 1500, random: 100 });
