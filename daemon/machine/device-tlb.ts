// The part of an LP's TLB that holds translations to guest-physical addresses where no RAM is: what lies there is a device, and every access is an intercept.
// Why apart from the inline table: compiled code must miss. Why at all: an access that only has to reach its device need not walk the shadow tables, which never
// hold such a page, and then the guest's. It is a TLB like the other: filled from a walk, emptied by each of its flushes, whole (SDM 3A 4.10.2, 4.10.4).

// In the LP context, where the shortcuts (daemon/shortcuts) find the local APIC's page.
import { DEVICE_ENTRIES, DEVICE_ENTRY_SIZE, DeviceEntry, LpContextLayout } from '../../shared/layout/lp-context.js';
import type { Views } from '../../shared/layout/struct.js';

/** No page begins here: it is not canonical. */
const NONE = -0x8000_0000_0000_0000;
const DOUBLES = DEVICE_ENTRY_SIZE / 8;
const PHYSICAL = DeviceEntry.PHYSICAL / 8;

export class DeviceTlb {
  /** The entries: first byte of the page, linear and guest-physical, as numbers. */
  readonly #pages: Float64Array;
  readonly #i32: Int32Array;
  readonly #written: number;
  /** Word that is 1 while there is an entry. */
  readonly #used: number;

  constructor(views: Views, context: number) {
    const at = context + LpContextLayout.at.devices;
    this.#pages = new Float64Array(views.buffer, at, 2 * DEVICE_ENTRIES * DOUBLES);
    this.#i32 = views.i32;
    this.#written = (at + DeviceEntry.WRITTEN) >>> 2;
    this.#used = (context + LpContextLayout.at.devicesUsed) >>> 2;
    this.#i32[this.#used] = 1;
    this.flush();
  }

  /** Guest-physical address of the byte, or -1. */
  lookup(gva: number, write: boolean, user: boolean): number {
    const offset = gva & 4095;
    const entry = indexOf(gva, user) * DOUBLES;
    if (this.#pages[entry] !== gva - offset || (write && this.#i32[this.#written + entry * 2] === 0)) return -1;
    return this.#pages[entry + PHYSICAL] + offset;
  }

  /** A walk for such an access has succeeded and ended at `gpa`; `write`: it has set D. */
  insert(gva: number, gpa: number, write: boolean, user: boolean): void {
    const offset = gva & 4095;
    const entry = indexOf(gva, user) * DOUBLES;
    this.#pages[entry] = gva - offset;
    this.#pages[entry + PHYSICAL] = gpa - offset;
    this.#i32[this.#written + entry * 2] = write ? 1 : 0;
    this.#i32[this.#used] = 1;
  }

  flush(): void {
    if (this.#i32[this.#used] === 0) return;
    for (let n = 0; n < 2 * DEVICE_ENTRIES; n++) this.#pages[n * DOUBLES] = NONE;
    this.#i32[this.#used] = 0;
  }
}

/** Number of the entry of a page for accesses of one privilege. */
const indexOf = (gva: number, user: boolean): number =>
  (((gva >>> 12) ^ (gva >>> 20)) & (DEVICE_ENTRIES - 1)) | (user ? DEVICE_ENTRIES : 0);
