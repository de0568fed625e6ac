// The socket's place in the file system: a live daemon's is respected, a dead one's is cleared away, anything else is not touched.
import { lstatSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { connect } from '../../../shared/client/client.js';
import { checkSocketPath } from '../../../shared/client/socket-path.js';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';

/** The name under which the server binds first (server.ts) is this long; it must fit too. */
const STAGED_NAME = '.hvd-XXXXXX/s';
const PROBE_LIMIT_MS = 2_000;

/** Makes `path` free to listen on. Throws socket.in-use when a daemon answers there, socket.not-a-socket when it is something else. */
export const claimSocketPath = async (path: string): Promise<void> => {
  checkSocketPath(path);
  checkSocketPath(join(dirname(path), STAGED_NAME));
  const kind = kindOf(path);
  if (kind === 'absent') return;
  if (kind === 'other') throw new HvdError('socket.not-a-socket', { socket: path });
  await refuseIfLive(path);
  try {
    unlinkSync(path);
  } catch (error) {
    throw new HvdError('socket.failed', { socket: path, why: reasonOf(error) }, error);
  }
};

const kindOf = (path: string): 'absent' | 'socket' | 'other' => {
  try {
    return lstatSync(path).isSocket() ? 'socket' : 'other';
  } catch {
    return 'absent';
  }
};

// Whoever accepts is alive, even one that speaks another version or is too busy to answer.
const refuseIfLive = async (path: string): Promise<void> => {
  try {
    const client = await connect({ socket: path, timeoutMs: PROBE_LIMIT_MS });
    const { pid } = client.server;
    await client.close();
    throw new HvdError('socket.in-use', { socket: path, pid });
  } catch (error) {
    if (error instanceof HvdError && error.code === 'daemon.absent') return;
    if (error instanceof HvdError && error.code === 'socket.in-use') throw error;
    throw new HvdError('socket.in-use', { socket: path, pid: 'unknown' }, error);
  }
};
