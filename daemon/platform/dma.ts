// Two 8237 DMA controllers and their page registers: they store what is written and never transfer, as no device here asks them to.
// Reference: Intel 8237A data sheet; page registers of the PC/AT. Port 0x80, a page register nobody uses, takes POST codes.
import { DeviceMap, DmaRegisters } from '../../shared/layout/devices.js';
import type { Views } from '../../shared/layout/struct.js';
import type { PortDevice } from './port-device.js';

const PAGES = 0x80;
const SECOND = 0xc0;
/** Register numbers of one controller, after the 8 address and count words. */
const Register = { STATUS_COMMAND: 8, SINGLE_MASK: 10, CLEAR_FLIP_FLOP: 12, MASTER_CLEAR: 13, CLEAR_MASK: 14, MASK: 15 } as const;

export class Dma implements PortDevice {
  private readonly views: Views;
  private readonly r: DmaRegisters;

  constructor(views: Views) {
    this.views = views;
    this.r = new DmaRegisters(views, DeviceMap.DMA);
  }

  reset(): void {
    this.r.mask1 = 15;
    this.r.mask2 = 15;
  }

  read(port: number): number {
    if (port >= PAGES && port < SECOND) return this.views.u8[this.r.pages + (port & 15)];
    const second = port >= SECOND;
    const register = this.register(port);
    if (register < 8) return (this.views.u16[this.word(second, register)] >>> (this.flip(second) ? 8 : 0)) & 0xff;
    if (register === Register.MASK) return second ? this.r.mask2 : this.r.mask1;
    return 0;
  }

  write(port: number, _bytes: number, value: number): void {
    if (port >= PAGES && port < SECOND) {
      this.views.u8[this.r.pages + (port & 15)] = value;
      return;
    }
    const second = port >= SECOND;
    const register = this.register(port);
    if (register < 8) {
      const at = this.word(second, register);
      const word = this.views.u16[at];
      this.views.u16[at] = this.flip(second) ? (word & 0xff) | (value << 8) : (word & 0xff00) | value;
      return;
    }
    const mask = second ? this.r.mask2 : this.r.mask1;
    switch (register) {
      case Register.SINGLE_MASK:
        this.setMask(second, value & 4 ? mask | (1 << (value & 3)) : mask & ~(1 << (value & 3)));
        break;
      case Register.CLEAR_FLIP_FLOP:
        this.setFlipFlop(second, 0);
        break;
      case Register.MASTER_CLEAR:
        this.setFlipFlop(second, 0);
        this.setMask(second, 15);
        break;
      case Register.CLEAR_MASK:
        this.setMask(second, 0);
        break;
      case Register.MASK:
        this.setMask(second, value & 15);
        break;
    }
  }

  /** The second controller's registers lie two ports apart. */
  private register(port: number): number {
    return port >= SECOND ? (port - SECOND) >>> 1 : port & 15;
  }

  private word(second: boolean, register: number): number {
    return (this.r.words >>> 1) + (second ? 8 : 0) + register;
  }

  /** True for the high byte; the next access is to the other one. */
  private flip(second: boolean): boolean {
    const now = second ? this.r.flipFlop2 : this.r.flipFlop1;
    this.setFlipFlop(second, now ^ 1);
    return now === 1;
  }

  private setFlipFlop(second: boolean, value: number): void {
    if (second) this.r.flipFlop2 = value;
    else this.r.flipFlop1 = value;
  }

  private setMask(second: boolean, value: number): void {
    if (second) this.r.mask2 = value;
    else this.r.mask1 = value;
  }
}
