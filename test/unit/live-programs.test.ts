// A slice of the program fuzzer (test/vectors/fuzz.mjs runs any number): host, one instruction at a time, blocks and regions end in the same state.
// Where the host's processor cannot be asked the last three are compared, and past bugs by the digests of what a real processor did.
import test from 'ava';
import { fuzz } from '../vectors/live/fuzz.js';
import { hostProcessor } from '../vectors/live/host-processor.js';
import { BITS } from '../vectors/live/layout.js';
import { pastBugs } from '../vectors/live/past-bugs.js';
import { simulate } from '../vectors/live/replay.js';
import { difference, endDigest, parseCase } from '../vectors/live/state.js';

const PROGRAMS = 60;
const SEED = Number(process.env.HVD_SEED ?? 7);

const found = hostProcessor();
const host = typeof found === 'string' ? undefined : found;

for (const bits of BITS) {
  test(`${bits}-bit programs end the same however they are run${host === undefined ? ` (without the host: ${found})` : ', and as on the host'}`, (t) => {
    t.timeout(120_000);
    const { mismatches, completed } = fuzz({ bits, seed: SEED, programs: PROGRAMS, host });
    t.deepEqual(
      mismatches.map((m) => `${m.what}: node test/vectors/fuzz.mjs --replay '${m.line}'`),
      [],
    );
    if (host !== undefined) t.true(completed > PROGRAMS, `only ${completed} runs came to their end`);
  });
}

test('a processor that forgets one register is found out, and the program made small', (t) => {
  const { mismatches } = fuzz({
    bits: 64,
    seed: SEED,
    programs: 20,
    host: undefined,
    mismatchesMax: 1,
    sabotage: (end) => {
      end.registers[2] &= ~1n;
    },
  });
  t.is(mismatches.length, 1);
  const { code } = parseCase(mismatches[0].line);
  t.true(code.length < 40, `${code.length} bytes are left`);
});

for (const { reason, line } of pastBugs()) {
  test(`past bug: ${reason}`, (t) => {
    const parsed = parseCase(line);
    const real = host?.run(parsed.bits, [parsed])[0][0];
    for (const [way, end] of simulate(parsed)) {
      if (typeof end === 'string') t.fail(`${way}: ${end}`);
      else {
        if (real !== undefined) t.is(difference(end, real, parsed.undefinedFlags, parsed.bits), null, way);
        t.is(endDigest(end, parsed.undefinedFlags, parsed.bits), parsed.digest, way);
      }
    }
  });
}
