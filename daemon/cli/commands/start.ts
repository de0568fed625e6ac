// hvd start: the daemon, in the foreground with its log on stderr, or detached.
import { type Command, Option } from 'commander';
import type { StartFlags } from '../start/start-daemon.js';

export const clockOption = (): Option =>
  new Option('--clock <mode>', 'deterministic, quantum or realtime').choices(['deterministic', 'quantum', 'realtime']);

export const addStart = (program: Command): void => {
  program
    .command('start')
    .description('start the daemon')
    .option('--machine <file>', 'machine configuration (YAML)')
    .option('--socket <path>', 'control socket')
    .option('--lps <n>', 'logical processors, 1 to 64')
    .option('--nodes <n>', 'NUMA nodes, 1 to 8')
    .addOption(clockOption())
    .option('--seed <n>', 'seed of everything random')
    .option('--quantum-cycles <n>', 'cycles by which LPs may be apart; in the deterministic mode LPs take turns of an eighth of it')
    .option('--pin', 'pin LPs to host cores (the default where the host lets us)')
    .option('--no-pin', 'leave LPs to the host scheduler')
    .option('--detach', 'return when the socket answers')
    .action(async (flags: StartFlags, command: Command) => {
      // commander sets `pin` as soon as --no-pin exists: only what was typed counts.
      const given: StartFlags = command.getOptionValueSource('pin') === 'cli' ? flags : { ...flags, pin: undefined };
      const { detach, foreground } = await import('../start/start-daemon.js');
      if (flags.detach === true) await detach(given);
      else await foreground(given);
    });
};
