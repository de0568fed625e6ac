// A slice of the sequences that test/vectors/check.mjs --sequences runs any number of: segment loads, far transfers, IRET, and state images, as the host does them.
import test from 'ava';
import { hostProcessor } from '../vectors/live/host-processor.js';
import { BITS } from '../vectors/live/layout.js';
import { checkSequences, type SequenceSubject, SUBJECTS } from '../vectors/live/sequence-check.js';

const CASES = 700;
const SEED = Number(process.env.HVD_SEED ?? 3);
const BREAKPOINT = 3;

const host = hostProcessor();
for (const subject of Object.keys(SUBJECTS) as SequenceSubject[])
  for (const bits of BITS) {
    if (typeof host === 'string') {
      test.skip(`${bits}-bit ${subject} (${host})`, () => undefined);
      continue;
    }
    test(`${bits}-bit ${subject} end as on this host`, (t) => {
      t.timeout(120_000);
      const { cases, ends, mismatches } = checkSequences(host, { subject, bits, seed: SEED, cases: CASES });
      t.deepEqual(
        mismatches.map((m) => `${m.way}: ${m.what}: node test/vectors/check.mjs --replay '${m.line}'`),
        [],
      );
      t.is(cases, CASES);
      t.true((ends.get(BREAKPOINT) ?? 0) > CASES / 4, 'many come to their end');
    });
  }
