// The device by which test images drive a PC: a word that ports can be tried on, memory that is no RAM, and a hand on every interrupt line.
// Reference: QEMU, hw/misc/pc-testdev.c. Its port E4h, which unmaps a page behind the guest's back, has no meaning here: nothing answers there.
//
//   port E0h..E3h, E8h..EBh   the word: the same one at both places
//   port 2000h..2017h         0 lowers the interrupt line of that number, all else raises it
//   memory FF000000h          64 KiB
import { DeviceMap, PlatformAddress, TestRegisters } from '../../shared/layout/devices.js';
import type { Views } from '../../shared/layout/struct.js';
import { type InterruptLines, type IrqLine, ISA_LINES } from './interrupt-lines.js';
import type { IoApic } from './ioapic.js';
import type { PortDevice } from './port-device.js';

/** Tells it apart from the devices whose lines it moves. */
const SOURCE = 7;
const { TEST_MEMORY, TEST_MEMORY_BYTES, TEST_LINES } = PlatformAddress;

export class PcTestDevice implements PortDevice {
  private readonly views: Views;
  private readonly data: number;
  private readonly lines: readonly IrqLine[];
  private readonly ioapic: IoApic;

  constructor(views: Views, lines: InterruptLines, ioapic: IoApic) {
    this.views = views;
    this.data = new TestRegisters(views, DeviceMap.TEST).data;
    this.lines = Array.from({ length: ISA_LINES }, (_, irq) => lines.line(irq, SOURCE));
    this.ioapic = ioapic;
  }

  read(port: number): number {
    return port >= TEST_LINES ? 0 : this.views.u8[this.data + (port & 3)];
  }

  write(port: number, _bytes: number, value: number): void {
    if (port < TEST_LINES) this.views.u8[this.data + (port & 3)] = value;
    else this.setLine(port - TEST_LINES, value !== 0);
  }

  claims(gpa: number): boolean {
    return gpa >= TEST_MEMORY && gpa < TEST_MEMORY + TEST_MEMORY_BYTES;
  }
  /** `bytes` (1, 2 or 4) at an address that it claims. */
  load(gpa: number, bytes: number): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) value |= this.views.u8[this.at(gpa + i)] << (8 * i);
    return value >>> 0;
  }
  store(gpa: number, bytes: number, value: number): void {
    for (let i = 0; i < bytes; i++) this.views.u8[this.at(gpa + i)] = value >>> (8 * i);
  }

  private at(gpa: number): number {
    return DeviceMap.TEST_MEMORY + ((gpa - TEST_MEMORY) & (TEST_MEMORY_BYTES - 1));
  }

  /** Beyond the ISA lines there are those that only the I/O APIC has. */
  private setLine(line: number, asserted: boolean): void {
    if (line < ISA_LINES) this.lines[line].set(asserted);
    else this.ioapic.setPin(line, asserted);
  }
}
