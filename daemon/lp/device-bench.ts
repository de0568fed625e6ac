// The machine's test devices as one LP drives them: lines that rise by themselves every so many cycles of its clock, and the guest's words to its devices.
import { type DeviceLine, DeviceLineLayout, DeviceRequest } from '../../shared/layout/device-line.js';
import type { DeviceLines } from '../machine/device-lines.js';

export class DeviceBench {
  readonly #lp: number;
  readonly #lines: DeviceLines;
  readonly #isRunning: (slot: number) => boolean;

  constructor(lp: number, lines: DeviceLines, isRunning: (slot: number) => boolean) {
    this.#lp = lp;
    this.#lines = lines;
    this.#isRunning = isRunning;
  }

  /** Cycle at which the next line rises by itself, or has been asked to (now); Infinity for never. `clock`: now. */
  deadline(clock: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const line of this.#lines.lines) {
      if (line.lp !== this.#lp) continue;
      if (Atomics.load(line.views.i32, requestsAt(line)) !== 0) return clock;
      if (line.period !== 0 && this.#isRunning(line.slot)) next = Math.min(next, line.nextDueNum || clock + line.period);
    }
    return next;
  }

  /** Does what root has asked for, and raises what is due. Periods that were missed are one rise, and the phase is kept. */
  advance(clock: number): void {
    for (const [index, line] of this.#lines.lines.entries()) {
      if (line.lp !== this.#lp) continue;
      if (Atomics.load(line.views.i32, requestsAt(line)) !== 0) this.#act(index, Atomics.exchange(line.views.i32, requestsAt(line), 0));
      if (line.period === 0 || !this.#isRunning(line.slot)) continue;
      if (line.nextDueNum === 0) line.nextDueNum = clock + line.period;
      if (clock < line.nextDueNum) continue;
      line.nextDueNum += (Math.floor((clock - line.nextDueNum) / line.period) + 1) * line.period;
      this.#lines.raise(index);
    }
  }

  #act(index: number, requests: number): void {
    if (requests & DeviceRequest.OPEN) this.#lines.unmask(index);
    if (requests & DeviceRequest.LOWER) this.#lines.lower(index);
    if (requests & DeviceRequest.RAISE) this.#lines.raise(index);
  }

  lower(slot: number, vector: number): void {
    for (const [index, line] of this.#lines.lines.entries())
      if (line.used !== 0 && line.slot === slot && line.guestVector === vector) this.#lines.lower(index);
  }
  asserted(slot: number): number {
    let highest = 0;
    for (const [index, line] of this.#lines.lines.entries())
      if (line.used !== 0 && line.slot === slot && this.#lines.isAsserted(index)) highest = Math.max(highest, line.guestVector);
    return highest;
  }
}

const requestsAt = (line: DeviceLine): number => (line.base + DeviceLineLayout.at.requests) >>> 2;
