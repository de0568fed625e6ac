// The ports and connections of a partition in its memory: how root writes those of its configuration before it starts, asks an LP for others while it runs, and lists them.
// Why by an LP: who closes a port must see to what it has sent already, under the controllers' locks, which root does not take.
import type { Views } from '../layout/struct.js';
import {
  ANY_VP,
  CONNECTIONS_MAX,
  Connection,
  connectionAt,
  PARTITION_NAME_BYTES,
  PORTS_MAX,
  Port,
  PortKind,
  PortLayout,
  portAt,
  powerUpSynic,
} from '../layout/synic.js';
import type { ConnectionConfig, PortConfig, PortInfo } from '../protocol/messages.js';

/** Most ports and connections that a configuration may name: places are left for those that come while the partition runs. */
export const CONFIGURED_PORTS_MAX: number = PORTS_MAX - 8;
export const CONFIGURED_CONNECTIONS_MAX: number = CONNECTIONS_MAX - 8;

export interface PortsConfig {
  readonly ports: readonly PortConfig[];
  readonly connections: readonly ConnectionConfig[];
}
export const NO_PORTS: PortsConfig = { ports: [], connections: [] };

/** Everything of a port but its state. */
export const writePort = (views: Views, at: number, { id, sint, vp, flags, firstFlag }: PortConfig): void => {
  const port = new Port(views, at);
  port.id = id;
  port.kind = flags === undefined ? PortKind.MESSAGE : PortKind.EVENT;
  port.sint = sint;
  port.vp = vp === 'any' ? ANY_VP : vp;
  port.firstFlag = firstFlag ?? 0;
  port.flagCount = flags ?? 0;
};
/** Everything of a connection but whether it exists. */
export const writeConnection = (views: Views, at: number, { id, vm, port }: ConnectionConfig): void => {
  const connection = new Connection(views, at);
  connection.id = id;
  connection.port = port;
  views.u8.fill(0, connection.partition, connection.partition + PARTITION_NAME_BYTES);
  views.u8.set(new TextEncoder().encode(vm ?? '').subarray(0, PARTITION_NAME_BYTES - 1), connection.partition);
};

/** Controllers as at power-up, with these ports and connections. */
export const writePorts = (views: Views, { ports, connections }: PortsConfig): void => {
  powerUpSynic(views);
  for (const [index, port] of ports.entries()) {
    writePort(views, portAt(index), port);
    new Port(views, portAt(index)).state = 1;
  }
  for (const [index, connection] of connections.entries()) {
    writeConnection(views, connectionAt(index), connection);
    new Connection(views, connectionAt(index)).open = 1;
  }
};

/** Name of the partition that a connection leads to; empty: its own. */
export const partnerOf = ({ u8 }: Views, { partition }: Connection): string => {
  let length = 0;
  while (length < PARTITION_NAME_BYTES && u8[partition + length] !== 0) length++;
  return new TextDecoder().decode(u8.slice(partition, partition + length));
};

/** The open ports, by number. Read while the partition runs: one that opens or closes at the moment may be there or not. */
export const readPorts = (views: Views): PortInfo[] => {
  const found: PortInfo[] = [];
  for (let index = 0; index < PORTS_MAX; index++) {
    if ((Atomics.load(views.i32, (portAt(index) + PortLayout.at.state) >>> 2) & 1) === 0) continue;
    const { id, kind, sint, vp, firstFlag, flagCount, accepted, refused } = new Port(views, portAt(index));
    const event = kind === PortKind.EVENT ? { flags: flagCount, firstFlag } : {};
    found.push({ id, sint, vp: vp === ANY_VP ? 'any' : vp, ...event, accepted, refused });
  }
  return found.sort((a, b) => a.id - b.id);
};
export const readConnections = (views: Views): ConnectionConfig[] => {
  const found: ConnectionConfig[] = [];
  for (let index = 0; index < CONNECTIONS_MAX; index++) {
    const connection = new Connection(views, connectionAt(index));
    if (connection.open === 0) continue;
    const vm = partnerOf(views, connection);
    found.push({ id: connection.id, ...(vm === '' ? {} : { vm }), port: connection.port });
  }
  return found.sort((a, b) => a.id - b.id);
};
