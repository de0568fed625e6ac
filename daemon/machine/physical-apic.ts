// The physical local APIC of one LP: vectors that other LPs ask for, in machine memory. Enough of one for what the hypervisor sends itself.
// Why not the whole chip: nothing but hvd's own code programs it, so there is no register page and no priority beyond the vector's (SDM 3A 11.8.4).
import { LpLayout, lpBlockAt } from '../../shared/layout/machine.js';
import type { Views } from '../../shared/layout/struct.js';

/** Makes the LP leave guest code at the next loop head: sets `kick` in the LP context of the partition that it runs. */
export type KickLp = (lp: number) => void;

const WORDS = 8;

export class PhysicalApic {
  readonly #views: Views;
  readonly #kick: KickLp;

  /** `views`: of the machine memory. */
  constructor(views: Views, kick: KickLp) {
    this.#views = views;
    this.#kick = kick;
  }

  /** Sends `vector` to an LP, this one included: request bit, then a kick, then the doorbell for one that sleeps. Any thread. */
  send(lp: number, vector: number): void {
    const { i32 } = this.#views;
    const base = lpBlockAt(lp) >>> 2;
    const bit = 1 << (vector & 31);
    const before = Atomics.or(i32, base + (LpLayout.at.physicalIrr >>> 2) + (vector >>> 5), bit);
    // A request that stood already has its kick under way.
    if ((before & bit) !== 0) return;
    this.#kick(lp);
    Atomics.add(i32, base + (LpLayout.at.doorbell >>> 2), 1);
    Atomics.notify(i32, base + (LpLayout.at.doorbell >>> 2));
  }

  /** The owner takes its highest request into service and returns it; -1: none, or none above the highest in service. */
  take(lp: number): number {
    const { i32 } = this.#views;
    const irr = (lpBlockAt(lp) + LpLayout.at.physicalIrr) >>> 2;
    const isr = (lpBlockAt(lp) + LpLayout.at.physicalIsr) >>> 2;
    for (let word = WORDS - 1; word >= 0; word--) {
      const requested = Atomics.load(i32, irr + word);
      const serving = i32[isr + word];
      if (requested !== 0) {
        const top = 31 - Math.clz32(requested);
        if (serving !== 0 && 31 - Math.clz32(serving) >= top) return -1;
        Atomics.and(i32, irr + word, ~(1 << top));
        i32[isr + word] |= 1 << top;
        this.#views.u32[(lpBlockAt(lp) + LpLayout.at.ipisReceived) >>> 2]++;
        return word * 32 + top;
      }
      if (serving !== 0) return -1;
    }
    return -1;
  }

  /** The owner ends its highest vector in service. */
  eoi(lp: number): void {
    const { i32 } = this.#views;
    const isr = (lpBlockAt(lp) + LpLayout.at.physicalIsr) >>> 2;
    for (let word = WORDS - 1; word >= 0; word--) {
      const serving = i32[isr + word];
      if (serving === 0) continue;
      i32[isr + word] = serving & ~(1 << (31 - Math.clz32(serving)));
      return;
    }
  }
}
