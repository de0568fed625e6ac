// hvd console, and hvd vm console: a partition's console on this terminal.
import type { Command } from 'commander';
import { attachConsole, type ConsoleFlags } from '../attach-console.js';
import { type ClientFlags, socketOption, withDaemon } from '../with-daemon.js';

/** The command `console`, below `hvd` and below `hvd vm`. */
export const addConsole = (parent: Command): void => {
  socketOption(parent.command('console <name>'))
    .description('the console: at a terminal interactive (Ctrl-] leaves), else what it has said so far')
    .option('--follow', 'without a terminal: go on until the partition or the connection ends')
    .option('--send <text>', 'type this first; \\n is Enter')
    .option('--watch', 'only watch: nothing that is typed goes to the guest')
    .option('--force', 'type, also where another terminal does: that one watches from then on')
    .action(async (name: string, flags: ClientFlags & ConsoleFlags) => {
      process.exitCode = await withDaemon(flags, (hvd) => attachConsole(hvd, name, flags));
    });
};
