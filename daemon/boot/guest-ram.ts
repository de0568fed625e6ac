// Writes guest RAM by guest physical address, before the partition runs. Every address was checked when the boot was planned; one that was not is hvd's own mistake.
import { assert } from '../../shared/kit/assert.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';

export class GuestRam {
  readonly #views: Views;
  readonly #size: number;

  constructor(views: Views, size: number) {
    this.#views = views;
    this.#size = size;
  }

  bytes(gpa: number, data: Uint8Array): void {
    this.#views.u8.set(data, this.#at(gpa, data.length));
  }

  fill(gpa: number, size: number, value: number): void {
    const at = this.#at(gpa, size);
    this.#views.u8.fill(value, at, at + size);
  }

  u8(gpa: number, value: number): void {
    this.#views.data.setUint8(this.#at(gpa, 1), value);
  }

  u16(gpa: number, value: number): void {
    this.#views.data.setUint16(this.#at(gpa, 2), value, true);
  }

  u32(gpa: number, value: number): void {
    this.#views.data.setUint32(this.#at(gpa, 4), value, true);
  }

  #at(gpa: number, size: number): number {
    assert(gpa >= 0 && gpa + size <= this.#size, `boot writes ${size} bytes at ${gpa} of ${this.#size}`);
    return PartitionMap.RAM + gpa;
  }
}
