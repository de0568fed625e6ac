// Debian's SeaBIOS, unmodified, as `hvd images fetch seabios` prepares it: it comes up in its ROM, shadows itself, and finds the machine that there is.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../daemon/root/package-root.js';
import { hvd } from '../rig/hvd-process.js';

const rom = join(process.env.HVD_IMAGES ?? '', 'seabios', 'bios.bin');
const present = process.env.HVD_IMAGES !== undefined && existsSync(rom);
/** Of a host with much else to do. */
const LIMIT_MS = 240_000;
const declare = present ? test.serial : test.serial.skip;
const why = present ? '' : ' (HVD_IMAGES holds no seabios)';
const folder = mkdtempSync(join(tmpdir(), 'hvd-bios-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

declare(`SeaBIOS comes up from the reset vector on two processors, and tells on its debug port what it finds${why}`, async (t) => {
  t.timeout(LIMIT_MS);
  const log = join(folder, 'firmware.log');
  const { stdout, stderr, status } = await hvd(
    ...['run', '--bios', rom, '--vps', '2', '--memory', '32M', '--firmware-log', log],
    ...['--until', 'No bootable device', '--timeout', '200'],
  );
  t.is(status, 0, stderr + stdout);
  t.regex(stdout, /SeaBIOS \(version /);
  const said = readFileSync(log, 'latin1');
  t.regex(said, /SeaBIOS \(version [\s\S]*Running on QEMU \(i440fx\)[\s\S]*RamSize: 0x02000000/);
  t.regex(said, /Found 2 cpu\(s\) max supported 2 cpu\(s\)/);
  t.regex(said, /PS2 keyboard initialized/);
  t.notRegex(said, /WARNING|internal error/i);
});

/** Of two ways to say how a machine takes its time: both must end, and the first always alike. */
for (const clock of ['deterministic', 'quantum'])
  declare(`a boot sector is read by IDE, and the BIOS's services do what it asks (${clock})${why}`, async (t) => {
    t.timeout(LIMIT_MS);
    const disk = Buffer.alloc(1 << 20);
    readFileSync(join(packageRoot(), 'configs/guests/bootsector/bootsector.bin')).copy(disk);
    disk.write('second sector\r\n', 512);
    disk.write('third sector\r\n', 1024);
    const file = join(folder, `${clock}.img`);
    writeFileSync(file, disk);
    const { stdout, stderr, status } = await hvd(
      ...['run', '--bios', rom, '--disk', file, '--memory', '16M', '--clock', clock],
      ...['--until', 'int 1ah ok', '--timeout', '200'],
    );
    t.is(status, 0, stderr + stdout);
    t.regex(
      stdout,
      /13h 02h ok\s+second sector\s+int 13h 42h ok\s+third sector\s+int 13h 43h ok\s+int 15h e820h ok\s+int 15h 88h ok\s+int 1ah ok/,
    );
    t.is(readFileSync(file).toString('latin1', 1536, 1548), 'third sector');
  });

const TRACKS = 160;
for (const [clock, size, track] of [
  ['deterministic', '1.44M', 18],
  ['quantum', '2.88M', 36],
] as const)
  declare(`a floppy of ${size} boots, and the BIOS reads and writes it (${clock})${why}`, async (t) => {
    t.timeout(LIMIT_MS);
    const disk = Buffer.alloc(TRACKS * track * 512);
    for (let sector = 1; sector < TRACKS * track; sector++) disk.write(`sector ${sector}\r\n`, sector * 512);
    readFileSync(join(packageRoot(), 'configs/guests/bootsector/floppy.bin')).copy(disk);
    const file = join(folder, `${size}.img`);
    writeFileSync(file, disk);
    const { stdout, stderr, status } = await hvd(
      ...['run', '--bios', rom, '--floppy', file, '--memory', '16M', '--clock', clock],
      ...['--until', '00h ok', '--timeout', '200'],
    );
    t.is(status, 0, stderr + stdout);
    t.regex(
      stdout,
      new RegExp(
        ['Floppy...', 'floppy', '08h ok', '02h ok', 'sector 1', 'last sector ok', `sector ${track - 1}`].join('\\s+') +
          ['', 'both heads ok', `sector ${track + 1}`, '03h 04h ok', 'refused ok', '00h ok'].join('\\s+'),
      ),
    );
    const written = readFileSync(file);
    t.true(written.toString('latin1', disk.length - 512).startsWith(`sector ${track - 2}\r\n\0`));
    t.deepEqual(written.subarray(0, disk.length - 512), disk.subarray(0, disk.length - 512));
  });
