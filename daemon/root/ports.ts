// Ports and connections of a partition while it runs: listed here, opened and closed by an LP (hypervisor/synic/port-requests).
import { readConnections, readPorts, writeConnection, writePort } from '../../shared/hyperv/partition-ports.js';
import { HypervState } from '../../shared/layout/hyperv.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import {
  CONNECTIONS_MAX,
  Connection,
  PORTS_MAX,
  Port,
  PortRequest,
  REQUESTED_CONNECTION,
  REQUESTED_PORT,
  SynicHeader,
} from '../../shared/layout/synic.js';
import { HvdError } from '../../shared/protocol/errors.js';
import type { ConnectionConfig, PortConfig, PortInfo } from '../../shared/protocol/messages.js';
import type { Partition } from './partition.js';
import type { Partitions } from './partitions.js';

export type PortChange =
  | { readonly open: 'port'; readonly port: PortConfig }
  | { readonly open: 'connection'; readonly connection: ConnectionConfig }
  | { readonly close: 'port' | 'connection'; readonly id: number };

export const listPorts = ({ body: { views } }: Partition): { ports: PortInfo[]; connections: ConnectionConfig[] } => ({
  ports: readPorts(views),
  connections: readConnections(views),
});

/** Throws port.none, port.taken, port.full, port.unknown, connection.port, vm.unknown, load.vp. */
export const changePorts = (partitions: Partitions, name: string, change: PortChange): Promise<void> =>
  partitions.ask(
    name,
    ({ body: { views, vps } }) => {
      if (new HypervState(views, PartitionMap.HYPERV).enabled === 0) throw new HvdError('port.none', { name });
      if ('port' in change && change.port.vp !== 'any' && change.port.vp >= vps.length)
        throw new HvdError('load.vp', { name, last: vps.length - 1, vp: change.port.vp });
      if ('connection' in change) requirePort(partitions, name, change.connection);
      write(views, change);
    },
    ({ body: { views } }) => {
      if (new SynicHeader(views, PartitionMap.SYNIC).answer === 1) return;
      if ('close' in change) throw new HvdError('port.unknown', { name, what: change.close, id: change.id });
      const [id, open, limit] =
        'port' in change ? [change.port.id, readPorts(views), PORTS_MAX] : [change.connection.id, readConnections(views), CONNECTIONS_MAX];
      if (open.some((one) => one.id === id)) throw new HvdError('port.taken', { name, what: change.open, id });
      throw new HvdError('port.full', { name, what: change.open, id, limit });
    },
  );

/** In a machine's file a connection may come before its port. Whoever opens one by hand has mistaken a number. */
const requirePort = (partitions: Partitions, name: string, { id, vm, port }: ConnectionConfig): void => {
  const to = vm ?? name;
  if (!readPorts(partitions.get(to).body.views).some((one) => one.id === port))
    throw new HvdError('connection.port', { name, id, to, port });
};

const write = (views: Views, change: PortChange): void => {
  const header = new SynicHeader(views, PartitionMap.SYNIC);
  header.answer = 0;
  if ('port' in change) {
    header.request = PortRequest.OPEN_PORT;
    writePort(views, REQUESTED_PORT, change.port);
  } else if ('connection' in change) {
    header.request = PortRequest.OPEN_CONNECTION;
    writeConnection(views, REQUESTED_CONNECTION, change.connection);
  } else if (change.close === 'port') {
    header.request = PortRequest.CLOSE_PORT;
    new Port(views, REQUESTED_PORT).id = change.id;
  } else {
    header.request = PortRequest.CLOSE_CONNECTION;
    new Connection(views, REQUESTED_CONNECTION).id = change.id;
  }
};
