// The debugger's side of GDB's remote protocol, packet by packet, for tests.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { packetOf } from '../../daemon/root/gdb/packets.js';

const LIMIT_MS = 60_000;

export class GdbClient {
  readonly socket: Socket;
  #text = '';
  #wake: () => void = () => {};
  #isClosed = false;

  /** `address`: `host:port`, or the path of a socket. */
  static async connect(address: string): Promise<GdbClient> {
    const [host, port] = address.split(':');
    const socket = port === undefined ? connect(address) : connect({ port: Number(port), host: host!, noDelay: true });
    await once(socket, 'connect');
    return new GdbClient(socket);
  }
  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1');
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  send(body: string | Uint8Array): void {
    this.socket.write(packetOf(body));
  }
  /** Ctrl-C. */
  interrupt(): void {
    this.socket.write(Buffer.of(3));
  }
  /** Body of the next packet; `closed` when the connection ends before. */
  async answer(): Promise<string> {
    const deadline = performance.now() + LIMIT_MS;
    for (;;) {
      const found = /\$([^#]*)#[0-9a-f]{2}/.exec(this.#text);
      if (found !== null) {
        this.#text = this.#text.slice(found.index + found[0].length);
        this.socket.write('+');
        return found[1]!;
      }
      if (this.#isClosed) return 'closed';
      if (performance.now() > deadline) throw new Error('no answer');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 500).unref();
      });
    }
  }
  ask(body: string | Uint8Array): Promise<string> {
    this.send(body);
    return this.answer();
  }
  /** Resolves when the other side has ended the connection. */
  async closed(): Promise<void> {
    while ((await this.answer()) !== 'closed');
  }
  async leave(): Promise<void> {
    if (!this.#isClosed) this.socket.destroy();
    while (!this.#isClosed) await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
