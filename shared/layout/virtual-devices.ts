// The virtio devices of a partition, its IDE disks and floppies, in its memory: what it has (root writes that before it starts), and the registers of each.
//
//   DeviceMap.VIRTUAL_DEVICES   what there is, an entry a device: survives a reset. Entry n is a PCI device of its own (pci.ts), but for IDE disks and floppies.
//   DeviceMap.VIRTIO            registers, 2 KiB a device: zeroed by a reset; under the device lock
//   behind guest RAM and overlays: a buffer for each device, which it shares with root (block-buffer.ts, network-buffer.ts, console-buffer.ts)
import { DeviceMap } from './devices.js';
import { accessor, block, struct, u8, u16, u32, u64 } from './struct.js';

export const VIRTUAL_DEVICES = 12;
export const VirtualDeviceKind = { NONE: 0, CONSOLE: 1, BLOCK: 2, NETWORK: 3, IDE_DISK: 4, FLOPPY: 5 } as const;
export const VIRTUAL_DEVICE_KINDS: readonly string[] = ['none', 'console', 'block', 'network', 'ide disk', 'floppy'];

/** Bytes of a block device's name that GET_ID answers (virtio 1.2, 5.2.6.1). */
export const SERIAL_BYTES = 20;
export const VirtualDeviceLayout = struct(
  'VirtualDevice',
  {
    kind: u32,
    /** Address in partition memory of the buffer that it shares with root. */
    buffer: u32,
    /** Block devices: 1 = may only be read; the size. */
    readOnly: u32,
    sectors: u64,
    /** Network devices. */
    mac: block(6, 2),
    /** Block devices: what GET_ID answers. */
    serial: block(SERIAL_BYTES, 4),
    /** Counters since the partition was built. */
    notifications: u32,
    interrupts: u32,
    /** Requests, frames or chunks of text, and bytes: from the guest, and to it. */
    outs: u32,
    ins: u32,
    outBytes: u64,
    inBytes: u64,
    /** Frames that nobody could take; requests that failed. */
    failures: u32,
    /** Times that the driver did what no driver may do. */
    violations: u32,
  },
  128,
);
export const VirtualDevice = accessor(VirtualDeviceLayout);
export type VirtualDevice = InstanceType<typeof VirtualDevice>;
export const virtualDeviceAt = (index: number): number => DeviceMap.VIRTUAL_DEVICES + index * VirtualDeviceLayout.size;

export const QUEUES_MAX = 6;
/** One vector for each queue, and one for changes of the configuration. */
export const MSIX_VECTORS = QUEUES_MAX + 1;
export const MSIX_ENTRY_BYTES = 16;

export const QueueLayout = struct(
  'VirtQueue',
  {
    size: u16,
    vector: u16,
    enabled: u8,
    /** Avail entries taken, used entries given, used index at which the driver was last told: modulo 2^16. */
    taken: u16,
    given: u16,
    told: u16,
    descriptors: u64,
    avail: u64,
    used: u64,
  },
  64,
);
export const QueueRegisters = accessor(QueueLayout);
export type QueueRegisters = InstanceType<typeof QueueRegisters>;

export const VIRTIO_OWN_BYTES = 0x400;
export const VirtioLayout = struct(
  'Virtio',
  {
    deviceFeatureSelect: u32,
    driverFeatureSelect: u32,
    driverFeaturesLow: u32,
    driverFeaturesHigh: u32,
    status: u8,
    isr: u8,
    generation: u8,
    configVector: u16,
    queueSelect: u16,
    /** MSI-X vectors that wait until they are unmasked, a bit each. */
    pendingVectors: u32,
    /** Partition time at which its queues are to be gone on with, ns; 0 = no such time. */
    continueAt: u64,
    queues: block(QUEUES_MAX * QueueLayout.size),
    msix: block(MSIX_VECTORS * MSIX_ENTRY_BYTES),
    /** The device type's own. */
    own: block(VIRTIO_OWN_BYTES),
  },
  0x800,
);
export const VirtioRegisters = accessor(VirtioLayout);
export type VirtioRegisters = InstanceType<typeof VirtioRegisters>;
export const virtioAt = (index: number): number => DeviceMap.VIRTIO + index * VirtioLayout.size;
export const VIRTIO_SIZE = VIRTUAL_DEVICES * VirtioLayout.size;
