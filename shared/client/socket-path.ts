// Where the control socket is when nobody says: one place for daemon and clients.
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { HvdError } from '../protocol/errors.js';

/** sun_path of sockaddr_un less its zero (unix(7)): a longer path would be cut off silently. */
export const SOCKET_PATH_MAX = 107;

/** `$HVD_SOCKET`, `$XDG_RUNTIME_DIR/hvd.sock`, or `hvd-<uid>.sock` in the temp folder. */
export const defaultSocket = (env: Readonly<Record<string, string | undefined>> = process.env): string => {
  if (env.HVD_SOCKET !== undefined && env.HVD_SOCKET !== '') return env.HVD_SOCKET;
  const runtime = env.XDG_RUNTIME_DIR;
  if (runtime !== undefined && runtime !== '') return join(runtime, 'hvd.sock');
  return join(tmpdir(), `hvd-${userInfo().uid}.sock`);
};

/** Throws socket.too-long when the system cannot hold the path. */
export const checkSocketPath = (path: string): void => {
  const bytes = Buffer.byteLength(path);
  if (bytes > SOCKET_PATH_MAX) throw new HvdError('socket.too-long', { socket: path, bytes, limit: SOCKET_PATH_MAX });
};
