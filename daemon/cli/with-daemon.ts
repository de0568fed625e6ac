// One request-and-answer command against a running daemon.

import type { Command } from 'commander';
import { connect, type HvdClient } from '../../shared/client/client.js';

/** Options that every command takes which talks to the daemon. */
export interface ClientFlags {
  readonly socket?: string;
  readonly json?: boolean;
}

export const socketOption = (command: Command): Command => command.option('--socket <path>', 'control socket of the daemon');

/** For listings: also `--json`. */
export const listingOptions = (command: Command): Command => socketOption(command).option('--json', 'print JSON');

/** Connects, does `work`, closes. */
export const withDaemon = async <T>(flags: ClientFlags, work: (hvd: HvdClient) => Promise<T>): Promise<T> => {
  const hvd = await connect({ socket: flags.socket });
  try {
    return await work(hvd);
  } finally {
    await hvd.close();
  }
};
