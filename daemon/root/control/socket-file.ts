// The socket's place in the file system: a live daemon's is respected, a dead one's is cleared away, anything else is not touched.
import { chmodSync, linkSync, lstatSync, mkdtempSync, readdirSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:net';
import { dirname, join } from 'node:path';
import { connect } from '../../../shared/client/client.js';
import { checkSocketPath } from '../../../shared/client/socket-path.js';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';

/** The name under which the server binds first (bindPrivately) is this long; it must fit too. */
const STAGED_NAME = '.hvd-XXXXXX/s';
const STAGING = '.hvd-';
const STAGED = 's';
/** Letters that mkdtemp(3) adds. */
const STAGED_RANDOM = 6;
const SOCKET_MODE = 0o600;
const PROBE_LIMIT_MS = 2_000;
/** A staging folder is there for some milliseconds; one that is so much older was left by a start that was killed, ms. */
export const STAGING_STALE_MS = 60_000;

/** Makes `path` free to listen on. Throws socket.in-use when a daemon answers there, socket.not-a-socket when it is something else. */
export const claimSocketPath = async (path: string): Promise<void> => {
  checkSocketPath(path);
  checkSocketPath(join(dirname(path), STAGED_NAME));
  sweepStaging(dirname(path));
  const found = identityOf(path);
  if (found === 'absent') return;
  if (found === 'other') throw new HvdError('socket.not-a-socket', { socket: path });
  await refuseIfLive(path);
  removeStale(path, found);
};

// What starts have left that were killed in the middle (bindPrivately, removeStale); of this user alone.
const sweepStaging = (folder: string): void => {
  try {
    for (const name of readdirSync(folder)) {
      if (!name.startsWith(STAGING) || name.length !== STAGING.length + STAGED_RANDOM) continue;
      const stat = lstatSync(join(folder, name), { throwIfNoEntry: false });
      const isStale = stat?.isDirectory() === true && stat.uid === process.getuid?.() && Date.now() - stat.mtimeMs > STAGING_STALE_MS;
      if (isStale) rmSync(join(folder, name), { recursive: true, force: true });
    }
  } catch {
    // Whoever cannot look there will hear of it when the socket is bound.
  }
};

// A socket's inode and the time it was bound (links and renames leave that alone): an inode number by itself is soon given out again.
const identityOf = (path: string): string => {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? 'absent' : stat.isSocket() ? `${stat.ino} ${stat.mtimeNs}` : 'other';
};

// Another daemon may have cleared the stale socket away and put its own there since `found` was probed. Taken aside first, then looked at: unlink(2)
// cannot be told which file is meant.
const removeStale = (path: string, found: string): void => {
  let live = false;
  try {
    const folder = mkdtempSync(join(dirname(path), STAGING));
    const aside = join(folder, 's');
    try {
      renameSync(path, aside);
      live = identityOf(aside) !== found;
      if (live) linkSync(aside, path);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  } catch (error) {
    // It has gone by itself: so much the better.
    if (identityOf(path) !== 'absent') throw new HvdError('socket.failed', { socket: path, why: reasonOf(error) }, error);
  }
  if (live) throw new HvdError('socket.in-use', { socket: path, pid: 'unknown' });
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

/**
 * Listens at `path`; returns the socket's inode, by which `removeBound` knows it. Bound inside a folder that only this user can enter, given its mode, and only then put in
 * its place: at no moment could another user connect. link(2) does not replace: of two daemons that start at once only one gets the name.
 */
export const bindPrivately = async (server: Server, path: string): Promise<number> => {
  const staging = stagingFolder(path);
  const staged = join(staging, STAGED);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(staged, () => {
        server.off('error', reject);
        resolve();
      });
    });
    chmodSync(staged, SOCKET_MODE);
    const inode = inodeOf(staged);
    linkSync(staged, path);
    return inode;
  } catch (error) {
    server.close();
    throw new HvdError('socket.failed', { socket: path, why: reasonOf(error) }, error);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
};
/** Removes the socket's file unless it is another's by now. */
export const removeBound = (path: string, inode: number): void => {
  if (inodeOf(path) === inode) unlinkSync(path);
};

const stagingFolder = (path: string): string => {
  try {
    return mkdtempSync(join(dirname(path), STAGING));
  } catch (error) {
    throw new HvdError('socket.failed', { socket: path, why: reasonOf(error) }, error);
  }
};

const inodeOf = (path: string): number => {
  try {
    return lstatSync(path).ino;
  } catch {
    return 0;
  }
};
