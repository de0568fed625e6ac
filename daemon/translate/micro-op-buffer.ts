// The micro-ops of one block as they are stated, with what is known of each slot: how wide its value is, and whether conditions hang on it.
import { IMPLEMENTED } from '../../shared/cpu/feature-set.js';
import { SLOTS, Slot } from '../../shared/layout/vp.js';
import type { CodeMode } from './code-mode.js';
import { Constants, largestOf, ORIGIN_MASK, Origin, Range, rangeOf } from './constants.js';
import { KnownFlags } from './known-flags.js';
import { dependsOnOperands, resultBits, WRITES_D } from './liveness.js';
import { BLOCK_MICRO_OPS_MAX, OP_MASK, Op } from './micro-op.js';
import type { Operand } from './operand.js';

/** A finished block. Arrays are views into the builder's buffers: copy before the next `begin`. */
export interface MicroOps {
  readonly count: number;
  readonly op: Uint16Array;
  readonly d: Uint8Array;
  readonly a: Uint8Array;
  readonly b: Uint8Array;
  readonly left: Uint8Array;
  readonly ripOffset: Uint16Array;
  readonly lo: Int32Array;
  readonly hi: Int32Array;
  /** Where the immediate comes from (constants.ts). */
  readonly origin: Uint16Array;
}

export const BUFFER_RECORDS = BLOCK_MICRO_OPS_MAX + 64;

/** What may be set in each slot where a block begins: outside 64-bit mode registers have 32 bits. */
const BITS_64 = new Uint8Array(SLOTS).fill(64);
BITS_64[Slot.ZERO] = 0;
const BITS_32 = BITS_64.slice().fill(32, 0, 16);

export class MicroOpBuffer implements MicroOps {
  count = 0;
  readonly op: Uint16Array = new Uint16Array(BUFFER_RECORDS);
  readonly d: Uint8Array = new Uint8Array(BUFFER_RECORDS);
  readonly a: Uint8Array = new Uint8Array(BUFFER_RECORDS);
  readonly b: Uint8Array = new Uint8Array(BUFFER_RECORDS);
  readonly left: Uint8Array = new Uint8Array(BUFFER_RECORDS);
  readonly ripOffset: Uint16Array = new Uint16Array(BUFFER_RECORDS);
  readonly lo: Int32Array = new Int32Array(BUFFER_RECORDS);
  readonly hi: Int32Array = new Int32Array(BUFFER_RECORDS);
  readonly origin: Uint16Array = new Uint16Array(BUFFER_RECORDS);
  readonly constants: Constants = new Constants();
  mode: CodeMode = { bits: 64, stackBits: 64, flat: true, plainLocks: false, features: IMPLEMENTED };
  /** Number of instructions begun so far. */
  instructions = 0;
  /** RIP of the block's first byte. */
  blockRip = 0;
  /** RIP of the instruction being translated, for what keeps its distance from the block's: `jump`, `branch`, `position`. */
  nearRip = 0;

  /** How many low bits of each slot may be other than 0. */
  protected readonly slotBits: Uint8Array = new Uint8Array(SLOTS);
  protected readonly known: KnownFlags = new KnownFlags();

  /** Empties it for a block at RIP; `positionIsFixed`: which will stand nowhere else. */
  protected clear(mode: CodeMode, rip: number, positionIsFixed: boolean): void {
    this.count = 0;
    this.instructions = 0;
    this.mode = mode;
    this.blockRip = rip;
    this.nearRip = rip;
    this.constants.begin(positionIsFixed);
    this.known.forget();
    this.slotBits.set(mode.bits === 64 ? BITS_64 : BITS_32);
  }
  protected registersUnknown(): void {
    this.slotBits.fill(this.mode.bits === 64 ? 64 : 32, 0, 16);
  }

  /** Operand b, or what is moved, is a constant. */
  protected recordConstant(op: number, d: number, a: number, constant: Operand): void {
    const { constants } = this;
    this.record(op, d, a, 0, constants.lo(constant), constants.hi(constant), constants.origin(constant));
  }
  protected record(op: number, d: number, a: number, b: number, lo: number, hi: number, origin: number = Origin.FIXED): void {
    if (WRITES_D[op & OP_MASK] === 1) {
      if (this.known.uses(d)) this.#keep(d);
      this.slotBits[d] =
        origin !== Origin.FIXED && dependsOnOperands(op) ? this.#openBits(op, a, lo, origin) : resultBits(this.slotBits, op, a, b, lo, hi);
    }
    const i = this.count++;
    this.op[i] = op;
    this.d[i] = d;
    this.a[i] = a;
    this.b[i] = b;
    this.left[i] = this.instructions; // counted from the start here; when the block is finished it is turned round
    this.ripOffset[i] = this.nearRip - this.blockRip;
    this.lo[i] = lo;
    this.hi[i] = hi;
    this.origin[i] = origin;
  }
  /** How wide the result is, by no more of the immediate than its range; and by that only where it matters. */
  #openBits(op: number, a: number, lo: number, origin: number): number {
    const bits = this.slotBits;
    const kind = origin & ORIGIN_MASK;
    if (kind === Origin.POSITION) return resultBits(bits, op, a, 0, -1, this.mode.bits === 64 ? -1 : 0);
    const range = rangeOf(lo);
    const sign = kind === Origin.SIGNED ? -1 : 0;
    const width = resultBits(bits, op, a, 0, largestOf(range), range === Range.LARGE ? sign : 0);
    if (width !== resultBits(bits, op, a, 0, largestOf(Range.BYTE), 0) || width !== resultBits(bits, op, a, 0, -1, sign))
      this.constants.narrow(origin, range);
    return width;
  }
  /** A slot that conditions may still be computed from is about to change: copies it. The copy is dropped again when no condition uses it. */
  #keep(slot: number): void {
    const { known } = this;
    const keeper = known.keeperOf(slot);
    const which = known.release(slot);
    this.record(Op.mov, keeper, slot, 0, 0, 0);
    known.replace(which, keeper);
  }
}
