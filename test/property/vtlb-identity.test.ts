// What a guest's memory comes to does not depend on how translations are kept: four processors, every pair of settings of any two vTLB policies, the same seed.
// For more: HVD_SEEDS=200 HVD_SEED=7 bash test/run.sh dist/test/property/vtlb-identity.test.js
import test from 'ava';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import { BASELINE, KINDS_OF_SETTINGS, runCarefully, settingsOf } from './careful-runs.js';
import { pairwise } from './pairwise.js';

const SEEDS = Number(process.env.HVD_SEEDS ?? 4);
const SEED = Number(process.env.HVD_SEED ?? 1);
const STEPS = 1500;
const ROWS = pairwise(KINDS_OF_SETTINGS.map(({ values }) => values.length)).map((row) => settingsOf(KINDS_OF_SETTINGS, row));

test('each pair of settings is in some row, and there are not many rows', (t) => {
  KINDS_OF_SETTINGS.forEach((one, i) => {
    KINDS_OF_SETTINGS.forEach((other, j) => {
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
    const reference = runCarefully(seed, STEPS, BASELINE);
    const [ram, sums] = [reference.ram(), reference.sums];
    t.true(reference.faults > 20);
    for (const [n, row] of [...ROWS, ...ROWS.slice(0, 2)].entries()) {
      const changing = n >= ROWS.length ? ROWS : [];
      const guest = runCarefully(seed, STEPS, row, { change: changing });
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
        const ram = runCarefully(seed, STEPS, BASELINE).ram();
        for (const row of ROWS)
          try {
            if (runCarefully(seed, STEPS, row, { mutant }).differsFrom(ram) >= 0) return true;
          } catch {
            return true;
          }
      }
      return false;
    };
    t.true(found());
  });
