// Ports of the board itself: system control port A (fast A20, fast reset), the test exit port, the debug console, and the port on which a BIOS tells what it does.
// Reference: IBM PS/2 Hardware Interface Technical Reference, system control port A.
import { DeviceMap, FIRMWARE_LOG_BYTES, PlatformAddress, SystemRegisters } from '../../shared/layout/devices.js';
import { ByteLog } from '../../shared/layout/ring.js';
import type { Views } from '../../shared/layout/struct.js';
import type { ConsoleOutput } from './console-output.js';
import type { PowerWires } from './host.js';
import type { I8042 } from './i8042.js';
import { allOnes, type PortDevice } from './port-device.js';

const PORT_A = 0x92;
const FAST_RESET = 0x01;
const FAST_A20 = 0x02;

export class SystemPorts implements PortDevice {
  private readonly r: SystemRegisters;
  private readonly console: ConsoleOutput;
  private readonly firmwareLog: ByteLog;
  private readonly keyboardController: I8042;
  private readonly power: PowerWires;

  constructor(views: Views, keyboardController: I8042, power: PowerWires, console: ConsoleOutput) {
    this.r = new SystemRegisters(views, DeviceMap.SYSTEM);
    this.console = console;
    this.firmwareLog = new ByteLog(views, DeviceMap.FIRMWARE_LOG, FIRMWARE_LOG_BYTES);
    this.keyboardController = keyboardController;
    this.power = power;
  }

  read(port: number, bytes: number): number {
    switch (port) {
      case PORT_A:
        return this.r.portA | (this.keyboardController.a20 ? FAST_A20 : 0);
      case PlatformAddress.DEBUG_CONSOLE: // tells guests that the console is there
      case PlatformAddress.FIRMWARE_DEBUG: // SeaBIOS 1.16 src/fw/paravirt.h, QEMU_DEBUGCON_READBACK
        return PlatformAddress.DEBUG_CONSOLE;
      case PlatformAddress.DEBUG_EXIT:
        return 0;
    }
    return allOnes(bytes);
  }

  write(port: number, _bytes: number, value: number): void {
    switch (port) {
      case PORT_A: {
        // Only the rise of bit 0 resets: it stays as written, and guests write it back when they set A20.
        const rises = (value & ~this.r.portA & FAST_RESET) !== 0;
        this.r.portA = value & ~FAST_A20;
        this.keyboardController.a20 = (value & FAST_A20) !== 0;
        if (rises) this.power.reset();
        break;
      }
      case PlatformAddress.DEBUG_CONSOLE:
        this.console.append(value & 0xff);
        break;
      case PlatformAddress.FIRMWARE_DEBUG:
        this.firmwareLog.append(value & 0xff);
        break;
      case PlatformAddress.DEBUG_EXIT:
        this.power.debugExit(value);
        break;
    }
  }
}
