// The bench guests, which nobody wrote for this project's processor: every integer workload must come to the end with the checksum of another emulator.

import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { packageRoot } from '../../daemon/root/package-root.js';
import { hvd } from '../rig/hvd-process.js';
import { EXPECTED, TWO_PROCESSORS } from './bench-expected.js';

const check = async (t: ExecutionContext, bits: 32 | 64, names: readonly string[], vps: number): Promise<void> => {
  t.timeout(300_000);
  const image = join(packageRoot(), `configs/guests/bench/guest${bits}.elf`);
  const run = await hvd(
    'run',
    image,
    '--vps',
    String(vps),
    '--lps',
    String(vps),
    '--memory',
    '64M',
    '--append',
    `run=${names.join(',')} div=2000`,
    '--timeout',
    '55',
  );
  const got = new Map<string, string>();
  for (const [, name, checksum, operations] of run.stdout.matchAll(/^E (\w+) ([0-9a-f]{8}) \d+ (\d+)/gm))
    got.set(name, `${checksum} ${operations}`);
  for (const name of names) t.is(got.get(name), EXPECTED[name].join(' '), `${name}: ${run.stderr}`);
  t.regex(run.stdout, /^DONE/m);
  t.is(run.status, 0, run.stderr);
};

const single = Object.keys(EXPECTED).filter((name) => !TWO_PROCESSORS.includes(name));
for (const bits of [32, 64] as const) {
  test.serial(`${bits}-bit bench guest, one processor`, (t) => check(t, bits, single, 1));
  test.serial(`${bits}-bit bench guest, two processors`, (t) => check(t, bits, TWO_PROCESSORS, 2));
}
