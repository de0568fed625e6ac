// Guest-visible memory is the same under every combination of the vTLB's settings at once: pairs of settings are vtlb-identity's, here are combinations of all twelve policies, a few hundred
// of them spread over the whole product. For all of them, in which settings that are numbers have their ends and one between, or every value:
//   HVD_COMBINATIONS=all bash test/run.sh dist/test/property/vtlb-product.test.js -m '*same*'
//   HVD_VALUES=all HVD_COMBINATIONS=all bash test/run.sh dist/test/property/vtlb-product.test.js -m '*same*'
// HVD_FROM=N begins with the Nth. A failure names the combination, the seed and the number that replays it.
import test from 'ava';
import { vtlbCounters } from '../../daemon/root/vtlb-view/counters.js';
import type { CarefulGuest } from '../interleave/careful-guest.js';
import { ALL_SETTINGS, BASELINE, KINDS_OF_SETTINGS, runCarefully, type Settings, settingsOf } from './careful-runs.js';

const DIMENSIONS = process.env.HVD_VALUES === 'all' ? ALL_SETTINGS : KINDS_OF_SETTINGS;
const TOTAL = DIMENSIONS.reduce((product, { values }) => product * values.length, 1);
const COMBINATIONS = process.env.HVD_COMBINATIONS === 'all' ? TOTAL : Number(process.env.HVD_COMBINATIONS ?? 300);
const FROM = Number(process.env.HVD_FROM ?? 0);
const SEED = Number(process.env.HVD_SEED ?? 1);
/** Of guests; every other one uses PCIDs. */
const SEEDS = 8;
const STEPS = 300;
/** Combinations within which a mutant is found. Not every one can be: this guest leaves no edit unflushed, and its steps come one after the other. */
const UNTIL_FOUND = 200;

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b));
/** So far apart are combinations that come one after the other: every one comes once, and the first few are from all over the product (the golden ratio: D. Knuth, TAOCP 3, 6.4). */
const STRIDE = ((): number => {
  for (let stride = Math.round(TOTAL * 0.618034); ; stride++) if (commonDivisor(stride, TOTAL) === 1) return stride;
})();
const combination = (n: number): Settings => {
  let rest = Number((BigInt(n) * BigInt(STRIDE)) % BigInt(TOTAL));
  return settingsOf(
    DIMENSIONS,
    DIMENSIONS.map(({ values }) => {
      const choice = rest % values.length;
      rest = Math.floor(rest / values.length);
      return choice;
    }),
  );
};
/** Not in step with the choices of any policy. */
const seedOf = (n: number): number => SEED + ((Math.imul(n + 1, 0x9e37_79b1) >>> 29) % SEEDS);

const references = new Map<number, { readonly ram: Int32Array; readonly sums: readonly number[] }>();
const referenceOf = (seed: number): { readonly ram: Int32Array; readonly sums: readonly number[] } => {
  let reference = references.get(seed);
  if (reference === undefined) {
    const guest = runCarefully(seed, STEPS, BASELINE);
    reference = { ram: guest.ram(), sums: guest.sums };
    references.set(seed, reference);
  }
  return reference;
};
/** What the guest can tell from the reference, or null. `seen`: told of the run. */
const difference = (n: number, mutant?: string, seen?: (guest: CarefulGuest) => void): string | null => {
  const seed = seedOf(n);
  const { ram, sums } = referenceOf(seed);
  const settings = combination(n);
  const where = `seed ${seed}, ${JSON.stringify(settings)}; replay: HVD_FROM=${n} HVD_COMBINATIONS=1`;
  try {
    const guest = runCarefully(seed, STEPS, settings, { mutant });
    seen?.(guest);
    const frame = guest.differsFrom(ram);
    if (frame >= 0) return `frame ${frame} differs: ${where}`;
    return guest.sums.every((sum, i) => sum === sums[i]) ? null : `processors have read something else: ${where}`;
  } catch (error) {
    return `${error instanceof Error ? error.message : error}: ${where}`;
  }
};

test('combinations are numbered: each is another', (t) => {
  const seen = new Set<string>();
  const count = Math.min(TOTAL, 5000);
  for (let n = 0; n < count; n++) seen.add(JSON.stringify(combination(n)));
  t.is(seen.size, count);
  t.is(commonDivisor(STRIDE, TOTAL), 1);
  for (const { name, values } of DIMENSIONS)
    for (const value of values) t.true(Array.from({ length: 50 }, (_, n) => combination(n)[name]).includes(value), `${name}=${value}`);
});

test.serial('memory and what the processors have read are the same under every combination of settings', async (t) => {
  t.timeout(24 * 3600 * 1000);
  const totals = { fills: 0, pageTableWriteIntercepts: 0, nodeLinks: 0, tablesCoalesced: 0, validations: 0, untrackedPurges: 0 };
  const end = Math.min(TOTAL, FROM + COMBINATIONS);
  for (let n = FROM; n < end; n++) {
    const wrong = difference(n, undefined, ({ machine }) => {
      const counters = vtlbCounters(machine.partition);
      for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += counters[name]!;
    });
    if (wrong !== null) {
      t.fail(wrong);
      return;
    }
    if (n % 64 === 63) await new Promise((resolve) => setImmediate(resolve));
  }
  t.log(`${end - FROM} of ${TOTAL} combinations; ${JSON.stringify(totals)}`);
  if (end - FROM >= 300) for (const [name, count] of Object.entries(totals)) t.true(count > 0, name);
});

for (const mutant of [
  'no marks at the first write',
  'no validation',
  'no purge',
  'no clear',
  'no flush request',
  'a bank is taken up whatever its version',
])
  test.serial(`some combination shows the difference: ${mutant}`, (t) => {
    for (let n = 0; n < UNTIL_FOUND; n++) {
      const found = difference(n, mutant);
      if (found === null) continue;
      t.log(`after ${n + 1}: ${found}`);
      t.pass();
      return;
    }
    t.fail(`not in ${UNTIL_FOUND} combinations`);
  });
