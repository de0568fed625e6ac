// The world outside for one network device, without privileges: its guest is alone on a link with a gateway that answers ARP, DHCP, DNS and echoes, and carries TCP and UDP
// by sockets of the host. Addresses are those of QEMU's user network. The guest is not to be trusted: nothing it sends throws, and everything it can have is bounded.
import { lookup } from 'node:dns/promises';
import { connect, type Socket } from 'node:net';
import { hostAddress, NETWORK, nameServer } from './addresses.js';
import { DhcpPort, dhcpAnswer } from './dhcp.js';
import { addressBytes, addressQuestion, DnsCode, DnsType, dnsAnswer, type Question } from './dns.js';
import type { Forward } from './forwards.js';
import {
  arp,
  checksum,
  ETHERNET_BYTES,
  EtherType,
  ethernet,
  type Ip,
  type Ipv4,
  icmp,
  ipv4,
  Protocol,
  readArp,
  readIpv4,
  readTcp,
  readUdp,
  type Tcp,
  TcpFlag,
  tcp,
  udp,
} from './packets.js';
import { TcpEndpoint, type TcpPeer } from './tcp-endpoint.js';
import { UdpFlows } from './udp-flows.js';

/** TCP connections of one device. */
export const CONNECTIONS_MAX = 256;
/** Frames that wait for the guest: beyond this connections hold their data back, beyond twice as many frames are lost. */
export const FRAMES_MAX = 64;
/** Questions that wait for the host's answer. */
const QUESTIONS_MAX = 32;
const TICK_MS = 250;

const BROADCAST = new Uint8Array(6).fill(0xff);
const ArpOperation = { REQUEST: 1, REPLY: 2 } as const;
const Icmp = { ECHO_REPLY: 0, UNREACHABLE: 3, ECHO: 8 } as const;
const Unreachable = { HOST: 1, PROHIBITED: 13 } as const;
/** Locally administered, as QEMU's. */
const GATEWAY_MAC = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2);

export interface UserNetworkOptions {
  /** There are frames for the guest. */
  readonly onFrames: () => void;
  /** Everything that was given to the device has been taken by the guest. */
  readonly isTaken: () => boolean;
}

interface Connection {
  readonly endpoint: TcpEndpoint;
  readonly socket: Socket;
}

export class UserNetwork {
  readonly #options: UserNetworkOptions;
  readonly #udp: UdpFlows;
  /** By the guest's port, the other end's address and port. */
  readonly #connections = new Map<string, Connection>();
  #frames: Uint8Array[] = [];
  #guestMac: Uint8Array | undefined;
  #guestIp: Ip = NETWORK.client;
  #questions = 0;
  #datagrams = 0;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;
  /** Frames that were no frames, or that there was no room for. */
  lost = 0;

  constructor(options: UserNetworkOptions) {
    this.#options = options;
    this.#udp = new UdpFlows((flow) => {
      if (this.#frames.length >= FRAMES_MAX) this.lost++;
      else this.#sendIp(flow.source, Protocol.UDP, udp(flow.source, this.#guestIp, flow));
    });
  }

  /** Frames that wait for the guest, oldest first. */
  get frames(): readonly Uint8Array[] {
    return this.#frames;
  }
  /** The guest's device has so many of them; connections that have held back go on. */
  taken(count: number): void {
    this.#frames = this.#frames.slice(count);
    const now = Date.now();
    for (const { endpoint } of this.#connections.values()) if (this.#hasRoom) endpoint.flush(now);
  }

  end(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#udp.close();
    for (const { socket } of this.#connections.values()) socket.destroy();
    this.#connections.clear();
    this.#frames = [];
  }

  /** A frame that the guest has sent. */
  receive(frame: Uint8Array): void {
    if (this.#isOver || frame.length < ETHERNET_BYTES) return;
    const type = (frame[12]! << 8) | frame[13]!;
    const payload = frame.subarray(ETHERNET_BYTES);
    // Nobody sends from a group address.
    if ((frame[6]! & 1) === 0) this.#guestMac = frame.slice(6, 12);
    if (type === EtherType.ARP) this.#receiveArp(payload);
    if (type !== EtherType.IPV4) return;
    const packet = readIpv4(payload);
    if (packet === undefined) {
      this.lost++;
      return;
    }
    if (packet.protocol === Protocol.UDP) this.#receiveUdp(packet);
    else if (packet.protocol === Protocol.TCP) this.#receiveTcp(packet);
    else if (packet.protocol === Protocol.ICMP) this.#receiveIcmp(packet);
  }

  /** A connection of the host's that a forwarded port has taken. */
  accept(socket: Socket, { guestPort }: Forward): void {
    const port = socket.remotePort ?? 0;
    const key = keyOf(guestPort, NETWORK.router, port);
    if (this.#isOver || this.#connections.size >= CONNECTIONS_MAX || this.#connections.has(key)) {
      socket.destroy();
      return;
    }
    this.#begin(key, socket, this.#guestIp, guestPort, NETWORK.router, port);
  }
  /** A datagram of the host's at a forwarded port; what the guest answers goes to `answer`. */
  acceptDatagram(payload: Uint8Array, port: number, { guestPort }: Forward, answer: (payload: Uint8Array) => void): void {
    if (this.#isOver || this.#frames.length >= FRAMES_MAX) return;
    this.#udp.expect(guestPort, port, answer);
    this.#sendIp(NETWORK.router, Protocol.UDP, udp(NETWORK.router, this.#guestIp, { sourcePort: port, targetPort: guestPort, payload }));
  }

  // --- the link

  #push(frame: Uint8Array): void {
    if (this.#frames.length >= 2 * FRAMES_MAX) {
      this.lost++;
      return;
    }
    this.#frames.push(frame);
    this.#options.onFrames();
  }
  get #hasRoom(): boolean {
    return this.#frames.length < FRAMES_MAX;
  }
  #sendIp(source: Ip, protocol: number, payload: Uint8Array, target = this.#guestIp): void {
    if (this.#guestMac === undefined) {
      // Whoever wanted to say something tries again.
      const request = arp(ArpOperation.REQUEST, GATEWAY_MAC, NETWORK.router, new Uint8Array(6), this.#guestIp);
      this.#push(ethernet(BROADCAST, GATEWAY_MAC, EtherType.ARP, request));
      return;
    }
    for (const datagram of ipv4(source, target, protocol, payload, this.#datagrams++))
      this.#push(ethernet(this.#guestMac, GATEWAY_MAC, EtherType.IPV4, datagram));
  }

  #receiveArp(payload: Uint8Array): void {
    const request = readArp(payload);
    if (request === undefined || request.operation !== ArpOperation.REQUEST) return;
    const { senderMac, senderIp, targetIp } = request;
    if (targetIp !== NETWORK.router && targetIp !== NETWORK.dns) return;
    const reply = arp(ArpOperation.REPLY, GATEWAY_MAC, targetIp, senderMac, senderIp);
    this.#push(ethernet(senderMac, GATEWAY_MAC, EtherType.ARP, reply));
  }

  #receiveIcmp({ source, target, payload }: Ipv4): void {
    if (payload.length < 8 || payload[0] !== Icmp.ECHO || checksum(payload) !== 0) return;
    if (target === NETWORK.router || target === NETWORK.dns)
      this.#sendIp(target, Protocol.ICMP, icmp(Icmp.ECHO_REPLY, 0, payload.subarray(4)), source);
    else this.#refuse(Unreachable.PROHIBITED, source, payload, target);
  }
  #unreachable({ source, start }: Ipv4, code: number): void {
    const rest = new Uint8Array(4 + start.length);
    rest.set(start, 4);
    this.#sendIp(NETWORK.router, Protocol.ICMP, icmp(Icmp.UNREACHABLE, code, rest), source);
  }
  // Only who is privileged may send echoes of his own: the guest is told at once.
  #refuse(code: number, source: Ip, payload: Uint8Array, target: Ip): void {
    const [datagram] = ipv4(source, target, Protocol.ICMP, payload.subarray(0, 8), 0);
    if (datagram !== undefined) this.#unreachable({ protocol: Protocol.ICMP, source, target, payload, start: datagram }, code);
  }

  // --- UDP

  #receiveUdp(packet: Ipv4): void {
    const datagram = readUdp(packet);
    if (datagram === undefined) {
      this.lost++;
      return;
    }
    const { sourcePort, targetPort, payload } = datagram;
    const { source, target } = packet;
    if (targetPort === DhcpPort.SERVER) {
      this.#receiveDhcp(payload);
      return;
    }
    if (target === NETWORK.dns && targetPort === nameServer.port) {
      const question = addressQuestion(payload);
      if (question !== undefined) {
        void this.#answer(question, source, sourcePort);
        return;
      }
    }
    const host = hostAddress(target, targetPort);
    if (host === undefined) this.#unreachable(packet, Unreachable.HOST);
    else this.#udp.send(sourcePort, target, targetPort, host, payload);
  }
  #receiveDhcp(payload: Uint8Array): void {
    const answer = dhcpAnswer(payload, NETWORK);
    if (answer === undefined) return;
    const everybody = 0xffff_ffff;
    const datagram = udp(NETWORK.router, everybody, { sourcePort: DhcpPort.SERVER, targetPort: DhcpPort.CLIENT, payload: answer });
    this.#sendIp(NETWORK.router, Protocol.UDP, datagram, everybody);
  }
  async #answer(question: Question, target: Ip, port: number): Promise<void> {
    if (this.#questions >= QUESTIONS_MAX) return;
    this.#questions++;
    const answer = await resolve(question);
    this.#questions--;
    if (this.#isOver) return;
    const datagram = udp(NETWORK.dns, target, { sourcePort: nameServer.port, targetPort: port, payload: answer });
    this.#sendIp(NETWORK.dns, Protocol.UDP, datagram, target);
  }

  // --- TCP

  #receiveTcp(packet: Ipv4): void {
    const segment = readTcp(packet);
    if (segment === undefined) {
      this.lost++;
      return;
    }
    const { source, target } = packet;
    const key = keyOf(segment.sourcePort, target, segment.targetPort);
    const connection = this.#connections.get(key);
    if (connection !== undefined) {
      connection.endpoint.receive(segment, Date.now());
      this.#forget(key, connection);
      return;
    }
    const isSyn = (segment.flags & (TcpFlag.SYN | TcpFlag.ACK | TcpFlag.RST)) === TcpFlag.SYN;
    const host = hostAddress(target, segment.targetPort);
    if (!isSyn || host === undefined || this.#connections.size >= CONNECTIONS_MAX) {
      if ((segment.flags & TcpFlag.RST) === 0) this.#reset(source, target, segment);
      return;
    }
    const socket = connect({ host: host.address, port: host.port, allowHalfOpen: true });
    this.#begin(key, socket, source, segment.sourcePort, target, segment.targetPort, segment);
  }

  /** RFC 9293, 3.10.7.1. */
  #reset(guest: Ip, other: Ip, { sourcePort, targetPort, sequence, acknowledgement, flags, payload }: Tcp): void {
    const hasAck = (flags & TcpFlag.ACK) !== 0;
    const length = payload.length + ((flags & TcpFlag.SYN) !== 0 ? 1 : 0) + ((flags & TcpFlag.FIN) !== 0 ? 1 : 0);
    const answer = {
      sourcePort: targetPort,
      targetPort: sourcePort,
      sequence: hasAck ? acknowledgement : 0,
      acknowledgement: hasAck ? 0 : (sequence + length) >>> 0,
      flags: hasAck ? TcpFlag.RST : TcpFlag.RST | TcpFlag.ACK,
      window: 0,
      payload: new Uint8Array(),
    };
    this.#sendIp(other, Protocol.TCP, tcp(other, guest, answer), guest);
  }

  #begin(key: string, socket: Socket, guest: Ip, guestPort: number, other: Ip, otherPort: number, syn?: Tcp): void {
    const link = {
      send: (segment: Omit<Tcp, 'sourcePort' | 'targetPort'>) =>
        this.#sendIp(other, Protocol.TCP, tcp(other, guest, { ...segment, sourcePort: otherPort, targetPort: guestPort }), guest),
      hasRoom: () => this.#hasRoom,
      isIdle: () => this.#frames.length === 0 && this.#options.isTaken(),
    };
    const sequence = Math.floor(Math.random() * 2 ** 32);
    const endpoint = new TcpEndpoint(link, peerOf(socket), sequence, syn);
    const connection = { endpoint, socket };
    this.#connections.set(key, connection);
    socket.setNoDelay(true);
    if (syn === undefined) socket.pause();
    socket.on('connect', () => endpoint.connected(Date.now()));
    socket.on('data', (bytes: Buffer) => endpoint.fromHost(bytes, Date.now()));
    socket.on('end', () => endpoint.hostEnded(Date.now()));
    socket.on('drain', () => endpoint.hostDrained());
    socket.on('error', () => {
      endpoint.abort();
      this.#forget(key, connection);
    });
    socket.on('close', () => {
      // Both ends are done, or one is gone: the guest may have something to hear yet, and to say.
      if (!socket.readableEnded || !socket.writableFinished) endpoint.abort();
      this.#forget(key, connection);
    });
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }
  #forget(key: string, connection: Connection): void {
    if (connection.endpoint.isClosed && this.#connections.get(key) === connection) this.#connections.delete(key);
  }
  #tick(): void {
    const now = Date.now();
    for (const [key, connection] of this.#connections) {
      connection.endpoint.tick(now);
      this.#forget(key, connection);
    }
    if (this.#connections.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

const keyOf = (guestPort: number, other: Ip, port: number): string => `${guestPort} ${other} ${port}`;

const peerOf = (socket: Socket): TcpPeer => ({
  write: (bytes) => void (socket.writable && socket.write(bytes)),
  end: () => void socket.end(),
  destroy: () => void socket.destroy(),
  get buffered() {
    return socket.writableLength;
  },
  pause: () => void socket.pause(),
  resume: () => void socket.resume(),
});

const resolve = async (question: Question): Promise<Uint8Array> => {
  const family = question.type === DnsType.AAAA ? 6 : 4;
  try {
    const all = await lookup(question.name, { all: true });
    // A name without addresses of this family exists all the same.
    const addresses = all.filter((one) => one.family === family).map((one) => addressBytes(one.address, family));
    return dnsAnswer(question, DnsCode.OK, addresses);
  } catch (error) {
    const isUnknown = error instanceof Error && 'code' in error && error.code === 'ENOTFOUND';
    return dnsAnswer(question, isUnknown ? DnsCode.NO_NAME : DnsCode.FAILED, []);
  }
};
