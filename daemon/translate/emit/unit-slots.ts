// Slots of a unit as WebAssembly locals: each register in one of its mode's width, each temporary in one as wide as the value it has just now.
// Why two widths: code of 16 and 32 bits never has anything in the upper halves, and V8 pays for every change of width on the way round a loop.
import { Slot, VECTOR_SLOTS, VectorSlot, VpLayout } from '../../../shared/layout/vp.js';
import { type Code, I32, I64, type Locals, V128 } from './wasm.js';

/** Slots that live in locals while a unit runs; the others are in the VP block. */
const inLocal = (slot: number): boolean =>
  slot < 16 || slot === Slot.FLAG_RESULT || slot === Slot.FLAG_AUX || (slot >= Slot.TEMP && slot < Slot.READ_LIMIT);
const isTemporary = (slot: number): boolean => slot >= Slot.TEMP;
const VECTORS = VpLayout.at.vectors;
const ZEROS = new Uint8Array(16);
const NOWHERE = -1;

export class UnitSlots {
  readonly #c: Code;
  readonly #vp: number;
  readonly #locals: Locals;
  /** General registers have 32 bits. */
  readonly #narrowRegisters: boolean;
  readonly #word = new Int16Array(Slot.READ_LIMIT).fill(NOWHERE);
  readonly #long = new Int16Array(Slot.READ_LIMIT).fill(NOWHERE);
  /** 1: the slot's value is in `#word`. Of temporaries: as of the micro-op that is being emitted (they never outlive their block). */
  readonly #narrow = new Uint8Array(Slot.READ_LIMIT);
  readonly #vector = new Int16Array(VECTOR_SLOTS).fill(NOWHERE);
  /** Registers and flags, in the order in which they were met, and whether the unit writes them. */
  readonly #held = new Map<number, boolean>();
  readonly #heldVectors = new Map<number, boolean>();

  constructor(c: Code, vp: number, locals: Locals, narrowRegisters: boolean) {
    this.#c = c;
    this.#vp = vp;
    this.#locals = locals;
    this.#narrowRegisters = narrowRegisters;
  }

  /** Before any code: the unit reads or writes the slot. */
  uses(slot: number, writes: boolean): void {
    if (!inLocal(slot) || isTemporary(slot)) return;
    if (!this.#held.has(slot)) {
      const narrow = this.#narrowRegisters && slot < 16;
      if (narrow) this.#word[slot] = this.#locals.add(I32);
      else this.#long[slot] = this.#locals.add(I64);
      this.#narrow[slot] = narrow ? 1 : 0;
    }
    this.#held.set(slot, writes || this.#held.get(slot) === true);
  }
  usesVector(slot: number, writes: boolean): void {
    if (slot >= VectorSlot.SCRATCH) return;
    if (this.#vector[slot] === NOWHERE) this.#vector[slot] = this.#locals.add(V128);
    if (slot < VectorSlot.TEMP) this.#heldVectors.set(slot, writes || this.#heldVectors.get(slot) === true);
  }

  /** All registers from the VP block; those that the unit writes back to it. */
  load(): void {
    const c = this.#c;
    for (const s of this.#held.keys()) {
      c.get(this.#vp);
      c.memory(this.#narrow[s] ? 'i32_load' : 'i64_load', s * 8);
      c.set(this.#narrow[s] ? this.#word[s] : this.#long[s]);
    }
    for (const s of this.#heldVectors.keys()) {
      c.get(this.#vp);
      c.load128(VECTORS + s * 16);
      c.set(this.#vector[s]);
    }
  }
  store(): void {
    const c = this.#c;
    for (const [s, written] of this.#held) {
      if (!written) continue;
      c.get(this.#vp);
      this.push(s);
      c.memory('i64_store', s * 8);
    }
    for (const [s, written] of this.#heldVectors) {
      if (!written) continue;
      c.get(this.#vp);
      c.get(this.#vector[s]);
      c.store128(VECTORS + s * 16);
    }
  }

  /** Whether the slot is known to have no bits above 31. */
  fits32(slot: number): boolean {
    return slot === Slot.ZERO || (inLocal(slot) && this.#narrow[slot] === 1);
  }
  /** Push the slot, zero-extended. */
  push(slot: number): void {
    const c = this.#c;
    if (slot === Slot.ZERO) c.i64s(0);
    else if (!inLocal(slot)) {
      c.get(this.#vp);
      c.memory('i64_load', slot * 8);
    } else if (this.#narrow[slot]) {
      c.get(this.#word[slot]);
      c.op('i64_extend_i32_u');
    } else c.get(this.#long[slot]);
  }
  /** Push its low half. */
  push32(slot: number): void {
    const c = this.#c;
    if (slot === Slot.ZERO) c.i32(0);
    else if (!inLocal(slot)) {
      c.get(this.#vp);
      c.memory('i32_load', slot * 8);
    } else if (this.#narrow[slot]) c.get(this.#word[slot]);
    else {
      c.get(this.#long[slot]);
      c.op('i32_wrap');
    }
  }
  /** Assign what `value` pushes: an i64. */
  set(slot: number, value: () => void): void {
    const c = this.#c;
    if (!inLocal(slot)) {
      c.get(this.#vp);
      value();
      c.memory('i64_store', slot * 8);
      return;
    }
    value();
    if (!isTemporary(slot) && this.#narrow[slot]) {
      c.op('i32_wrap');
      c.set(this.#word[slot]);
      return;
    }
    if (this.#long[slot] === NOWHERE) this.#long[slot] = this.#locals.add(I64);
    c.set(this.#long[slot]);
    this.#narrow[slot] = 0;
  }
  /** Assign an i32, zero-extended. */
  set32(slot: number, value: () => void): void {
    const c = this.#c;
    if (!inLocal(slot) || (!isTemporary(slot) && !this.#narrow[slot])) {
      this.set(slot, () => {
        value();
        c.op('i64_extend_i32_u');
      });
      return;
    }
    value();
    if (this.#word[slot] === NOWHERE) this.#word[slot] = this.#locals.add(I32);
    c.set(this.#word[slot]);
    this.#narrow[slot] = 1;
  }

  pushVector(slot: number): void {
    const c = this.#c;
    if (slot === VectorSlot.ZERO) c.v128(ZEROS);
    else if (this.#vector[slot] !== NOWHERE) c.get(this.#vector[slot]);
    else {
      c.get(this.#vp);
      c.load128(VECTORS + slot * 16);
    }
  }
  setVector(slot: number, value: () => void): void {
    const c = this.#c;
    if (this.#vector[slot] !== NOWHERE) {
      value();
      c.set(this.#vector[slot]);
      return;
    }
    // Operands of slow helpers.
    c.get(this.#vp);
    value();
    c.store128(VECTORS + slot * 16);
  }
}
