// Who is who on a user network, and where that is for the host: the gateway is the host itself, by its loopback, and the name server the one that the host asks.
import { getServers } from 'node:dns';
import { isIPv4 } from 'node:net';
import { type Ip, ipOf, ipText } from './packets.js';

export const NETWORK = {
  client: ipOf('10.0.2.15'),
  mask: ipOf('255.255.255.0'),
  router: ipOf('10.0.2.2'),
  dns: ipOf('10.0.2.3'),
} as const;
export const LOOPBACK = '127.0.0.1';

export interface HostAddress {
  readonly address: string;
  readonly port: number;
}

export const nameServer = { port: 53 } as const;

/** The host's first resolver, if it has one of IPv4. */
const resolver = (): HostAddress | undefined => {
  const [address, port] =
    getServers()
      .map((server) => server.split(':') as [string, string?])
      .find(([one]) => isIPv4(one)) ?? [];
  return address === undefined ? undefined : { address, port: port === undefined ? nameServer.port : Number(port) };
};

const FIRST_GROUP = 224;
const LOOPBACK_NETWORK = 127;

/** Where a guest's packet to that address goes; undefined: there is nobody. */
export const hostAddress = (ip: Ip, port: number): HostAddress | undefined => {
  if (ip === NETWORK.router) return { address: LOOPBACK, port };
  if (ip === NETWORK.dns) return port === nameServer.port ? resolver() : undefined;
  const first = ip >>> 24;
  const isLocal = ((ip ^ NETWORK.router) & NETWORK.mask) === 0;
  if (isLocal || first === 0 || first === LOOPBACK_NETWORK || first >= FIRST_GROUP) return undefined;
  return { address: ipText(ip), port };
};
