// A guest's own translation of a linear address, read for a debugger: nothing is set, nothing faults, and rights do not matter.
// Why apart from the vTLB's walk: that one serves accesses, with their faults and the bits that they set. References: SDM 3A 4.3-4.5.
import { Cr0, Cr4, Efer } from '../../../shared/abi/registers.js';
import { FRAME_HIGH, Pte } from '../../../shared/layout/paging.js';
import { PartitionLayout, PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';
import type { VpBlock } from '../../../shared/layout/vp.js';
import type { OverlayMap } from '../overlay-map.js';

const A20_CLOSED = (PartitionMap.HEADER + PartitionLayout.at.a20Closed) >>> 2;
const A20_FRAME = 1 << (20 - 12);
const CANONICAL_LIMIT = 2 ** 47;

/** An entry on the way. */
export interface WalkStep {
  readonly level: number;
  /** Guest physical address of the entry, and what it is: 4 bytes in 32-bit paging, else 8. */
  readonly at: number;
  readonly entry: bigint;
}

export class GuestTranslation {
  readonly #views: Views;
  readonly #overlays: OverlayMap;
  /** Of the last translation, from the top. */
  readonly steps: WalkStep[] = [];

  constructor(views: Views, overlays: OverlayMap) {
    this.#views = views;
    this.#overlays = overlays;
  }

  /** Address in partition memory of the byte, -1 where the guest's tables lead nowhere or to no memory. */
  translate(vp: VpBlock, gva: number): number {
    const frame = this.#frame(vp, gva);
    return frame < 0 ? -1 : this.#memory(frame, gva);
  }
  /** Guest physical address of the byte, -1 where the tables lead nowhere. */
  physical(vp: VpBlock, gva: number): number {
    const frame = this.#frame(vp, gva);
    return frame < 0 ? -1 : frame * 4096 + (gva & 4095);
  }

  #memory(frame: number, gva: number): number {
    const found = this.#overlays.find(frame);
    return found < 0 ? -1 : PartitionMap.RAM + found * 4096 + (gva & 4095);
  }

  #frame(vp: VpBlock, gva: number): number {
    this.steps.length = 0;
    const bus = Atomics.load(this.#views.i32, A20_CLOSED) === 0 ? -1 : ~A20_FRAME;
    if ((vp.cr0 & Cr0.PG) === 0) return (Math.floor((gva >>> 0) / 4096) & bus) >>> 0;
    if ((vp.efer & Efer.LMA) !== 0) {
      if (gva >= CANONICAL_LIMIT || gva < -CANONICAL_LIMIT) return -1;
      return this.#wide(gva, 4, frameOf(vp.cr3Lo, vp.cr3Hi), bus);
    }
    if ((vp.cr4 & Cr4.PAE) === 0) return this.#narrow(gva >>> 0, vp.cr3Lo >>> 12, (vp.cr4 & Cr4.PSE) !== 0, bus);
    const at = (vp.pdpte >>> 2) + ((gva >>> 30) & 3) * 2;
    const { u32 } = vp.views;
    return (u32[at] & Pte.P) === 0 ? -1 : this.#wide(gva >>> 0, 2, frameOf(u32[at], u32[at + 1]), bus);
  }

  #wide(gva: number, top: number, table: number, bus: number): number {
    const low = gva | 0;
    const high = Math.floor(gva / 4294967296) | 0;
    let frame = (table & bus) >>> 0;
    for (let level = top; ; level--) {
      const offset = (level === 4 ? high >>> 4 : level === 3 ? (high << 5) | (low >>> 27) : level === 2 ? low >>> 18 : low >>> 9) & 0xff8;
      if (!this.#overlays.holdsTables(frame)) return -1;
      const at = (PartitionMap.RAM + frame * 4096 + offset) >>> 2;
      const { u32 } = this.#views;
      const entry = u32[at];
      this.steps.push({ level, at: frame * 4096 + offset, entry: BigInt(entry) | (BigInt(u32[at + 1]) << 32n) });
      if ((entry & Pte.P) === 0) return -1;
      frame = (frameOf(entry, u32[at + 1]) & bus) >>> 0;
      if (level === 1) return frame;
      if ((entry & Pte.PS) === 0) continue;
      if (level === 4) return -1;
      const inside = level === 3 ? 0x3_ffff : 0x1ff;
      return (((frame & ~inside) | ((low >>> 12) & inside)) & bus) >>> 0;
    }
  }

  #narrow(gva: number, table: number, large: boolean, bus: number): number {
    let frame = table & bus;
    for (let level = 2; ; level--) {
      if (!this.#overlays.holdsTables(frame)) return -1;
      const offset = (level === 2 ? gva >>> 20 : gva >>> 10) & 0xffc;
      const entry = this.#views.u32[(PartitionMap.RAM + frame * 4096 + offset) >>> 2];
      this.steps.push({ level, at: frame * 4096 + offset, entry: BigInt(entry) });
      if ((entry & Pte.P) === 0) return -1;
      frame = (entry >>> 12) & bus;
      if (level === 1) return frame;
      if (large && (entry & Pte.PS) !== 0) return ((frame & ~0x3ff) | ((gva >>> 12) & 0x3ff)) & bus;
    }
  }
}

const frameOf = (low: number, high: number): number => (((high & FRAME_HIGH) << 20) | (low >>> 12)) >>> 0;
