// Waits for a word of shared memory to become what it must, with a limit. Root may not block its thread, so it looks again and again, less often as time passes.
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

const EAGER_TURNS = 20;
const LONGEST_SLEEP_MS = 8;

/** True as soon as `condition` holds, false when it did not within `limitMs`. */
export const waitUntil = async (condition: () => boolean, limitMs: number): Promise<boolean> => {
  const deadline = performance.now() + limitMs;
  let pauseMs = 1;
  for (let turn = 0; ; turn++) {
    if (condition()) return true;
    if (performance.now() >= deadline) return false;
    if (turn < EAGER_TURNS) await nextTurn();
    else {
      await sleep(pauseMs);
      pauseMs = Math.min(pauseMs * 2, LONGEST_SLEEP_MS);
    }
  }
};
