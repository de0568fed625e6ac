// hvd start: the daemon, in the foreground with its log on stderr, or detached.
import { type Command, Option } from 'commander';
import type { StartFlags } from '../start/start-daemon.js';

export const clockOption = (): Option =>
  new Option('--clock <mode>', 'deterministic, quantum or realtime').choices(['deterministic', 'quantum', 'realtime']);

export const gdbBitsOption = (): Option =>
  new Option('--gdb-bits <n>', 'what GDB takes the processor for; auto: what VP 0 is when it connects').choices(['auto', '16', '32', '64']);

/** What every machine has. */
export const machineOptions = (command: Command): Command =>
  command
    .option('--lps <n>', 'logical processors, 1 to 64')
    .option('--nodes <n>', 'NUMA nodes, 1 to 8')
    .addOption(clockOption())
    .option('--seed <n>', 'seed of everything random')
    .option('--quantum-cycles <n>', 'cycles by which LPs may be apart; in the deterministic mode LPs take turns of an eighth of it');

/** What only a daemon has. */
export const daemonOptions = (command: Command): Command =>
  command
    .option('--machine <file>', 'machine configuration (YAML)')
    .option('--socket <path>', 'control socket')
    .option('--pin', 'pin LPs to host cores (the default where the host lets us)')
    .option('--no-pin', 'leave LPs to the host scheduler')
    .option('--restore <snapshot>', 'go on from a snapshot: the machine, its guests and what they were at')
    .option('--detach', 'return when the socket answers');

/** How GDB gets at a daemon's machine. */
const gdbOptions = (command: Command): Command =>
  command
    .option('--gdb <where>', 'let GDB connect: a TCP port of this host, or the path of a Unix socket')
    .option('--gdb-vm <name>', 'the partition that GDB gets (default: the first)')
    .addOption(gdbBitsOption());

const metricsOptions = (command: Command): Command =>
  command
    .option('--metrics <where>', 'serve metrics for Prometheus at /metrics: PORT or HOST:PORT of this host, or the path of a Unix socket')
    .option('--metrics-public', 'let --metrics name an address that other hosts can reach');

/** commander sets `pin` as soon as --no-pin exists: only what was typed counts. */
export const typedPin = <F extends { readonly pin?: boolean | undefined }>(flags: F, command: Command): F =>
  command.getOptionValueSource('pin') === 'cli' ? flags : { ...flags, pin: undefined };

export const addStart = (program: Command): void => {
  metricsOptions(gdbOptions(daemonOptions(machineOptions(program.command('start')))))
    .description('start the daemon')
    .action(async (flags: StartFlags, command: Command) => {
      const given = typedPin(flags, command);
      const { detach, foreground } = await import('../start/start-daemon.js');
      if (flags.detach === true) await detach(given);
      else await foreground(given);
    });
};
