// The south bridge of a machine with a BIOS, device 1: function 0 leads to the ISA bus, function 1 has the IDE channels (platform/ide).
// The interrupt routes of function 0 keep what is written and change nothing: PCI devices are wired to where SeaBIOS routes them (shared/layout/pci.ts).
// Reference: Intel 82371FB/SB (290550), 2.1 and 2.2. Bus-master IDE is not there, and the interface says so (bit 7 of its programming interface).
import { ConfigRegister, PciCommand } from '../../../shared/layout/pci.js';
import { HOST_BRIDGE } from './host-bridge.js';
import type { PciDevice } from './pci-function.js';

const INTEL = { vendor: 0x8086, revision: 0, subsystemVendor: 0, subsystem: 0 };
const MULTI_FUNCTION = 0x80;
/** PIRQA# to PIRQD#: bit 7 is set while they go nowhere. */
const ROUTES = { offset: 0x60, bytes: 4, value: 0x8080_8080, writable: 0x8f8f_8f8f } as const;
/** IDE timing of each channel; bit 15 lets it decode its ports. */
export const IDE_TIMING = 0x40;
export const IDE_DECODES = 0x8000;

export const ISA_BRIDGE: PciDevice = {
  ...HOST_BRIDGE,
  identity: { ...INTEL, device: 0x7000, classCode: 0x06_0100 },
  registers: [{ offset: ConfigRegister.HEADER_TYPE, bytes: 1, value: MULTI_FUNCTION, writable: 0 }, ROUTES],
};
export const IDE_FUNCTION: PciDevice = {
  ...HOST_BRIDGE,
  identity: { ...INTEL, device: 0x7010, classCode: 0x01_0100 },
  registers: [
    { offset: ConfigRegister.COMMAND, bytes: 2, value: 0, writable: PciCommand.IO },
    { offset: IDE_TIMING, bytes: 4, value: 0, writable: 0xffff_ffff },
  ],
};
