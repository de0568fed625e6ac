// The daemon: one machine and its control socket, until somebody ends it.
import { defaultSocket } from '../../shared/client/socket-path.js';
import { reasonOf } from '../../shared/protocol/errors.js';
import type { MachineConfig } from '../../shared/protocol/messages.js';
import { Keyboards } from './control/keyboards.js';
import type { Service } from './control/methods.js';
import { ControlServer } from './control/server.js';
import { claimSocketPath } from './control/socket-file.js';
import { Telemetry } from './control/telemetry.js';
import { type DebugChoice, debugServiceOf } from './gdb/debug-service.js';
import { GdbServer } from './gdb/server.js';
import type { Log } from './log.js';
import { LogRing } from './log-ring.js';
import { Machine, type MachineOptions } from './machine.js';
import type { MetricsAddress } from './metrics/address.js';
import { MetricsServer } from './metrics/server.js';
import { hvdVersion } from './version.js';

export interface DaemonOptions extends Omit<MachineOptions, 'config' | 'log'> {
  readonly config: MachineConfig;
  readonly log: Log;
  /** Keeps the last records of the log, for clients. */
  readonly recent?: LogRing | undefined;
  readonly socket?: string | undefined;
  /** Where debuggers connect (gdb/server), and to what. */
  readonly gdb?: (DebugChoice & { readonly address: number | string }) | undefined;
  /** Where metrics are served (metrics/server). */
  readonly metrics?: MetricsAddress | undefined;
  /** A listening socket that was opened by somebody else (socket activation), in place of one of its own at `socket`. */
  readonly listenFd?: number | undefined;
}

export interface Daemon {
  readonly machine: Machine;
  readonly socket: string;
  readonly gdb: GdbServer | undefined;
  readonly metrics: MetricsServer | undefined;
  /** Resolves when the end has begun. */
  readonly stopping: Promise<void>;
  /** Resolves when everything has ended: LPs, connections, socket file. */
  readonly ended: Promise<void>;
  /** Begins the end; may be called again. */
  readonly stop: () => Promise<void>;
}

/** Starts the machine, then answers at the socket. Throws with nothing left behind. */
export const startDaemon = async (options: DaemonOptions): Promise<Daemon> => {
  const { log } = options;
  const socket = options.socket ?? defaultSocket();
  // Asked before the machine is made: a second daemon must fail at once.
  if (options.listenFd === undefined) await claimSocketPath(socket);
  const machine = await Machine.start(options);
  /** What has been opened so far, to be closed in the opposite order. */
  const opened: { close: () => Promise<void> }[] = [{ close: () => machine.stop() }];
  const closeAll = async (): Promise<void> => {
    for (const one of opened.reverse()) await one.close();
  };
  const open = async <T extends { close: () => Promise<void> }>(opening: Promise<T>): Promise<T> => {
    try {
      const one = await opening;
      opened.push(one);
      return one;
    } catch (error) {
      await closeAll();
      throw error;
    }
  };
  const gdb = options.gdb && (await open(GdbServer.listen(options.gdb.address, debugServiceOf(machine, log, options.gdb))));
  const metrics = options.metrics && (await open(MetricsServer.listen(options.metrics, machine, log)));
  const begun = whenTold();
  const over = whenTold();
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      begun.tell();
      await closeAll();
      // Last: whoever waits for the socket to go may rely on everything else being gone.
      await control.close();
      log.info('stopped');
      over.tell();
    })();
    return stopped;
  };
  const service: Service = {
    machine,
    socket,
    version: hvdVersion(),
    keyboards: new Keyboards(),
    telemetry: new Telemetry(machine),
    recent: options.recent ?? new LogRing(),
    shutdown: () => setImmediate(() => void stop().catch((error: unknown) => log.error({ reason: reasonOf(error) }, 'stop'))),
  };
  const control = await ControlServer.listen(service, log, options.listenFd).catch(async (error: unknown) => {
    await closeAll();
    throw error;
  });
  return { machine, socket, gdb, metrics, stopping: begun.told, ended: over.told, stop };
};

const whenTold = (): { readonly told: Promise<void>; readonly tell: () => void } => {
  let tell: () => void = () => {};
  const told = new Promise<void>((resolve) => {
    tell = resolve;
  });
  return { told, tell };
};
