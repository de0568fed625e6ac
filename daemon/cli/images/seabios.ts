// Debian's SeaBIOS and its VGA BIOS, unmodified: downloaded and unpacked by apt and dpkg, never installed.
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { PARTITION_FILE } from '../../root/config/prepared-images.js';
import { output, prepare } from './prepare.js';

/** Prepares the image and returns its partition file. Throws HvdError `image.fetch` that says what to supply where apt cannot. */
export const fetchSeabios = (): string =>
  prepare('seabios', (work) => {
    output(work, 'apt-get', 'download', 'seabios');
    for (const file of readdirSync(work)) if (file.endsWith('.deb')) output(work, 'dpkg', '-x', file, join(work, 'root'));
    const roms = join(work, 'root', 'usr', 'share', 'seabios');
    const made = join(work, 'made');
    mkdirSync(made);
    copyFileSync(join(roms, 'bios-256k.bin'), join(made, 'bios.bin'));
    copyFileSync(join(roms, 'vgabios-isavga.bin'), join(made, 'vgabios.bin'));
    writeFileSync(
      join(made, PARTITION_FILE),
      `# Debian's SeaBIOS: boots from the disks that flags give it.\n${stringify({
        name: 'seabios',
        bios: 'bios.bin',
        'video-bios': 'vgabios.bin',
        vps: 1,
        memory: '256M',
      })}`,
    );
    return made;
  });
