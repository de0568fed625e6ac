// What `hvd start` does. Apart from its flags, so that commands which only ask a daemon need not load one.
import { resolve } from 'node:path';
import { defaultSocket } from '../../../shared/client/socket-path.js';
import { bodyOf } from '../../../shared/protocol/errors.js';
import type { MachineConfig } from '../../../shared/protocol/messages.js';
import { defaultMachine, readMachineFile } from '../../root/config/machine-file.js';
import { claimSocketPath } from '../../root/control/socket-file.js';
import { startDaemon } from '../../root/daemon.js';
import { createLog } from '../../root/log.js';
import { reportStart, startDetached } from '../detach.js';
import { type MachineFlags, withFlags } from '../options.js';
import { printLine } from '../output.js';
import { onSignal } from '../signals.js';

export interface StartFlags extends MachineFlags {
  readonly machine?: string;
  readonly socket?: string;
  readonly detach?: boolean;
}

const configOf = (flags: StartFlags): MachineConfig =>
  withFlags(flags.machine === undefined ? defaultMachine() : readMachineFile(flags.machine), flags);

/** The daemon in this process, until it is stopped. */
export const foreground = async (flags: StartFlags): Promise<void> => {
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

/** The daemon in a process of its own; returns when it answers. */
export const detach = async (flags: StartFlags): Promise<void> => {
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
