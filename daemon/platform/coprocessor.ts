// The PC's way to report x87 exceptions while CR0.NE is 0: the processor's FERR# raises IRQ 13, and a write to port F0h takes the request back.
// References: SDM 1 8.7.2 and appendix D.2.1 (MS-DOS compatibility mode); IBM AT technical reference, coprocessor.
import type { IrqLine } from './interrupt-lines.js';
import { allOnes, type PortDevice } from './port-device.js';

export class Coprocessor implements PortDevice {
  private readonly line: IrqLine;

  constructor(line: IrqLine) {
    this.line = line;
  }

  /** FERR# */
  error(): void {
    this.line.set(true);
  }
  read(_port: number, bytes: number): number {
    return allOnes(bytes);
  }
  /** F0h: busy latch cleared. F1h: the coprocessor's reset, which a processor with its own x87 ignores. */
  write(port: number): void {
    if (port === 0xf0) this.line.set(false);
  }
}
