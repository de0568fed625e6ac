// The spin suite's table: measured whole, or some blocks of it anew.
import test from 'ava';
import { mergedSpins, type SpinRow } from '../bench/spin-suite.js';

const row = (ratio: number, mechanism: string, throughput: number): SpinRow => ({
  ratio,
  lock: 0,
  hold: 1000,
  mechanism,
  cells: [{ detector: 'off', throughput, spun: 0.25, holderPreemptions: 7, latencyP99: 4096, fairness: 0.987 }],
});

test('a cell says throughput, instructions that wait, holders preempted, latency and fairness', (t) => {
  t.is(
    mergedSpins('', [row(2, 'none', 0.034)])
      .split('\n')
      .at(-1),
    '| 2:1, ticket, 2,000 | none | **3 %**<br>25 %, 7, 4,096, 0.99 |',
  );
});

test('rows that were measured anew take their places, in order; the others stay as they are', (t) => {
  const before = mergedSpins('', [row(4, 'none', 0.5), row(2, 'gang', 0.4), row(2, 'none', 0.3)]);
  const after = mergedSpins('', [row(2, 'none', 0.3), row(2, 'both', 0.2), row(2, 'gang', 0.4), row(4, 'none', 0.1)]);
  t.is(mergedSpins(before, [row(2, 'both', 0.2), row(4, 'none', 0.1)]), after);
});
