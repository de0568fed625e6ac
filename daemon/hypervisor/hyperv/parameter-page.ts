// Parameters of hypercalls in guest memory: eight-byte aligned, within one page, within the guest-physical address space (TLFS 3.6).
// Output is a store by something other than a processor, and goes through the gate for such (hypervisor/store-gate.ts).

import { PartitionMap } from '../../../shared/layout/partition.js';
import type { HyperV } from './hyperv.js';

const ALIGNMENT = 8;

export class ParameterPage {
  readonly #hv: HyperV;

  constructor(hv: HyperV) {
    this.#hv = hv;
  }

  /** Whether the list may be read (written) there. */
  isValid(gpa: number, bytes: number, write: boolean): boolean {
    if (gpa % ALIGNMENT !== 0 || (gpa % 4096) + bytes > 4096) return false;
    return this.#hv.overlays.resolve(gpa, write) >= 0;
  }
  read(gpa: number, to: DataView, bytes: number): void {
    const from = this.#hv.overlays.resolve(gpa, false);
    // A copy out of shared memory, byte by byte as far as other VPs can tell.
    new Uint8Array(to.buffer, 0, bytes).set(this.#hv.on.views.u8.subarray(from, from + bytes));
  }
  /** Bytes `from` to `end` of the list at the address. */
  write(gpa: number, list: DataView, from: number, end: number): void {
    if (end <= from) return;
    const { on, overlays } = this.#hv;
    const at = overlays.resolve(gpa + from, true);
    const gfn = (at - PartitionMap.RAM) >>> 12;
    const bytes = end - from;
    on.stores.begin(gfn, at & 4095, bytes);
    on.views.u8.set(new Uint8Array(list.buffer, from, bytes), at);
    on.stores.end(gfn, at & 4095, bytes);
  }
}
