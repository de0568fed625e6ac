// The PCI host bridge as ACPI tells of it: the bus number and the addresses that it passes on, and where the interrupt pins of its devices are wired (ACPI 6.5 6.2.13, 6.4.3.5).
import { PlatformAddress } from '../../../shared/layout/devices.js';
import { PCI_DEVICES, pciIrqOf } from '../../../shared/layout/pci.js';
import { type Aml, buffer, device, eisaId, integer, name, packageOf } from './aml.js';

const CONFIG_PORTS = 0xcf8;
const CONFIG_PORTS_COUNT = 8;
const ResourceType = { MEMORY: 0, IO: 1, BUS: 2 } as const;
/** The range is fixed at both ends and decoded positively; the bridge passes it on. */
const FIXED_PRODUCER = 0x0c;
const ENTIRE_RANGE = 3;
const READ_WRITE = 1;

const little = (value: number, bytes: number): number[] => Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff);

/** Address space descriptor with fields of `width` bytes: granularity 0, minimum, maximum, no translation, length. */
const range = (tag: number, width: number, type: number, flags: number, first: number, last: number): number[] => [
  tag,
  ...little(3 + 5 * width, 2),
  type,
  FIXED_PRODUCER,
  flags,
  ...[0, first, last, 0, last - first + 1].flatMap((value) => little(value, width)),
];
const wordRange = (type: number, flags: number, first: number, last: number): number[] => range(0x88, 2, type, flags, first, last);
const memoryRange = (first: number, last: number): number[] => range(0x87, 4, ResourceType.MEMORY, READ_WRITE, first, last);

const RESOURCES: Aml = [
  ...wordRange(ResourceType.BUS, 0, 0, 0),
  ...[0x47, 0x01, ...little(CONFIG_PORTS, 2), ...little(CONFIG_PORTS, 2), 0x01, CONFIG_PORTS_COUNT],
  ...wordRange(ResourceType.IO, ENTIRE_RANGE, 0, CONFIG_PORTS - 1),
  ...wordRange(ResourceType.IO, ENTIRE_RANGE, CONFIG_PORTS + CONFIG_PORTS_COUNT, 0xffff),
  ...memoryRange(PlatformAddress.PCI_MEMORY, PlatformAddress.PCI_MEMORY_END - 1),
  ...[0x79, 0x00],
];

/** INTA# of each device number, all functions; no link devices, for the wiring is fixed. */
const ROUTES: readonly Aml[] = Array.from({ length: PCI_DEVICES - 1 }, (_, index) =>
  packageOf(integer((index + 1) * 0x1_0000 + 0xffff), integer(0), integer(0), integer(pciIrqOf(index + 1))),
);

export const PCI_HOST: Aml = device(
  'PCI0',
  name('_HID', eisaId('PNP0A03')),
  name('_ADR', integer(0)),
  name('_UID', integer(0)),
  name('_BBN', integer(0)),
  name('_CRS', buffer(RESOURCES)),
  name('_PRT', packageOf(...ROUTES)),
);
