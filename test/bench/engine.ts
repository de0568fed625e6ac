// The programs that a bench guest can be run on, each as a child process whose standard output is the guest's COM1.
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../daemon/root/package-root.js';
import { Markers } from './markers.js';
import { buildNative, NATIVE_WORKLOADS, nativeProgram } from './native.js';
import { newerNode } from './newer-node.js';

export type Bits = 32 | 64;

export interface Engine {
  readonly name: string;
  /** Why it cannot be measured here, or undefined. */
  missing(bits: Bits): string | undefined;
  /** Whether the workload makes sense on it. */
  runs(workload: string): boolean;
  command(bits: Bits, vps: number, append: string): { readonly file: string; readonly args: readonly string[] };
}

const imageOf = (bits: Bits): string => join(packageRoot(), `configs/guests/bench/guest${bits}.elf`);
const LIMIT_S = '600';

const hvdOn = (name: string, node: string): Engine => ({
  name,
  missing: () => undefined,
  runs: () => true,
  command: (bits, vps, append) => {
    const machine = ['--vps', String(vps), '--lps', String(vps), '--memory', '64M', '--timeout', LIMIT_S];
    return { file: node, args: [join(packageRoot(), 'dist/daemon/cli/hvd.js'), 'run', imageOf(bits), ...machine, '--append', append] };
  },
});

const v86: Engine = {
  name: 'v86',
  missing: (bits) => (bits === 64 ? 'v86 has no long mode' : undefined),
  runs: () => true,
  command: (bits, _, append) => ({
    file: process.execPath,
    args: [join(packageRoot(), 'test/bench/v86-runner.mjs'), imageOf(bits), append],
  }),
};

/** QEMU's translator, one host thread for each processor (MTTCG). */
const tcg: Engine = {
  name: 'tcg',
  missing: () => (spawnSync('qemu-system-x86_64', ['--version']).status === 0 ? undefined : 'qemu-system-x86_64 is not installed'),
  runs: () => true,
  command: (bits, vps, append) => {
    const machine = ['-accel', 'tcg,thread=multi', '-smp', String(vps), '-cpu', 'max', '-m', '64', '-no-reboot', '-nodefaults'];
    const devices = ['-display', 'none', '-serial', 'stdio', '-device', 'isa-debug-exit,iobase=0xf4,iosize=4'];
    return { file: 'qemu-system-x86_64', args: [...machine, ...devices, '-kernel', imageOf(bits), '-append', append] };
  },
};

const native: Engine = {
  name: 'native',
  missing: buildNative,
  runs: (workload) => NATIVE_WORKLOADS.includes(workload),
  command: (bits, _, append) => ({ file: nativeProgram(bits), args: append.split(' ') }),
};

const PEERS: readonly Engine[] = [v86, tcg, native];
export const PEER_NAMES: readonly string[] = PEERS.map((peer) => peer.name);

/** hvd first, then hvd on a newer Node where there is one, then the peers asked for that can be had. `say` hears why others cannot. */
export const enginesOf = (peers: readonly string[], bits: Bits, say: (text: string) => void): Engine[] => {
  const engines = [hvdOn('hvd', process.execPath)];
  const newer = newerNode();
  if (newer !== undefined) engines.push(hvdOn(`hvd@node${newer.major}`, newer.path));
  for (const peer of PEERS) {
    if (!peers.includes(peer.name)) continue;
    const reason = peer.missing(bits);
    if (reason === undefined) engines.push(peer);
    else say(`${peer.name} left out: ${reason}\n`);
  }
  return engines;
};

/** Runs the guest to its end; rejects when it does not come to DONE within the limit. */
export const measure = (engine: Engine, bits: Bits, vps: number, append: string, limitSeconds: number): Promise<Markers> =>
  new Promise((resolve, reject) => {
    const { file, args } = engine.command(bits, vps, append);
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const markers = new Markers();
    let errors = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), limitSeconds * 1000);
    child.stdout.on('data', (data: Buffer) => markers.feed(data.toString('latin1')));
    child.stderr.on('data', (data: Buffer) => {
      errors = (errors + data.toString()).slice(-2000);
    });
    child.on('error', reject);
    child.on('close', () => {
      clearTimeout(timer);
      if (markers.done) resolve(markers);
      else reject(new Error(`${engine.name} did not finish "${append}": ${errors.trim() || 'killed at the limit'}`));
    });
  });
