// hvd top: hvtop, found where hvd is.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';

const HVTOP = fileURLToPath(new URL('../../../tui/hvtop.js', import.meta.url));

export const addTop = (program: Command): void => {
  program
    .command('top')
    .description('live screen (hvtop); takes its options')
    .allowUnknownOption()
    .helpOption(false)
    .argument('[options...]')
    .action(async (options: string[]) => {
      process.exitCode = await runTop(options);
    });
};

/** Runs hvtop on this terminal; resolves with its exit status. */
export const runTop = (options: readonly string[]): Promise<number> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [HVTOP, ...options], { stdio: 'inherit' });
    // The terminal's signals reach hvtop too, which knows what to do with them.
    const ignore = (): void => {};
    process.on('SIGINT', ignore);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      process.off('SIGINT', ignore);
      resolve(code ?? (signal === null ? 1 : 130));
    });
  });
