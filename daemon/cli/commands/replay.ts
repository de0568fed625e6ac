// hvd replay: a recording, played again and compared event by event.
import type { Command } from 'commander';
import type { ReplayFlags } from '../replay/replay-command.js';

export const addReplay = (program: Command): void => {
  program
    .command('replay <recording>')
    .description('play a recording; ends with status 0 if the same happened, 72 where something else did')
    .option('--until <where>', 'stop at a cycle (1000000), or before an event of an LP (1:5000)')
    .option('--from <snapshot>', 'begin in the middle: at a snapshot that was taken while it was recorded')
    .option('--console <name>', "that partition's COM1 on stdout (default: that of a recorded `hvd run`)")
    .option('--json', 'print one JSON object instead')
    .action(async (file: string, flags: ReplayFlags) => {
      const { replayCommand } = await import('../replay/replay-command.js');
      process.exitCode = await replayCommand(file, flags);
    });
};
