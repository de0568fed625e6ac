// The control socket: a Unix socket for this user alone, one session for each connection.
import { chmodSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import type { Log } from '../log.js';
import type { Service } from './methods.js';
import { Session } from './session.js';
import { claimSocketPath } from './socket-file.js';

/** Connections at a time; more are closed at once. */
export const CONNECTIONS_MAX = 64;
const SOCKET_MODE = 0o600;
const PRIVATE_UMASK = 0o177;

export class ControlServer {
  readonly #server: Server;
  readonly #sessions = new Set<Session>();

  /** Listens at `service.socket`. Throws HvdError when that cannot be. */
  static async listen(service: Service, log: Log): Promise<ControlServer> {
    await claimSocketPath(service.socket);
    const control = new ControlServer(service, log);
    await control.#listen(service.socket);
    log.info({ socket: service.socket }, 'control socket');
    return control;
  }

  private constructor(service: Service, log: Log) {
    this.#server = createServer((socket) => {
      const session = new Session(socket, service, log);
      this.#sessions.add(session);
      socket.once('close', () => this.#sessions.delete(session));
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on('error', (error) => log.error({ reason: error.message }, 'control socket'));
  }

  /** Closes the socket, which also removes its file, and every connection. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const session of this.#sessions) session.end();
    await closed;
  }

  async #listen(path: string): Promise<void> {
    // The mode must be right from the first moment on: between bind and chmod another user could connect.
    const before = process.umask(PRIVATE_UMASK);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject);
        this.#server.listen(path, () => {
          this.#server.off('error', reject);
          resolve();
        });
      });
      chmodSync(path, SOCKET_MODE);
    } catch (error) {
      throw new HvdError('socket.failed', { socket: path, why: reasonOf(error) }, error);
    } finally {
      process.umask(before);
    }
  }
}
