// I/O APIC with 24 pins: redirection table, edge and level pins, remote IRR cleared by EOI broadcasts of the local APICs.
// Reference: Intel 82093AA data sheet (290566-001); version 0x11, so without an EOI register.
import { DeviceMap, IoApicRegisters, PlatformAddress } from '../../shared/layout/devices.js';
import type { Views } from '../../shared/layout/struct.js';
import type { PlatformHost } from './host.js';

const SELECT = 0x00;
const WINDOW = 0x10;
const REGISTER_ID = 0;
const REGISTER_VERSION = 1;
const REGISTER_ARBITRATION = 2;
const REGISTER_TABLE = 0x10;
const PINS = PlatformAddress.IOAPIC_PINS;
const VERSION = 0x11 | ((PINS - 1) << 16);

/** Low half of a redirection entry. */
const Entry = {
  VECTOR: 0xff,
  MODE_SHIFT: 8,
  LOGICAL: 1 << 11,
  DELIVERY_STATUS: 1 << 12,
  REMOTE_IRR: 1 << 14,
  LEVEL: 1 << 15,
  MASKED: 1 << 16,
  DEFINED: 0x1ffff,
} as const;
const READ_ONLY = Entry.DELIVERY_STATUS | Entry.REMOTE_IRR;
const MODE_LOWEST_PRIORITY = 1;

export class IoApic {
  private readonly views: Views;
  private readonly registers: IoApicRegisters;
  private readonly host: PlatformHost;
  private readonly low: number;
  private readonly high: number;

  constructor(views: Views, host: PlatformHost) {
    this.views = views;
    this.registers = new IoApicRegisters(views, DeviceMap.IOAPIC);
    this.host = host;
    this.low = this.registers.redirectionLow >>> 2;
    this.high = this.registers.redirectionHigh >>> 2;
  }

  reset(): void {
    for (let pin = 0; pin < PINS; pin++) this.views.u32[this.low + pin] = Entry.MASKED;
  }

  masked(pin: number): boolean {
    return (this.views.u32[this.low + pin] & Entry.MASKED) !== 0;
  }

  setPin(pin: number, asserted: boolean): void {
    const bit = 1 << pin;
    const was = (this.registers.lines & bit) !== 0;
    if (was === asserted) return;
    this.registers.lines = asserted ? this.registers.lines | bit : this.registers.lines & ~bit;
    if (!asserted) return;
    const entry = this.views.u32[this.low + pin];
    if (this.isLevel(entry)) this.service(pin);
    // An edge on a masked pin is lost (data sheet, 3.2.4: interrupt mask).
    else if ((entry & Entry.MASKED) === 0) this.send(pin, entry, false);
  }

  /** EOI broadcast of a local APIC: every level pin with this vector may interrupt again, and does if its line is still asserted. */
  endOfInterrupt(vector: number): void {
    for (let pin = 0; pin < PINS; pin++) {
      const entry = this.views.u32[this.low + pin];
      if ((entry & Entry.REMOTE_IRR) === 0 || (entry & Entry.VECTOR) !== vector) continue;
      this.views.u32[this.low + pin] = entry & ~Entry.REMOTE_IRR;
      this.service(pin);
    }
  }

  read(offset: number): number {
    if (offset === SELECT) return this.registers.select;
    if (offset !== WINDOW) return 0;
    const index = this.registers.select;
    switch (index) {
      case REGISTER_ID:
      case REGISTER_ARBITRATION:
        return this.registers.id;
      case REGISTER_VERSION:
        return VERSION;
    }
    const pin = (index - REGISTER_TABLE) >> 1;
    if (pin < 0 || pin >= PINS) return 0;
    return this.views.u32[((index & 1) === 0 ? this.low : this.high) + pin];
  }

  write(offset: number, value: number): void {
    if (offset === SELECT) this.registers.select = value & 0xff;
    if (offset !== WINDOW) return;
    const index = this.registers.select;
    if (index === REGISTER_ID) this.registers.id = value & 0x0f00_0000;
    const pin = (index - REGISTER_TABLE) >> 1;
    if (pin < 0 || pin >= PINS) return;
    if (index & 1) this.views.u32[this.high + pin] = value & 0xff00_0000;
    else this.writeEntry(pin, value);
  }

  private writeEntry(pin: number, value: number): void {
    const before = this.views.u32[this.low + pin];
    let entry = (before & READ_ONLY) | (value & Entry.DEFINED & ~READ_ONLY);
    // Making a pin edge forgets its remote IRR: how software ends a level interrupt on a version without an EOI register.
    if (!this.isLevel(entry)) entry &= ~Entry.REMOTE_IRR;
    this.views.u32[this.low + pin] = entry;
    this.service(pin);
  }

  /** Only fixed and lowest-priority interrupts can be level: the other delivery modes are edge whatever the entry says. */
  private isLevel(entry: number): boolean {
    return (entry & Entry.LEVEL) !== 0 && ((entry >>> Entry.MODE_SHIFT) & 7) <= MODE_LOWEST_PRIORITY;
  }

  /** Sends a level pin's interrupt if its line is asserted and none is under way. */
  private service(pin: number): void {
    const entry = this.views.u32[this.low + pin];
    if (!this.isLevel(entry) || (entry & (Entry.MASKED | Entry.REMOTE_IRR)) !== 0 || (this.registers.lines & (1 << pin)) === 0) return;
    this.views.u32[this.low + pin] = entry | Entry.REMOTE_IRR;
    this.send(pin, entry, true);
  }

  private send(pin: number, entry: number, level: boolean): void {
    const destination = this.views.u32[this.high + pin] >>> 24;
    this.host.deliver(destination, (entry & Entry.LOGICAL) !== 0, (entry >>> Entry.MODE_SHIFT) & 7, entry & Entry.VECTOR, level);
  }
}
