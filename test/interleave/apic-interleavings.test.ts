// Every race between posters and the owner of a virtual APIC under every schedule with few preemptions, and for each order of their steps a mutant without it that must fail.
import { APIC_MUTANTS } from './apic-mutants.js';
import { APIC_SCENARIOS } from './apic-scenarios.js';
import { exploreAll } from './explore-all.js';

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

exploreAll({ scenarios: APIC_SCENARIOS, mutants: APIC_MUTANTS, mustFind: MUST_FIND, schedules: 1500, random: 100 });
