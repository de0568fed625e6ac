// The host bridge at device 0: what operating systems that probe mechanism #1 look for before they believe in a bus (Linux 6.1 arch/x86/pci/direct.c, pci_sanity_check).
// For a BIOS it also has the PAM registers, which steer accesses below 1 MiB, and QEMU's subsystem numbers, by which SeaBIOS knows that there is a configuration device.
// Its SMRAM register keeps what is written: there is no system management mode.
// Reference: Intel 82441FX (290549), 3.2.
import { PAM_REGISTERS, PAM_REGISTERS_END } from '../../../shared/layout/firmware.js';
import { allOnes } from '../port-device.js';
import type { PciDevice } from './pci-function.js';

const IDENTITY = { vendor: 0x8086, device: 0x1237, classCode: 0x06_0000, revision: 2, subsystemVendor: 0, subsystem: 0 };
const PAM_BITS = 0x33;
const SMRAM = { offset: 0x72, bytes: 1, value: 0x02, writable: 0x7f } as const;

export const HOST_BRIDGE: PciDevice = {
  identity: IDENTITY,
  bars: [],
  capabilities: [],
  memoryRead: (_bar, _offset, bytes) => allOnes(bytes),
  memoryWrite: () => undefined,
  configReading: () => undefined,
  configWritten: () => undefined,
};

/** `remapped`: memory below 1 MiB is elsewhere from now on. */
export const firmwareHostBridge = (remapped: () => void): PciDevice => ({
  ...HOST_BRIDGE,
  identity: { ...IDENTITY, subsystemVendor: 0x1af4, subsystem: 0x1100 },
  registers: [
    // Its first nibble is reserved.
    { offset: PAM_REGISTERS, bytes: 1, value: 0, writable: PAM_BITS & 0xf0 },
    ...Array.from({ length: PAM_REGISTERS_END - PAM_REGISTERS - 1 }, (_, i) => ({
      offset: PAM_REGISTERS + 1 + i,
      bytes: 1,
      value: 0,
      writable: PAM_BITS,
    })),
    SMRAM,
  ],
  configWritten: (offset, bytes) => {
    if (offset + bytes > PAM_REGISTERS && offset < PAM_REGISTERS_END) remapped();
  },
});
