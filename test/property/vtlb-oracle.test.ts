// Invariant I1 under random guests: several VPs in every mode, edits of every kind, flushes or none, and policies that change meanwhile. 10,000 steps here; for a long run:
//   HVD_STEPS=1000000 HVD_SEED=7 bash test/run.sh dist/test/property/vtlb-oracle.test.js
// HVD_WITHOUT=vtlb.share,vtlb.numa leaves policies at their first setting.
// A guest lasts 500 steps; a failure prints the guest's own seed and the command that replays it alone.
import test from 'ava';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { MUTANTS } from '../interleave/mutants.js';
import { plainMmu, RandomGuest } from '../interleave/random-guest.js';

const STEPS = Number(process.env.HVD_STEPS ?? 10_000);
const SEED = Number(process.env.HVD_SEED ?? 1);
const STEPS_OF_GUEST = 500;
/** That look for a mutant, at most. */
const GUESTS = 200;
/** Of the guest before: memory is not made anew for each. */
let machine: RandomGuest['machine'] | undefined;

test.serial(
  'what a VP can use is what the architecture lets it use, after every step and under every combination of policies',
  async (t) => {
    t.timeout(24 * 3600 * 1000);
    const totals = new Map<string, number>();
    const add = (name: string, n: number): void => void totals.set(name, (totals.get(name) ?? 0) + n);
    for (let n = 0; n * STEPS_OF_GUEST < STEPS; n++) {
      const seed = SEED + n;
      const guest: RandomGuest = new RandomGuest(seed, machine);
      machine = guest.machine;
      for (let step = 0; step < STEPS_OF_GUEST; step++)
        try {
          guest.step();
        } catch (error) {
          t.fail(
            `step ${step} of the guest: ${error instanceof Error ? error.message : error}; replay: HVD_STEPS=${STEPS_OF_GUEST} HVD_SEED=${seed} bash test/run.sh dist/test/property/vtlb-oracle.test.js`,
          );
          return;
        }
      add('stale', guest.stale);
      add('compared', guest.compared);
      for (const [name, count] of guest.counts) add(name, count);
      const counters = vtlbCounters(machine.partition);
      for (const [name, count] of Object.entries(counters)) add(`counter ${name}`, count);
      if (n % 64 === 63) await new Promise((resolve) => setImmediate(resolve));
    }
    t.log(JSON.stringify(Object.fromEntries(totals)));
    t.pass();
  },
);

/** Of the faults that a single thread can show, each is found by one of the first guests: else the oracle proves nothing. */
for (const name of [
  'no purge',
  'no clear',
  'the old root is kept',
  'no marks at the first write',
  'no mark when an entry is made from a table that is written',
  'no record of a writable mapping',
  'no validation',
  'no flush of other LPs when a table is protected',
  'no look at the state after the mark is cleared',
  'no flush request',
  'TLBs are not flushed for others',
  'no look at the generation inside the fill',
  'a bank is taken up whatever its version',
  'the version stays at INVLPG',
  'a node is taken up as it is',
  'links to nodes stay when their space is flushed',
  'tables that hang by outdated links are merged',
])
  test.serial(`the mutant is found: ${name}`, (t) => {
    const classes = MUTANTS.find((mutant) => mutant.name === name)?.classes;
    for (let seed = 1; seed <= GUESTS; seed++) {
      const guest: RandomGuest = new RandomGuest(seed, machine, plainMmu(classes));
      machine = guest.machine;
      try {
        for (let step = 0; step < STEPS_OF_GUEST; step++) guest.step();
      } catch (error) {
        t.log(`guest ${seed}: ${error instanceof Error ? error.message : error}`);
        t.pass();
        return;
      }
    }
    t.fail(`${GUESTS} guests have not met it`);
  });
