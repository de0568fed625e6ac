// The control socket: a Unix socket for this user alone, one session for each connection.
import { createServer, type Server } from 'node:net';
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
  #inode = 0;

  /** Listens at `service.socket`. Throws HvdError when that cannot be. */
  static async listen(service: Service, log: Log): Promise<ControlServer> {
    await claimSocketPath(service.socket);
    const control = new ControlServer(service, log);
    control.#inode = await bindPrivately(control.#server, service.socket);
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
    removeBound(this.#path, this.#inode);
  }
}
