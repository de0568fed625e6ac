// Ports of the host that lead to a guest: open while its partition is there, closed to everybody while no boot of it runs.
import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { HvdError, reasonOf } from '../../../../shared/protocol/errors.js';
import { type Forward, parseForward } from './forwards.js';
import type { UserNetwork } from './user-network.js';

export class ForwardServers {
  /** Where what comes in goes. */
  network: UserNetwork | undefined;
  readonly #servers: Server[] = [];
  readonly #datagrams: Datagrams[] = [];

  private constructor() {}

  /** Throws HvdError `network.forward` with nothing left open. */
  static async open(forwards: readonly string[]): Promise<ForwardServers> {
    const servers = new ForwardServers();
    for (const text of forwards) {
      const forward = parseForward(text);
      if (forward === undefined) continue;
      try {
        await (forward.protocol === 'tcp' ? servers.#listen(forward) : servers.#bind(forward));
      } catch (error) {
        servers.close();
        throw new HvdError('network.forward', { forward: text, why: reasonOf(error) }, error);
      }
    }
    return servers;
  }

  /** Ports of the host, in the order of the forwards of each protocol. */
  get ports(): readonly number[] {
    const all = [...this.#servers, ...this.#datagrams];
    return all.map((one) => (one.address() as { port: number }).port);
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#datagrams) socket.close();
  }

  async #listen(forward: Forward): Promise<void> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      socket.on('error', () => {});
      if (this.network === undefined) socket.destroy();
      else this.network.accept(socket, forward);
    });
    server.listen(forward.hostPort, forward.host);
    await once(server, 'listening');
    server.on('error', () => {});
    this.#servers.push(server);
  }
  async #bind(forward: Forward): Promise<void> {
    const socket = createSocket('udp4');
    socket.bind(forward.hostPort, forward.host);
    await once(socket, 'listening');
    socket.on('error', () => {});
    socket.on('message', (payload, { address, port }) => {
      this.network?.acceptDatagram(payload, port, forward, (answer) => socket.send(answer, port, address, () => {}));
    });
    this.#datagrams.push(socket);
  }
}
