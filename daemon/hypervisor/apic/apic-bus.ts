// How one virtual local APIC reaches the others of its partition. Why an interface: the run loop provides it, tests provide a small one.
import type { VpBlock } from '../../../shared/layout/vp.js';

/** Told of what becomes of interrupts. `stamp`: which request of the vector (layout/trace). */
export interface InterruptListener {
  raised(vp: number, vector: number, kind: number, stamp: number): void;
  delivered(vp: number, vector: number, kind: number, stamp: number): void;
  ended(vp: number, vector: number, state: number, stamp: number): void;
}

export interface ApicBus {
  readonly vpCount: number;
  vpBlock(index: number): VpBlock;
  /** The VP has new request bits: whoever runs it must look, and one that is halted or waits for a SIPI must be looked at too. Any thread. */
  kick(index: number): void;
  /** The clock of the LP that asks, in cycles. */
  now(): number;
  readonly interrupts?: InterruptListener;
}
