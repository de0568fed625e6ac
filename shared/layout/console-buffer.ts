// What a virtio console and root share beyond the partition's console rings: the bytes of its second port, on which an agent in the guest speaks to the daemon.

import { ringSize } from './ring.js';
import { block, i32, struct } from './struct.js';

export const AGENT_BYTES = 0x4000;
export const AGENT_PORT_NAME = 'hvd.agent';
export const ConsoleBufferLayout = struct('ConsoleBuffer', {
  /** A ByteLog of what it says, and a ByteQueue of what it is told. */
  out: block(ringSize(AGENT_BYTES), 64),
  in: block(ringSize(AGENT_BYTES), 64),
  /** Of the terminal that shows the console: columns, and rows from bit 16 on; 0: not known. Written by root, with a request. */
  size: i32,
});
