// Keyboard controller with a keyboard that nobody types on: self tests, configuration byte, A20 and reset outputs, keyboard identification; no mouse port.
// Reference: IBM PS/2 Hardware Interface Technical Reference, Keyboard and Auxiliary Device Controller. A20 is stored only: the machine has no gate.
import { DeviceMap, I8042_QUEUE, I8042Registers } from '../../shared/layout/devices.js';
import type { Views } from '../../shared/layout/struct.js';
import type { PowerWires } from './host.js';
import type { IrqLine } from './interrupt-lines.js';
import type { PortDevice } from './port-device.js';

const DATA = 0x60;
const Status = { OUTPUT_FULL: 0x01, SYSTEM: 0x04, COMMAND: 0x08, UNLOCKED: 0x10 } as const;
const Config = { KEYBOARD_IRQ: 0x01, SYSTEM: 0x04, KEYBOARD_OFF: 0x10, AUX_OFF: 0x20, TRANSLATE: 0x40 } as const;
const Command = {
  READ_CONFIG: 0x20,
  WRITE_CONFIG: 0x60,
  AUX_DISABLE: 0xa7,
  AUX_ENABLE: 0xa8,
  AUX_TEST: 0xa9,
  SELF_TEST: 0xaa,
  KEYBOARD_TEST: 0xab,
  KEYBOARD_DISABLE: 0xad,
  KEYBOARD_ENABLE: 0xae,
  READ_INPUT: 0xc0,
  READ_OUTPUT: 0xd0,
  WRITE_OUTPUT: 0xd1,
  WRITE_KEYBOARD_BUFFER: 0xd2,
  WRITE_AUX_BUFFER: 0xd3,
  WRITE_AUX: 0xd4,
  A20_OFF: 0xdd,
  A20_ON: 0xdf,
  TEST_INPUTS: 0xe0,
  PULSE: 0xf0,
} as const;
const SELF_TEST_PASSED = 0x55;
/** Interface test: clock line stuck low, so nothing is plugged in. */
const AUX_ABSENT = 0x01;
const Output = { RUN: 0x01, A20: 0x02 } as const;
const Keyboard = {
  SET_LEDS: 0xed,
  ECHO: 0xee,
  SCAN_CODE_SET: 0xf0,
  IDENTIFY: 0xf2,
  SET_RATE: 0xf3,
  RESET: 0xff,
  ACK: 0xfa,
  PASSED: 0xaa,
  RESEND: 0xfe,
} as const;

export class I8042 implements PortDevice {
  private readonly views: Views;
  private readonly r: I8042Registers;
  private readonly irq: IrqLine;
  private readonly power: PowerWires;

  constructor(views: Views, irq: IrqLine, power: PowerWires) {
    this.views = views;
    this.r = new I8042Registers(views, DeviceMap.I8042);
    this.irq = irq;
    this.power = power;
  }

  /** As firmware leaves it: keyboard on, translated, its interrupt enabled. */
  reset(): void {
    this.r.config = Config.KEYBOARD_IRQ | Config.SYSTEM | Config.AUX_OFF | Config.TRANSLATE;
    this.r.outputPort = Output.RUN | Output.A20;
  }

  get a20(): boolean {
    return (this.r.outputPort & Output.A20) !== 0;
  }

  set a20(open: boolean) {
    this.r.outputPort = open ? this.r.outputPort | Output.A20 : this.r.outputPort & ~Output.A20;
  }

  read(port: number): number {
    return port === DATA ? this.take() : this.status();
  }

  write(port: number, _bytes: number, value: number): void {
    this.r.lastWasCommand = port === DATA ? 0 : 1;
    if (port !== DATA) this.command(value);
    else if (this.r.command !== 0) this.commandData(value);
    else this.keyboard(value);
    this.updateLine();
  }

  private status(): number {
    const { r } = this;
    return (
      Status.UNLOCKED |
      (r.count > 0 ? Status.OUTPUT_FULL : 0) |
      (r.config & Config.SYSTEM ? Status.SYSTEM : 0) |
      (r.lastWasCommand ? Status.COMMAND : 0)
    );
  }

  private command(value: number): void {
    const { r } = this;
    r.command = 0;
    switch (value) {
      case Command.READ_CONFIG:
        this.put(r.config);
        break;
      case Command.WRITE_CONFIG:
      case Command.WRITE_OUTPUT:
      case Command.WRITE_KEYBOARD_BUFFER:
      case Command.WRITE_AUX_BUFFER:
      case Command.WRITE_AUX:
        r.command = value;
        break;
      case Command.AUX_TEST:
        this.put(AUX_ABSENT);
        break;
      case Command.SELF_TEST:
        r.config |= Config.SYSTEM;
        this.put(SELF_TEST_PASSED);
        break;
      case Command.KEYBOARD_TEST:
        this.put(0);
        break;
      case Command.KEYBOARD_DISABLE:
        r.config |= Config.KEYBOARD_OFF;
        break;
      case Command.KEYBOARD_ENABLE:
        r.config &= ~Config.KEYBOARD_OFF;
        break;
      case Command.READ_INPUT:
        this.put(0x80);
        break;
      case Command.READ_OUTPUT:
        this.put(r.outputPort);
        break;
      case Command.A20_OFF:
        this.a20 = false;
        break;
      case Command.A20_ON:
        this.a20 = true;
        break;
      case Command.TEST_INPUTS:
        this.put(0);
        break;
      default:
        // 0xF0..0xFF pulse the output lines whose bits are 0; line 0 is the processors' reset.
        if (value >= Command.PULSE && (value & Output.RUN) === 0) this.power.reset();
    }
  }

  private commandData(value: number): void {
    const { r } = this;
    const command = r.command;
    r.command = 0;
    switch (command) {
      case Command.WRITE_CONFIG:
        r.config = (value & ~0x80) | Config.AUX_OFF;
        break;
      case Command.WRITE_OUTPUT:
        r.outputPort = value;
        if ((value & Output.RUN) === 0) this.power.reset();
        break;
      case Command.WRITE_KEYBOARD_BUFFER:
      case Command.WRITE_AUX_BUFFER: // without a mouse port the byte comes back as the keyboard's
        this.put(value);
        break;
    }
  }

  private keyboard(value: number): void {
    const { r } = this;
    if (r.keyboardCommand !== 0) {
      const isQuery = r.keyboardCommand === Keyboard.SCAN_CODE_SET && value === 0;
      r.keyboardCommand = 0;
      this.put(Keyboard.ACK);
      if (isQuery) this.put(2);
      return;
    }
    switch (value) {
      case Keyboard.SET_LEDS:
      case Keyboard.SCAN_CODE_SET:
      case Keyboard.SET_RATE:
        r.keyboardCommand = value;
        this.put(Keyboard.ACK);
        break;
      case Keyboard.ECHO:
        this.put(Keyboard.ECHO);
        break;
      case Keyboard.IDENTIFY:
        this.put(Keyboard.ACK);
        this.put(0xab);
        this.put(r.config & Config.TRANSLATE ? 0x41 : 0x83);
        break;
      case Keyboard.RESET:
        this.put(Keyboard.ACK);
        this.put(Keyboard.PASSED);
        break;
      default:
        // 0xF4..0xFD: enable, disable, defaults, key types.
        this.put(value >= 0xf4 && value <= 0xfd ? Keyboard.ACK : Keyboard.RESEND);
    }
  }

  /** Bytes beyond the queue's size are lost, as a controller whose output is never read loses them. */
  private put(byte: number): void {
    const { r } = this;
    if (r.count >= I8042_QUEUE) return;
    this.views.u8[r.queue + ((r.head + r.count) & (I8042_QUEUE - 1))] = byte;
    r.count++;
  }

  private take(): number {
    const { r } = this;
    const byte = this.views.u8[r.queue + r.head];
    if (r.count === 0) return 0;
    r.head = (r.head + 1) & (I8042_QUEUE - 1);
    r.count--;
    // The next byte is a new edge.
    this.irq.set(false);
    this.updateLine();
    return byte;
  }

  private updateLine(): void {
    this.irq.set(this.r.count > 0 && (this.r.config & Config.KEYBOARD_IRQ) !== 0);
  }
}
