// Numbers of the Virtual I/O Device specification 1.2 (OASIS): devices, feature bits, status bits, split rings, PCI transport.

/** Device types (chapter 5). */
export const VirtioType = { NETWORK: 1, BLOCK: 2, CONSOLE: 3 } as const;
/** PCI device numbers of modern devices begin here (4.1.2). */
export const VIRTIO_PCI_DEVICE = 0x1040;
export const VIRTIO_PCI_VENDOR = 0x1af4;

/** device_status (2.1). */
export const VirtioStatus = { ACKNOWLEDGE: 1, DRIVER: 2, DRIVER_OK: 4, FEATURES_OK: 8, NEEDS_RESET: 64, FAILED: 128 } as const;

/** Feature bits, by number (chapter 6; 5.1.3, 5.2.3, 5.3.3). */
export const VirtioFeature = {
  INDIRECT_DESC: 28,
  EVENT_IDX: 29,
  VERSION_1: 32,
} as const;
export const NetworkFeature = { MAC: 5, STATUS: 16, MTU: 3 } as const;
export const BlockFeature = { SEG_MAX: 2, READ_ONLY: 5, BLK_SIZE: 6, FLUSH: 9 } as const;
export const ConsoleFeature = { SIZE: 0, MULTIPORT: 1 } as const;

/** Split virtqueues (2.7). */
export const DescriptorFlag = { NEXT: 1, WRITE: 2, INDIRECT: 4 } as const;
export const DESCRIPTOR_BYTES = 16;
/** avail.flags: the driver wants no interrupts; without EVENT_IDX only. */
export const AVAIL_NO_INTERRUPT = 1;
export const RING_HEADER_BYTES = 4;
export const USED_ELEMENT_BYTES = 8;

/** virtio_pci_cap (4.1.4). */
export const VirtioCapability = { COMMON: 1, NOTIFY: 2, ISR: 3, DEVICE: 4, PCI: 5 } as const;
/** Offsets in the common configuration structure (4.1.4.3). */
export const CommonConfig = {
  DEVICE_FEATURE_SELECT: 0x00,
  DEVICE_FEATURE: 0x04,
  DRIVER_FEATURE_SELECT: 0x08,
  DRIVER_FEATURE: 0x0c,
  CONFIG_VECTOR: 0x10,
  QUEUES: 0x12,
  STATUS: 0x14,
  GENERATION: 0x15,
  QUEUE_SELECT: 0x16,
  QUEUE_SIZE: 0x18,
  QUEUE_VECTOR: 0x1a,
  QUEUE_ENABLE: 0x1c,
  QUEUE_NOTIFY_OFFSET: 0x1e,
  QUEUE_DESCRIPTORS: 0x20,
  QUEUE_AVAIL: 0x28,
  QUEUE_USED: 0x30,
  BYTES: 0x38,
} as const;
export const NO_VECTOR = 0xffff;
/** ISR status (4.1.4.5). */
export const Isr = { QUEUE: 1, CONFIG: 2 } as const;

/** virtio_blk_req types and status (5.2.6). */
export const BlockRequest = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8 } as const;
export const BlockStatus = { OK: 0, IO_ERROR: 1, UNSUPPORTED: 2 } as const;
export const BLOCK_HEADER_BYTES = 16;
export const BLOCK_ID_BYTES = 20;
export const SECTOR_BYTES = 512;

/** Control messages of a console with MULTIPORT (5.3.6.2): u32 port, u16 event, u16 value, then a name for PORT_NAME. */
export const ConsoleEvent = {
  DEVICE_READY: 0,
  DEVICE_ADD: 1,
  DEVICE_REMOVE: 2,
  PORT_READY: 3,
  CONSOLE_PORT: 4,
  RESIZE: 5,
  PORT_OPEN: 6,
  PORT_NAME: 7,
} as const;
export const CONSOLE_CONTROL_BYTES = 8;

/** virtio_net_hdr of version 1 (5.1.6): twelve bytes, num_buffers last. */
export const NETWORK_HEADER_BYTES = 12;
