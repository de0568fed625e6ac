// Which parts of usable RAM are taken while a boot is planned: by the image where it wants to be, by what is put beside it wherever there is room.
import { BootError, hex } from './boot-error.js';
import { E820Type, e820, LOW_START } from './memory-map.js';

interface Range {
  readonly start: number;
  readonly end: number;
}

export class Placement {
  readonly #usable: readonly Range[];
  readonly #taken: Range[] = [{ start: 0, end: LOW_START }];

  constructor(ramSize: number) {
    this.#usable = e820(ramSize)
      .filter((entry) => entry.type === E820Type.USABLE)
      .map(({ base, size }) => ({ start: base, end: base + size }));
  }

  /** Highest address in use. */
  get end(): number {
    return Math.max(...this.#taken.map((range) => range.end));
  }

  /** Takes a range that the image asks for. `what` names it in the error. Parts of one image may overlap. */
  take(start: number, size: number, what: string): void {
    const end = start + size;
    const fits = start >= LOW_START && this.#usable.some((range) => start >= range.start && end <= range.end);
    if (!fits) {
      const usable = this.#usable.map((range) => `${hex(Math.max(range.start, LOW_START))}..${hex(range.end)}`).join(' and ');
      throw new BootError('segment-outside-ram', `${what} wants memory ${hex(start)}..${hex(end)}; usable is ${usable}`);
    }
    this.#taken.push({ start, end });
  }

  /** Takes the lowest free place in [from, to), or -1. */
  low(size: number, align: number, from: number, to = 2 ** 32): number {
    for (const { start, end } of this.#usable) {
      let at = Math.ceil(Math.max(start, from) / align) * align;
      for (;;) {
        if (at + size > Math.min(end, to)) break;
        const obstacle = this.#taken.find((range) => at < range.end && at + size > range.start);
        if (obstacle === undefined) {
          this.#taken.push({ start: at, end: at + size });
          return at;
        }
        at = Math.ceil(obstacle.end / align) * align;
      }
    }
    return -1;
  }

  /** Takes the highest free place in [from, to), or -1. */
  high(size: number, align: number, from: number, to: number): number {
    for (const { start, end } of [...this.#usable].reverse()) {
      let at = Math.floor((Math.min(end, to) - size) / align) * align;
      for (;;) {
        if (at < Math.max(start, from)) break;
        const obstacle = this.#taken.find((range) => at < range.end && at + size > range.start);
        if (obstacle === undefined) {
          this.#taken.push({ start: at, end: at + size });
          return at;
        }
        at = Math.floor((obstacle.start - size) / align) * align;
      }
    }
    return -1;
  }
}
