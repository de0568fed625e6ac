// What `hvd start` does. Apart from its flags, so that commands which only ask a daemon need not load one.
import { resolve } from 'node:path';
import { defaultSocket } from '../../../shared/client/socket-path.js';
import { bodyOf, HvdError } from '../../../shared/protocol/errors.js';
import type { MachineConfig } from '../../../shared/protocol/messages.js';
import { defaultMachine, readCosts, readMachineFile } from '../../root/config/machine-file.js';
import { claimSocketPath } from '../../root/control/socket-file.js';
import { type DaemonOptions, startDaemon } from '../../root/daemon.js';
import { bitsOf } from '../../root/gdb/register-set.js';
import { gdbAddress } from '../../root/gdb/server.js';
import { createLog } from '../../root/log.js';
import { LogRing } from '../../root/log-ring.js';
import { metricsAddress } from '../../root/metrics/address.js';
import { Recorder } from '../../root/record/recorder.js';
import { reportStart, startDetached } from '../detach.js';
import { type MachineFlags, withFlags } from '../options.js';
import { printLine } from '../output.js';
import { restored } from '../restored.js';
import { onSignal } from '../signals.js';
import { passedSocket, ServiceManager } from './systemd.js';

export interface StartFlags extends MachineFlags {
  readonly machine?: string;
  readonly socket?: string;
  readonly detach?: boolean;
  /** Snapshot. */
  readonly restore?: string;
  readonly gdb?: string;
  readonly gdbVm?: string;
  readonly gdbBits?: string;
  readonly metrics?: string;
  readonly metricsPublic?: boolean;
  /** Where the machine's course is recorded. */
  readonly record?: RecordTo | undefined;
}

export interface RecordTo {
  readonly file: string;
  /** Images go into the recording. */
  readonly embed: boolean;
}

const configOf = (flags: StartFlags): MachineConfig =>
  withFlags(flags.machine === undefined ? defaultMachine() : readMachineFile(flags.machine), flags);

/** What the machine is to be, and a snapshot that it begins from. */
const originOf = (flags: StartFlags): Pick<DaemonOptions, 'config' | 'restore'> => {
  if (flags.restore === undefined) return { config: configOf(flags) };
  if (flags.machine !== undefined) throw new HvdError('usage', { what: '--machine: not with --restore, the snapshot has the machine' });
  return restored(flags.restore, flags);
};

const gdbOf = ({ gdb, gdbVm, gdbBits }: StartFlags): DaemonOptions['gdb'] =>
  gdb === undefined ? undefined : { address: gdbAddress(gdb), partition: gdbVm, bits: bitsOf(gdbBits) };

const metricsOf = ({ metrics, metricsPublic = false }: StartFlags): DaemonOptions['metrics'] => {
  if (metrics !== undefined) return metricsAddress(metrics, metricsPublic);
  if (metricsPublic) throw new HvdError('usage', { what: '--metrics-public: needs --metrics' });
  return undefined;
};

/** The daemon in this process, until it is stopped. */
export const foreground = async (flags: StartFlags): Promise<void> => {
  const recent = new LogRing();
  const log = createLog(undefined, recent);
  const manager = new ServiceManager(log);
  try {
    const listenFd = passedSocket();
    const origin = originOf(flags);
    const { config } = origin;
    const { restore } = origin;
    const costs = restore?.head.costs ?? readCosts();
    const recorder = flags.record && new Recorder({ ...flags.record, what: 'machine', config, costs, restore });
    const daemon = await startDaemon({
      ...origin,
      log,
      recent,
      socket: flags.socket,
      gdb: gdbOf(flags),
      metrics: metricsOf(flags),
      listenFd,
      recorder,
    });
    const unlisten = onSignal((signal) => {
      log.info({ signal }, 'stopping');
      void daemon.stop();
    });
    reportStart({ ready: process.pid });
    manager.ready(`${config.lps} LPs, clock ${config.clock}, ${daemon.socket}`);
    await daemon.stopping;
    manager.stopping();
    await daemon.ended;
    unlisten();
    if (recorder?.failure !== undefined) throw new HvdError('recording.write', { file: recorder.file, why: recorder.failure });
  } catch (error) {
    reportStart({ error: bodyOf(error) });
    throw error;
  }
};

/** The daemon in a process of its own; returns when it answers. */
export const detach = async (flags: StartFlags): Promise<void> => {
  // What is wrong with the configuration is said here, at the terminal.
  originOf(flags);
  gdbOf(flags);
  metricsOf(flags);
  const socket = resolve(flags.socket ?? defaultSocket());
  await claimSocketPath(socket);
  const args = [
    ...(flags.record === undefined ? ['start'] : ['record', '-o', flags.record.file, ...(flags.record.embed ? [] : ['--no-images'])]),
    ...(['machine', 'lps', 'nodes', 'clock', 'seed', 'quantumCycles'] as const).flatMap((name) =>
      flags[name] === undefined ? [] : [`--${name.replace('quantumCycles', 'quantum-cycles')}`, flags[name]],
    ),
    ...(flags.restore === undefined ? [] : ['--restore', resolve(flags.restore)]),
    ...(flags.gdb === undefined ? [] : ['--gdb', flags.gdb]),
    ...(flags.gdbVm === undefined ? [] : ['--gdb-vm', flags.gdbVm]),
    ...(flags.gdbBits === undefined ? [] : ['--gdb-bits', flags.gdbBits]),
    ...(flags.metrics === undefined ? [] : ['--metrics', flags.metrics]),
    ...(flags.metricsPublic === true ? ['--metrics-public'] : []),
    ...(flags.pin === undefined ? [] : [flags.pin ? '--pin' : '--no-pin']),
  ];
  const pid = await startDetached(args, socket);
  printLine(`hvd: running (pid ${pid}) at ${socket}`);
};
