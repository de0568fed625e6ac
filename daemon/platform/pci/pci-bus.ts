// PCI bus 0: which function has which device number, and which of them answers at an address.
// Why one bus: nothing here needs more, and a guest that looks for others finds nothing (all ones; PCI Local Bus Specification 3.0, 6.1).
import { DeviceMap } from '../../../shared/layout/devices.js';
import { PCI_CONFIG_SIZE } from '../../../shared/layout/pci.js';
import type { Views } from '../../../shared/layout/struct.js';
import { allOnes } from '../port-device.js';
import type { PciFunction } from './pci-function.js';

export class PciBus {
  private readonly views: Views;
  private readonly functions: readonly PciFunction[];

  constructor(views: Views, functions: readonly PciFunction[]) {
    this.views = views;
    this.functions = functions;
  }

  reset(): void {
    this.views.u8.fill(0, DeviceMap.PCI_CONFIG, DeviceMap.PCI_CONFIG + PCI_CONFIG_SIZE);
    for (const one of this.functions) one.reset();
  }

  /** `where`: bus, device and function number as configuration addresses have them. */
  configRead(where: number, offset: number, bytes: number): number {
    return this.at(where)?.configRead(offset, bytes) ?? allOnes(bytes);
  }
  configWrite(where: number, offset: number, bytes: number, value: number, now: number): void {
    this.at(where)?.configWrite(offset, bytes, value, now);
  }

  /** The function whose memory the address is, if any. */
  claims(gpa: number): PciFunction | undefined {
    for (const one of this.functions) if (one.barAt(gpa) >= 0) return one;
    return undefined;
  }

  private at(where: number): PciFunction | undefined {
    return this.functions.find((one) => one.where === where);
  }
}
