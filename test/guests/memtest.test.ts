// Debian's memtest86+ 6.10, unmodified: software that nobody here wrote finds both processors and the memory, and tests it without an error.
// The ia32 build needs x87 (FILD) before its first test and is left to the processor's next step; it is loaded by test/unit/boot-linux.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { hvd } from '../rig/hvd-process.js';

const image = join(process.env.HVD_MEMTEST ?? '/boot', 'memtest86+x64.bin');
const present = existsSync(image);
const run = present ? test.serial : test.serial.skip;

run(`memtest86+ x64 runs its tests 0 to 9 on two processors without an error${present ? '' : ` (${image} is absent)`}`, async (t) => {
  t.timeout(120_000);
  // Test 10 only waits: seeing its name says that all others are done.
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
    '--until',
    'Bit fade test',
    '--timeout',
    '58',
  );
  t.is(status, 0, stderr);
  t.regex(stdout, /Memtest86\+ v6\.10/);
  t.regex(stdout, /2 Cores 2 Threads +SMP: 2T/);
  t.regex(stdout, /of 7\.\d+MB\]/);
  // The serial screen shows a test's number and name when they change.
  const seen = new Set([...stdout.matchAll(/#(\d+) +\[/g)].map((m) => Number(m[1])));
  t.true(seen.has(0) && seen.has(9) && seen.size >= 4, `tests seen: ${[...seen]}`);
  t.notRegex(stdout, /Errors: +[1-9]|Unexpected interrupt/);
});
