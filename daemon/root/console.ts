// COM1 of a partition, from root's side: output is read from the log in its memory by position, input goes into its queue.
import type { LogChunk } from '../../shared/layout/ring.js';
import { HvdError } from '../../shared/protocol/errors.js';
import { consoleInput, consoleOutput } from '../platform/console.js';
import type { LpSignals } from './lp-signals.js';
import type { Partition } from './partition.js';

/** Output from `position` on. Positions count bytes modulo 2^32; one that is gone gives the oldest there is. */
export const readConsole = (partition: Partition, position: number): LogChunk => consoleOutput(partition.body.views).read(position);

/** Queues input for the guest: all of it, or vm.console-full. */
export const writeConsole = (partition: Partition, data: Uint8Array, signals: LpSignals): void => {
  const queue = consoleInput(partition.body.views);
  if (queue.capacity - queue.length < data.length) throw new HvdError('vm.console-full', { name: partition.name, limit: queue.capacity });
  queue.write(data);
  signals.ringAll();
};
