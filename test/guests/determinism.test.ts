// The same guest twice under the deterministic clock takes the same course: events and memory hash alike.

import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../daemon/root/package-root.js';
import { hvd } from '../rig/hvd-process.js';

for (const [vps, lps] of [
  [1, 1],
  [3, 2],
  [4, 3],
] as const) {
  test.serial(`${vps} VPs on ${lps} LPs: the same trace and memory twice`, async (t) => {
    t.timeout(120_000);
    const image = join(packageRoot(), 'configs/guests/images/workload64.elf');
    const shape = ['--vps', String(vps), '--lps', String(lps), '--memory', '32M', '--append', 'job=spinlock milliseconds=20'];
    const last = async (): Promise<string> => {
      const run = await hvd('run', image, ...shape, '--clock', 'deterministic', '--seed', '1', '--hash', '--timeout', '50', '--debug-exit');
      return run.stdout.trimEnd().split('\n').pop() ?? '';
    };
    const first = await last();
    t.regex(first, /^trace [0-9a-f]+ memory [0-9a-f]{64}$/);
    t.is(await last(), first);
  });
}
