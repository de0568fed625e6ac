// The programs that a bench guest can be run on, each as a child process whose standard output is the guest's COM1.
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Markers } from './markers.js';

export const ROOT: string = fileURLToPath(new URL('../../../', import.meta.url));
export type EngineName = 'hvd' | 'v86' | 'tcg';
export const imageOf = (bits: 32 | 64): string => join(ROOT, `configs/guests/bench/guest${bits}.elf`);

const command = (engine: EngineName, bits: 32 | 64, vps: number, append: string): { file: string; args: string[] } => {
  switch (engine) {
    case 'hvd':
      return {
        file: process.execPath,
        args: [
          join(ROOT, 'dist/daemon/cli/hvd.js'),
          'run',
          imageOf(bits),
          '--vps',
          String(vps),
          '--lps',
          String(vps),
          '--memory',
          '64M',
          '--append',
          append,
          '--timeout',
          '600',
        ],
      };
    case 'v86':
      return { file: process.execPath, args: [join(ROOT, 'test/bench/v86-runner.mjs'), imageOf(bits), append] };
    case 'tcg':
      return {
        file: 'qemu-system-x86_64',
        args: [
          '-accel',
          'tcg,thread=multi',
          '-smp',
          String(vps),
          '-cpu',
          'max',
          '-m',
          '64',
          '-display',
          'none',
          '-serial',
          'stdio',
          '-no-reboot',
          '-nodefaults',
          '-device',
          'isa-debug-exit,iobase=0xf4,iosize=4',
          '-kernel',
          imageOf(bits),
          '-append',
          append,
        ],
      };
  }
};

/** Why an engine cannot be measured here, or undefined. */
export const missing = (engine: EngineName, bits: 32 | 64): string | undefined => {
  if (engine === 'tcg' && spawnSync('qemu-system-x86_64', ['--version']).status !== 0) return 'qemu-system-x86_64 is not installed';
  if (engine === 'v86' && bits === 64) return 'v86 has no long mode';
  return undefined;
};

/** Runs the guest to its end; rejects when it does not come to DONE within the limit. */
export const measure = (engine: EngineName, bits: 32 | 64, vps: number, append: string, limitSeconds: number): Promise<Markers> =>
  new Promise((resolve, reject) => {
    const { file, args } = command(engine, bits, vps, append);
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
      else reject(new Error(`${engine} did not finish "${append}": ${errors.trim() || 'killed at the limit'}`));
    });
  });
