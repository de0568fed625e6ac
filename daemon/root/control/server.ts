// The control socket: a Unix socket for this user alone, one session for each connection.
import { chmodSync, linkSync, lstatSync, mkdtempSync, rmSync, unlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import type { Log } from '../log.js';
import { DropLog } from './drop-log.js';
import type { Service } from './methods.js';
import { Session } from './session.js';
import { claimSocketPath } from './socket-file.js';

/** Connections at a time; more are closed at once. */
export const CONNECTIONS_MAX = 64;
const SOCKET_MODE = 0o600;
const STAGING = '.hvd-';
const STAGED = 's';

export class ControlServer {
  readonly #server: Server;
  readonly #sessions = new Set<Session>();
  readonly #path: string;
  #inode = 0;

  /** Listens at `service.socket`. Throws HvdError when that cannot be. */
  static async listen(service: Service, log: Log): Promise<ControlServer> {
    await claimSocketPath(service.socket);
    const control = new ControlServer(service, log);
    await control.#listen();
    log.info({ socket: service.socket }, 'control socket');
    return control;
  }

  private constructor(service: Service, log: Log) {
    this.#path = service.socket;
    const drops = new DropLog(log);
    this.#server = createServer((socket) => {
      const session = new Session(socket, service, log, drops);
      this.#sessions.add(session);
      socket.once('close', () => this.#sessions.delete(session));
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on('error', (error) => log.error({ reason: error.message }, 'control socket'));
  }

  /** Removes the socket's file unless it is another's by now, then closes every connection. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const session of this.#sessions) session.end();
    await closed;
    if (inodeOf(this.#path) === this.#inode) unlinkSync(this.#path);
  }

  // Bound inside a folder that only this user can enter, given its mode, and only then put in its place: at no moment could another user connect.
  // link(2) does not replace: of two daemons that start at once only one gets the name.
  async #listen(): Promise<void> {
    const staging = stagingFolder(this.#path);
    const staged = join(staging, STAGED);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject);
        this.#server.listen(staged, () => {
          this.#server.off('error', reject);
          resolve();
        });
      });
      chmodSync(staged, SOCKET_MODE);
      this.#inode = inodeOf(staged);
      linkSync(staged, this.#path);
    } catch (error) {
      this.#server.close();
      throw new HvdError('socket.failed', { socket: this.#path, why: reasonOf(error) }, error);
    } finally {
      rmSync(staging, { recursive: true, force: true });
    }
  }
}

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
