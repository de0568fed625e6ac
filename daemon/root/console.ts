// The console of a partition, COM1 or a virtio console, from root's side: output is read from the log in its memory by position, input goes into its queue.
import { ConsoleBufferLayout } from '../../shared/layout/console-buffer.js';
import {
  CONSOLE_IN_BYTES,
  CONSOLE_OUT_BYTES,
  ConsoleWatch,
  DeviceClockLayout,
  DeviceMap,
  FIRMWARE_LOG_BYTES,
  PlatformRequest,
} from '../../shared/layout/devices.js';
import { ByteLog, ByteQueue, type LogChunk } from '../../shared/layout/ring.js';
import { VirtualDevice, virtualDeviceAt } from '../../shared/layout/virtual-devices.js';
import { HvdError } from '../../shared/protocol/errors.js';
import type { LpSignals } from './lp-signals.js';
import type { Partition } from './partition.js';

/** Output from `position` on. Positions count bytes modulo 2^32; one that is gone gives the oldest there is. */
export const readConsole = (partition: Partition, position: number): LogChunk =>
  new ByteLog(partition.body.views, DeviceMap.CONSOLE_OUT, CONSOLE_OUT_BYTES).read(position);

/** What its firmware has said on the debug port, as `readConsole`. */
export const readFirmwareLog = (partition: Partition, position: number): LogChunk =>
  new ByteLog(partition.body.views, DeviceMap.FIRMWARE_LOG, FIRMWARE_LOG_BYTES).read(position);

/** The partition is stopped by the byte that completes the text; at most WATCHED_TEXT_MAX bytes. To be called before it starts. */
export const watchConsole = ({ body }: Partition, text: Uint8Array): void => {
  const watch = new ConsoleWatch(body.views, DeviceMap.CONSOLE_WATCH);
  body.views.u8.set(text, watch.text);
  watch.length = text.length;
};

/** Queues input for the guest: all of it, or vm.console-full. */
export const writeConsole = (partition: Partition, data: Uint8Array, signals: LpSignals): void => {
  const queue = new ByteQueue(partition.body.views, DeviceMap.CONSOLE_IN, CONSOLE_IN_BYTES);
  if (queue.capacity - queue.length < data.length) throw new HvdError('vm.console-full', { name: partition.name, limit: queue.capacity });
  queue.write(data);
  signals.ringAll();
};

/** The size of the terminal that shows it: told to the guest's driver of the virtio console; COM1 has none. */
export const sizeConsole = ({ body, config }: Partition, columns: number, rows: number, signals: LpSignals): void => {
  const index = (config.devices ?? []).findIndex(({ kind }) => kind === 'console');
  if (index < 0) return;
  const { views } = body;
  const { buffer } = new VirtualDevice(views, virtualDeviceAt(index));
  Atomics.store(views.i32, (buffer + ConsoleBufferLayout.at.size) >>> 2, columns | (rows << 16));
  Atomics.or(views.i32, (DeviceMap.CLOCK + DeviceClockLayout.at.requests) >>> 2, PlatformRequest.VIRTIO);
  signals.ringAll();
};
