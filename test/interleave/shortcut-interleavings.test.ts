// The races of the vTLB again, with the fills and invalidations of daemon/shortcuts against each other and against those in TypeScript, under every schedule with few
// preemptions; and for steps that they share with TypeScript a build without each that must fail
// (two more: test/unit/shortcut-steps). vtlb-interleavings.test.ts says how to run longer and to replay.
import test from 'ava';
import { countOf, explorerOfTests, toldOf } from './explore-all.js';
import { VTLB_SCENARIOS } from './vtlb/scenarios.js';

interface Race {
  readonly name: string;
  /** INVLPG is left to TypeScript where nothing outlives MOV CR3: here something does. */
  readonly keeps?: true;
  readonly mutants?: readonly string[];
}
const RACES: readonly Race[] = [
  {
    name: 'fill against INVLPG',
    keeps: true,
    mutants: ['no look for pending fills', 'clear before the look', 'no clear'],
  },
  { name: 'fill against MOV CR3' },
  { name: 'fill against two MOV CR3s', mutants: ['a fill does not say that there is something to purge'] },
  { name: 'fill against a flush of everything' },
  { name: 'walk against a flush of the partition' },
  { name: 'two fills of one slot' },
  { name: 'an entry is changed while a fill sets its A', mutants: ['torn compare-and-swap'] },
  { name: 'two fills under a directory entry that changes', keeps: true },
  { name: 'two invalidations at once', keeps: true, mutants: ['no clear'] },
  { name: 'fill against reclaim' },
  { name: 'load of a SAS against its eviction' },
  { name: 'fill and INVLPG while the mutex replaces the counters', keeps: true },
  { name: 'fill and INVLPG while the counters replace the mutex', keeps: true },
  {
    name: 'first write to a tracked table against a switch on another LP',
    mutants: ['the right to write is granted whatever a page holds'],
  },
  { name: 'fill from an untracked table against a write and a switch' },
  { name: 'write by a hardware TLB against the protection of the table' },
  {
    name: 'fill into an emptied table that may be written freely',
    mutants: ['no mark when an entry is made from a table that is written'],
  },
  { name: 'the link above a shared node is changed and its page invalidated against a fill below it' },
  { name: 'fill, INVLPG and reclaim', keeps: true },
  { name: 'edit of a tracked table, fill from it and switch' },
];

const explorer = explorerOfTests();

const SCHEDULES = Number(process.env.HVD_SCHEDULES ?? 200);
const RANDOM = Number(process.env.HVD_RANDOM ?? 40);
const SEED = process.env.HVD_SEED === undefined ? undefined : Number(process.env.HVD_SEED);

for (const { name, keeps, mutants } of RACES) {
  const policies: Record<string, string> = keeps ? { 'vtlb.tags': '64' } : {};
  test.serial(`${name}, by shortcuts: no schedule breaks it`, (t) => {
    t.timeout(24 * 3600 * 1000);
    const three = VTLB_SCENARIOS.find((scenario) => scenario.name === name)!.threads.length > 2;
    const limit = three ? Math.min(SCHEDULES, 500) : SCHEDULES;
    const result = explorer().explore({ scenario: name, mutant: 'shortcuts', policies, limit, random: RANDOM, seed: SEED });
    t.log(countOf(result));
    t.is(result.violation, null, toldOf(result));
  });
  for (const mutant of mutants ?? [])
    test.serial(`${name}, by shortcuts: ${mutant} is found`, (t) => {
      const result = explorer().explore({ scenario: name, mutant: `shortcuts: ${mutant}`, policies, limit: 6000, random: 2000, seed: 1 });
      t.log(toldOf(result));
      t.not(result.violation, null);
    });
}
