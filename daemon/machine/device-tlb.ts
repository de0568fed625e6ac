// The part of an LP's TLB that holds translations to guest-physical addresses where no RAM is: what lies there is a device, and every access is an intercept.
// Why apart from the inline table: compiled code must miss. Why at all: an access that only has to reach its device need not walk the shadow tables, which never
// hold such a page, and then the guest's. It is a TLB like the other: filled from a walk, emptied by each of its flushes, whole (SDM 3A 4.10.2, 4.10.4).

/** A power of two. The pages of the local and the I/O APIC fall on different ones. */
const ENTRIES = 8;
/** No page begins here: it is not canonical. */
const NONE = -0x8000_0000_0000_0000;

/** The entry of a page for accesses of one privilege. */
const indexOf = (gva: number, user: boolean): number => (((gva >>> 12) ^ (gva >>> 20)) & (ENTRIES - 1)) | (user ? ENTRIES : 0);

export class DeviceTlb {
  /** First byte of the page: linear, by privilege, and guest-physical. */
  readonly #linear = new Float64Array(2 * ENTRIES).fill(NONE);
  readonly #physical = new Float64Array(2 * ENTRIES);
  /** 1: filled by a write, which has set D. */
  readonly #written = new Uint8Array(2 * ENTRIES);
  #empty = true;

  /** Guest-physical address of the byte, or -1. */
  lookup(gva: number, write: boolean, user: boolean): number {
    const offset = gva & 4095;
    const index = indexOf(gva, user);
    if (this.#linear[index] !== gva - offset || (write && this.#written[index] === 0)) return -1;
    return this.#physical[index] + offset;
  }

  /** A walk for such an access has succeeded and ended at `gpa`. */
  insert(gva: number, gpa: number, write: boolean, user: boolean): void {
    const offset = gva & 4095;
    const index = indexOf(gva, user);
    this.#linear[index] = gva - offset;
    this.#physical[index] = gpa - offset;
    this.#written[index] = write ? 1 : 0;
    this.#empty = false;
  }

  flush(): void {
    if (this.#empty) return;
    this.#linear.fill(NONE);
    this.#empty = true;
  }
}
