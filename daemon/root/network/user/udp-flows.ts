// UDP of a guest: a socket of the host for each of its ports. What comes back is the guest's if it has sent to there before.
import { createSocket, type Socket } from 'node:dgram';
import type { HostAddress } from './addresses.js';
import type { Ip } from './packets.js';

/** Ports of one guest, and whom each remembers; the oldest makes room. */
export const FLOWS_MAX = 128;
export const PEERS_MAX = 64;
/** A port that is quiet for so long is forgotten, ms. */
const IDLE_MS = 60_000;
/** Answers at forwarded ports that are waited for. */
const EXPECTED_MAX = 256;

export interface FromHost {
  readonly source: Ip;
  readonly sourcePort: number;
  readonly targetPort: number;
  readonly payload: Uint8Array;
}
interface Flow {
  readonly socket: Socket;
  /** What the guest calls whom the host knows by this address. */
  readonly peers: Map<string, { readonly ip: Ip; readonly port: number }>;
  readonly timer: NodeJS.Timeout;
}

const oldest = <K>(map: Map<K, unknown>): K => map.keys().next().value as K;

export class UdpFlows {
  readonly #flows = new Map<number, Flow>();
  readonly #expected = new Map<string, (payload: Uint8Array) => void>();
  readonly #deliver: (datagram: FromHost) => void;

  constructor(deliver: (datagram: FromHost) => void) {
    this.#deliver = deliver;
  }

  /** From the guest's port to that of `ip`, which is `host` for the host. */
  send(guestPort: number, ip: Ip, port: number, host: HostAddress, payload: Uint8Array): void {
    const answer = this.#expected.get(`${guestPort} ${port}`);
    if (answer !== undefined && host.address === '127.0.0.1') {
      answer(payload);
      return;
    }
    if (port === 0) return;
    const flow = this.#flows.get(guestPort) ?? this.#open(guestPort);
    const { peers, socket, timer } = flow;
    const name = `${host.address} ${host.port}`;
    if (!peers.has(name) && peers.size >= PEERS_MAX) peers.delete(oldest(peers));
    peers.set(name, { ip, port });
    timer.refresh();
    // What cannot be sent is lost, as datagrams are.
    socket.send(payload.slice(), host.port, host.address, () => {});
  }

  /** The guest's port may answer that port of the gateway's. */
  expect(guestPort: number, port: number, answer: (payload: Uint8Array) => void): void {
    const key = `${guestPort} ${port}`;
    if (!this.#expected.has(key) && this.#expected.size >= EXPECTED_MAX) this.#expected.delete(oldest(this.#expected));
    this.#expected.set(key, answer);
  }

  close(): void {
    for (const guestPort of [...this.#flows.keys()]) this.#close(guestPort);
    this.#expected.clear();
  }

  #open(guestPort: number): Flow {
    if (this.#flows.size >= FLOWS_MAX) this.#close(oldest(this.#flows));
    const socket = createSocket('udp4');
    const close = (): void => {
      if (this.#flows.get(guestPort)?.socket === socket) this.#close(guestPort);
    };
    const timer = setTimeout(close, IDLE_MS);
    timer.unref();
    const flow = { socket, peers: new Map(), timer };
    this.#flows.set(guestPort, flow);
    socket.on('error', close);
    socket.on('message', (payload, { address, port }) => {
      const peer = flow.peers.get(`${address} ${port}`);
      if (peer === undefined) return;
      timer.refresh();
      this.#deliver({ source: peer.ip, sourcePort: peer.port, targetPort: guestPort, payload });
    });
    return flow;
  }
  #close(guestPort: number): void {
    const flow = this.#flows.get(guestPort);
    if (flow === undefined) return;
    this.#flows.delete(guestPort);
    clearTimeout(flow.timer);
    flow.socket.close();
  }
}
