// The policy suite's table: measured whole, or some experiments of it anew.
import test from 'ava';
import type { Experiment } from '../bench/policy-experiments.js';
import { commandOf, mergedMarkdown, type PolicyRow, policyMarkdown } from '../bench/policy-suite.js';

const experiment = (name: string, nodes?: number): Experiment => ({
  name,
  guest: { image: 'workload64', vps: 2, append: `job=${name}`, ...(nodes === undefined ? {} : { nodes }) },
  settings: ['p=a', 'p=b'],
  unit: 'things',
  bar: '≤ 2 ×',
  measure: () => 0,
});
const row = (of: Experiment, ...values: number[]): PolicyRow => ({
  experiment: of,
  values: of.settings.map((setting, i) => ({ setting, value: values[i]! })),
});
const [ONE, TWO, THREE] = [experiment('one'), experiment('two', 2), experiment('three')] as const;
const ALL = [ONE, TWO, THREE];

test('the first setting is what the others are compared with, and the last has the bar', (t) => {
  t.deepEqual(
    policyMarkdown([row(TWO, 200, 3000)])
      .split('\n')
      .slice(2),
    ['| two<br>`job=two`, 2 VPs on 2 LPs of 2 nodes | things | `p=a` | 200 |  |  |', '|  |  | `p=b` | 3,000 | 15.0 × | ≤ 2 × |'],
  );
});

test('what was measured anew takes its place in the table, and what was not stays as it is', (t) => {
  const before = policyMarkdown([row(ONE, 1, 2), row(experiment('gone'), 5, 6), row(THREE, 3, 4)]);
  t.is(
    mergedMarkdown(`\n${before}\n\n`, [row(THREE, 7, 7), row(TWO, 8, 9)], ALL),
    policyMarkdown([row(ONE, 1, 2), row(TWO, 8, 9), row(THREE, 7, 7)]),
  );
  t.is(mergedMarkdown(before, [], [ONE]), policyMarkdown([row(ONE, 1, 2)]));
  t.is(mergedMarkdown('', [row(TWO, 8, 9)], ALL), policyMarkdown([row(TWO, 8, 9)]));
});

test('a row says how it is made: the command has its guest and its setting', (t) => {
  const command = commandOf(TWO, 'p=a q=b').join(' ');
  t.regex(command, /^run workload64 --nodes 2 --vps 2 --lps 2 .*--policy p=a q=b --append job=two$/);
});
