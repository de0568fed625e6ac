// Debian's GRUB, unmodified, from a disk to its end: from the BIOS's first sector by its own loader into protected mode, its configuration, a menu entry, and what that boots.
// It goes back to real mode for each thing that it asks of the BIOS.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { grubDisk, sayingSector } from '../rig/grub-disk.js';
import { hvd } from '../rig/hvd-process.js';

const rom = join(process.env.HVD_IMAGES ?? '', 'seabios', 'bios.bin');
const grub = process.env.HVD_GRUB ?? '';
const memtest = join(process.env.HVD_MEMTEST ?? '/boot', 'memtest86+x64.bin');
const folder = mkdtempSync(join(tmpdir(), 'hvd-grub-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const absent = [
  ...(process.env.HVD_IMAGES !== undefined && existsSync(rom) ? [] : ['HVD_IMAGES holds no seabios']),
  ...(grub !== '' ? [] : ['HVD_GRUB is not set']),
];
/** Of a host with much else to do. */
const LIMIT_S = 400;

const boots = (title: string, command: string, file: () => Uint8Array, until: string, missing: readonly string[]): void => {
  const declare = missing.length === 0 ? test.serial : test.serial.skip;
  declare(`GRUB comes to its end from a disk: ${title}${missing.length === 0 ? '' : ` (${missing.join(', ')})`}`, async (t) => {
    t.timeout((LIMIT_S + 60) * 1000);
    const image = join(folder, 'disk.img');
    writeFileSync(image, grubDisk(grub, folder, command, file()));
    const { stdout, stderr, status } = await hvd(
      ...['run', '--bios', rom, '--disk', `${image},ro`, '--memory', '16M', '--clock', 'deterministic'],
      ...['--until', until, '--timeout', String(LIMIT_S)],
    );
    t.is(status, 0, stderr + stdout);
    t.regex(
      stdout,
      /GRUB loading\.[\s\S]+Welcome to GRUB![\s\S]+GRUB pc on i386\s+the text of sector 2000[\s\S]+Booting `What is on the disk'/,
    );
    t.true(stdout.trimEnd().endsWith(until), stdout);
  });
};

boots('a boot sector', 'chainloader FILE', () => sayingSector('chained by GRUB'), 'chained by GRUB', absent);
boots('memtest86+', 'linux16 FILE console=ttyS0', () => readFileSync(memtest), 'Memtest86+ v6.10', [
  ...absent,
  ...(existsSync(memtest) ? [] : [`${memtest} is absent`]),
  ...(process.env.GRUB_MEMTEST === '1' ? [] : ['it takes half a minute: GRUB_MEMTEST=1']),
]);
