// What happened in a stretch of time: differences, rates, and counters that began anew in between.
import test from 'ava';
import { fairnessOf, type Metrics, windowOf } from '../../daemon/lab/window.js';
import { loadSample, machineSample, partitionSample, vpSample } from '../rig/lab-samples.js';

const at = (metrics: Metrics, ...path: string[]): number => {
  let one: number | Metrics = metrics;
  for (const name of path) one = (one as Metrics)[name]!;
  return one as number;
};

test('counters are differences, rates are by the guests’ time', (t) => {
  const before = machineSample(1e9, [
    partitionSample('a', {
      vps: [vpSample(0, { instructions: 10, spin: { episodes: 4 } })],
      load: [loadSample(0, { operations: 100 })],
      vtlb: { fills: 7 },
    }),
  ]);
  const after = machineSample(1.5e9, [
    partitionSample('a', {
      vps: [vpSample(0, { instructions: 70, spin: { episodes: 9 } })],
      load: [loadSample(0, { operations: 350 })],
      vtlb: { fills: 9 },
    }),
  ]);
  const window = windowOf(before, after);
  t.is(at(window, 'seconds'), 0.5);
  t.is(at(window, 'operations'), 250);
  t.is(at(window, 'operationsPerSecond'), 500);
  t.is(at(window, 'partitions', 'a', 'instructions'), 60);
  t.is(at(window, 'partitions', 'a', 'spin', 'episodes'), 5);
  t.is(at(window, 'partitions', 'a', 'vtlb', 'fills'), 2);
});

test('a job that was set anew, and a partition that is new, have counted from nothing', (t) => {
  const before = machineSample(0, [
    partitionSample('a', { load: [loadSample(0, { operations: 900 }), loadSample(1, { job: 'ipi', operations: 5 })] }),
  ]);
  const after = machineSample(1e9, [
    partitionSample('a', { load: [loadSample(0, { operations: 30 }), loadSample(1, { job: 'timer', operations: 8 })] }),
    partitionSample('b', { load: [loadSample(0, { operations: 3 })] }),
  ]);
  const window = windowOf(before, after);
  t.is(at(window, 'partitions', 'a', 'operations'), 38);
  t.is(at(window, 'partitions', 'b', 'operations'), 3);
  t.is(at(window, 'operations'), 41);
});

test('a job that was set anew has counted from nothing, though it has done more since than before', (t) => {
  const before = machineSample(0, [partitionSample('a', { load: [loadSample(0, { operations: 5, request: 2 })] })]);
  const after = machineSample(1e9, [partitionSample('a', { load: [loadSample(0, { operations: 30, request: 4 })] })]);
  t.is(at(windowOf(before, after), 'operations'), 30);
});

test('no time has passed: no rate is infinite', (t) => {
  const sample = machineSample(5, [partitionSample('a', { load: [loadSample(0, { operations: 1 })] })]);
  const window = windowOf(sample, sample);
  t.is(at(window, 'operationsPerSecond'), 0);
  t.is(at(window, 'busy'), 0);
  t.is(at(window, 'partitions', 'a', 'latencyMean'), 0);
});

test("Jain's index", (t) => {
  t.is(fairnessOf([3, 3, 3]), 1);
  t.is(fairnessOf([4, 0]), 0.5);
  t.is(fairnessOf([]), 1);
  t.is(fairnessOf([0, 0]), 1);
});
