// The host bridge at device 0: what operating systems that probe mechanism #1 look for before they believe in a bus (Linux 6.1 arch/x86/pci/direct.c, pci_sanity_check).
// Reference: Intel 82441FX (290549), 3.2; nothing of it is there but its name.
import { allOnes } from '../port-device.js';
import type { PciDevice } from './pci-function.js';

export const HOST_BRIDGE: PciDevice = {
  identity: { vendor: 0x8086, device: 0x1237, classCode: 0x06_0000, revision: 2, subsystemVendor: 0, subsystem: 0 },
  bars: [],
  capabilities: [],
  memoryRead: (_bar, _offset, bytes) => allOnes(bytes),
  memoryWrite: () => undefined,
  configReading: () => undefined,
  configWritten: () => undefined,
};
