// VPs that are given from LP to LP, against posts, other gifts and the death of an LP: under every schedule with few preemptions, and random ones with more; for each step of the order
// (lp/schedule/balance) a mutant without it that must fail. To run all with two preemptions: HVD_SCHEDULES=1000000.
// To replay one seed: HVD_SCHEDULES=0 HVD_RANDOM=1 HVD_SEED=7 bash test/run.sh dist/test/interleave/gift-interleavings.test.js -m 'quantum: a halted*: no*'
import { exploreAll } from './explore-all.js';
import { GIFT_MUTANTS } from './gift-mutants.js';
import { GIFT_SCENARIOS } from './gift-scenarios.js';

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

exploreAll({ scenarios: GIFT_SCENARIOS, mutants: GIFT_MUTANTS, mustFind: MUST_FIND, schedules: 60, random: 20 });
