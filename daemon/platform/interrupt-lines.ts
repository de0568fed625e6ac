// The ISA interrupt lines: each device output goes to an input of the 8259 pair and to a pin of the I/O APIC; devices that share a line are ORed.
// Reference: Intel 82093AA data sheet, figure 1; MultiProcessor Specification 1.4, 3.6.2 (symmetric I/O mode).
import { DeviceMap, Irq, TIMER_PIN } from '../../shared/layout/devices.js';
import type { Views } from '../../shared/layout/struct.js';
import type { IoApic } from './ioapic.js';
import type { PicPair } from './pic.js';

/** Lines of an 8259 pair. */
export const ISA_LINES = 16;

const pinOf = (irq: number): number => (irq === Irq.PIT ? TIMER_PIN : irq);

export class InterruptLines {
  private readonly views: Views;
  private readonly pic: PicPair;
  private readonly ioapic: IoApic;

  constructor(views: Views, pic: PicPair, ioapic: IoApic) {
    this.views = views;
    this.pic = pic;
    this.ioapic = ioapic;
  }

  /** The output of one device; `source` tells devices on one line apart (0..7). */
  line(irq: number, source = 0): IrqLine {
    return new IrqLine(this, irq, 1 << source);
  }

  set(irq: number, sourceBit: number, asserted: boolean): void {
    const at = DeviceMap.LINES + irq;
    const before = this.views.u8[at];
    const after = asserted ? before | sourceBit : before & ~sourceBit;
    if (after === before) return;
    this.views.u8[at] = after;
    if ((after !== 0) === (before !== 0)) return;
    this.pic.setLine(irq, after !== 0);
    this.ioapic.setPin(pinOf(irq), after !== 0);
  }

  /** False while both controllers mask the line: nobody can be interrupted by it, so its device needs no wake-up. */
  open(irq: number): boolean {
    return !this.pic.masked(irq) || !this.ioapic.masked(pinOf(irq));
  }
}

/** One device's end of an interrupt line. */
export class IrqLine {
  private readonly lines: InterruptLines;
  private readonly irq: number;
  private readonly sourceBit: number;

  constructor(lines: InterruptLines, irq: number, sourceBit: number) {
    this.lines = lines;
    this.irq = irq;
    this.sourceBit = sourceBit;
  }

  set(asserted: boolean): void {
    this.lines.set(this.irq, this.sourceBit, asserted);
  }

  /** A rising edge, whatever the level was. */
  edge(): void {
    this.set(false);
    this.set(true);
  }

  get open(): boolean {
    return this.lines.open(this.irq);
  }
}
