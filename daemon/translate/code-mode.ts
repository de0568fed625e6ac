// What code means beside its bytes: the processor's mode, as far as translation depends on it.
import type { FeatureSet } from '../../shared/cpu/feature-set.js';

/** What the block was translated for; part of its key. */
export interface CodeMode {
  /** Default operand and address size: 16, 32 or 64. */
  readonly bits: 16 | 32 | 64;
  /** Stack pointer width. */
  readonly stackBits: 16 | 32 | 64;
  /** All of ES, CS, SS, DS have base 0, limit 4 GiB and allow the obvious: no bases, no checks. FS and GS always add their base. */
  readonly flat: boolean;
  /** LOCK forms become plain read-modify-writes: nobody can come in between, because the bus is held or the partition has one processor. */
  readonly plainLocks: boolean;
  /** What the processor has: anything else is #UD. */
  readonly features: FeatureSet;
}
