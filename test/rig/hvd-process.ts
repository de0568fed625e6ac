// Runs the program `hvd` as a user would: a process with arguments, output and an exit status.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../daemon/root/package-root.js';
import { allowedCores } from '../../daemon/root/pinning.js';

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export const HVD = join(packageRoot(), 'dist/daemon/cli/hvd.js');
const LIMIT_MS = 290_000;

export const hvd = (...args: readonly string[]): Promise<Ended> => hvdIn({}, ...args);

export const hvdIn = (env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Ended> => run(HVD, env, args);

/** Command line of Node with all threads on one core of the host. */
export const onOneCore = (...args: readonly string[]): readonly [command: string, ...args: string[]] => [
  'taskset',
  '-c',
  String(allowedCores()[0] ?? 0),
  process.execPath,
  ...args,
];

/** All its threads on one core of the host: an LP that wakes another then loses the core to it at once, where two cores would rarely let it fall behind. */
export const hvdOnOneCore = (...args: readonly string[]): Promise<Ended> => {
  const [command, ...rest] = onOneCore(HVD, ...args);
  return start(command, rest, {});
};

/** Any compiled program of the project. */
export const run = (program: string, env: Readonly<Record<string, string>>, args: readonly string[]): Promise<Ended> =>
  start(process.execPath, [program, ...args], env);

const start = (command: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
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
