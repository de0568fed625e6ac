// hvd stop: ends the daemon and returns when it is gone.
import type { Command } from 'commander';
import { connect } from '../../../shared/client/client.js';
import { HvdError } from '../../../shared/protocol/errors.js';
import { waitUntil } from '../../root/wait-until.js';
import { type ClientFlags, socketOption } from '../with-daemon.js';

const GONE_LIMIT_MS = 30_000;

export const addStop = (program: Command): void => {
  socketOption(program.command('stop'))
    .description('end the daemon; returns when it is gone')
    .action(async (flags: ClientFlags) => stopDaemon(flags.socket));
};

export const stopDaemon = async (socket: string | undefined): Promise<void> => {
  const hvd = await connect({ socket });
  const { pid } = hvd.server;
  // The daemon may close the connection before its answer is read: that is an answer too.
  await hvd.request('shutdown', {}).catch((error: unknown) => {
    if (!(error instanceof HvdError && error.code === 'daemon.gone')) throw error;
  });
  await waitUntil(() => hvd.closed, GONE_LIMIT_MS);
  await hvd.close();
  if (pid === process.pid) return;
  if (!(await waitUntil(() => !isRunning(pid), GONE_LIMIT_MS)))
    throw new HvdError('daemon.slow', { method: 'shutdown', ms: GONE_LIMIT_MS });
};

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
