// Ports of the host that lead to ports of a guest: `tcp:127.0.0.1:2222:22`, `udp:5300:53` (127.0.0.1 is meant then).
import { isIPv4 } from 'node:net';

export interface Forward {
  readonly protocol: 'tcp' | 'udp';
  readonly host: string;
  readonly hostPort: number;
  readonly guestPort: number;
}

const FORWARD = /^(tcp|udp):(?:([\d.]+):)?(\d{1,5}):(\d{1,5})$/;
const PORT_MAX = 65535;

/** Undefined: it is not one. Port 0 of the host is any that is free. */
export const parseForward = (text: string): Forward | undefined => {
  const [, protocol, host = '127.0.0.1', hostPort, guestPort] = FORWARD.exec(text) ?? [];
  if ((protocol !== 'tcp' && protocol !== 'udp') || !isIPv4(host)) return undefined;
  const [from, to] = [Number(hostPort), Number(guestPort)];
  return from <= PORT_MAX && to >= 1 && to <= PORT_MAX ? { protocol, host, hostPort: from, guestPort: to } : undefined;
};
