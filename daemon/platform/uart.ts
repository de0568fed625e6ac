// COM1, a 16550A: transmits at once into the console output ring, receives from the console input ring at the pace of its baud rate.
// Reference: National Semiconductor PC16550D data sheet. OUT2 does not gate the interrupt: virtual machines have taught software not to set it.
import { CONSOLE_IN_BYTES, DeviceMap, NEVER, PlatformAddress, UartRegisters } from '../../shared/layout/devices.js';
import { ByteQueue } from '../../shared/layout/ring.js';
import type { Views } from '../../shared/layout/struct.js';
import type { ConsoleOutput } from './console-output.js';
import type { IrqLine } from './interrupt-lines.js';
import type { PortDevice } from './port-device.js';

const Offset = { DATA: 0, IER: 1, IIR_FCR: 2, LCR: 3, MCR: 4, LSR: 5, MSR: 6, SCR: 7 } as const;
const Ier = { RECEIVED: 1, THR_EMPTY: 2, LINE_STATUS: 4, MODEM_STATUS: 8 } as const;
const Iir = { MODEM_STATUS: 0, NONE: 1, THR_EMPTY: 2, RECEIVED: 4, LINE_STATUS: 6, TIMEOUT: 12, FIFOS_ENABLED: 0xc0 } as const;
const FCR_ENABLE = 0x01;
const FCR_CLEAR_RECEIVER = 0x02;
const FCR_KEPT = 0xc9;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
const LCR_DLAB = 0x80;
const Mcr = { DTR: 1, RTS: 2, OUT1: 4, OUT2: 8, LOOPBACK: 16 } as const;
const Lsr = { DATA_READY: 0x01, OVERRUN: 0x02, THR_EMPTY: 0x20, TRANSMITTER_EMPTY: 0x40 } as const;
const Msr = { CTS: 0x10, DSR: 0x20, RING: 0x40, CARRIER: 0x80 } as const;
const MSR_RING_DELTA = 0x04;
/** A terminal is always there. */
const MODEM_CONNECTED = Msr.CTS | Msr.DSR | Msr.CARRIER;
const FIFO_BYTES = 16;
/** One bit at divisor 1: 16 clocks of 1.8432 MHz. */
const BIT_NS = 16e9 / 1_843_200;

export class Uart implements PortDevice {
  private readonly views: Views;
  private readonly r: UartRegisters;
  private readonly output: ConsoleOutput;
  private readonly input: ByteQueue;
  private readonly inputIsElsewhere: () => boolean;
  private readonly irq: IrqLine;

  /** `inputIsElsewhere`: another console takes what is typed. */
  constructor(views: Views, irq: IrqLine, output: ConsoleOutput, inputIsElsewhere: () => boolean = () => false) {
    this.inputIsElsewhere = inputIsElsewhere;
    this.views = views;
    this.r = new UartRegisters(views, DeviceMap.UART);
    this.output = output;
    this.input = new ByteQueue(views, DeviceMap.CONSOLE_IN, CONSOLE_IN_BYTES);
    this.irq = irq;
  }

  /** 115200 baud, 8N1, no interrupts. */
  reset(): void {
    this.r.dll = 1;
    this.r.lcr = 0x03;
  }

  read(port: number, _bytes: number, now: number): number {
    this.receive(now);
    const { r } = this;
    let value = 0xff;
    switch (port - PlatformAddress.COM1) {
      case Offset.DATA:
        value = this.dlab ? r.dll : this.take(now);
        break;
      case Offset.IER:
        value = this.dlab ? r.dlm : r.ier;
        break;
      case Offset.IIR_FCR:
        value = this.identify();
        break;
      case Offset.LCR:
        value = r.lcr;
        break;
      case Offset.MCR:
        value = r.mcr;
        break;
      case Offset.LSR:
        value = Lsr.THR_EMPTY | Lsr.TRANSMITTER_EMPTY | r.lineErrors | (r.fifoCount > 0 ? Lsr.DATA_READY : 0);
        r.lineErrors = 0;
        break;
      case Offset.MSR:
        value = this.modemStatus() | r.modemDeltas;
        r.modemDeltas = 0;
        break;
      case Offset.SCR:
        value = r.scr;
        break;
    }
    this.updateLine();
    return value;
  }

  write(port: number, _bytes: number, value: number, now: number): void {
    this.receive(now);
    const { r } = this;
    switch (port - PlatformAddress.COM1) {
      case Offset.DATA:
        if (this.dlab) r.dll = value;
        else this.transmit(value);
        break;
      case Offset.IER:
        if (this.dlab) r.dlm = value;
        else {
          // Enabling the transmitter interrupt while the register is empty raises it at once.
          if (value & ~r.ier & Ier.THR_EMPTY) r.thrEmpty = 1;
          r.ier = value & 15;
        }
        break;
      case Offset.IIR_FCR:
        this.fifoControl(value, now);
        break;
      case Offset.LCR:
        r.lcr = value;
        break;
      case Offset.MCR:
        this.modemControl(value & 31);
        break;
      case Offset.SCR:
        r.scr = value;
        break;
    }
    this.updateLine();
  }

  /** Takes what the line has for us. A burst of as many bytes as fit arrives each character time, so that drivers of one byte per edge see each. */
  receive(now: number): void {
    const { r } = this;
    if (this.inputIsElsewhere() || now < r.receiveDueNum || this.loopback || r.fifoCount >= this.depth || this.input.empty) return;
    while (r.fifoCount < this.depth) {
      const byte = this.input.pop();
      if (byte < 0) break;
      this.put(byte);
    }
    r.receiveDueNum = now + this.characterNs;
    this.updateLine();
  }

  /**
   * The line status register while there is nothing to receive, -1 otherwise: what drivers poll before each byte they send. Plain reads, without the lock:
   * a byte that comes at this moment may as well have come after it.
   */
  quietStatus(): number {
    return this.r.fifoCount === 0 && this.r.lineErrors === 0 && this.input.empty ? Lsr.THR_EMPTY | Lsr.TRANSMITTER_EMPTY : -1;
  }

  /** When `receive` will take bytes if there are any, NEVER while it cannot. */
  receiveDue(): number {
    return this.loopback || this.r.fifoCount >= this.depth ? NEVER : this.r.receiveDueNum;
  }

  private get dlab(): boolean {
    return (this.r.lcr & LCR_DLAB) !== 0;
  }

  private get loopback(): boolean {
    return (this.r.mcr & Mcr.LOOPBACK) !== 0;
  }

  private get fifosEnabled(): boolean {
    return (this.r.fcr & FCR_ENABLE) !== 0;
  }

  private get depth(): number {
    return this.fifosEnabled ? FIFO_BYTES : 1;
  }

  private get characterNs(): number {
    const { lcr, dll, dlm } = this.r;
    const bits = 1 + 5 + (lcr & 3) + (lcr & 8 ? 1 : 0) + (lcr & 4 ? 2 : 1);
    return Math.ceil(bits * ((dlm << 8) | dll || 1) * BIT_NS);
  }

  private transmit(byte: number): void {
    const { r } = this;
    // The interrupt falls with the write and rises with the byte's departure: drivers of edge inputs need to see both.
    r.thrEmpty = 0;
    this.updateLine();
    if (!this.loopback) this.output.append(byte);
    else if (r.fifoCount < this.depth) this.put(byte);
    else r.lineErrors |= Lsr.OVERRUN;
    r.thrEmpty = 1;
  }

  private put(byte: number): void {
    const { r } = this;
    this.views.u8[r.fifo + ((r.fifoHead + r.fifoCount) & (FIFO_BYTES - 1))] = byte;
    r.fifoCount++;
  }

  private take(now: number): number {
    const { r } = this;
    if (r.fifoCount === 0) return 0;
    const byte = this.views.u8[r.fifo + r.fifoHead];
    r.fifoHead = (r.fifoHead + 1) & (FIFO_BYTES - 1);
    r.fifoCount--;
    if (r.fifoCount === 0) r.receiveDueNum = now + this.characterNs;
    return byte;
  }

  private identify(): number {
    const source = this.source();
    if (source === Iir.THR_EMPTY) this.r.thrEmpty = 0;
    return source | (this.fifosEnabled ? Iir.FIFOS_ENABLED : 0);
  }

  /** Highest-priority interrupt source (data sheet, table III). */
  private source(): number {
    const { r } = this;
    if (r.ier & Ier.LINE_STATUS && r.lineErrors !== 0) return Iir.LINE_STATUS;
    if (r.ier & Ier.RECEIVED && r.fifoCount > 0) {
      // Below the trigger level no more is on its way: the timeout's four character times are taken as passed.
      return r.fifoCount >= (this.fifosEnabled ? TRIGGER_LEVELS[r.fcr >>> 6] : 1) ? Iir.RECEIVED : Iir.TIMEOUT;
    }
    if (r.ier & Ier.THR_EMPTY && r.thrEmpty) return Iir.THR_EMPTY;
    if (r.ier & Ier.MODEM_STATUS && r.modemDeltas !== 0) return Iir.MODEM_STATUS;
    return Iir.NONE;
  }

  private updateLine(): void {
    this.irq.set(this.source() !== Iir.NONE);
  }

  private fifoControl(value: number, now: number): void {
    const { r } = this;
    const toggled = ((value ^ r.fcr) & FCR_ENABLE) !== 0;
    r.fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
    if (!toggled && (value & FCR_CLEAR_RECEIVER) === 0) return;
    r.fifoCount = 0;
    r.receiveDueNum = Math.max(r.receiveDueNum, now);
  }

  private modemControl(value: number): void {
    const before = this.modemStatus();
    this.r.mcr = value;
    const after = this.modemStatus();
    const changed = before ^ after;
    // Delta bits 0, 1, 3 tell of any change, bit 2 of the trailing edge of RI.
    let deltas = (changed >>> 4) & ~MSR_RING_DELTA;
    if (changed & before & Msr.RING) deltas |= MSR_RING_DELTA;
    this.r.modemDeltas |= deltas;
  }

  private modemStatus(): number {
    const { mcr } = this.r;
    if (!this.loopback) return MODEM_CONNECTED;
    return (
      (mcr & Mcr.RTS ? Msr.CTS : 0) | (mcr & Mcr.DTR ? Msr.DSR : 0) | (mcr & Mcr.OUT1 ? Msr.RING : 0) | (mcr & Mcr.OUT2 ? Msr.CARRIER : 0)
    );
  }
}
