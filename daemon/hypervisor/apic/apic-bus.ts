// How one virtual local APIC reaches the others of its partition. Why an interface: the run loop provides it, tests provide a small one.
import type { VpBlock } from '../../../shared/layout/vp.js';

export interface ApicBus {
  readonly vpCount: number;
  vpBlock(index: number): VpBlock;
  /** The VP has new request bits: whoever runs it must look, and one that is halted or waits for a SIPI must be looked at too. Any thread. */
  kick(index: number): void;
  /** The clock of the LP that asks, in cycles. */
  now(): number;
}
