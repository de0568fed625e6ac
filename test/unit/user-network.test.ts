// A user network against raw frames: what its guest asks the gateway, what it carries to sockets of the host and back, and frames that are anything at all.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import { hostAddress } from '../../daemon/root/network/user/addresses.js';
import { addressBytes } from '../../daemon/root/network/user/dns.js';
import { ForwardServers } from '../../daemon/root/network/user/forward-servers.js';
import { parseForward } from '../../daemon/root/network/user/forwards.js';
import {
  arp,
  EtherType,
  ethernet,
  type Ipv4,
  icmp,
  ipOf,
  ipText,
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
} from '../../daemon/root/network/user/packets.js';
import { FRAMES_MAX, UserNetwork } from '../../daemon/root/network/user/user-network.js';
import { waitUntil } from '../../daemon/root/wait-until.js';

const GUEST_MAC = Uint8Array.of(0x52, 0x54, 0, 1, 2, 3);
const GATEWAY_MAC = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2);
const BROADCAST = new Uint8Array(6).fill(0xff);
const GUEST = ipOf('10.0.2.15');
const GATEWAY = ipOf('10.0.2.2');
const DNS = ipOf('10.0.2.3');
const NONE = new Uint8Array();
const LIMIT_MS = 10_000;

/** A guest that the test is. */
const guest = () => {
  const network = new UserNetwork({ onFrames: () => {}, isTaken: () => true });
  const take = (): Uint8Array[] => {
    const frames = [...network.frames];
    network.taken(frames.length);
    return frames;
  };
  const packets = (): Ipv4[] => take().flatMap((frame) => readIpv4(frame.subarray(14)) ?? []);
  const send = (target: number, protocol: number, payload: Uint8Array): void => {
    for (const datagram of ipv4(GUEST, target, protocol, payload, 1))
      network.receive(ethernet(GATEWAY_MAC, GUEST_MAC, EtherType.IPV4, datagram));
  };
  const sendUdp = (sourcePort: number, target: number, targetPort: number, payload: Uint8Array): void =>
    send(target, Protocol.UDP, udp(GUEST, target, { sourcePort, targetPort, payload }));
  const sendTcp = (target: number, targetPort: number, flags: number, sequence: number, acknowledgement: number, payload = NONE): void => {
    const segment = { sourcePort: 4000, targetPort, flags, sequence, acknowledgement, window: 65535, payload };
    send(target, Protocol.TCP, tcp(GUEST, target, segment));
  };
  /** The first packet for which `read` gives something. */
  const next = async <T>(read: (packet: Ipv4) => T | undefined): Promise<T> => {
    let found: T | undefined;
    const has = (): boolean => {
      for (const packet of packets()) found ??= read(packet);
      return found !== undefined;
    };
    if (!(await waitUntil(has, LIMIT_MS))) throw new Error('no such packet came');
    return found!;
  };
  return { network, take, packets, send, sendUdp, sendTcp, next };
};
const tcpWith =
  (flag: number) =>
  (packet: Ipv4): Tcp | undefined => {
    const segment = packet.protocol === Protocol.TCP ? readTcp(packet) : undefined;
    return segment !== undefined && (segment.flags & flag) !== 0 ? segment : undefined;
  };

test('the gateway and the name server have an address of the link, others have none', (t) => {
  const { network, take } = guest();
  for (const [ip, isThere] of [
    ['10.0.2.2', true],
    ['10.0.2.3', true],
    ['10.0.2.4', false],
    ['192.0.2.1', false],
  ] as const) {
    network.receive(ethernet(BROADCAST, GUEST_MAC, EtherType.ARP, arp(1, GUEST_MAC, GUEST, new Uint8Array(6), ipOf(ip))));
    const answers = take().map((frame) => readArp(frame.subarray(14))!);
    t.deepEqual(
      answers.map(({ operation, senderIp, senderMac }) => [operation, ipText(senderIp), [...senderMac]]),
      isThere ? [[2, ip, [...GATEWAY_MAC]]] : [],
    );
  }
});

test('DHCP offers and gives 10.0.2.15, and nothing else', (t) => {
  const { packets, sendUdp } = guest();
  const ask = (type: number, ...options: number[]): number[] => {
    const message = new Uint8Array(300);
    message.set([1, 1, 6, 0, 9, 8, 7, 6]);
    message.set(GUEST_MAC, 28);
    message.set([0x63, 0x82, 0x53, 0x63, 53, 1, type, ...options, 255], 236);
    sendUdp(68, 0xffff_ffff, 67, message);
    const [packet] = packets();
    if (packet === undefined) return [];
    const answer = readUdp(packet)!;
    t.deepEqual([answer.sourcePort, answer.targetPort, [...answer.payload.subarray(4, 8)]], [67, 68, [9, 8, 7, 6]]);
    return [answer.payload[242]!, ...answer.payload.subarray(16, 20)];
  };
  t.deepEqual(ask(1), [2, 10, 0, 2, 15]);
  t.deepEqual(ask(3, 50, 4, 10, 0, 2, 15), [5, 10, 0, 2, 15]);
  t.deepEqual(ask(3, 50, 4, 10, 0, 2, 99), [6, 0, 0, 0, 0]);
  t.deepEqual(ask(3, 54, 4, 10, 0, 2, 77), [], 'another server was chosen');
  t.deepEqual(ask(7), []);
});

test('an echo comes back from the gateway; where none can be sent the guest is told', (t) => {
  const { packets, send } = guest();
  const echo = icmp(8, 0, Uint8Array.of(0, 1, 0, 2, 5, 6, 7));
  send(GATEWAY, Protocol.ICMP, echo);
  t.deepEqual([...packets()[0]!.payload], [...icmp(0, 0, echo.subarray(4))]);
  send(ipOf('192.0.2.1'), Protocol.ICMP, echo);
  t.deepEqual([...packets()[0]!.payload.subarray(0, 2)], [3, 13]);
});

test('TCP reaches a server of the host at the gateway’s address, both ways and to both ends', async (t) => {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('data', (bytes) => socket.write(bytes));
    socket.on('end', () => socket.end('bye'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { network, sendTcp, next } = guest();
  try {
    sendTcp(GATEWAY, port, TcpFlag.SYN, 100, 0);
    const { sequence, acknowledgement } = await next(tcpWith(TcpFlag.SYN));
    t.is(acknowledgement, 101);
    const first = (sequence + 1) >>> 0;
    sendTcp(GATEWAY, port, TcpFlag.ACK, 101, first);
    sendTcp(GATEWAY, port, TcpFlag.ACK, 101, first, Buffer.from('hello'));
    t.is(Buffer.from((await next(tcpWith(TcpFlag.PSH))).payload).toString(), 'hello');
    sendTcp(GATEWAY, port, TcpFlag.ACK | TcpFlag.FIN, 106, first + 5);
    t.is(Buffer.from((await next(tcpWith(TcpFlag.PSH))).payload).toString(), 'bye');
    sendTcp(GATEWAY, port, TcpFlag.ACK, 107, first + 8);
    const end = await next(tcpWith(TcpFlag.FIN));
    sendTcp(GATEWAY, port, TcpFlag.ACK, 107, end.sequence + 1);
    sendTcp(GATEWAY, port, TcpFlag.ACK, 107, end.sequence + 1);
    t.truthy(await next(tcpWith(TcpFlag.RST)), 'nothing of it is left');
  } finally {
    network.end();
    server.close();
  }
  const other = guest();
  other.sendTcp(GATEWAY, port, TcpFlag.SYN, 100, 0);
  t.is((await other.next(tcpWith(TcpFlag.RST))).acknowledgement, 101, 'nobody listens there any more');
  other.network.end();
});

test('UDP reaches the host and comes back from where it was sent to; names are those that the host knows', async (t) => {
  const echo = createSocket('udp4');
  echo.on('message', (bytes, { port }) => echo.send(bytes, port, '127.0.0.1'));
  echo.bind(0, '127.0.0.1');
  await once(echo, 'listening');
  const { network, sendUdp, next } = guest();
  try {
    sendUdp(5000, GATEWAY, echo.address().port, Buffer.from('ping'));
    const { source, datagram } = await next((packet) => ({ source: packet.source, datagram: readUdp(packet)! }));
    t.deepEqual(
      [source, datagram.sourcePort, datagram.targetPort, String(Buffer.from(datagram.payload))],
      [GATEWAY, echo.address().port, 5000, 'ping'],
    );
    const ask = async (type: number): Promise<Uint8Array> => {
      const question = Buffer.concat([
        Buffer.of(0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9),
        Buffer.from('localhost'),
        Buffer.of(0, 0, type, 0, 1),
      ]);
      sendUdp(5001, DNS, 53, question);
      const answer = await next((packet) => (packet.source === DNS ? readUdp(packet)?.payload : undefined));
      t.deepEqual([...answer.subarray(0, 3)], [0, 7, 0x81]);
      t.is(answer[3]! & 15, 0);
      return answer.subarray(question.length);
    };
    t.deepEqual([...(await ask(1)).subarray(-4)], [127, 0, 0, 1]);
    t.true((await ask(28)).length % 28 === 0);
  } finally {
    network.end();
    echo.close();
  }
});

test('a port of the host leads to one of the guest; while no guest is there nobody is kept waiting', async (t) => {
  const servers = await ForwardServers.open(['tcp:0:22', 'udp:0:53']);
  const [tcpPort, udpPort] = servers.ports;
  const { network, sendTcp, sendUdp, next, send } = guest();
  const client = createSocket('udp4');
  try {
    const early = connect(tcpPort!, '127.0.0.1');
    early.on('error', () => {});
    await once(early, 'close');
    servers.network = network;
    // The guest has been heard of.
    send(GATEWAY, Protocol.ICMP, icmp(8, 0, new Uint8Array(4)));
    const socket = connect(tcpPort!, '127.0.0.1');
    const syn = await next(tcpWith(TcpFlag.SYN));
    t.is(syn.targetPort, 22);
    const reply = (flags: number, sequence: number, payload: Uint8Array = NONE): void => {
      const segment = {
        sourcePort: 22,
        targetPort: syn.sourcePort,
        flags,
        sequence,
        acknowledgement: syn.sequence + 1,
        window: 1000,
        payload,
      };
      send(GATEWAY, Protocol.TCP, tcp(GUEST, GATEWAY, segment));
    };
    reply(TcpFlag.SYN | TcpFlag.ACK, 9);
    reply(TcpFlag.ACK, 10, Buffer.from('SSH'));
    t.is(String(await once(socket, 'data')), 'SSH');
    socket.destroy();
    client.send('question', udpPort!, '127.0.0.1');
    const { sourcePort } = await next((packet) => (packet.protocol === Protocol.UDP ? readUdp(packet) : undefined));
    sendUdp(53, GATEWAY, sourcePort, Buffer.from('answer'));
    t.is(String((await once(client, 'message'))[0]), 'answer');
    sendTcp(GATEWAY, 1, TcpFlag.ACK, 0, 0);
  } finally {
    client.close();
    servers.close();
    network.end();
  }
  await t.throwsAsync(
    async () => {
      const first = await ForwardServers.open(['tcp:0:22']);
      try {
        await ForwardServers.open([`tcp:127.0.0.1:${first.ports[0]}:22`]);
      } finally {
        first.close();
      }
    },
    { message: /^tcp:127\.0\.0\.1:\d+:22: .*EADDRINUSE/ },
  );
});

test('forwards are read as they are written, and nothing else', (t) => {
  t.deepEqual(parseForward('tcp:0.0.0.0:2222:22'), { protocol: 'tcp', host: '0.0.0.0', hostPort: 2222, guestPort: 22 });
  t.deepEqual(parseForward('udp:53:5353'), { protocol: 'udp', host: '127.0.0.1', hostPort: 53, guestPort: 5353 });
  for (const text of ['', 'tcp:22', 'sctp:1:2', 'tcp:1:0', 'tcp:70000:1', 'tcp:host:1:2', 'tcp:1.2.3:1:2', 'tcp:1:2:3:4'])
    t.is(parseForward(text), undefined, text);
});

test('addresses that mean the host itself, or nobody, are not reached by another way', (t) => {
  for (const ip of ['127.0.0.1', '0.0.0.0', '10.0.2.99', '224.0.0.1', '255.255.255.255']) t.is(hostAddress(ipOf(ip), 80), undefined, ip);
  t.deepEqual(hostAddress(GATEWAY, 80), { address: '127.0.0.1', port: 80 });
  t.deepEqual([...addressBytes('fe80::1:2%eth0', 6)], [0xfe, 0x80, ...new Array(11).fill(0), 1, 0, 2]);
  t.deepEqual([...addressBytes('::ffff:1.2.3.4', 6)], [...new Array(10).fill(0), 255, 255, 1, 2, 3, 4]);
});

test('no frame throws, and what waits for a guest that takes nothing is bounded', (t) => {
  const { network } = guest();
  const segment = tcp(GUEST, DNS, {
    sourcePort: 1,
    targetPort: 1,
    sequence: 1,
    acknowledgement: 1,
    flags: 2,
    window: 1,
    mss: 9,
    payload: NONE,
  });
  const whole = [
    ethernet(BROADCAST, GUEST_MAC, EtherType.ARP, arp(1, GUEST_MAC, GUEST, GUEST_MAC, GATEWAY)),
    ...[
      [Protocol.TCP, segment, DNS],
      [Protocol.ICMP, icmp(8, 0, new Uint8Array(40)), GATEWAY],
      [Protocol.UDP, udp(GUEST, GATEWAY, { sourcePort: 68, targetPort: 67, payload: new Uint8Array(300) }), GATEWAY],
      [Protocol.UDP, udp(GUEST, DNS, { sourcePort: 9, targetPort: 54, payload: new Uint8Array(30) }), DNS],
    ].flatMap(([protocol, payload, target]) =>
      ipv4(GUEST, target as number, protocol as number, payload as Uint8Array, 1).map((one) =>
        ethernet(GATEWAY_MAC, GUEST_MAC, EtherType.IPV4, one),
      ),
    ),
  ];
  try {
    fc.assert(
      fc.property(
        fc.constantFrom(...whole),
        fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 4 }),
        fc.nat(400),
        (frame, changes, length) => {
          const bytes = frame.slice(0, length < 20 ? length : frame.length);
          for (const [at, value] of changes) if (at < bytes.length && (at < 30 || at > 33)) bytes[at] = value;
          network.receive(bytes);
          t.true(network.frames.length <= 2 * FRAMES_MAX);
        },
      ),
      { numRuns: 2000 },
    );
  } finally {
    network.end();
  }
});
