// The PCI bus of a partition in its memory: configuration space of each device number, and where firmware places what (PCI Local Bus Specification 3.0, chapter 6).
import { PlatformAddress } from './devices.js';

export const PCI_DEVICES = 16;
/** Of configuration addresses: function number below the device number. */
export const FUNCTION_BITS = 3;
export const CONFIG_BYTES = 256;
/** Bytes of `DeviceMap.PCI_CONFIG`: zeroed by a reset of the partition, then filled in by each function. */
export const PCI_CONFIG_SIZE = PCI_DEVICES * CONFIG_BYTES;

/** Registers of a type 0 configuration header (6.1). */
export const ConfigRegister = {
  VENDOR: 0x00,
  DEVICE: 0x02,
  COMMAND: 0x04,
  STATUS: 0x06,
  REVISION: 0x08,
  CLASS: 0x09,
  HEADER_TYPE: 0x0e,
  BAR: 0x10,
  SUBSYSTEM_VENDOR: 0x2c,
  SUBSYSTEM: 0x2e,
  CAPABILITIES: 0x34,
  INTERRUPT_LINE: 0x3c,
  INTERRUPT_PIN: 0x3d,
  /** First byte behind the header. */
  DEVICE_SPECIFIC: 0x40,
} as const;
export const PciCommand = { IO: 1 << 0, MEMORY: 1 << 1, MASTER: 1 << 2, PARITY: 1 << 6, SERR: 1 << 8, INTX_DISABLE: 1 << 10 } as const;
export const PciStatus = { INTERRUPT: 1 << 3, CAPABILITIES: 1 << 4 } as const;
export const BarType = { MEMORY_64: 0x4, PREFETCHABLE: 0x8 } as const;

/** The IRQ that the INTA# pin of a device number is wired to, by the DSDT's _PRT as well: to the 8259 pair, and to the I/O APIC pin of that number. */
export const pciIrqOf = (device: number): number => (device & 1 ? PlatformAddress.PCI_IRQ_ODD : PlatformAddress.PCI_IRQ_EVEN);

/** Device number of the south bridge of a machine with a BIOS. */
export const SOUTH_BRIDGE = 1;
/** Slots among the configuration spaces of its functions, behind those of virtual devices. */
export const SouthBridgeSlot = { ISA: 13, IDE: 14 } as const;
/** PIRQA# to PIRQD# of such a machine, as SeaBIOS routes them (src/fw/pciinit.c, pci_irqs). */
const PIRQS = [10, 10, 11, 11] as const;

/** Device number and IRQ of a virtual device; with a BIOS they come after the south bridge, and INTA# of a device goes to the PIRQ of its number less one. */
export const virtualFunctionOf = (index: number, hasBios: boolean): { readonly number: number; readonly irq: number } => {
  const number = index + (hasBios ? SOUTH_BRIDGE : 0) + 1;
  return { number, irq: hasBios ? PIRQS[(number - 1) & 3] : pciIrqOf(number) };
};
