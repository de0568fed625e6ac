// Waits for a word of shared memory to become what it must, with a limit. Root may not block its thread, so it looks again and again, less often as time passes.
// A host that stands still (a virtual machine that is saved, a laptop that sleeps) stops LPs and root alike, and its clock goes on: of the time between two looks only so much counts
// as root may be late by itself.
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

const EAGER_TURNS = 20;
const LONGEST_SLEEP_MS = 8;
const COUNTED_MS = 500;

/** True as soon as `condition` holds, false when it did not within `limitMs`. */
export const waitUntil = async (condition: () => boolean, limitMs: number): Promise<boolean> => {
  let left = limitMs;
  let looked = performance.now();
  let pauseMs = 1;
  for (let turn = 0; ; turn++) {
    if (condition()) return true;
    if (left <= 0) return false;
    if (turn < EAGER_TURNS) await nextTurn();
    else {
      await sleep(pauseMs);
      pauseMs = Math.min(pauseMs * 2, LONGEST_SLEEP_MS);
    }
    const now = performance.now();
    left -= Math.min(now - looked, COUNTED_MS);
    looked = now;
  }
};
