// The control socket: a Unix socket for this user alone, one session for each connection.
import { createServer, type Server } from 'node:net';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { Log } from '../log.js';
import { DropLog } from './drop-log.js';
import type { Service } from './methods.js';
import { Session } from './session.js';
import { bindPrivately, claimSocketPath, removeBound } from './socket-file.js';

/** Connections at a time; more are closed at once. */
export const CONNECTIONS_MAX = 1024;

export class ControlServer {
  readonly #server: Server;
  readonly #sessions = new Set<Session>();
  readonly #path: string;
  /** Of its own socket; undefined: somebody else's, who has passed it. */
  #inode: number | undefined;

  /** Listens at `service.socket`, or at the socket that is open already as `fd`. Throws HvdError when that cannot be. */
  static async listen(service: Service, log: Log, fd?: number): Promise<ControlServer> {
    const control = new ControlServer(service, log);
    if (fd === undefined) {
      await claimSocketPath(service.socket);
      control.#inode = await bindPrivately(control.#server, service.socket);
    } else await listenAt(control.#server, fd);
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
    if (this.#inode !== undefined) removeBound(this.#path, this.#inode);
  }
}

const listenAt = (server: Server, fd: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(new HvdError('socket.failed', { socket: `descriptor ${fd}`, why: error.message }, error));
    server.once('error', fail);
    server.listen({ fd }, () => {
      server.off('error', fail);
      resolve();
    });
  });
