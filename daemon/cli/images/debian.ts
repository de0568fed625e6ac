// Debian's kernels, unmodified, and a RAM disk with Debian's busybox and hvd's agent: downloaded and unpacked by apt and dpkg, never installed.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { stringify } from 'yaml';
import { PARTITION_FILE } from '../../root/config/prepared-images.js';
import { packageRoot } from '../../root/package-root.js';
import { DEBIAN_DRIVERS, debianArchive } from './debian-root.js';
import type { IMAGES } from './names.js';
import { output, prepare } from './prepare.js';
import { vmlinuxOf } from './vmlinux.js';

export type DebianImage = Extract<keyof typeof IMAGES, `debian${string}`>;
/**
 * Words for the 32-bit kernel's command line: its retpoline of a hypercall on a list of addresses takes the hypercall page's address from [esp+12] after it has pushed, so four bytes
 * off, and jumps anywhere. Found where two processors fault in one address space; processors that need no retpolines do not meet it.
 */
const NO_RETPOLINES = 'spectre_v2=off';
/** The package that names the newest kernel, its architecture, and what else its image has. */
const KERNELS: Readonly<Record<DebianImage, { package: string; architecture: string; agent: string; words?: string; isVmlinux?: true }>> = {
  debian: { package: 'linux-image-cloud-amd64', architecture: 'amd64', agent: 'agent64.elf' },
  'debian-pvh': { package: 'linux-image-cloud-amd64', architecture: 'amd64', agent: 'agent64.elf', isVmlinux: true },
  'debian-generic': { package: 'linux-image-amd64', architecture: 'amd64', agent: 'agent64.elf' },
  'debian-i386': { package: 'linux-image-686-pae', architecture: 'i386', agent: 'agent32.elf', words: NO_RETPOLINES },
};

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

const trouble = (task: () => void): unknown => {
  try {
    task();
    return undefined;
  } catch (error) {
    return error;
  }
};

/** Options that make apt one of an architecture's own, with lists and packages in a folder: this host is not told of other architectures. */
const aptOf = (architecture: string, folder: string): readonly string[] => {
  for (const made of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(folder, made), { recursive: true });
  return [
    `APT::Architecture=${architecture}`,
    `APT::Architectures=${architecture}`,
    `Dir::State::Lists=${join(folder, 'lists')}`,
    `Dir::Cache=${join(folder, 'cache')}`,
    'Dir::State::status=/dev/null',
  ].flatMap((option) => ['-o', option]);
};

/** The packages that are wanted, unpacked into `root` of the folder. Returns the kernel's. */
const unpack = (name: DebianImage, work: string): string => {
  const { package: wanted, architecture } = KERNELS[name];
  const own = output(work, 'dpkg', '--print-architecture').trim() === architecture;
  const apt = own ? [] : aptOf(architecture, join(work, 'apt'));
  // One list of several that cannot be had does not matter as long as the kernel is in another.
  const missed = own ? undefined : trouble(() => output(work, 'apt-get', ...apt, '-qq', 'update'));
  const kernel = /Depends: (linux-image-\S+)/.exec(output(work, 'apt-cache', ...apt, 'depends', wanted))?.[1];
  if (kernel === undefined) throw missed ?? new Error(`${wanted} names no kernel package`);
  output(work, 'apt-get', ...apt, 'download', kernel, 'busybox-static');
  for (const file of readdirSync(work)) if (file.endsWith('.deb')) output(work, 'dpkg', '-x', file, join(work, 'root'));
  return kernel;
};

/** Prepares the image and returns its partition file. Throws HvdError `image.fetch` that says what to supply where apt cannot. */
export const fetchDebian = (name: DebianImage): string =>
  prepare(name, (work) => {
    const kernel = unpack(name, work);
    const boot = join(work, 'root', 'boot');
    const image = readdirSync(boot).find((file) => file.startsWith('vmlinuz-'));
    if (image === undefined) throw new Error(`${kernel} holds no kernel`);
    const made = join(work, 'made');
    mkdirSync(made);
    // Unpacked here the kernel is as its package has it, but nobody places it at random: that is done by what unpacks it in the guest.
    const kernelFile = KERNELS[name].isVmlinux === true ? 'vmlinux' : 'vmlinuz';
    const bzImage = readFileSync(join(boot, image));
    writeFileSync(join(made, kernelFile), KERNELS[name].isVmlinux === true ? vmlinuxOf(bzImage) : bzImage);
    const busybox = readFileSync(join(work, 'root', 'bin', 'busybox'));
    const agent = readFileSync(join(packageRoot(), 'configs', 'guests', 'agent', KERNELS[name].agent));
    const archive = debianArchive({ busybox, agent }, driversIn(join(work, 'root', 'lib', 'modules')));
    writeFileSync(join(made, 'initrd.gz'), gzipSync(archive, { level: 1 }));
    writeFileSync(
      join(made, PARTITION_FILE),
      `# ${kernel}, unmodified, with busybox as its first program.\n${stringify({
        name,
        image: kernelFile,
        initrd: 'initrd.gz',
        append: ['console=ttyS0', KERNELS[name].words ?? []].flat().join(' '),
        vps: 1,
        memory: '512M',
        hv: { features: 'linux' },
      })}`,
    );
    return made;
  });
