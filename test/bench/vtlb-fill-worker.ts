// Thread of the page-fault storm: is an LP that fills, flushes and fills again, or one that only keeps a core. Each sample begins when all threads are there.
import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { attachMachine } from '../interleave/small-machine.js';
import { FillingLp, RAM_PAGES } from './vtlb-fills.js';

export interface StormData {
  readonly partition: WebAssembly.Memory;
  readonly machine: SharedArrayBuffer;
  readonly lps: number;
  /** -1: none, the thread keeps a core from other programs. */
  readonly lp: number;
  /** LP whose pages are touched. */
  readonly table: number;
  readonly milliseconds: number;
  readonly samples: number;
  /** One word: arrivals at the beginnings of samples. */
  readonly gate: SharedArrayBuffer;
  readonly threads: number;
}
export interface StormSample {
  /** Fills. */
  readonly perSecond: number;
  /** Share of the time for which the thread was ready to run and had no core; 0 where the host does not say. */
  readonly kept: number;
}

const WARM_UP = 500;
const FILLS = 512;
const { partition, machine, lps, lp, table, milliseconds, samples, gate, threads } = workerData as StormData;

/** Milliseconds that this thread has waited for a core (Linux: Documentation/scheduler/sched-stats). */
const keptMs = (): number => {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[1]) / 1e6;
  } catch {
    return 0;
  }
};
const arrivals = new Int32Array(gate);
const meet = (sample: number): void => {
  Atomics.add(arrivals, 0, 1);
  Atomics.notify(arrivals, 0);
  for (let seen = Atomics.load(arrivals, 0); seen < threads * (sample + 1); seen = Atomics.load(arrivals, 0))
    Atomics.wait(arrivals, 0, seen, 1000);
};

const filling = lp < 0 ? undefined : new FillingLp(attachMachine(partition, machine, RAM_PAGES, lps), lp, table);
const round = (): number => {
  if (filling === undefined) return 0;
  filling.fillAll();
  filling.flushSpace();
  return FILLS;
};
for (let n = 0; n < WARM_UP; n++) round();
const results: StormSample[] = [];
for (let sample = 0; sample < samples; sample++) {
  meet(sample);
  const kept = keptMs();
  const start = performance.now();
  let fills = 0;
  let elapsed = 0;
  for (; elapsed < milliseconds; elapsed = performance.now() - start) fills += round();
  results.push({ perSecond: (1000 * fills) / elapsed, kept: (keptMs() - kept) / elapsed });
}
filling?.leave();
parentPort!.postMessage(results);
