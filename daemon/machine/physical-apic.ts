// The physical local APIC of one LP: vectors that other LPs and devices ask for, in machine memory. Enough of one for what the hypervisor needs of it.
// Its EOI is that of real ones: of the highest vector in service, whichever that is. A model that can also end a named one (as AMD's) is had by policy `apic.physicalSeoi`.
// Why not the whole chip: nothing but hvd's own code programs it, so there is no register page and no task priority (SDM 3A 11.8.3, 11.8.4).
import { LpBlock, LpLayout, lpBlockAt } from '../../shared/layout/machine.js';
import type { Views } from '../../shared/layout/struct.js';

/** Makes the LP leave guest code at the next loop head: sets `kick` in the LP context of the partition that it runs. */
export type KickLp = (lp: number) => void;
/** EOI broadcast of a level-triggered vector. */
export type EoiBroadcast = (lp: number, vector: number) => void;

const WORDS = 8;
const AT = LpLayout.at;

export class PhysicalApic {
  readonly #views: Views;
  readonly #kick: KickLp;
  readonly #broadcast: EoiBroadcast;

  /** `views`: of the machine memory. */
  constructor(views: Views, kick: KickLp, broadcast: EoiBroadcast = () => undefined) {
    this.#views = views;
    this.#kick = kick;
    this.#broadcast = broadcast;
  }

  /** Sends `vector` to an LP, this one included: trigger mode, request bit, then a kick. One that sleeps is to be summoned after that (lp/rounds). Any thread. */
  send(lp: number, vector: number, level = false): void {
    const { i32 } = this.#views;
    const word = (lpBlockAt(lp) >>> 2) + (vector >>> 5);
    const bit = 1 << (vector & 31);
    if (level) Atomics.or(i32, word + (AT.physicalTmr >>> 2), bit);
    else Atomics.and(i32, word + (AT.physicalTmr >>> 2), ~bit);
    // A request that stood already has its kick under way.
    if ((Atomics.or(i32, word + (AT.physicalIrr >>> 2), bit) & bit) !== 0) return;
    this.interrupt(lp);
  }

  /** The LP leaves guest code, and looks. */
  interrupt(lp: number): void {
    this.#kick(lp);
  }

  /** The owner takes its highest request into service and returns it; -1: none, or none of a class above that of the highest in service (SDM 3A 11.8.3). */
  take(lp: number): number {
    const top = this.requested(lp);
    if (top >> 4 <= this.highest(lp) >> 4) return -1;
    const { i32, u32 } = this.#views;
    const word = (lpBlockAt(lp) >>> 2) + (top >>> 5);
    const bit = 1 << (top & 31);
    Atomics.and(i32, word + (AT.physicalIrr >>> 2), ~bit);
    i32[word + (AT.physicalIsr >>> 2)] |= bit;
    u32[(lpBlockAt(lp) + AT.ipisReceived) >>> 2]++;
    return top;
  }

  /** Whether there is one that `take` would take. */
  interrupts(lp: number): boolean {
    return this.requested(lp) >> 4 > this.highest(lp) >> 4;
  }

  /** The highest vector requested but for `except`, or -1. */
  requested(lp: number, except = -1): number {
    const { i32 } = this.#views;
    const irr = (lpBlockAt(lp) + AT.physicalIrr) >>> 2;
    for (let word = WORDS - 1; word >= 0; word--) {
      const bits = Atomics.load(i32, irr + word) & (except >>> 5 === word ? ~(1 << (except & 31)) : -1);
      if (bits !== 0) return word * 32 + 31 - Math.clz32(bits);
    }
    return -1;
  }

  /** The highest vector in service, or -1. */
  highest(lp: number): number {
    const { i32 } = this.#views;
    const isr = (lpBlockAt(lp) + AT.physicalIsr) >>> 2;
    for (let word = WORDS - 1; word >= 0; word--) {
      const bits = i32[isr + word];
      if (bits !== 0) return word * 32 + 31 - Math.clz32(bits);
    }
    return -1;
  }

  isServing(lp: number, vector: number): boolean {
    return (this.#views.i32[((lpBlockAt(lp) + AT.physicalIsr) >>> 2) + (vector >>> 5)] & (1 << (vector & 31))) !== 0;
  }

  /** The owner ends its highest vector in service. */
  eoi(lp: number): void {
    const vector = this.highest(lp);
    if (vector < 0) return;
    new LpBlock(this.#views, lpBlockAt(lp)).physicalEois++;
    this.#end(lp, vector);
  }

  /** The owner ends the vector, whatever else is in service. Only where the hardware can. */
  specificEoi(lp: number, vector: number): void {
    if (!this.isServing(lp, vector)) return;
    new LpBlock(this.#views, lpBlockAt(lp)).physicalSpecificEois++;
    this.#end(lp, vector);
  }

  #end(lp: number, vector: number): void {
    const { i32 } = this.#views;
    const word = (lpBlockAt(lp) >>> 2) + (vector >>> 5);
    const bit = 1 << (vector & 31);
    i32[word + (AT.physicalIsr >>> 2)] &= ~bit;
    if ((Atomics.load(i32, word + (AT.physicalTmr >>> 2)) & bit) !== 0) this.#broadcast(lp, vector);
  }
}
