// Debian's cloud kernel, unmodified, and a RAM disk with Debian's busybox: downloaded and unpacked by apt and dpkg, never installed.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { stringify } from 'yaml';
import { PARTITION_FILE } from '../../root/config/prepared-images.js';
import { DEBIAN_DRIVERS, debianArchive } from './debian-root.js';
import { output, prepare } from './prepare.js';

const KERNEL_PACKAGE = 'linux-image-cloud-amd64';
/** Longest module that is unpacked, far more than one of them is. */
const MODULE_MAX = 16 << 20;
/** The modules that the root file system takes, wherever the kernel's package has them. */
const driversIn = (modules: string): ReadonlyMap<string, Uint8Array> => {
  const files = readdirSync(modules, { recursive: true, encoding: 'utf8' });
  return new Map(
    DEBIAN_DRIVERS.map((driver) => {
      const file = files.find((name) => basename(name) === `${driver}.ko` || basename(name) === `${driver}.ko.xz`);
      if (file === undefined) throw new Error(`the kernel has no module ${driver}`);
      const path = join(modules, file);
      return [driver, file.endsWith('.xz') ? execFileSync('xz', ['-dc', path], { maxBuffer: MODULE_MAX }) : readFileSync(path)];
    }),
  );
};

/** Prepares the image and returns its partition file. Throws HvdError `image.fetch` that says what to supply where apt cannot. */
export const fetchDebian = (): string =>
  prepare('debian', (work) => {
    const depends = output(work, 'apt-cache', 'depends', KERNEL_PACKAGE);
    const kernel = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
    if (kernel === undefined) throw new Error(`${KERNEL_PACKAGE} names no kernel package`);
    output(work, 'apt-get', 'download', kernel, 'busybox-static');
    for (const file of readdirSync(work)) if (file.endsWith('.deb')) output(work, 'dpkg', '-x', file, join(work, 'root'));
    const boot = join(work, 'root', 'boot');
    const image = readdirSync(boot).find((file) => file.startsWith('vmlinuz-'));
    if (image === undefined) throw new Error(`${kernel} holds no kernel`);
    const made = join(work, 'made');
    mkdirSync(made);
    copyFileSync(join(boot, image), join(made, 'vmlinuz'));
    const busybox = readFileSync(join(work, 'root', 'bin', 'busybox'));
    const archive = debianArchive(busybox, driversIn(join(work, 'root', 'lib', 'modules')));
    writeFileSync(join(made, 'initrd.gz'), gzipSync(archive, { level: 1 }));
    writeFileSync(
      join(made, PARTITION_FILE),
      `# ${kernel}, unmodified, with busybox as its first program.\n${stringify({
        name: 'debian',
        image: 'vmlinuz',
        initrd: 'initrd.gz',
        append: 'console=ttyS0',
        vps: 1,
        memory: '512M',
        hv: { features: 'linux' },
      })}`,
    );
    return made;
  });
