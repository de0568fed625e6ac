// Going to rest, and lazy EOI, against work that comes: under every schedule with few preemptions, and random ones with more; for each step of the order (lp/rounds, lp/turn,
// hypervisor/reach, hypervisor/run-loop, apic/eoi-assist) a mutant without it that must fail. To run all with two preemptions: HVD_SCHEDULES=1000000.
// To replay one seed: HVD_SCHEDULES=0 HVD_RANDOM=1 HVD_SEED=7 bash test/run.sh dist/test/interleave/lp-interleavings.test.js -m 'quantum: two*: no*'
import { ASSIST_SCENARIOS } from './assist-scenarios.js';
import { exploreAll } from './explore-all.js';
import { IDLE_SCENARIOS } from './idle-scenarios.js';
import { LP_MUTANTS } from './lp-mutants.js';

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

exploreAll({ scenarios: [...IDLE_SCENARIOS, ...ASSIST_SCENARIOS], mutants: LP_MUTANTS, mustFind: MUST_FIND, schedules: 300, random: 50 });
