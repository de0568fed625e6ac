// Debian under loads: the agent of its first root file system does what `hvd load` asks for, on the processors that it asks of, and says what it has done.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { packageRoot } from '../../daemon/root/package-root.js';
import { connect } from '../../shared/client/client.js';
import type { LoadCounters } from '../../shared/protocol/messages.js';
import { foreground } from '../rig/daemon-process.js';
import { hvd } from '../rig/hvd-process.js';

const folder = process.env.HVD_IMAGES;
const isPresent = folder !== undefined && existsSync(join(folder, 'debian', 'partition.yaml'));
const declare = isPresent ? test.serial : test.serial.skip;
const BOOT_MS = 180_000;

declare(`Debian does loads by its agent${isPresent ? '' : ' (HVD_IMAGES holds no debian)'}`, async (t) => {
  t.timeout(BOOT_MS + 120_000);
  const work = mkdtempSync(join(tmpdir(), 'hvd-test-'));
  const socket = join(work, 'hvd.sock');
  const at = ['--socket', socket];
  const { child, ended } = await foreground(socket);
  const client = await connect({ socket });
  /** The counters of both VPs, once they are like that. */
  const until = async (isIt: (vps: readonly LoadCounters[]) => boolean): Promise<readonly LoadCounters[]> => {
    for (const end = Date.now() + BOOT_MS; ; await sleep(300)) {
      const { load } = (await client.request('stats', {})).partitions[0]!;
      if (load.length === 2 && isIt(load)) return load;
      if (Date.now() > end) throw new Error(`not so far: ${JSON.stringify(load)}`);
    }
  };
  const doing =
    (...jobs: readonly string[]) =>
    (vps: readonly LoadCounters[]): boolean =>
      vps.every(({ job, operations }, vp) => job === jobs[vp % jobs.length] && (job === 'idle' || operations > 0));
  try {
    // A load that is set before there is an agent waits for it.
    const created = await hvd('vm', 'create', join(packageRoot(), 'configs/vms/debian.yaml'), '--vps', '2', '--load', 'fork', ...at);
    t.is(created.status, 0, created.stderr);
    t.is((await hvd('vm', 'start', 'debian', ...at)).status, 0);
    for (const { errors, latencyMax } of await until(doing('fork'))) t.true(errors === 0 && latencyMax > 0);

    for (const [job, parameters] of [
      ['exec', {}],
      ['pipe', { away: 1 }],
      ['fault', { pages: 16, shared: 1 }],
      ['lock', { threads: 2 }],
      ['build', { files: 1 }],
    ] as const) {
      await client.request('load.set', { name: 'debian', job, parameters });
      for (const { errors } of await until(doing(job))) t.is(errors, 0, job);
    }
    await client.request('load.set', { name: 'debian', job: 'fault', vps: [1] });
    await until(doing('build', 'fault'));
    await client.request('load.stop', { name: 'debian', vps: [0] });
    await until(doing('idle', 'fault'));
    const { stdout } = await hvd('load', 'list', 'debian', '--seconds', '0.1', ...at);
    t.regex(
      stdout,
      /^VP +JOB +OPS\/S +OPERATIONS +MEAN +P99 +MAX +ERRORS\ndebian\/0 +idle +0 +0 +- +0 +0 +0\ndebian\/1 +fault +\S+ +\S+ +\S+ +\S+ +\S+ +0\n$/,
    );

    for (const [job, sentence] of [
      ['spinlock', 'no job named spinlock; there are idle, fork, exec, pipe, fault, lock, build'],
      ['pipe size=1', 'pipe has no parameter size; it has bytes, away'],
    ] as const) {
      const { status, stderr } = await hvd('load', 'set', 'debian', ...job.split(' '), ...at);
      t.deepEqual([status, stderr], [65, `hvd: ${sentence}\n`]);
    }
    await client.request('load.stop', { name: 'debian' });
    await until(doing('idle'));
  } finally {
    await client.close();
    child.kill('SIGTERM');
    t.is((await ended).code, 0);
    rmSync(work, { recursive: true, force: true });
  }
});
