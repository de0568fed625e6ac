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

/** Two VPs to an LP, and a lock of which one that holds it is preempted. An LP's turn: 4,000 cycles. */
const lockOf = async (detect: string, job: string, milliseconds: number): Promise<PartitionStats> => {
  const shape = ['--vps', '4', '--lps', '2', '--memory', '32M', '--hv', 'linux', '--quantum-cycles', '32000', '--clock', 'deterministic'];
  const append = `job=spinlock:hold=1000,think=12000,off=1,${job} milliseconds=${milliseconds}`;
  const rest = ['--policy', `spin.detect=${detect}`, '--append', append, '--timeout', '240', '--json'];
  const { stdout, status } = await hvd('run', 'workload64', ...shape, ...rest);
  const { partition } = JSON.parse(stdout) as { partition: PartitionStats };
  if (status !== 0) throw new Error(partition.reason ?? 'no reason');
  return partition;
};

test.serial('loops that only wait are found where the turns of LPs are shorter than the window', async (t) => {
  t.timeout(300_000);
  const { vps, load } = await lockOf('loop', 'kind=0', 40);
  const found = vps.reduce((sum, { spin }) => sum + (spin.loopSpins ?? 0), 0);
  t.true(found > 20, String(found));
  for (const { latencySum, latencyCount, latencyP99, latencyMax } of load) {
    t.true(latencyP99 <= 1.25 * latencyMax, `${latencyP99} of ${latencyMax}`);
    // A hundredth of them takes at most what the longest one does.
    t.true(latencySum / latencyCount <= latencyP99 + latencyMax / 100, `${latencySum} of ${latencyCount}: ${latencyP99}`);
  }
});

for (const [name, kind] of [
  ['ticket', 0],
  ['queued', 1],
] as const)
  test.serial(`who waits for a ${name} lock by GUEST_IDLE is woken by who releases it`, async (t) => {
    t.timeout(300_000);
    const { vps, load } = await lockOf('idle', `kind=${kind},think=2000,idle=50`, 20);
    const waits = vps.reduce((sum, { spin }) => sum + (spin.idleWaits ?? 0), 0);
    t.true(waits > 20, String(waits));
    for (const { operations } of load) t.true(operations > 20, String(operations));
  });

test.serial('a VP that has its LP to itself never waits', async (t) => {
  t.timeout(300_000);
  for (const { readyCycles } of await vpsOf(2, 2)) t.is(readyCycles, 0);
});
