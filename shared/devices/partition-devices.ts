// The virtio devices of a partition in its memory: root writes down what there is before the partition starts, each with a buffer behind guest RAM that device and root
// share. The platform finds them there (daemon/platform/virtio).
import { BlockBufferLayout } from '../layout/block-buffer.js';
import { ConsoleBufferLayout } from '../layout/console-buffer.js';
import { NetworkBufferLayout } from '../layout/network-buffer.js';
import type { Views } from '../layout/struct.js';
import { SERIAL_BYTES, VIRTUAL_DEVICES, VirtualDevice, VirtualDeviceKind, virtualDeviceAt } from '../layout/virtual-devices.js';

/** One device as its guest finds it; its place in the list is that on the bus. */
export type VirtualDeviceSpec =
  | { readonly kind: 'console' }
  | { readonly kind: 'disk' | 'ide' | 'floppy'; readonly sectors: number; readonly readOnly: boolean; readonly serial: string }
  | { readonly kind: 'network'; readonly mac: Uint8Array };

const NUMBERS = {
  console: VirtualDeviceKind.CONSOLE,
  disk: VirtualDeviceKind.BLOCK,
  ide: VirtualDeviceKind.IDE_DISK,
  floppy: VirtualDeviceKind.FLOPPY,
  network: VirtualDeviceKind.NETWORK,
} as const;
const BUFFER_BYTES = {
  console: ConsoleBufferLayout.size,
  disk: BlockBufferLayout.size,
  ide: BlockBufferLayout.size,
  floppy: BlockBufferLayout.size,
  network: NetworkBufferLayout.size,
} as const;
/** Partition memory comes in such pieces, and each buffer begins with one. */
const PIECE = 0x1_0000;
const bufferBytesOf = ({ kind }: VirtualDeviceSpec): number => Math.ceil(BUFFER_BYTES[kind] / PIECE) * PIECE;

/** Memory behind guest RAM and overlay pages that the buffers take, bytes. */
export const deviceBytesOf = (devices: readonly VirtualDeviceSpec[]): number =>
  devices.reduce((total, device) => total + bufferBytesOf(device), 0);

/** At most VIRTUAL_DEVICES; their buffers begin at `at`. The memory of both is zero. */
export const writeDevices = (views: Views, devices: readonly VirtualDeviceSpec[], at: number): void => {
  let buffer = at;
  for (const [index, device] of devices.slice(0, VIRTUAL_DEVICES).entries()) {
    const entry = new VirtualDevice(views, virtualDeviceAt(index));
    entry.kind = NUMBERS[device.kind];
    entry.buffer = buffer;
    buffer += bufferBytesOf(device);
    if (device.kind === 'network') views.u8.set(device.mac, entry.mac);
    if (!('sectors' in device)) continue;
    entry.sectorsNum = device.sectors;
    entry.readOnly = device.readOnly ? 1 : 0;
    views.u8.set(new TextEncoder().encode(device.serial).subarray(0, SERIAL_BYTES), entry.serial);
  }
};
