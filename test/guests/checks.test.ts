// The checks guest finds the registers as the manuals promise, in long mode and in 32-bit protected mode.
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../daemon/root/package-root.js';
import { hvd } from '../rig/hvd-process.js';

/** What the exit port makes of the guest's 0. */
const RIGHT = 1;

const imageOf = (bits: number): string => join(packageRoot(), `configs/guests/checks/checks${bits}.elf`);

for (const bits of [64, 32]) {
  test(`${bits}-bit code ends interrupts in any order, by AMD's extended APIC registers and by the 8259's specific EOI`, async (t) => {
    const flags = ['--testdev', '--debug-exit', '--cpu', 'max,+extapic', '--timeout', '240', '--append', 'eoi'];
    const { status, stdout, stderr } = await hvd('run', imageOf(bits), ...flags);
    t.regex(stdout, /^DONE 31 checked, 0 failed$/m, stderr);
    t.is(status, RIGHT);
  });
  test(`${bits}-bit code on two processors finds nothing wrong with its MSRs and its local APIC`, async (t) => {
    const { status, stdout, stderr } = await hvd(
      'run',
      imageOf(bits),
      '--vps',
      '2',
      '--lps',
      '2',
      '--testdev',
      '--debug-exit',
      '--timeout',
      '240',
    );
    t.regex(stdout, /^DONE \d{3} checked, 0 failed$/m, stderr);
    t.is(status, RIGHT);
  });
}
