// What test images ask of synthetic interrupts by the test port (QEMU, hw/hyperv/hyperv_testdev.c): a SINT is raised, messages and events come back to where the guest says.
// Only partitions with test devices have the port; beyond its own ports and connections a guest reaches nothing by it.
//
//   31..24 connection   23..16 command   15..8 VP   7..0 SINT
import { SINTS } from '../../../shared/abi/synic.js';
import { PortKind } from '../../../shared/layout/synic.js';
import type { HyperV } from './hyperv.js';

/** Routes from the device to a SINT need not be opened here: it reaches every one. */
const Command = { RAISE: 3, MESSAGES_OPEN: 4, MESSAGES_CLOSE: 5, EVENTS_OPEN: 6, EVENTS_CLOSE: 7 } as const;
/** Numbers of its ports, which guests see as the origin of messages: beyond those that a configuration can name. */
const FIRST_PORT = 0x200_0000;

export const synicTest = ({ on, messaging }: HyperV, command: number): void => {
  const sint = command & 0xff;
  const vp = (command >>> 8) & 0xff;
  const connection = command >>> 24;
  if (messaging === undefined || sint >= SINTS || vp >= on.vpCount) return;
  const { directory } = messaging;
  const port = FIRST_PORT + connection;
  const open = (spec: Parameters<typeof directory.openPort>[0]): void => {
    if (directory.openPort(spec) && !directory.openConnection({ id: connection, port, partition: '' })) directory.closePort(port);
  };
  switch ((command >>> 16) & 0xff) {
    case Command.RAISE:
      directory.synic.raiseSint(vp, sint);
      break;
    case Command.MESSAGES_OPEN:
      open({ id: port, kind: PortKind.MESSAGE, sint, vp });
      break;
    case Command.EVENTS_OPEN:
      open({ id: port, kind: PortKind.EVENT, sint, vp, firstFlag: connection, flagCount: 1 });
      break;
    case Command.MESSAGES_CLOSE:
    case Command.EVENTS_CLOSE:
      if (directory.closePort(port)) directory.closeConnection(connection);
      break;
  }
};
