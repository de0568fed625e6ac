// Two 8237 DMA controllers and their page registers. Devices that are on a channel of the first one move their bytes at once; nobody is on the second, and neither moves memory
// to memory. Port 0x80, a page register nobody uses, takes POST codes.
// Why nothing a guest programs can harm: an address has 24 bits, of which those above 64 KiB stay what the page register says, a count 16, and what is not RAM is neither
// stored nor found: it reads as ones.
// Reference: Intel 8237A data sheet; page registers of the PC/AT.
import { DeviceMap, DmaRegisters } from '../../shared/layout/devices.js';
import type { Views } from '../../shared/layout/struct.js';
import type { PortDevice } from './port-device.js';
import type { DeviceRam } from './virtio/device-ram.js';

const PAGES = 0x80;
const SECOND = 0xc0;
/** Register numbers of one controller, after the 8 address and count words. */
const Register = {
  STATUS_COMMAND: 8,
  SINGLE_MASK: 10,
  MODE: 11,
  CLEAR_FLIP_FLOP: 12,
  MASTER_CLEAR: 13,
  CLEAR_MASK: 14,
  MASK: 15,
} as const;
const COMMAND_DISABLE = 0x04;
const Mode = {
  TYPE: 0x0c,
  VERIFY: 0x00,
  TO_MEMORY: 0x04,
  FROM_MEMORY: 0x08,
  AUTO: 0x10,
  DOWN: 0x20,
  SERVICE: 0xc0,
  CASCADE: 0xc0,
} as const;
const ALL = 15;
const SEGMENT = 0x1_0000;
/** Page registers of channels 0 to 3. */
const PAGE_OF = [7, 3, 1, 2] as const;

export type DmaDirection = 'to-memory' | 'from-memory';

export class Dma implements PortDevice {
  private readonly views: Views;
  private readonly ram: DeviceRam;
  private readonly r: DmaRegisters;

  constructor(views: Views, ram: DeviceRam) {
    this.views = views;
    this.ram = ram;
    this.r = new DmaRegisters(views, DeviceMap.DMA);
  }

  reset(): void {
    this.r.mask1 = ALL;
    this.r.mask2 = ALL;
  }

  read(port: number): number {
    if (port >= PAGES && port < SECOND) return this.views.u8[this.r.pages + (port & 15)];
    const second = port >= SECOND;
    const register = this.register(port);
    if (register < 8) return (this.views.u16[this.word(second, register)] >>> (this.flip(second) ? 8 : 0)) & 0xff;
    if (register === Register.MASK) return second ? this.r.mask2 : this.r.mask1;
    if (register !== Register.STATUS_COMMAND) return 0;
    if (second) return 0;
    const { ended } = this.r;
    this.r.ended = 0;
    return ended;
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
      this.views.u16[this.base(second, register)] = this.views.u16[at];
      return;
    }
    const mask = second ? this.r.mask2 : this.r.mask1;
    switch (register) {
      case Register.STATUS_COMMAND:
        if (!second) this.r.command = value;
        break;
      case Register.SINGLE_MASK:
        this.setMask(second, value & 4 ? mask | (1 << (value & 3)) : mask & ~(1 << (value & 3)));
        break;
      case Register.MODE:
        this.views.u8[this.r.modes + (second ? 4 : 0) + (value & 3)] = value;
        break;
      case Register.CLEAR_FLIP_FLOP:
        this.setFlipFlop(second, 0);
        break;
      case Register.MASTER_CLEAR:
        this.setFlipFlop(second, 0);
        if (!second) this.r.command = this.r.ended = 0;
        this.setMask(second, ALL);
        break;
      case Register.CLEAR_MASK:
        this.setMask(second, 0);
        break;
      case Register.MASK:
        this.setMask(second, value & ALL);
        break;
    }
  }

  // --- the first controller's channels, for who is on them -----------------------------------------------------------------------------------------------

  /** Bytes that the channel would move in this direction before its terminal count; 0: it answers no request as it is. */
  demand(channel: number, direction: DmaDirection): number {
    const mode = this.mode(channel);
    const type = mode & Mode.TYPE;
    const answers = direction === 'from-memory' ? type === Mode.FROM_MEMORY : type === Mode.TO_MEMORY || type === Mode.VERIFY;
    const isOff =
      (this.r.command & COMMAND_DISABLE) !== 0 || (this.r.mask1 & (1 << channel)) !== 0 || (mode & Mode.SERVICE) === Mode.CASCADE;
    return answers && !isOff ? this.views.u16[this.word(false, channel * 2 + 1)] + 1 : 0;
  }

  /** Gives the channel as many of the bytes as it takes; true: it has reached terminal count. */
  toMemory(channel: number, bytes: Uint8Array): boolean {
    const count = Math.min(bytes.length, this.demand(channel, 'to-memory'));
    if ((this.mode(channel) & Mode.TYPE) === Mode.VERIFY) return this.move(channel, count);
    return this.move(channel, count, (gpa, from, to) => {
      const piece = this.isDown(channel) ? bytes.slice(from, to).reverse() : bytes.subarray(from, to);
      this.ram.store(gpa, piece.subarray(0, this.ram.room(gpa)));
    });
  }

  /** Fills as many of the bytes as the channel gives; true: it has reached terminal count. */
  fromMemory(channel: number, bytes: Uint8Array): boolean {
    const count = Math.min(bytes.length, this.demand(channel, 'from-memory'));
    return this.move(channel, count, (gpa, from, to) => {
      const piece = bytes.subarray(from, to).fill(0xff);
      piece.set(this.ram.bytes(gpa, Math.min(to - from, this.ram.room(gpa))));
      if (this.isDown(channel)) piece.reverse();
    });
  }

  /** Moves address and count on; `piece` is called with lowest address and the bytes of each part that lies in one run of addresses. */
  private move(channel: number, count: number, piece?: (gpa: number, from: number, to: number) => void): boolean {
    if (count === 0) return false;
    const { u8, u16 } = this.views;
    const address = this.word(false, channel * 2);
    const page = u8[this.r.pages + PAGE_OF[channel & 3]] * SEGMENT;
    const down = this.isDown(channel);
    for (let done = 0; done < count; ) {
      const at = u16[address];
      const run = Math.min(count - done, down ? at + 1 : SEGMENT - at);
      piece?.(page + (down ? at - run + 1 : at), done, done + run);
      u16[address] = down ? at - run : at + run;
      done += run;
    }
    const left = u16[address + 1] + 1 - count;
    u16[address + 1] = left - 1;
    if (left > 0) return false;
    this.r.ended |= 1 << channel;
    if ((this.mode(channel) & Mode.AUTO) === 0) this.setMask(false, this.r.mask1 | (1 << channel));
    else for (const register of [channel * 2, channel * 2 + 1]) u16[this.word(false, register)] = u16[this.base(false, register)];
    return true;
  }

  private mode(channel: number): number {
    return this.views.u8[this.r.modes + channel];
  }
  private isDown(channel: number): boolean {
    return (this.mode(channel) & Mode.DOWN) !== 0;
  }

  // --- registers -------------------------------------------------------------------------------------------------------------------------------------

  /** The second controller's registers lie two ports apart. */
  private register(port: number): number {
    return port >= SECOND ? (port - SECOND) >>> 1 : port & 15;
  }

  private word(second: boolean, register: number): number {
    return (this.r.words >>> 1) + (second ? 8 : 0) + register;
  }
  private base(second: boolean, register: number): number {
    return (this.r.bases >>> 1) + (second ? 8 : 0) + register;
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
