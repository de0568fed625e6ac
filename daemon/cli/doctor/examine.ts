// What this host can do, each finding with a verdict and what it is for. Nothing is changed, and only what says its own version is run.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { arch, cpus, freemem, platform, tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { checkSocketPath, defaultSocket } from '../../../shared/client/socket-path.js';
import { reasonOf } from '../../../shared/protocol/errors.js';
import { preparedImages } from '../../root/config/prepared-images.js';
import { allowedCores } from '../../root/pinning.js';

export interface Finding {
  readonly what: string;
  /** `bad`: hvd does not work, or not rightly; `less`: something is slower or missing. */
  readonly verdict: 'good' | 'less' | 'bad';
  readonly found: string;
  /** What it is for; and what to do, where there is something to be done. */
  readonly purpose: string;
}

const NODE_MIN = [20, 19] as const;
const MIB = 2 ** 20;
/** A machine of four LPs with a few small guests (daemon/ARCHITECTURE.md, Memory). */
const MEMORY_WANTED = 1024 * MIB;
const PROBE_LIMIT_MS = 5_000;

export const examine = (): Finding[] => [
  hostFinding(),
  nodeFinding(),
  coresFinding(),
  pinningFinding(),
  memoryFinding(),
  webAssemblyFinding(),
  socketFinding(),
  temporaryFinding(),
  imagesFinding(),
  ...PROGRAMS.map(programFinding),
];

/** The worst of all verdicts. */
export const worstOf = (findings: readonly Finding[]): Finding['verdict'] =>
  (['bad', 'less'] as const).find((verdict) => findings.some((finding) => finding.verdict === verdict)) ?? 'good';

const hostFinding = (): Finding => {
  const isRight = arch() === 'x64' && platform() === 'linux';
  return {
    what: 'host',
    verdict: isRight ? 'good' : 'bad',
    found: `${platform()} on ${arch()}`,
    purpose: "guests see the host's own order of memory accesses: Linux on x86-64 is needed",
  };
};

const nodeFinding = (): Finding => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isRight = major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
  return {
    what: 'node',
    verdict: isRight ? 'good' : 'bad',
    found: `${process.versions.node}, V8 ${process.versions.v8}`,
    purpose: `${NODE_MIN.join('.')} or newer; a newer V8 compiles guest code faster`,
  };
};

const coresFinding = (): Finding => {
  const cores = allowedCores().length || cpus().length;
  return {
    what: 'cores',
    verdict: cores >= 2 ? 'good' : 'less',
    found: `${cores} (${cpus()[0]?.model.trim() ?? 'unknown'})`,
    purpose: 'LPs that may run at once; with fewer than there are LPs they take turns, and results in virtual cycles stay the same',
  };
};

const versionOf = (program: string, flag: string): string | undefined => {
  const { status, stdout, stderr } = spawnSync(program, [flag], { encoding: 'utf8', timeout: PROBE_LIMIT_MS });
  return status === 0 ? `${stdout}${stderr}`.split('\n')[0]!.trim() : undefined;
};

const pinningFinding = (): Finding => {
  const taskset = versionOf('taskset', '--version');
  const cores = allowedCores();
  const found =
    taskset === undefined ? 'no taskset' : cores.length === 0 ? 'the host does not tell its cores' : `${taskset}, cores ${cores.join(' ')}`;
  return {
    what: 'pinning',
    verdict: taskset !== undefined && cores.length > 0 ? 'good' : 'less',
    found,
    purpose: 'each LP on a core of its own, so that two that spin for each other do not share one (package util-linux)',
  };
};

const memoryFinding = (): Finding => {
  // What can be had without swapping (proc(5)); elsewhere what is unused.
  const [, kib] = /^MemAvailable:\s+(\d+) kB$/m.exec(existsSync('/proc/meminfo') ? readFileSync('/proc/meminfo', 'latin1') : '') ?? [];
  const bytes = kib === undefined ? freemem() : Number(kib) * 1024;
  return {
    what: 'memory',
    verdict: bytes >= MEMORY_WANTED ? 'good' : 'less',
    found: `${Math.round(bytes / MIB)} MiB can be had`,
    purpose: 'guest RAM that is touched, 150 MiB, and 40 MiB for each LP',
  };
};

const webAssemblyFinding = (): Finding => {
  let found = 'shared memory, SIMD';
  let verdict: Finding['verdict'] = 'good';
  try {
    new WebAssembly.Memory({ initial: 1, maximum: 65_536, shared: true });
    // (func (result v128) i32.const 0, i8x16.splat)
    if (
      !WebAssembly.validate(
        Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11),
      )
    ) {
      found = 'no SIMD';
      verdict = 'bad';
    }
  } catch (error) {
    found = `4 GiB of shared address space cannot be had: ${reasonOf(error)}`;
    verdict = 'bad';
  }
  return {
    what: 'WebAssembly',
    verdict,
    found,
    purpose: 'guest code is translated to it; each partition has 4 GiB of address space, whatever its RAM',
  };
};

const socketFinding = (): Finding => {
  const socket = defaultSocket();
  const purpose = "the control socket's place; --socket names another";
  try {
    checkSocketPath(socket);
    accessSync(dirname(socket), constants.W_OK);
    return { what: 'socket', verdict: 'good', found: socket, purpose };
  } catch (error) {
    return { what: 'socket', verdict: 'less', found: reasonOf(error), purpose };
  }
};

const temporaryFinding = (): Finding => {
  const folder = tmpdir();
  try {
    const { bavail, bsize } = statfsSync(folder);
    const mib = Math.round((bavail * bsize) / MIB);
    return {
      what: 'temporary files',
      verdict: mib >= 512 ? 'good' : 'less',
      found: `${mib} MiB in ${folder}`,
      purpose: 'images that are prepared, writes to copy-on-write disks',
    };
  } catch (error) {
    return { what: 'temporary files', verdict: 'less', found: reasonOf(error), purpose: 'images that are prepared' };
  }
};

const imagesFinding = (): Finding => {
  const purpose = 'kernels and firmware by name in hvd run; hvd images fetch NAME';
  try {
    const images = preparedImages();
    return { what: 'images', verdict: images.length > 0 ? 'good' : 'less', found: images.join(' ') || 'none is prepared', purpose };
  } catch (error) {
    return { what: 'images', verdict: 'less', found: reasonOf(error), purpose };
  }
};

interface Program {
  readonly name: string;
  readonly flag: string;
  readonly purpose: string;
}
const PROGRAMS: readonly Program[] = [
  { name: 'apt-get', flag: '--version', purpose: "hvd images fetch: Debian's kernels and SeaBIOS (package apt)" },
  { name: 'dpkg-deb', flag: '--version', purpose: 'hvd images fetch (package dpkg)' },
  { name: 'gdb', flag: '--version', purpose: 'debugging guests: hvd start --gdb, hvd run --gdb (package gdb)' },
  { name: 'tmux', flag: '-V', purpose: "hvtop's own tests and its measurement (package tmux)" },
  { name: 'qemu-system-i386', flag: '--version', purpose: 'the translator to compare with: npm run bench (package qemu-system-x86)' },
  { name: 'gcc', flag: '--version', purpose: 'comparison with the bare processor: npm run bench, live tests (package gcc)' },
  { name: 'systemd-notify', flag: '--version', purpose: 'readiness and watchdog of configs/systemd/hvd.service (package systemd)' },
  { name: 'man', flag: '--version', purpose: 'hvd man at a terminal (package man-db)' },
];

const programFinding = ({ name, flag, purpose }: Program): Finding => {
  const version = versionOf(name, flag);
  return { what: name, verdict: version === undefined ? 'less' : 'good', found: version ?? 'not there', purpose };
};
