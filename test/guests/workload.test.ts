// The workload guests, every job, on one, two and four VPs: each checks its own results and must report no error.

import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../daemon/root/package-root.js';
import { hvd } from '../rig/hvd-process.js';

const JOBS = [
  'compute',
  'spinlock',
  'spinlock:kind=1',
  'spinlock:kind=2,think=2000',
  'pagechurn',
  'pagechurn:shared=1',
  'pagechurn:tables=5',
  'switch:flush=3',
  'ipi',
  'ipi:mode=1',
  'timer',
  'io',
];
/** More VPs than LPs, as many, and one alone; the 32-bit build runs a part of it. */
const SHAPES = [
  { bits: 64, vps: 4, lps: 2, jobs: JOBS },
  { bits: 64, vps: 1, lps: 1, jobs: ['compute', 'pagechurn', 'switch', 'timer'] },
  { bits: 32, vps: 2, lps: 2, jobs: ['spinlock', 'spinlock:kind=2,think=2000', 'pagechurn:tables=5', 'ipi', 'timer', 'switch'] },
] as const;

for (const { bits, vps, lps, jobs } of SHAPES) {
  for (const job of jobs) {
    test.serial(`workload${bits} with ${vps} VPs on ${lps} LPs: ${job}`, async (t) => {
      t.timeout(300_000);
      // The guest counts seconds on its own clock; the quantum keeps its processors together.
      const image = join(packageRoot(), `configs/guests/images/workload${bits}.elf`);
      const append = `job=${job} milliseconds=60`;
      const run = await hvd(
        'run',
        image,
        '--vps',
        String(vps),
        '--lps',
        String(lps),
        '--memory',
        '64M',
        '--append',
        append,
        '--timeout',
        '55',
        '--debug-exit',
      );
      t.regex(run.stdout, /DONE errors=0/, run.stderr);
      const operations = [...run.stdout.matchAll(/^R vp=\d+ job=\w+ operations=(\d+)/gm)].map((m) => Number(m[1]));
      t.is(operations.length, vps, run.stdout);
      t.true(
        operations.some((n) => n > 0),
        run.stdout,
      );
    });
  }
}

test.serial('realtime: a guest that idles between its ticks comes to its end', async (t) => {
  const image = join(packageRoot(), 'configs/guests/images/workload64.elf');
  const append = 'job=timer:period=5000000 milliseconds=300';
  const run = await hvd(
    'run',
    image,
    '--lps',
    '1',
    '--memory',
    '64M',
    '--clock',
    'realtime',
    '--append',
    append,
    '--timeout',
    '100',
    '--debug-exit',
  );
  t.regex(run.stdout, /DONE errors=0/, run.stderr);
});
