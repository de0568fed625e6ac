// Runs the program `hvd` as a user would: a process with arguments, output and an exit status.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../daemon/root/package-root.js';

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export const HVD = join(packageRoot(), 'dist/daemon/cli/hvd.js');
const LIMIT_MS = 60_000;

export const hvd = (...args: readonly string[]): Promise<Ended> => hvdIn({}, ...args);

export const hvdIn = (env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Ended> => run(HVD, env, args);

/** Any compiled program of the project. */
export const run = (program: string, env: Readonly<Record<string, string>>, args: readonly string[]): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: LIMIT_MS,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, stdout, stderr }));
  });
