// Debian's memtest86+ 6.10, unmodified: software that nobody here wrote finds both processors and the memory, and tests it without an error.
// The ia32 build measures with the x87.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { hvd } from '../rig/hvd-process.js';

const run = (
  build: 'x64' | 'ia32',
  clock: 'deterministic' | 'quantum',
  title: string,
  until: string,
  tests: readonly number[],
  least: number,
): void => {
  const image = join(process.env.HVD_MEMTEST ?? '/boot', `memtest86+${build}.bin`);
  const present = existsSync(image);
  const declare = present ? test.serial : test.serial.skip;
  declare(`memtest86+ ${build} ${title}${present ? '' : ` (${image} is absent)`}`, async (t) => {
    t.timeout(300_000);
    const { stdout, stderr, status } = await hvd(
      'run',
      image,
      '--vps',
      '2',
      '--lps',
      '2',
      '--memory',
      '8M',
      '--append',
      'console=ttyS0',
      '--clock',
      clock,
      '--until',
      until,
      '--timeout',
      '280',
    );
    t.is(status, 0, stderr);
    t.regex(stdout, /Memtest86\+ v6\.10/);
    t.regex(stdout, /2 Cores 2 Threads +SMP: 2T/);
    t.regex(stdout, /of 7\.\d+MB\]/);
    // The serial screen shows a test's number and name when they change.
    const seen = new Set([...stdout.matchAll(/#(\d+) +\[/g)].map((m) => Number(m[1])));
    t.true(tests.every((n) => seen.has(n)) && seen.size >= least, `tests seen: ${[...seen]}`);
    t.notRegex(stdout, /Errors: +[1-9]|Unexpected interrupt/);
  });
};

// Test 10 only waits: seeing its name says that all others are done.
run('x64', 'quantum', 'runs its tests 0 to 9 on two processors without an error', 'Bit fade test', [0, 9], 4);
run(
  'ia32',
  'deterministic',
  'comes to its main screen on two processors and tests without an error',
  'Moving inversions, 32 bit pattern',
  [0, 6],
  2,
);
