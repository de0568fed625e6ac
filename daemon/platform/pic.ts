// The PC's pair of 8259A: a master whose IR2 is the slave's output, their ports, and the INTR wire to the processor.
// Reference: Intel 8259A data sheet (231468-003), cascade mode; 82371SB (PIIX3) data sheet, 2.5.
import { DeviceMap, Irq, PicOutputLayout } from '../../shared/layout/devices.js';
import type { Views } from '../../shared/layout/struct.js';
import { PicChip } from './pic-chip.js';
import type { PortDevice } from './port-device.js';

const MASTER_COMMAND = 0x20;
const MASTER_DATA = 0x21;
const SLAVE_COMMAND = 0xa0;
const SLAVE_DATA = 0xa1;
const ELCR1 = 0x4d0;
const ELCR2 = 0x4d1;

export class PicPair implements PortDevice {
  private readonly views: Views;
  private readonly master: PicChip;
  private readonly slave: PicChip;
  private readonly output = (DeviceMap.PIC_OUTPUT + PicOutputLayout.at.intr) >>> 2;
  private readonly onIntr: (asserted: boolean) => void;

  constructor(views: Views, onIntr: (asserted: boolean) => void) {
    this.views = views;
    this.master = new PicChip(views, DeviceMap.PIC_MASTER, true);
    this.slave = new PicChip(views, DeviceMap.PIC_SLAVE, false);
    this.onIntr = onIntr;
  }

  reset(): void {
    this.master.reset();
    this.slave.reset();
  }

  /** Level of INTR; needs no lock. */
  get pending(): boolean {
    return Atomics.load(this.views.i32, this.output) === 1;
  }

  /** The same by a plain read: in step with this thread's own accesses, not with those of others. */
  get seen(): boolean {
    return this.views.i32[this.output] === 1;
  }

  masked(irq: number): boolean {
    return irq < 8 ? this.master.masked(irq) : this.slave.masked(irq - 8) || this.master.masked(Irq.CASCADE);
  }

  setLine(irq: number, asserted: boolean): void {
    if (irq < 8) this.master.setLine(irq, asserted);
    else this.slave.setLine(irq - 8, asserted);
    this.update();
  }

  /** INTA cycle: the vector to deliver; IR7's of the chip that answers when its request has gone (spurious interrupt). */
  acknowledge(): number {
    const input = this.master.acknowledge();
    const vector = input === Irq.CASCADE ? this.slave.vectorBase | this.slave.acknowledge() : this.master.vectorBase | input;
    this.update();
    return vector;
  }

  read(port: number): number {
    let value = 0xff;
    switch (port) {
      case MASTER_COMMAND:
        value = this.master.readCommand();
        break;
      case MASTER_DATA:
        value = this.master.readData();
        break;
      case SLAVE_COMMAND:
        value = this.slave.readCommand();
        break;
      case SLAVE_DATA:
        value = this.slave.readData();
        break;
      case ELCR1:
        return this.master.elcr;
      case ELCR2:
        return this.slave.elcr;
    }
    this.update();
    return value;
  }

  write(port: number, _bytes: number, value: number): void {
    switch (port) {
      case MASTER_COMMAND:
        this.master.writeCommand(value);
        break;
      case MASTER_DATA:
        this.master.writeData(value);
        break;
      case SLAVE_COMMAND:
        this.slave.writeCommand(value);
        break;
      case SLAVE_DATA:
        this.slave.writeData(value);
        break;
      case ELCR1:
        this.master.elcr = value;
        break;
      case ELCR2:
        this.slave.elcr = value;
        break;
    }
    this.update();
  }

  private update(): void {
    if (this.slave.request() >= 0) this.master.cascade();
    const asserted = this.master.request() >= 0 ? 1 : 0;
    if (Atomics.exchange(this.views.i32, this.output, asserted) !== asserted) this.onIntr(asserted === 1);
  }
}
