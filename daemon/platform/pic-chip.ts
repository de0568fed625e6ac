// One 8259A programmable interrupt controller: request, service and mask registers, priority, initialisation and operation command words.
// Reference: Intel 8259A data sheet (231468-003); edge/level control register: Intel 82371SB (PIIX3) data sheet, 2.5.3.
import { PicRegisters } from '../../shared/layout/devices.js';
import type { Views } from '../../shared/layout/struct.js';

const ICW1 = 0x10;
const ICW1_IC4 = 0x01;
const ICW1_SNGL = 0x02;
const ICW4_AEOI = 0x02;
const ICW4_SFNM = 0x10;
const OCW3 = 0x08;
/** OCW2 commands, bits 7:5. */
const Ocw2 = {
  CLEAR_ROTATE_IN_AEOI: 0,
  NON_SPECIFIC_EOI: 1,
  SPECIFIC_EOI: 3,
  SET_ROTATE_IN_AEOI: 4,
  ROTATE_ON_NON_SPECIFIC: 5,
  SET_PRIORITY: 6,
  ROTATE_ON_SPECIFIC: 7,
} as const;
const CASCADE_BIT = 1 << 2;
/** Input that an INTA cycle answers with when no request is left. */
const SPURIOUS = 7;

export class PicChip {
  private readonly registers: PicRegisters;
  private readonly master: boolean;
  /** ELCR bits that can be set: IRQ 0, 1, 2, 8 and 13 are always edge. */
  private readonly elcrMask: number;

  constructor(views: Views, base: number, master: boolean) {
    this.registers = new PicRegisters(views, base);
    this.master = master;
    this.elcrMask = master ? 0xf8 : 0xde;
  }

  /** All inputs masked until the guest programs the chip; IRQ 9 (SCI) is level, as firmware leaves it. */
  reset(): void {
    this.registers.imr = 0xff;
    this.registers.elcr = this.master ? 0 : 0x02;
  }

  get vectorBase(): number {
    return this.registers.vectorBase;
  }

  masked(input: number): boolean {
    return (this.registers.imr & (1 << input)) !== 0;
  }

  setLine(input: number, asserted: boolean): void {
    const r = this.registers;
    const bit = 1 << input;
    if (asserted) {
      if ((r.elcr & bit) !== 0 || (r.lines & bit) === 0) r.irr |= bit;
      r.lines |= bit;
    } else {
      // An edge request stays latched until it is acknowledged, as in the PC chipsets.
      if ((r.elcr & bit) !== 0) r.irr &= ~bit;
      r.lines &= ~bit;
    }
  }

  /** The slave's INT output rises at our cascade input. */
  cascade(): void {
    this.registers.irr |= CASCADE_BIT;
  }

  /** Input whose interrupt INT asks for now, or -1: the highest request, if it outranks everything in service. */
  request(): number {
    const r = this.registers;
    const request = this.rank(r.irr & ~r.imr);
    if (request === 8) return -1;
    let inService = r.specialMask ? r.isr & ~r.imr : r.isr;
    // Special fully nested mode: a slave in service does not hold back its own higher requests.
    if (r.fullyNested && this.master) inService &= ~CASCADE_BIT;
    return request < this.rank(inService) ? (request + r.highest) & 7 : -1;
  }

  /** INTA cycle: takes the request into service and returns its input; 7 when none is left (spurious: ISR stays clear). */
  acknowledge(): number {
    const input = this.request();
    if (input < 0) return SPURIOUS;
    const r = this.registers;
    const bit = 1 << input;
    if (r.autoEoi) {
      if (r.rotateOnAutoEoi) r.highest = (input + 1) & 7;
    } else r.isr |= bit;
    if ((r.elcr & bit) === 0) r.irr &= ~bit;
    return input;
  }

  readCommand(): number {
    const r = this.registers;
    if (r.poll) return this.pollCycle();
    return r.readIsr ? r.isr : r.irr;
  }

  readData(): number {
    return this.registers.poll ? this.pollCycle() : this.registers.imr;
  }

  writeCommand(value: number): void {
    if (value & ICW1) this.initialise(value);
    else if (value & OCW3) this.operation3(value);
    else this.operation2(value >>> 5, value & 7);
  }

  writeData(value: number): void {
    const r = this.registers;
    switch (r.expects) {
      case 2:
        r.vectorBase = value & 0xf8;
        r.expects = r.single ? (r.needsIcw4 ? 4 : 0) : 3;
        break;
      case 3: // the cascade is wired: master IR2, slave ID 2
        r.expects = r.needsIcw4 ? 4 : 0;
        break;
      case 4:
        r.autoEoi = value & ICW4_AEOI ? 1 : 0;
        r.fullyNested = value & ICW4_SFNM ? 1 : 0;
        r.expects = 0;
        break;
      default:
        r.imr = value;
    }
  }

  get elcr(): number {
    return this.registers.elcr;
  }

  set elcr(value: number) {
    const r = this.registers;
    r.elcr = value & this.elcrMask;
    r.irr = (r.irr & ~r.elcr) | (r.lines & r.elcr);
  }

  /** ICW1. LTIM (bit 3) has no effect in a PC: the ELCR replaces it. */
  private initialise(value: number): void {
    const r = this.registers;
    r.irr = r.lines & r.elcr;
    r.imr = 0;
    r.isr = 0;
    r.highest = 0;
    r.autoEoi = 0;
    r.fullyNested = 0;
    r.rotateOnAutoEoi = 0;
    r.specialMask = 0;
    r.readIsr = 0;
    r.poll = 0;
    r.needsIcw4 = value & ICW1_IC4;
    r.single = value & ICW1_SNGL ? 1 : 0;
    r.expects = 2;
  }

  private operation2(command: number, level: number): void {
    const r = this.registers;
    switch (command) {
      case Ocw2.CLEAR_ROTATE_IN_AEOI:
        r.rotateOnAutoEoi = 0;
        break;
      case Ocw2.SET_ROTATE_IN_AEOI:
        r.rotateOnAutoEoi = 1;
        break;
      case Ocw2.NON_SPECIFIC_EOI:
      case Ocw2.ROTATE_ON_NON_SPECIFIC: {
        const highest = this.rank(r.specialMask ? r.isr & ~r.imr : r.isr);
        if (highest === 8) break;
        const input = (highest + r.highest) & 7;
        r.isr &= ~(1 << input);
        if (command === Ocw2.ROTATE_ON_NON_SPECIFIC) r.highest = (input + 1) & 7;
        break;
      }
      case Ocw2.SPECIFIC_EOI:
        r.isr &= ~(1 << level);
        break;
      case Ocw2.ROTATE_ON_SPECIFIC:
        r.isr &= ~(1 << level);
        r.highest = (level + 1) & 7;
        break;
      case Ocw2.SET_PRIORITY: // `level` becomes the lowest
        r.highest = (level + 1) & 7;
        break;
    }
  }

  private operation3(value: number): void {
    const r = this.registers;
    if (value & 0x40) r.specialMask = (value >>> 5) & 1;
    if (value & 0x04) r.poll = 1;
    else if (value & 0x02) r.readIsr = value & 1;
  }

  /** The read after a poll command acknowledges like an INTA cycle: bit 7 and the input, or 0. */
  private pollCycle(): number {
    this.registers.poll = 0;
    return this.request() < 0 ? 0 : 0x80 | this.acknowledge();
  }

  /** Rank (0 highest) of the highest-priority bit of `bits`, 8 when none is set. */
  private rank(bits: number): number {
    if (bits === 0) return 8;
    const { highest } = this.registers;
    const rotated = ((bits >>> highest) | (bits << (8 - highest))) & 0xff;
    return 31 - Math.clz32(rotated & -rotated);
  }
}
