// hvd console, and hvd vm console: a partition's console on this terminal.
import type { Command } from 'commander';
import { attachConsole, type ConsoleFlags } from '../attach-console.js';
import { type ClientFlags, socketOption, withDaemon } from '../with-daemon.js';

/** The command `console`, below `hvd` and below `hvd vm`. */
export const addConsole = (parent: Command): void => {
  socketOption(parent.command('console <name>'))
    .description('the console: at a terminal interactive (Ctrl-] leaves), else what it has said so far')
    .option('--follow', 'go on until the connection ends')
    .option('--send <text>', 'type this first; \\n is Enter')
    .action(async (name: string, flags: ClientFlags & Partial<ConsoleFlags>) => {
      await withDaemon(flags, (hvd) => attachConsole(hvd, name, { follow: flags.follow ?? false, send: flags.send }));
    });
};
