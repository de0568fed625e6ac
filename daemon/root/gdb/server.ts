// Where debuggers connect: a TCP port of this host's loopback interface, or a Unix socket of this user alone. One at a time.
import { createServer, type Server } from 'node:net';
import { resolve } from 'node:path';
import { HvdError } from '../../../shared/protocol/errors.js';
import { bindPrivately, claimSocketPath, removeBound } from '../control/socket-file.js';
import type { DebugService } from './debug-service.js';
import { GdbSession } from './session.js';

const LOOPBACK = '127.0.0.1';
const PORT_MAX = 65535;

/** A number is a port (0: any free one), anything else a path. Throws usage for a number that is no port. */
export const gdbAddress = (text: string): number | string => {
  if (!/^\d+$/.test(text)) return resolve(text);
  const port = Number(text);
  if (port > PORT_MAX) throw new HvdError('usage', { what: `--gdb: ${text} is no port; the last one is ${PORT_MAX}` });
  return port;
};

export class GdbServer {
  readonly #server: Server;
  #session: GdbSession | undefined;
  #inode = 0;
  readonly #path: string | undefined;

  /** Throws HvdError when it cannot listen there. */
  static async listen(address: number | string, service: DebugService): Promise<GdbServer> {
    const server = new GdbServer(service, typeof address === 'string' ? address : undefined);
    await server.#listen(address);
    service.log.info({ address: server.address }, 'waiting for GDB');
    return server;
  }

  private constructor(service: DebugService, path: string | undefined) {
    this.#path = path;
    this.#server = createServer({ noDelay: true }, (socket) => {
      if (this.#session !== undefined) {
        socket.destroy();
        return;
      }
      const session = new GdbSession(socket, service);
      this.#session = session;
      socket.once('close', () => {
        void session.end().then(() => {
          if (this.#session === session) this.#session = undefined;
        });
      });
    });
    this.#server.on('error', (error) => service.log.error({ reason: error.message }, 'GDB port'));
  }

  /** As GDB's `target remote` takes it. */
  get address(): string {
    const at = this.#server.address();
    return typeof at === 'object' && at !== null ? `${LOOPBACK}:${at.port}` : (this.#path ?? '');
  }

  /** The debugger's guest goes on, and nobody is listened to any more. */
  async close(): Promise<void> {
    const closed = new Promise<void>((done) => this.#server.close(() => done()));
    await this.#session?.leave();
    await closed;
    if (this.#path !== undefined) removeBound(this.#path, this.#inode);
  }

  async #listen(address: number | string): Promise<void> {
    if (typeof address === 'string') {
      await claimSocketPath(address);
      this.#inode = await bindPrivately(this.#server, address);
      return;
    }
    await new Promise<void>((done, fail) => {
      const failed = (error: Error): void =>
        fail(new HvdError('socket.failed', { socket: `${LOOPBACK}:${address}`, why: error.message }, error));
      this.#server.once('error', failed);
      this.#server.listen(address, LOOPBACK, () => {
        this.#server.off('error', failed);
        done();
      });
    });
  }
}
