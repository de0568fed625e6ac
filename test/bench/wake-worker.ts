// Thread of the measurement of a bare wake: notifies another thread that waits and does nothing else, or is that one. The one that is woken answers with the microseconds it took, each time.
import { performance } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';

export interface WakeWorkerData {
  /** Words 0 and 1: wakes so far, and answers; from byte 8 on when the last was sent, ms. */
  readonly memory: SharedArrayBuffer;
  readonly notifies: boolean;
  readonly times: number;
}

/** The other thread is asleep by then. */
const APART_MS = 0.3;

const { memory, notifies, times } = workerData as WakeWorkerData;
const words = new Int32Array(memory);
const sent = new Float64Array(memory, 8, 1);
const now = (): number => performance.timeOrigin + performance.now();
const took: number[] = [];
for (let n = 0; n < times; n++) {
  if (notifies) {
    for (const until = performance.now() + APART_MS; performance.now() < until; );
    sent[0] = now();
    Atomics.store(words, 0, n + 1);
    Atomics.notify(words, 0);
    Atomics.wait(words, 1, n);
  } else {
    Atomics.wait(words, 0, n);
    took.push((now() - sent[0]!) * 1000);
    Atomics.store(words, 1, n + 1);
    Atomics.notify(words, 1);
  }
}
parentPort?.postMessage(took);
