// A cell whose guest goes down, or never takes its job, is no result.
import test from 'ava';
import type { Cell } from '../../daemon/lab/experiment/matrix.js';
import { runCell } from '../../daemon/lab/experiment/run-cell.js';
import { scriptSchema } from '../../daemon/lab/script/script.js';
import { defaultMachine } from '../../daemon/root/config/machine-file.js';
import { parseYaml } from '../../daemon/root/config/yaml-file.js';

const cellOf = (partition: string, phase: string): Cell => ({
  id: 'x',
  settings: {},
  seed: 1,
  machine: { ...defaultMachine(), lps: 1, clock: 'deterministic', idle: 'skip', pin: false },
  script: parseYaml(
    `partitions: [{ name: g, vps: 1, memory: 64M, ${partition} }]\nphases: [{ name: p, for: 6ms, ${phase} }]\n`,
    'c.yaml',
    scriptSchema('c'),
  ),
  limitMs: 60_000,
});

test('a guest that announces no job page', async (t) => {
  const { state, why } = await runCell(cellOf('image: bench64', 'jobs: { g: { job: compute } }'));
  t.deepEqual([state, why], ['failed', 'g has not taken its job: its guest announces no job page']);
});

test('a guest that has taken it', async (t) => {
  t.like(await runCell(cellOf('image: workload64', 'jobs: { g: { job: compute } }')), { state: 'done', why: undefined });
});

test('a job that there is not', async (t) => {
  const { state, why } = await runCell(cellOf('image: workload64', 'jobs: { g: { job: dance } }'));
  t.is(state, 'failed');
  t.regex(why!, /^no job named dance; there are /);
});
