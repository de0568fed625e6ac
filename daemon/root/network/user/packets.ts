// Ethernet, ARP, IPv4, ICMP, UDP and TCP as bytes (RFC 826, 791, 792, 768, 9293). Reading never throws: what is malformed is undefined.

export const EtherType = { IPV4: 0x0800, ARP: 0x0806 } as const;
export const Protocol = { ICMP: 1, TCP: 6, UDP: 17 } as const;
export const TcpFlag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;

export const ETHERNET_BYTES = 14;
export const IP_BYTES = 20;
export const UDP_BYTES = 8;
export const TCP_BYTES = 20;
export const MTU = 1500;
const ARP_BYTES = 28;
const TTL = 64;
const MORE_FRAGMENTS = 0x2000;
const OFFSET_MASK = 0x1fff;
const MSS_OPTION = 2;

/** An IPv4 address as a number of 32 bits. */
export type Ip = number;
export const ipOf = (text: string): Ip => text.split('.').reduce((ip, part) => ip * 256 + Number(part), 0);
export const ipText = (ip: Ip): string => [24, 16, 8, 0].map((shift) => (ip >>> shift) & 0xff).join('.');

export interface Arp {
  readonly operation: number;
  readonly senderMac: Uint8Array;
  readonly senderIp: Ip;
  readonly targetIp: Ip;
}
export interface Ipv4 {
  readonly protocol: number;
  readonly source: Ip;
  readonly target: Ip;
  readonly payload: Uint8Array;
  /** Header and the first bytes behind it, for ICMP errors. */
  readonly start: Uint8Array;
}
export interface Udp {
  readonly sourcePort: number;
  readonly targetPort: number;
  readonly payload: Uint8Array;
}
export interface Tcp {
  readonly sourcePort: number;
  readonly targetPort: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  /** TcpFlag bits. */
  readonly flags: number;
  readonly window: number;
  /** Maximum segment size that a SYN names. */
  readonly mss?: number | undefined;
  readonly payload: Uint8Array;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The ones' complement sum of RFC 1071, complemented. */
export const checksum = (bytes: Uint8Array, initial = 0): number => {
  let sum = initial;
  const whole = bytes.length & ~1;
  for (let at = 0; at < whole; at += 2) sum += (bytes[at]! << 8) | bytes[at + 1]!;
  if (whole < bytes.length) sum += bytes[whole]! << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
  return ~sum & 0xffff;
};
const pseudoSum = (source: Ip, target: Ip, protocol: number, length: number): number =>
  (source >>> 16) + (source & 0xffff) + (target >>> 16) + (target & 0xffff) + protocol + length;

// --- reading

export const readArp = (bytes: Uint8Array): Arp | undefined => {
  if (bytes.length < ARP_BYTES) return undefined;
  const view = viewOf(bytes);
  // Ethernet and IPv4, with addresses of six and four bytes.
  if (view.getUint32(0) !== 0x0001_0800 || view.getUint16(4) !== 0x0604) return undefined;
  return { operation: view.getUint16(6), senderMac: bytes.slice(8, 14), senderIp: view.getUint32(14), targetIp: view.getUint32(24) };
};

/** Whole datagrams only: fragments are undefined too. */
export const readIpv4 = (bytes: Uint8Array): Ipv4 | undefined => {
  if (bytes.length < IP_BYTES) return undefined;
  const view = viewOf(bytes);
  const header = (bytes[0]! & 15) * 4;
  const length = view.getUint16(2);
  if (bytes[0]! >>> 4 !== 4 || header < IP_BYTES || length < header || length > bytes.length) return undefined;
  if (checksum(bytes.subarray(0, header)) !== 0) return undefined;
  if ((view.getUint16(6) & (MORE_FRAGMENTS | OFFSET_MASK)) !== 0) return undefined;
  return {
    protocol: bytes[9]!,
    source: view.getUint32(12),
    target: view.getUint32(16),
    payload: bytes.subarray(header, length),
    start: bytes.subarray(0, Math.min(length, header + 8)),
  };
};

export const readUdp = ({ payload: bytes, source, target }: Ipv4): Udp | undefined => {
  if (bytes.length < UDP_BYTES) return undefined;
  const view = viewOf(bytes);
  const length = view.getUint16(4);
  if (length < UDP_BYTES || length > bytes.length) return undefined;
  const whole = bytes.subarray(0, length);
  if (view.getUint16(6) !== 0 && checksum(whole, pseudoSum(source, target, Protocol.UDP, length)) !== 0) return undefined;
  return { sourcePort: view.getUint16(0), targetPort: view.getUint16(2), payload: whole.subarray(UDP_BYTES) };
};

export const readTcp = ({ payload: bytes, source, target }: Ipv4): Tcp | undefined => {
  if (bytes.length < TCP_BYTES) return undefined;
  const view = viewOf(bytes);
  const header = (bytes[12]! >>> 4) * 4;
  if (header < TCP_BYTES || header > bytes.length) return undefined;
  if (checksum(bytes, pseudoSum(source, target, Protocol.TCP, bytes.length)) !== 0) return undefined;
  return {
    sourcePort: view.getUint16(0),
    targetPort: view.getUint16(2),
    sequence: view.getUint32(4),
    acknowledgement: view.getUint32(8),
    flags: bytes[13]! & 0x1f,
    window: view.getUint16(14),
    mss: mssOf(bytes.subarray(TCP_BYTES, header)),
    payload: bytes.subarray(header),
  };
};
const mssOf = (options: Uint8Array): number | undefined => {
  for (let at = 0; at < options.length; ) {
    const kind = options[at]!;
    if (kind === 0) return undefined;
    if (kind === 1) {
      at++;
      continue;
    }
    const length = options[at + 1] ?? 0;
    if (length < 2 || at + length > options.length) return undefined;
    if (kind === MSS_OPTION && length === 4) return (options[at + 2]! << 8) | options[at + 3]!;
    at += length;
  }
  return undefined;
};

// --- writing

export const ethernet = (target: Uint8Array, source: Uint8Array, type: number, payload: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(ETHERNET_BYTES + payload.length);
  frame.set(target);
  frame.set(source, 6);
  viewOf(frame).setUint16(12, type);
  frame.set(payload, ETHERNET_BYTES);
  return frame;
};

export const arp = (operation: number, senderMac: Uint8Array, senderIp: Ip, targetMac: Uint8Array, targetIp: Ip): Uint8Array => {
  const bytes = new Uint8Array(ARP_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, 0x0001_0800);
  view.setUint16(4, 0x0604);
  view.setUint16(6, operation);
  bytes.set(senderMac, 8);
  view.setUint32(14, senderIp);
  bytes.set(targetMac, 18);
  view.setUint32(24, targetIp);
  return bytes;
};

/** The datagram, in fragments where it is longer than the MTU. */
export const ipv4 = (source: Ip, target: Ip, protocol: number, payload: Uint8Array, id: number): Uint8Array[] => {
  const datagrams: Uint8Array[] = [];
  const piece = (MTU - IP_BYTES) & ~7;
  let at = 0;
  do {
    const isLast = payload.length - at <= MTU - IP_BYTES;
    const part = payload.subarray(at, isLast ? payload.length : at + piece);
    const bytes = new Uint8Array(IP_BYTES + part.length);
    const view = viewOf(bytes);
    bytes[0] = 0x45;
    view.setUint16(2, bytes.length);
    view.setUint16(4, id & 0xffff);
    view.setUint16(6, (isLast ? 0 : MORE_FRAGMENTS) | (at >>> 3));
    bytes[8] = TTL;
    bytes[9] = protocol;
    view.setUint32(12, source);
    view.setUint32(16, target);
    view.setUint16(10, checksum(bytes.subarray(0, IP_BYTES)));
    bytes.set(part, IP_BYTES);
    datagrams.push(bytes);
    at += part.length;
  } while (at < payload.length);
  return datagrams;
};

export const udp = (source: Ip, target: Ip, { sourcePort, targetPort, payload }: Udp): Uint8Array => {
  const bytes = new Uint8Array(UDP_BYTES + payload.length);
  const view = viewOf(bytes);
  view.setUint16(0, sourcePort);
  view.setUint16(2, targetPort);
  view.setUint16(4, bytes.length);
  bytes.set(payload, UDP_BYTES);
  // Zero would say that there is none.
  view.setUint16(6, checksum(bytes, pseudoSum(source, target, Protocol.UDP, bytes.length)) || 0xffff);
  return bytes;
};

export const tcp = (source: Ip, target: Ip, segment: Tcp): Uint8Array => {
  const header = TCP_BYTES + (segment.mss === undefined ? 0 : 4);
  const bytes = new Uint8Array(header + segment.payload.length);
  const view = viewOf(bytes);
  view.setUint16(0, segment.sourcePort);
  view.setUint16(2, segment.targetPort);
  view.setUint32(4, segment.sequence);
  view.setUint32(8, segment.acknowledgement);
  bytes[12] = (header / 4) << 4;
  bytes[13] = segment.flags;
  view.setUint16(14, segment.window);
  if (segment.mss !== undefined) view.setUint32(TCP_BYTES, (MSS_OPTION << 24) | (4 << 16) | segment.mss);
  bytes.set(segment.payload, header);
  view.setUint16(16, checksum(bytes, pseudoSum(source, target, Protocol.TCP, bytes.length)));
  return bytes;
};

/** `rest`: the four bytes behind the checksum, then the message's own. */
export const icmp = (type: number, code: number, rest: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(4 + rest.length);
  bytes[0] = type;
  bytes[1] = code;
  bytes.set(rest, 4);
  viewOf(bytes).setUint16(2, checksum(bytes));
  return bytes;
};
