// A slice of the check against the host's real processor (test/vectors/check.mjs runs any number): new operands in both tiers, a third of the forms in each mode.
import test from 'ava';
import { check } from '../vectors/live/check.js';
import { hostProcessor } from '../vectors/live/host-processor.js';
import { BITS } from '../vectors/live/layout.js';

const CASES = 2400;
const STARTS = 4;
const SEED = Number(process.env.HVD_SEED ?? 20);

const host = hostProcessor();
for (const bits of BITS) {
  if (typeof host === 'string') {
    test.skip(`${bits}-bit instructions do what this host's processor does (${host})`, () => undefined);
    continue;
  }
  for (const aligned of [false, true])
    test(`${bits}-bit instructions do in both tiers what this host's processor does${aligned ? ' where alignment is checked' : ''}`, (t) => {
      t.timeout(120_000);
      const { cases, forms, mismatches } = check(host, {
        bits,
        seed: SEED,
        cases: CASES,
        starts: STARTS,
        aligned,
        from: (BITS.indexOf(bits) + (aligned ? 1 : 0)) / BITS.length,
      });
      t.deepEqual(
        mismatches.map((m) => `${m.form} (${m.way}): ${m.what}: node test/vectors/check.mjs --replay '${m.line}'`),
        [],
      );
      t.true(cases >= CASES && forms > 500, `${cases} cases of ${forms} forms`);
    });
}
