// What a guest's memory comes to does not depend on how translations are kept: four processors, every pair of settings of any two vTLB policies, the same seed.
// For more: HVD_SEEDS=200 HVD_SEED=7 bash test/run.sh dist/test/property/vtlb-identity.test.js
import test from 'ava';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { MachineLayout } from '../../shared/layout/machine.js';
import { findPolicy, POLICIES, settingOf } from '../../shared/protocol/policies.js';
import { CarefulGuest } from '../interleave/careful-guest.js';
import { MUTANTS } from '../interleave/mutants.js';
import { pairwise } from './pairwise.js';

const SEEDS = Number(process.env.HVD_SEEDS ?? 4);
const SEED = Number(process.env.HVD_SEED ?? 1);
const STEPS = 1500;
/** Settings that differ by a number only: the ends and what lies between. */
const FEWER: Readonly<Record<string, readonly string[]>> = {
  'vtlb.coalesce': ['off', '16', '4096'],
  'vtlb.pages': ['all', '64', '128'],
  'vtlb.tags': ['1', '2', '64'],
  'vtlb.untracked': ['0', '16', '1024'],
};
const DIMENSIONS = POLICIES.filter(({ name }) => name.startsWith('vtlb.')).map(({ name, values }) => ({
  name,
  values: FEWER[name] ?? values,
}));
const ROWS = pairwise(DIMENSIONS.map(({ values }) => values.length)).map((row) =>
  Object.fromEntries(DIMENSIONS.map(({ name, values }, i) => [name, values[row[i]!]!])),
);
type Settings = Readonly<Record<string, string>>;

let machine: CarefulGuest['machine'] | undefined;
const set = ({ machine: { i32 } }: CarefulGuest['machine'], settings: Settings): void => {
  for (const { name } of DIMENSIONS) {
    const policy = findPolicy(name)!;
    i32[(MachineLayout.at.policies >>> 2) + policy.word] = settingOf(policy, settings[name] ?? policy.default);
  }
};
/** `change`: settings that come one after the other while the guest runs. */
const run = (seed: number, settings: Settings, change: readonly Settings[] = [], mutant?: string): CarefulGuest => {
  const guest: CarefulGuest = new CarefulGuest(seed, machine, MUTANTS.find(({ name }) => name === mutant)?.classes);
  machine = guest.machine;
  set(machine, settings);
  for (let step = 0; step < STEPS; step++) {
    if (change.length > 0 && step % 50 === 49) set(machine, change[Math.floor(step / 50) % change.length]!);
    guest.step();
  }
  return guest;
};
const BASELINE: Settings = Object.fromEntries(DIMENSIONS.map(({ name }) => [name, findPolicy(name)!.baseline]));

test('each pair of settings is in some row, and there are not many rows', (t) => {
  DIMENSIONS.forEach((one, i) => {
    DIMENSIONS.forEach((other, j) => {
      if (i === j) return;
      for (const a of one.values)
        for (const b of other.values)
          t.true(
            ROWS.some((row) => row[one.name] === a && row[other.name] === b),
            `${one.name}=${a} ${other.name}=${b}`,
          );
    });
  });
  t.true(ROWS.length <= 24, `${ROWS.length} rows`);
});

test.serial('memory and what the processors have read are the same under every pair of settings, and while they change', (t) => {
  t.timeout(24 * 3600 * 1000);
  const totals = { fills: 0, pageTableWriteIntercepts: 0, tablesUnshadowed: 0, nodeLinks: 0, reclaims: 0, validations: 0, flushesSaved: 0 };
  for (let seed = SEED; seed < SEED + SEEDS; seed++) {
    const reference = run(seed, BASELINE);
    const [ram, sums] = [reference.ram(), reference.sums];
    t.true(reference.faults > 20);
    for (const [n, row] of [...ROWS, ...ROWS.slice(0, 2)].entries()) {
      const changing = n >= ROWS.length ? ROWS : [];
      const guest = run(seed, row, changing);
      const what = `seed ${seed}, ${changing.length > 0 ? 'changing settings' : JSON.stringify(row)}`;
      t.is(guest.differsFrom(ram), -1, `frame that differs; ${what}`);
      t.deepEqual(guest.sums, sums, what);
      const counters = vtlbCounters(guest.machine.partition);
      for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += counters[name]!;
    }
  }
  t.log(`${ROWS.length} rows; ${JSON.stringify(totals)}`);
  for (const [name, count] of Object.entries(totals)) t.true(count > 0, name);
});

for (const mutant of ['no marks at the first write', 'no validation', 'no purge', 'no clear', 'no flush request'])
  test.serial(`memory differs when there is ${mutant}`, (t) => {
    const found = (): boolean => {
      for (let seed = 1; seed <= 6; seed++) {
        const ram = run(seed, BASELINE).ram();
        for (const row of ROWS)
          try {
            if (run(seed, row, [], mutant).differsFrom(ram) >= 0) return true;
          } catch {
            return true;
          }
      }
      return false;
    };
    t.true(found());
  });
