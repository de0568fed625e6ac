// The differentiated system description: soft-off, the processors, the PCI host bridge, and the ISA devices that an operating system does not find by itself (ACPI 6.5 5.2.11.1).
import { Irq, PlatformAddress } from '../../../shared/layout/devices.js';
import { type Aml, buffer, device, eisaId, integer, isaResources, name, noResources, packageOf, scope, text } from './aml.js';
import { PCI_HOST } from './pci-host.js';

const processor = (index: number): Aml =>
  device(`C${index.toString(16).toUpperCase().padStart(3, '0')}`, name('_HID', text('ACPI0007')), name('_UID', integer(index)));

const isaDevice = (segment: string, id: string, port: number, ports: number, irq: number): Aml =>
  device(segment, name('_HID', eisaId(id)), name('_CRS', buffer(isaResources(port, ports, irq))));

/** The bus of a Hyper-V guest: its driver binds to the name, and asks for no resources (Linux 6.1 drivers/hv/vmbus_drv.c). */
const VMBUS = device('VMBS', name('_HID', text('VMBus')), name('_UID', integer(0)), name('_CRS', buffer(noResources)));

export const dsdtBody = (vpCount: number, vmbus: boolean): Uint8Array => {
  const processors = Array.from({ length: vpCount }, (_, index) => processor(index));
  const devices = [isaDevice('COM1', 'PNP0501', PlatformAddress.COM1, 8, Irq.COM1), isaDevice('RTC0', 'PNP0B00', 0x70, 2, Irq.RTC)];
  devices.push(PCI_HOST);
  if (vmbus) devices.push(VMBUS);
  const sleep = packageOf(integer(PlatformAddress.S5_SLEEP_TYPE), integer(PlatformAddress.S5_SLEEP_TYPE), integer(0), integer(0));
  return Uint8Array.from([...name('\\_S5', sleep), ...scope('\\_SB', ...processors, ...devices)]);
};
