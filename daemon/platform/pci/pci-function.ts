// One PCI function: its configuration space, of which a guest may write only what a mask lets it, and the memory that its base address registers decode.
// Why masks: sizing a BAR is then no case of its own (ones written stay only where the address may differ), and no guest can make a register say what it must not.
// Reference: PCI Local Bus Specification 3.0, 6.2 (header), 6.2.5 (base addresses), 6.7 (capabilities).
import { DeviceMap } from '../../../shared/layout/devices.js';
import { BarType, CONFIG_BYTES, ConfigRegister, FUNCTION_BITS, PciCommand, PciStatus } from '../../../shared/layout/pci.js';
import type { Views } from '../../../shared/layout/struct.js';

export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  /** Base class, subclass and programming interface. */
  readonly classCode: number;
  readonly revision: number;
  readonly subsystemVendor: number;
  readonly subsystem: number;
  /** It has an INTA# pin, on this IRQ. */
  readonly irq?: number;
}
/** Memory that the function decodes: `bytes` is a power of two from 4 KiB up. */
export interface PciBar {
  /** First of its registers; a 64-bit one takes two. */
  readonly register: number;
  readonly bytes: number;
  readonly wide: boolean;
  /** Where firmware puts it. */
  readonly address: number;
}
/** Its bytes from the ID on, without the link; `writable`: bits that the guest may change, by offset in it. */
export interface PciCapability {
  readonly id: number;
  readonly bytes: readonly number[];
  readonly writable?: Readonly<Record<number, number>>;
}

/** A register of the function's own, or one of the header that is another than usual; `writable`: bits that the guest may change. */
export interface PciRegister {
  readonly offset: number;
  readonly bytes: number;
  readonly value: number;
  readonly writable: number;
}

/** What there is behind the configuration space. */
export interface PciDevice {
  readonly identity: PciIdentity;
  readonly registers?: readonly PciRegister[];
  readonly bars: readonly PciBar[];
  readonly capabilities: readonly PciCapability[];
  /** `bar`: index in `bars`. */
  memoryRead(bar: number, offset: number, bytes: number): number;
  memoryWrite(bar: number, offset: number, bytes: number, value: number, now: number): void;
  /** Before a guest's read of these configuration registers, and after its write. `now`: partition time, ns. */
  configReading(offset: number, bytes: number): void;
  configWritten(offset: number, bytes: number, now: number): void;
}

const COMMAND_WRITABLE = PciCommand.MEMORY | PciCommand.MASTER | PciCommand.PARITY | PciCommand.SERR | PciCommand.INTX_DISABLE;
const TWO_32 = 0x1_0000_0000;
const REGISTERS = 6;

export class PciFunction {
  /** Its device and function number on the bus, as configuration addresses have them. */
  readonly where: number;
  private readonly views: Views;
  private readonly base: number;
  private readonly device: PciDevice;
  /** Configuration space as after a reset, and the bits that a guest may change. */
  private readonly initial = new Uint8Array(CONFIG_BYTES);
  private readonly writable = new Uint8Array(CONFIG_BYTES);
  private readonly capabilityAt: readonly number[];

  /** `slot`: which of the configuration spaces in partition memory is its own. */
  constructor(views: Views, slot: number, device: PciDevice, where = slot << FUNCTION_BITS) {
    this.views = views;
    this.where = where;
    this.base = DeviceMap.PCI_CONFIG + slot * CONFIG_BYTES;
    this.device = device;
    this.layHeader(device.identity);
    for (const bar of device.bars) this.layBar(bar);
    this.capabilityAt = this.layCapabilities(device.capabilities);
    for (const { offset, bytes, value, writable } of device.registers ?? []) this.lay(offset, bytes, value, writable);
  }

  reset(): void {
    this.views.u8.set(this.initial, this.base);
  }

  configRead(offset: number, bytes: number): number {
    this.device.configReading(offset, bytes);
    return this.get(offset, bytes);
  }
  configWrite(offset: number, bytes: number, value: number, now: number): void {
    const { u8 } = this.views;
    for (let i = 0; i < bytes; i++) {
      const at = this.base + offset + i;
      const mask = this.writable[offset + i];
      u8[at] = (u8[at] & ~mask) | ((value >>> (8 * i)) & mask);
    }
    this.device.configWritten(offset, bytes, now);
  }

  /** Register of the function's own, for its device. */
  get(offset: number, bytes: number): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) value += this.views.u8[this.base + offset + i] * 2 ** (8 * i);
    return value;
  }
  set(offset: number, bytes: number, value: number): void {
    for (let i = 0; i < bytes; i++) this.views.u8[this.base + offset + i] = Math.floor(value / 2 ** (8 * i)) & 0xff;
  }
  /** Where the capability begins, by its index. */
  capability(index: number): number {
    return this.capabilityAt[index];
  }
  /** The guest lets it read and write memory, and send messages. */
  get isMaster(): boolean {
    return (this.get(ConfigRegister.COMMAND, 2) & PciCommand.MASTER) !== 0;
  }
  get interruptDisabled(): boolean {
    return (this.get(ConfigRegister.COMMAND, 2) & PciCommand.INTX_DISABLE) !== 0;
  }
  /** The status register's look at the function's interrupt, whether or not the pin may show it (6.2.3). */
  setInterruptStatus(pending: boolean): void {
    const status = this.get(ConfigRegister.STATUS, 1);
    this.set(ConfigRegister.STATUS, 1, pending ? status | PciStatus.INTERRUPT : status & ~PciStatus.INTERRUPT);
  }

  /** Index of the BAR that decodes the address, or -1. */
  barAt(gpa: number): number {
    const { bars } = this.device;
    for (let index = 0; index < bars.length; index++) {
      const offset = gpa - this.addressOf(bars[index]);
      if (offset >= 0 && offset < bars[index].bytes) return this.decodes ? index : -1;
    }
    return -1;
  }
  memoryRead(gpa: number, bytes: number): number {
    const bar = this.barAt(gpa);
    return this.device.memoryRead(bar, gpa - this.addressOf(this.device.bars[bar]), bytes);
  }
  memoryWrite(gpa: number, bytes: number, value: number, now: number): void {
    const bar = this.barAt(gpa);
    this.device.memoryWrite(bar, gpa - this.addressOf(this.device.bars[bar]), bytes, value, now);
  }

  private get decodes(): boolean {
    return (this.views.u8[this.base + ConfigRegister.COMMAND] & PciCommand.MEMORY) !== 0;
  }
  private addressOf({ register, bytes, wide }: PciBar): number {
    const at = (this.base + ConfigRegister.BAR + register * 4) >>> 2;
    const low = (this.views.u32[at] & -bytes) >>> 0;
    return wide ? this.views.u32[at + 1] * TWO_32 + low : low;
  }

  private lay(offset: number, bytes: number, value: number, writable = 0): void {
    for (let i = 0; i < bytes; i++) {
      this.initial[offset + i] = Math.floor(value / 2 ** (8 * i));
      this.writable[offset + i] = Math.floor(writable / 2 ** (8 * i));
    }
  }
  private layHeader({ vendor, device, classCode, revision, subsystemVendor, subsystem, irq }: PciIdentity): void {
    const R = ConfigRegister;
    this.lay(R.VENDOR, 2, vendor);
    this.lay(R.DEVICE, 2, device);
    // As firmware leaves it: what it has placed is decoded, and the device may reach memory.
    this.lay(R.COMMAND, 2, this.device.bars.length > 0 ? PciCommand.MEMORY | PciCommand.MASTER : 0, COMMAND_WRITABLE);
    this.lay(R.STATUS, 2, this.device.capabilities.length > 0 ? PciStatus.CAPABILITIES : 0);
    this.lay(R.REVISION, 1, revision);
    this.lay(R.CLASS, 3, classCode);
    this.lay(R.SUBSYSTEM_VENDOR, 2, subsystemVendor);
    this.lay(R.SUBSYSTEM, 2, subsystem);
    if (irq === undefined) return;
    this.lay(R.INTERRUPT_LINE, 1, irq, 0xff);
    this.lay(R.INTERRUPT_PIN, 1, 1);
  }
  private layBar({ register, bytes, wide, address }: PciBar): void {
    const at = ConfigRegister.BAR + register * 4;
    this.lay(at, 4, (address % TWO_32) + (wide ? BarType.MEMORY_64 : 0), -bytes >>> 0);
    if (wide && register + 1 < REGISTERS) this.lay(at + 4, 4, Math.floor(address / TWO_32), TWO_32 - 1);
  }
  private layCapabilities(capabilities: readonly PciCapability[]): number[] {
    let link: number = ConfigRegister.CAPABILITIES;
    let next: number = ConfigRegister.DEVICE_SPECIFIC;
    return capabilities.map(({ id, bytes, writable }) => {
      const at = next;
      this.initial[link] = at;
      this.initial[at] = id;
      this.initial.set(bytes, at + 2);
      for (const [offset, mask] of Object.entries(writable ?? {})) this.writable[at + Number(offset)] = mask;
      link = at + 1;
      next = (at + 2 + bytes.length + 3) & ~3;
      return at;
    });
  }
}
