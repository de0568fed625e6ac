// hvd completion, hvd man: what the shell and man(1) are told of hvd's commands, out of the same tree as --help.
import { spawnSync } from 'node:child_process';
import { Argument, type Command } from 'commander';
import { HvdError } from '../../../shared/protocol/errors.js';
import { hvdVersion } from '../../root/version.js';
import { SHELLS, type Shell } from '../manual/shells.js';

export const addCompletion = (program: Command): void => {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'which').choices(SHELLS))
    .description('a script that completes commands, options, files and names of partitions: source <(hvd completion bash)')
    .action(async (shell: Shell) => {
      const { completionOf } = await import('../manual/completion.js');
      const { commandTree } = await import('../manual/command-tree.js');
      process.stdout.write(completionOf(shell, commandTree(program)));
    });
};

export const addMan = (program: Command): void => {
  program
    .command('man [command]')
    .description('the manual page of hvd or of a command, as man(1) shows it; where there is no terminal as roff')
    .action(async (command: string | undefined) => {
      const { manPages } = await import('../manual/man-page.js');
      const { commandTree } = await import('../manual/command-tree.js');
      const pages = manPages(commandTree(program), hvdVersion());
      const wanted = command === undefined ? 'hvd.1' : `hvd-${command}.1`;
      const page = pages.find(({ file }) => file === wanted);
      if (page === undefined)
        throw new HvdError('usage', {
          what: `man: no command ${command}; there are ${program.commands.map((one) => one.name()).join(', ')}`,
        });
      if (
        process.stdout.isTTY !== true ||
        spawnSync('man', ['-l', '-'], { input: page.text, stdio: ['pipe', 'inherit', 'inherit'] }).status !== 0
      )
        process.stdout.write(page.text);
    });
};
