// Hostile guests may end their partition and nothing else: no error of hvd's own, no run that does not come back.
// HVD_SEED replays from a guest on, HVD_GUESTS says how many.
import test from 'ava';
import { hostileGuest, RUN_MS_MAX } from '../rig/hostile-guest.js';

const RUNS = 12;
const first = Number(process.env.HVD_SEED ?? 1);
const guests = Number(process.env.HVD_GUESTS ?? 30);

test('whatever a guest does ends its partition at most', (t) => {
  t.timeout(600_000);
  const ends = new Map<string, number>();
  for (let seed = first; seed < first + guests; seed++) {
    const { what, broken, longestMs } = hostileGuest(seed, RUNS);
    const replay = `HVD_SEED=${seed} HVD_GUESTS=1 bash test/run.sh dist/test/property/hostile-guest.test.js`;
    t.is(broken, '', replay);
    t.true(longestMs < RUN_MS_MAX, `a run took ${longestMs} ms: ${replay}`);
    ends.set(what, (ends.get(what) ?? 0) + 1);
  }
  t.log(JSON.stringify(Object.fromEntries(ends)));
  if (guests >= 30) t.true(ends.size >= 3, JSON.stringify(Object.fromEntries(ends)));
});
