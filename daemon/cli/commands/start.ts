// hvd start: the daemon, in the foreground with its log on stderr, or detached.
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { defaultSocket } from '../../../shared/client/socket-path.js';
import { bodyOf } from '../../../shared/protocol/errors.js';
import { defaultMachine, readMachineFile } from '../../root/config/machine-file.js';
import { claimSocketPath } from '../../root/control/socket-file.js';
import { startDaemon } from '../../root/daemon.js';
import { createLog } from '../../root/log.js';
import { reportStart, startDetached } from '../detach.js';
import { type MachineFlags, withFlags } from '../options.js';
import { printLine } from '../output.js';
import { onSignal } from '../signals.js';

interface StartFlags extends MachineFlags {
  readonly machine?: string;
  readonly socket?: string;
  readonly detach?: boolean;
}

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
    .option('--pin', 'pin LPs to host cores (the default where the host lets us)')
    .option('--no-pin', 'leave LPs to the host scheduler')
    .option('--detach', 'return when the socket answers')
    .action(async (flags: StartFlags, command: Command) => {
      // commander sets `pin` as soon as --no-pin exists: only what was typed counts.
      const given: StartFlags = command.getOptionValueSource('pin') === 'cli' ? flags : { ...flags, ...{ pin: undefined as never } };
      if (flags.detach === true) await detach(given);
      else await foreground(given);
    });
};

const configOf = (flags: StartFlags) => withFlags(flags.machine === undefined ? defaultMachine() : readMachineFile(flags.machine), flags);

const foreground = async (flags: StartFlags): Promise<void> => {
  const log = createLog();
  try {
    const daemon = await startDaemon({ config: configOf(flags), log, socket: flags.socket });
    const unlisten = onSignal((signal) => {
      log.info({ signal }, 'stopping');
      void daemon.stop();
    });
    reportStart({ ready: process.pid });
    await daemon.ended;
    unlisten();
  } catch (error) {
    reportStart({ error: bodyOf(error) });
    throw error;
  }
};

const detach = async (flags: StartFlags): Promise<void> => {
  // What is wrong with the configuration is said here, at the terminal.
  configOf(flags);
  const socket = resolve(flags.socket ?? defaultSocket());
  await claimSocketPath(socket);
  const args = [
    ...(['machine', 'lps', 'nodes', 'clock', 'seed'] as const).flatMap((name) =>
      flags[name] === undefined ? [] : [`--${name}`, flags[name]],
    ),
    ...(flags.pin === undefined ? [] : [flags.pin ? '--pin' : '--no-pin']),
  ];
  const pid = await startDetached(args, socket);
  printLine(`hvd: running (pid ${pid}) at ${socket}`);
};
