// The machine's I/O APIC for its test devices: lines that interrupt a chosen LP, by edge or by level (82093AA data sheet; SDM 3A 11.8.5 for the EOI broadcast).
// Each line is one atomic word, so that devices, LPs and the hypervisor act on it without a lock.
//
//   level:  send when ASSERTED and neither IN_FLIGHT nor MASKED; the compare-and-swap that sets IN_FLIGHT is the one that sends. The EOI clears it and looks again.
//   edge:   each rise sends; a masked one is lost
import { DeviceLine, DeviceLineLayout, LineState } from '../../shared/layout/device-line.js';
import { deviceLineAt, MachineHeader } from '../../shared/layout/machine.js';
import type { Views } from '../../shared/layout/struct.js';

/** Sends a physical interrupt to an LP. */
export type SendPhysical = (lp: number, vector: number, level: boolean) => void;

export class DeviceLines {
  readonly lines: readonly DeviceLine[];
  readonly #i32: Int32Array;
  readonly #send: SendPhysical;

  constructor(machine: Views, send: SendPhysical) {
    const { lpCount, deviceLineCount } = new MachineHeader(machine, 0);
    this.#i32 = machine.i32;
    this.#send = send;
    this.lines = Array.from({ length: deviceLineCount }, (_, line) => new DeviceLine(machine, deviceLineAt(line, lpCount)));
  }

  /** The device raises the line: a level stays until it is lowered, an edge is over at once. */
  raise(index: number): void {
    const line = this.lines[index];
    Atomics.add(line.views.u32, (line.base + DeviceLineLayout.at.raised) >>> 2, 1);
    if (line.level !== 0) {
      Atomics.or(this.#i32, stateAt(line), LineState.ASSERTED);
      this.#service(line);
    } else if ((Atomics.load(this.#i32, stateAt(line)) & LineState.MASKED) === 0) this.#send(line.lp, line.vector, false);
  }
  lower(index: number): void {
    Atomics.and(this.#i32, stateAt(this.lines[index]), ~LineState.ASSERTED);
  }
  isAsserted(index: number): boolean {
    return (Atomics.load(this.#i32, stateAt(this.lines[index])) & LineState.ASSERTED) !== 0;
  }

  /** EOI broadcast of a local APIC for a level-triggered vector of its. */
  endOfInterrupt(index: number): void {
    const line = this.lines[index];
    Atomics.and(this.#i32, stateAt(line), ~LineState.IN_FLIGHT);
    this.#service(line);
  }
  mask(index: number): void {
    Atomics.or(this.#i32, stateAt(this.lines[index]), LineState.MASKED);
  }
  unmask(index: number): void {
    const line = this.lines[index];
    Atomics.and(this.#i32, stateAt(line), ~LineState.MASKED);
    if (line.level !== 0) this.#service(line);
  }

  #service(line: DeviceLine): void {
    const at = stateAt(line);
    if (Atomics.compareExchange(this.#i32, at, LineState.ASSERTED, LineState.ASSERTED | LineState.IN_FLIGHT) === LineState.ASSERTED)
      this.#send(line.lp, line.vector, true);
  }
}

const stateAt = (line: DeviceLine): number => (line.base + DeviceLineLayout.at.state) >>> 2;
