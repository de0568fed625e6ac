// Ports and connections that root wants opened or closed while the partition runs (MailCommand.PORTS): what it has left in the header is carried out, and answered there.
import { partnerOf } from '../../../shared/hyperv/partition-ports.js';
import type { Views } from '../../../shared/layout/struct.js';
import { Connection, Port, PortKind, PortRequest, REQUESTED_CONNECTION, REQUESTED_PORT } from '../../../shared/layout/synic.js';
import type { PortDirectory } from './port-directory.js';

const act = (views: Views, directory: PortDirectory): boolean => {
  const port = new Port(views, REQUESTED_PORT);
  const connection = new Connection(views, REQUESTED_CONNECTION);
  switch (directory.header.request) {
    case PortRequest.OPEN_PORT: {
      const { id, sint, vp, firstFlag, flagCount } = port;
      const kind = port.kind === PortKind.EVENT ? PortKind.EVENT : PortKind.MESSAGE;
      return directory.openPort({ id, kind, sint, vp, firstFlag, flagCount });
    }
    case PortRequest.CLOSE_PORT:
      return directory.closePort(port.id);
    case PortRequest.OPEN_CONNECTION:
      return directory.openConnection({ id: connection.id, port: connection.port, partition: partnerOf(views, connection) });
    default:
      return directory.closeConnection(connection.id);
  }
};

export const carryOutPortRequest = (views: Views, directory: PortDirectory): void => {
  directory.header.answer = act(views, directory) ? 1 : 0;
};
