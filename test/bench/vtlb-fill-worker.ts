// Thread of the fill measurements: is LP `lp`, waits until all threads are there, and counts its fills until the time is over.
import { parentPort, workerData } from 'node:worker_threads';
import { attachMachine } from '../interleave/small-machine.js';
import { FillingLp, RAM_PAGES } from './vtlb-fills.js';

export interface FillWorkerData {
  readonly partition: WebAssembly.Memory;
  readonly machine: SharedArrayBuffer;
  readonly lps: number;
  readonly lp: number;
  /** LP whose pages are touched. */
  readonly table: number;
  readonly milliseconds: number;
  /** One word: threads that are ready. */
  readonly ready: SharedArrayBuffer;
}

const { partition, machine, lps, lp, table, milliseconds, ready } = workerData as FillWorkerData;
const filling = new FillingLp(attachMachine(partition, machine, RAM_PAGES, lps), lp, table);
for (let n = 0; n < 20; n++) {
  filling.fillAll();
  filling.flushSpace();
}
const words = new Int32Array(ready);
Atomics.add(words, 0, 1);
Atomics.notify(words, 0);
for (let seen = Atomics.load(words, 0); seen < lps; seen = Atomics.load(words, 0)) Atomics.wait(words, 0, seen, 1000);
let fills = 0;
const start = performance.now();
while (performance.now() - start < milliseconds) {
  filling.fillAll();
  filling.flushSpace();
  fills += 512;
}
const seconds = (performance.now() - start) / 1000;
filling.leave();
parentPort!.postMessage(fills / seconds);
