// Where metrics are served: a host and a port, or the path of a Unix socket. Other hosts can reach them only where that was asked for.
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { HvdError } from '../../../shared/protocol/errors.js';

export type MetricsAddress = { readonly host: string; readonly port: number } | { readonly path: string };

const PORT_MAX = 65_535;
const LOOPBACK = '127.0.0.1';

const refuse = (what: string): HvdError => new HvdError('usage', { what: `--metrics: ${what}` });

/** `9464`, `127.0.0.1:9464`, `[::1]:9464`, `localhost:9464`, or a path. Throws usage; for a host that is not this one's loopback unless `isPublic`. */
export const metricsAddress = (text: string, isPublic: boolean): MetricsAddress => {
  const [, bracketed, plain, digits] = /^(?:(?:\[([^\]]*)\]|([^:/[\]]*)):)?(\d+)$/.exec(text) ?? [];
  if (digits === undefined) {
    if (text === '' || !text.includes('/') || text.includes('\0'))
      throw refuse(`expected HOST:PORT or the path of a socket (with a /), got ${JSON.stringify(text)}`);
    return { path: resolve(text) };
  }
  const port = Number(digits);
  if (port > PORT_MAX) throw refuse(`${digits} is no port; the last one is ${PORT_MAX}`);
  const name = bracketed ?? plain ?? LOOPBACK;
  const host = name === 'localhost' ? LOOPBACK : name;
  if (isIP(host) === 0) throw refuse(`expected localhost or an IP address as host, got ${JSON.stringify(name)}`);
  if (!isPublic && !isLoopback(host))
    throw refuse(`${host} can be reached by other hosts, and there is no password: --metrics-public allows it`);
  return { host, port };
};

const isLoopback = (host: string): boolean => (isIP(host) === 4 ? host.startsWith('127.') : /^(0*:)*:?0*1$/.test(host));
