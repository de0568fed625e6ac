// A DHCP server for a link with one client (RFC 2131, 2132): every client gets the same address. Reading never throws.
import { type Ip, ipOf } from './packets.js';

export const DhcpPort = { SERVER: 67, CLIENT: 68 } as const;
const Type = { DISCOVER: 1, OFFER: 2, REQUEST: 3, ACK: 5, NAK: 6, INFORM: 8 } as const;
const Option = { MASK: 1, ROUTER: 3, DNS: 6, REQUESTED: 50, LEASE: 51, TYPE: 53, SERVER: 54, END: 255 } as const;
const FIXED_BYTES = 240;
const MAGIC = 0x6382_5363;
const LEASE_S = 86_400;
/** What old clients expect at least (RFC 951). */
const ANSWER_BYTES = 300;

export interface DhcpNetwork {
  readonly client: Ip;
  readonly mask: Ip;
  readonly router: Ip;
  readonly dns: Ip;
}

/** The answer to a client's message, if it asks for one. */
export const dhcpAnswer = (request: Uint8Array, network: DhcpNetwork): Uint8Array | undefined => {
  if (request.length < FIXED_BYTES || request[0] !== 1) return undefined;
  const view = new DataView(request.buffer, request.byteOffset, request.byteLength);
  if (view.getUint32(236) !== MAGIC) return undefined;
  const options = optionsOf(request);
  const word = (option: number): Ip | undefined => {
    const value = options.get(option);
    return value?.length === 4 ? ipOf(value.join('.')) : undefined;
  };
  const type = options.get(Option.TYPE)?.[0];
  const server = word(Option.SERVER);
  if (server !== undefined && server !== network.router) return undefined;
  switch (type) {
    case Type.DISCOVER:
      return answer(request, network, Type.OFFER, true);
    case Type.REQUEST: {
      const wanted = word(Option.REQUESTED) ?? view.getUint32(12);
      return answer(request, network, wanted === network.client ? Type.ACK : Type.NAK, wanted === network.client);
    }
    case Type.INFORM:
      return answer(request, network, Type.ACK, false);
    default:
      return undefined;
  }
};

const optionsOf = (request: Uint8Array): Map<number, Uint8Array> => {
  const options = new Map<number, Uint8Array>();
  for (let at = FIXED_BYTES; at < request.length; ) {
    const code = request[at]!;
    if (code === Option.END) break;
    if (code === 0) {
      at++;
      continue;
    }
    const length = request[at + 1] ?? 0;
    options.set(code, request.slice(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return options;
};

const bytesOf = (word: number): number[] => [word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff];

const answer = (request: Uint8Array, network: DhcpNetwork, type: number, gives: boolean): Uint8Array => {
  const settings =
    type === Type.NAK
      ? []
      : [
          ...[Option.MASK, 4, ...bytesOf(network.mask)],
          ...[Option.ROUTER, 4, ...bytesOf(network.router)],
          ...[Option.DNS, 4, ...bytesOf(network.dns)],
          ...(gives ? [Option.LEASE, 4, ...bytesOf(LEASE_S)] : []),
        ];
  const options = [Option.TYPE, 1, type, Option.SERVER, 4, ...bytesOf(network.router), ...settings, Option.END];
  const bytes = new Uint8Array(Math.max(FIXED_BYTES + options.length, ANSWER_BYTES));
  const view = new DataView(bytes.buffer);
  // Hardware type and length, transaction, flags, the client's own address and its hardware's stay as they are.
  bytes.set(request.subarray(1, 3), 1);
  bytes.set(request.subarray(4, 8), 4);
  bytes.set(request.subarray(10, 16), 10);
  bytes.set(request.subarray(28, 44), 28);
  bytes[0] = 2;
  if (gives) view.setUint32(16, network.client);
  view.setUint32(20, network.router);
  view.setUint32(236, MAGIC);
  bytes.set(options, FIXED_BYTES);
  return bytes;
};
