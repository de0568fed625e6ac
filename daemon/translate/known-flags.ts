// Who produced the current arithmetic flags, as far as that is known in the block: conditions are then computed from the producer's operands.
// Why: `cmp` and `jcc` become one comparison, and the flags themselves are seldom looked at and drop out (liveness.ts).
import { Slot, TEMPS } from '../../shared/layout/vp.js';
import type { Width } from './micro-op.js';
import { NOWHERE, type Operand } from './operand.js';

/** What conditions can be computed from, instead of from the flags. */
export const Known = {
  NOTHING: 0,
  /** a - b, and r when it is kept somewhere. */
  DIFFERENCE: 1,
  /** a + b = r. */
  SUM: 2,
  /** r gives ZF and SF; CF and OF are in the flags only. */
  RESULT: 3,
  /** r gives all; CF = OF = 0. */
  LOGIC: 4,
  /** r is CF; the rest is in the flags only. */
  CARRY: 5,
  /** r holds the flags at their EFLAGS places. */
  GIVEN: 6,
} as const;
export type Known = (typeof Known)[keyof typeof Known];

/** Temporaries of their own for a, b and r when their slots are overwritten: the last ones. */
const KEEPERS = 3;
/** The other temporaries go round. */
export const RING: number = TEMPS - KEEPERS;

export class KnownFlags {
  known: Known = Known.NOTHING;
  width: Width = 0;
  a: Operand = NOWHERE;
  b: Operand = NOWHERE;
  r: Operand = NOWHERE;

  set(known: Known, width: Width, a: Operand, b: Operand, r: Operand): void {
    this.known = known;
    this.width = width;
    this.a = a;
    this.b = b;
    this.r = r;
  }
  setResult(known: Known, width: Width, r: Operand): void {
    this.set(known, width, NOWHERE, NOWHERE, r);
  }
  forget(): void {
    this.set(Known.NOTHING, 0, NOWHERE, NOWHERE, NOWHERE);
  }

  /** Whether conditions may still be computed from the slot. */
  uses(slot: number): boolean {
    return this.known !== Known.NOTHING && (slot === this.a || slot === this.b || slot === this.r);
  }
  /** Where such a slot's value is to be copied to before it changes. */
  keeperOf(slot: number): number {
    return Slot.TEMP + RING + (slot === this.a ? 0 : slot === this.b ? 1 : 2);
  }
  /** Forgets the slot; which of the three it was, for `replace`. */
  release(slot: number): number {
    const which = (this.a === slot ? 1 : 0) | (this.b === slot ? 2 : 0) | (this.r === slot ? 4 : 0);
    this.replace(which, NOWHERE);
    return which;
  }
  replace(which: number, slot: number): void {
    if ((which & 1) !== 0) this.a = slot;
    if ((which & 2) !== 0) this.b = slot;
    if ((which & 4) !== 0) this.r = slot;
  }
}
