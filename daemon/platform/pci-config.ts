// PCI configuration ports of a machine without PCI devices, and the reset control register that lives among them.
// Reference: PCI Local Bus Specification 3.0, 3.2.2.3.2 (mechanism #1); reset control: 82371SB (PIIX3) data sheet, 2.5.5.4.
import { DeviceMap, PciRegisters, PlatformAddress } from '../../shared/layout/devices.js';
import type { Views } from '../../shared/layout/struct.js';
import type { PowerWires } from './host.js';
import { allOnes, type PortDevice } from './port-device.js';

const ADDRESS = 0xcf8;
const ADDRESS_BITS = 0x80ff_fffc;
const RESET_CPU = 0x04;
const RESET_KEPT = 0x0a;

export class PciConfig implements PortDevice {
  private readonly r: PciRegisters;
  private readonly power: PowerWires;

  constructor(views: Views, power: PowerWires) {
    this.r = new PciRegisters(views, DeviceMap.PCI);
    this.power = power;
  }

  read(port: number, bytes: number): number {
    if (port === ADDRESS && bytes === 4) return this.r.address;
    if (port === PlatformAddress.RESET_CONTROL && bytes === 1) return this.r.resetControl;
    return allOnes(bytes);
  }

  write(port: number, bytes: number, value: number): void {
    if (port === ADDRESS && bytes === 4) this.r.address = value & ADDRESS_BITS;
    else if (port === PlatformAddress.RESET_CONTROL && bytes === 1) {
      this.r.resetControl = value & RESET_KEPT;
      if (value & RESET_CPU) this.power.reset();
    }
  }
}
