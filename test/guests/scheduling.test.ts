// What an LP's scheduler tells of itself: the time that VPs run and the time that they wait for one another.

import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../daemon/root/package-root.js';
import type { PartitionStats } from '../../shared/protocol/messages.js';
import { hvd } from '../rig/hvd-process.js';

const IMAGE = join(packageRoot(), 'configs/guests/images/workload64.elf');

const vpsOf = async (vps: number, lps: number): Promise<PartitionStats['vps']> => {
  const shape = ['--vps', String(vps), '--lps', String(lps), '--memory', '32M', '--append', 'job=compute milliseconds=60'];
  const run = await hvd('run', IMAGE, ...shape, '--clock', 'deterministic', '--timeout', '240', '--debug-exit', '--json');
  return (JSON.parse(run.stdout) as { partition: PartitionStats }).partition.vps;
};

test.serial('three VPs that compute on one LP each wait while the other two run', async (t) => {
  t.timeout(300_000);
  const vps = await vpsOf(3, 1);
  for (const { id, readyCycles } of vps) {
    // All three compute as long; VP 0 also boots, while the others are not there yet.
    const others = 2 * vps[id === 1 ? 2 : 1]!.runCycles;
    t.true(Math.abs(readyCycles / others - 1) < 0.1, `VP ${id}: ready ${readyCycles}, the others run ${others}`);
  }
});

test.serial('loops that only wait are found where the turns of LPs are shorter than the window', async (t) => {
  t.timeout(300_000);
  // An LP's turn: 4,000 cycles. Two VPs to an LP, and a lock of which one that holds it is preempted.
  const shape = [
    '--vps',
    '4',
    '--lps',
    '2',
    '--memory',
    '32M',
    '--hv',
    'linux',
    '--quantum-cycles',
    '32000',
    '--clock',
    'deterministic',
    '--json',
  ];
  const job = 'job=spinlock:kind=0,hold=1000,think=12000,off=1 milliseconds=40';
  const run = await hvd('run', 'workload64', ...shape, '--policy', 'spin.detect=loop', '--append', job, '--timeout', '240', '--debug-exit');
  const { vps } = (JSON.parse(run.stdout) as { partition: PartitionStats }).partition;
  const found = vps.reduce((sum, { spin }) => sum + (spin.loopSpins ?? 0), 0);
  t.true(found > 20, String(found));
});

test.serial('a VP that has its LP to itself never waits', async (t) => {
  t.timeout(300_000);
  for (const { readyCycles } of await vpsOf(2, 2)) t.is(readyCycles, 0);
});
