// The ports by which processors reach PCI configuration space, and the reset control register that lies among them.
// Reference: PCI Local Bus Specification 3.0, 3.2.2.3.2 (mechanism #1); reset control: 82371SB (PIIX3) data sheet, 2.5.5.4.
import { DeviceMap, PciRegisters, PlatformAddress } from '../../../shared/layout/devices.js';
import type { Views } from '../../../shared/layout/struct.js';
import type { PowerWires } from '../host.js';
import { allOnes, type PortDevice } from '../port-device.js';
import type { PciBus } from './pci-bus.js';

const ADDRESS = 0xcf8;
const DATA = 0xcfc;
const ADDRESS_BITS = 0x80ff_fffc;
const ENABLE = 0x8000_0000;
const RESET_CPU = 0x04;
const RESET_KEPT = 0x0a;

export class PciConfigPorts implements PortDevice {
  private readonly r: PciRegisters;
  private readonly bus: PciBus;
  private readonly power: PowerWires;

  constructor(views: Views, bus: PciBus, power: PowerWires) {
    this.r = new PciRegisters(views, DeviceMap.PCI);
    this.bus = bus;
    this.power = power;
  }

  read(port: number, bytes: number): number {
    if (port === ADDRESS && bytes === 4) return this.r.address;
    if (port === PlatformAddress.RESET_CONTROL && bytes === 1) return this.r.resetControl;
    const offset = this.offset(port, bytes);
    return offset < 0 ? allOnes(bytes) : this.bus.configRead(this.function, offset, bytes);
  }

  write(port: number, bytes: number, value: number, now: number): void {
    if (port === ADDRESS && bytes === 4) this.r.address = value & ADDRESS_BITS;
    else if (port === PlatformAddress.RESET_CONTROL && bytes === 1) {
      this.r.resetControl = value & RESET_KEPT;
      if (value & RESET_CPU) this.power.reset();
    } else {
      const offset = this.offset(port, bytes);
      if (offset >= 0) this.bus.configWrite(this.function, offset, bytes, value, now);
    }
  }

  /** Bus, device and function number that the address register names. */
  private get function(): number {
    return (this.r.address >>> 8) & 0xffff;
  }

  /** The configuration register that an access to the data port means, or -1: the enable bit is off, or it is not within one double word. */
  private offset(port: number, bytes: number): number {
    const within = port - DATA;
    if (within < 0 || within + bytes > 4 || (this.r.address & ENABLE) === 0) return -1;
    return (this.r.address & 0xfc) + within;
  }
}
