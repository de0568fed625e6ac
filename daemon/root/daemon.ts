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
import { hvdVersion } from './version.js';

export interface DaemonOptions extends Omit<MachineOptions, 'config' | 'log'> {
  readonly config: MachineConfig;
  readonly log: Log;
  /** Keeps the last records of the log, for clients. */
  readonly recent?: LogRing | undefined;
  readonly socket?: string | undefined;
  /** Where debuggers connect (gdb/server), and to what. */
  readonly gdb?: (DebugChoice & { readonly address: number | string }) | undefined;
}

export interface Daemon {
  readonly machine: Machine;
  readonly socket: string;
  readonly gdb: GdbServer | undefined;
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
  await claimSocketPath(socket);
  const machine = await Machine.start(options);
  const gdb =
    options.gdb &&
    (await GdbServer.listen(options.gdb.address, debugServiceOf(machine, log, options.gdb)).catch(async (error: unknown) => {
      await machine.stop();
      throw error;
    }));
  let resolveEnded: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    resolveEnded = resolve;
  });
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      await gdb?.close();
      await machine.stop();
      // Last: whoever waits for the socket to go may rely on everything else being gone.
      await control.close();
      log.info('stopped');
      resolveEnded();
    })();
    return stopping;
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
  const control = await ControlServer.listen(service, log).catch(async (error: unknown) => {
    await gdb?.close();
    await machine.stop();
    throw error;
  });
  return { machine, socket, gdb, ended, stop };
};
