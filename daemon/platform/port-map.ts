// The I/O port map of the machine as a literal table. What is not listed is not there: it reads as all ones.
// Reference: the PC/AT's map; COM2 to COM4 (0x2f8, 0x3e8, 0x2e8) and LPT are absent, and without a BIOS so are disk controllers.
import { PlatformAddress } from '../../shared/layout/devices.js';
import { JobPort } from '../../shared/layout/job-page.js';
import { PASSED_DEVICES_PORT } from './passed-devices.js';

export type PortDeviceName =
  | 'dma'
  | 'pic'
  | 'pit'
  | 'i8042'
  | 'rtc'
  | 'system'
  | 'vga'
  | 'uart'
  | 'doorbell'
  | 'acpi'
  | 'pci'
  | 'coprocessor'
  | 'passed'
  | 'firmwareConfig'
  | 'test'
  | 'synicTest'
  | 'ide'
  | 'floppy';

export interface PortRange {
  readonly first: number;
  readonly last: number;
  readonly device: PortDeviceName;
  /** The device takes 16- and 32-bit accesses whole; others see them as bytes at consecutive ports. */
  readonly wide?: boolean;
  /** The device needs no lock at these ports. */
  readonly lockFree?: boolean;
}

export const PORT_MAP: readonly PortRange[] = [
  { first: 0x000, last: 0x00f, device: 'dma' },
  { first: 0x020, last: 0x021, device: 'pic' },
  { first: 0x040, last: 0x043, device: 'pit' },
  { first: 0x060, last: 0x060, device: 'i8042' },
  { first: 0x061, last: 0x061, device: 'pit' },
  { first: 0x064, last: 0x064, device: 'i8042' },
  { first: 0x070, last: 0x071, device: 'rtc' },
  { first: 0x080, last: 0x080, device: 'dma', lockFree: true },
  { first: 0x081, last: 0x08f, device: 'dma' },
  { first: 0x092, last: 0x092, device: 'system' },
  { first: 0x0a0, last: 0x0a1, device: 'pic' },
  { first: 0x0c0, last: 0x0df, device: 'dma' },
  { first: PlatformAddress.DEBUG_CONSOLE, last: PlatformAddress.DEBUG_CONSOLE, device: 'system' },
  { first: 0x0f0, last: 0x0f1, device: 'coprocessor' },
  { first: PlatformAddress.DEBUG_EXIT, last: PlatformAddress.DEBUG_EXIT, device: 'system', wide: true },
  { first: 0x3b4, last: 0x3b5, device: 'vga' },
  { first: 0x3ba, last: 0x3ba, device: 'vga' },
  { first: 0x3c0, last: 0x3df, device: 'vga' },
  { first: PlatformAddress.COM1, last: PlatformAddress.COM1 + 7, device: 'uart' },
  { first: 0x4d0, last: 0x4d1, device: 'pic' },
  { first: JobPort.ANNOUNCE, last: JobPort.ANNOUNCE + 15, device: 'doorbell', wide: true, lockFree: true },
  { first: PASSED_DEVICES_PORT, last: PASSED_DEVICES_PORT + 3, device: 'passed', wide: true, lockFree: true },
  { first: PlatformAddress.PM1A_EVENT, last: PlatformAddress.PM_TIMER + 3, device: 'acpi', wide: true },
  { first: PlatformAddress.GPE0, last: PlatformAddress.GPE0 + PlatformAddress.GPE0_BYTES - 1, device: 'acpi', wide: true },
  { first: 0xcf8, last: 0xcff, device: 'pci', wide: true },
];
/** What a BIOS looks for. */
export const FIRMWARE_PORT_MAP: readonly PortRange[] = [
  { first: PlatformAddress.FIRMWARE_DEBUG, last: PlatformAddress.FIRMWARE_DEBUG, device: 'system' },
  { first: PlatformAddress.FIRMWARE_CONFIG, last: PlatformAddress.FIRMWARE_CONFIG + 1, device: 'firmwareConfig', wide: true },
  { first: PlatformAddress.IDE, last: PlatformAddress.IDE + 7, device: 'ide', wide: true },
  { first: PlatformAddress.FLOPPY + 2, last: PlatformAddress.FLOPPY + 2, device: 'floppy' },
  { first: PlatformAddress.FLOPPY + 4, last: PlatformAddress.FLOPPY + 5, device: 'floppy' },
  { first: PlatformAddress.IDE_CONTROL, last: PlatformAddress.IDE_CONTROL, device: 'ide', wide: true },
  { first: PlatformAddress.FLOPPY + 7, last: PlatformAddress.FLOPPY + 7, device: 'floppy' },
];
/** What test images look for, in place of what the machine has there otherwise. */
export const TEST_PORT_MAP: readonly PortRange[] = [
  { first: PlatformAddress.TEST_DATA, last: PlatformAddress.TEST_DATA + 3, device: 'test' },
  { first: PlatformAddress.TEST_DATA_BYTEWISE, last: PlatformAddress.TEST_DATA_BYTEWISE + 3, device: 'test' },
  { first: PlatformAddress.FIRMWARE_CONFIG, last: PlatformAddress.FIRMWARE_CONFIG + 1, device: 'firmwareConfig', wide: true },
  { first: PlatformAddress.TEST_LINES, last: PlatformAddress.TEST_LINES + PlatformAddress.IOAPIC_PINS - 1, device: 'test' },
  { first: PlatformAddress.SYNIC_TEST, last: PlatformAddress.SYNIC_TEST + 3, device: 'synicTest', wide: true, lockFree: true },
];
/** Ports from here on are never claimed. */
export const PORT_LIMIT = 0x4000;
