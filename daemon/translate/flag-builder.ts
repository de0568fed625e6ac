// Arithmetic flags and conditions: each producer is stated, conditions are computed from its operands where they are known (known-flags.ts), from the flags otherwise.
import { Slot } from '../../shared/layout/vp.js';
import { Known } from './known-flags.js';
import { type Condition, IMMEDIATE_FORM, type MicroOpName, Op, type Width } from './micro-op.js';
import { NOWHERE, type Operand } from './operand.js';
import { ValueBuilder } from './value-builder.js';

/** Which instruction family produced the current arithmetic flags, when it is known in this block. */
export type FlagKind = 'add' | 'sub' | 'logic' | 'inc' | 'dec' | 'set';

/** EFLAGS bits that the even conditions O, B, E, BE, S, P are the `or` of; L and LE take more than that. */
const GIVEN_MASKS = [0x800, 1, 0x40, 0x41, 0x80, 4, 0, 0] as const;

export class FlagBuilder extends ValueBuilder {
  /** Set by `truth`: the slot it returned is non-zero when the condition does NOT hold. */
  inverted = false;

  /**
   * Arithmetic flags of an operation of the width. `add` and `sub` are for ADC and SBB too (b without the carry; then not `fusible`: conditions on CF and OF come from the flags).
   * Only the operands' low bits count, but for the result of `inc` and `dec`, which is zero-extended.
   */
  flags(kind: FlagKind, width: Width, a: Operand, b: Operand, r: Operand, fusible = true): void {
    if (kind === 'add' || kind === 'sub') {
      const sa = this.slot(a);
      const sb = this.slot(b);
      this.record((kind === 'add' ? Op.fadd8 : Op.fsub8) + width, 0, sa, sb, this.slot(r), 0);
      this.known.set(fusible ? (kind === 'add' ? Known.SUM : Known.DIFFERENCE) : Known.RESULT, width, a, b, r);
      return;
    }
    const sr = this.slot(r);
    if (kind === 'set') {
      this.record(Op.fset, 0, sr, 0, 0, 0);
      this.known.setResult(Known.GIVEN, width, sr);
      return;
    }
    this.record((kind === 'logic' ? Op.flogic8 : kind === 'inc' ? Op.finc8 : Op.fdec8) + width, 0, sr, 0, 0, 0);
    this.known.setResult(kind === 'logic' && fusible ? Known.LOGIC : Known.RESULT, width, sr);
  }
  /** Flags of a - b; `resultOfFlags` may say later where the difference is. To be called while a and b still stand. */
  flagsOfDifference(width: Width, a: Operand, b: Operand): void {
    this.#pair(Op.fcmp8 + width, a, b);
    this.known.set(Known.DIFFERENCE, width, a, b, NOWHERE);
  }
  /** Flags of a + b; as above. */
  flagsOfSum(width: Width, a: Operand, b: Operand): void {
    this.#pair(Op.fsum8 + width, a, b);
    this.known.set(Known.SUM, width, a, b, NOWHERE);
  }
  #pair(op: number, a: Operand, b: Operand): void {
    const sa = this.slot(a);
    if (b < 0) this.recordConstant(op | IMMEDIATE_FORM, 0, sa, b);
    else this.record(op, 0, sa, b, 0, 0);
  }
  /** The last sum or difference is in this slot: ZF and SF may be taken from there. */
  resultOfFlags(r: number): void {
    this.known.r = r;
  }
  /** Flags of result r; AF, CF and OF are given (EFLAGS places). With a guard: only when it is not 0. */
  flagsOfResult(width: Width, r: Operand, carries: Operand, guard: Operand = NOWHERE): void {
    const sr = this.slot(r);
    const sc = this.slot(carries);
    if (guard === NOWHERE) {
      this.record(Op.faux8 + width, 0, sr, sc, 0, 0);
      this.known.setResult(Known.RESULT, width, sr);
    } else {
      this.record(Op.fauxif8 + width, 0, sr, sc, this.slot(guard), 0);
      this.flagsUnknown();
    }
  }
  /** Of CF and OF those in the mask are taken from `flags` (EFLAGS places); all others are kept. */
  mergeFlags(flags: Operand, mask: Operand): void {
    this.#pair(Op.fmerge, flags, mask);
    this.flagsUnknown();
  }
  /** CF := 0 or 1. */
  setCarry(carry: Operand): void {
    const slot = this.slot(carry);
    this.mergeFlags(slot, this.constant(1));
    this.known.setResult(Known.CARRY, 0, slot);
  }
  /** Flags are no longer those of the last producer (a slow helper changed them). */
  flagsUnknown(): void {
    this.known.forget();
  }
  /** The six arithmetic flags at their EFLAGS places. */
  readFlags(): Operand {
    const d = this.temp();
    this.record(Op.fget, d, 0, 0, 0, 0);
    return d;
  }
  carry(): Operand {
    return this.condition(2);
  }

  /** 0/1 value of an x86 condition. Computed from the producer's operands when they are known, from the flags otherwise: both tiers run the same. */
  condition(cc: Condition, d: number = NOWHERE): Operand {
    const t = this.truth(cc);
    if (this.slotBits[t] <= 1) {
      if (this.inverted) return this.value('xor64', t, this.constant(1), d);
      if (d !== NOWHERE) this.move(d, t);
      return d === NOWHERE ? t : d;
    }
    return this.value(this.inverted ? 'eq' : 'ne', t, this.constant(0), d);
  }
  /** A slot that is non-zero exactly when the condition holds, or, if `inverted` is set afterwards, exactly when it does not. */
  truth(cc: Condition): number {
    this.inverted = (cc & 1) !== 0;
    const fused = this.#fused(cc & ~1);
    if (fused !== NOWHERE) return fused;
    const d = this.temp();
    this.record(Op.fo + (cc >> 1), d, 0, 0, 0, 0);
    return d;
  }
  #fused(cc: number): Operand {
    switch (this.known.known) {
      case Known.NOTHING:
        return NOWHERE;
      case Known.GIVEN: {
        // Of the comparisons of sign and overflow only these are one look.
        const mask = GIVEN_MASKS[cc >> 1];
        return mask === 0 || this.known.r === NOWHERE ? NOWHERE : this.value('and64', this.known.r, this.constant(mask));
      }
      case Known.CARRY:
        return cc === 2 ? this.known.r : NOWHERE;
      case Known.LOGIC:
        if (cc === 0 || cc === 2) return Slot.ZERO;
        if (cc === 6) return this.#isZero();
        if (cc === 12) return this.#isNegative();
        if (cc === 14) return this.#compare('les', 'les32', true, this.known.r, this.constant(0));
        break;
      case Known.DIFFERENCE: {
        const a = this.known.a;
        const b = this.known.b;
        if (cc === 2) return this.#compare('ltu', 'ltu32', false, a, b);
        if (cc === 6) return this.#compare('leu', 'leu32', false, a, b);
        if (cc === 12) return this.#compare('lts', 'lts32', true, a, b);
        if (cc === 14) return this.#compare('les', 'les32', true, a, b);
        break;
      }
      case Known.SUM:
        if (cc === 2 && this.known.r !== NOWHERE) return this.#compare('ltu', 'ltu32', false, this.known.r, this.known.a);
        break;
      case Known.RESULT:
        break;
    }
    if (cc === 4) return this.#isZero();
    if (cc === 8) return this.#isNegative();
    return NOWHERE;
  }
  #compare(name64: MicroOpName, name32: MicroOpName, signed: boolean, a: Operand, b: Operand): Operand {
    const w = this.known.width;
    if (w === 3) return this.value(name64, a, b);
    if (w === 2) return this.value(name32, a, b);
    return signed
      ? this.value(name64, this.signExtended(w, a), this.signExtended(w, b))
      : this.value(name64, this.zeroExtended(w, a), this.zeroExtended(w, b));
  }
  #isZero(): Operand {
    const w = this.known.width;
    this.inverted = !this.inverted;
    if (this.known.r !== NOWHERE) return this.slot(this.zeroExtended(w, this.known.r));
    if (this.known.known !== Known.DIFFERENCE) {
      this.inverted = !this.inverted;
      return NOWHERE;
    }
    const a = this.known.a;
    const b = this.known.b;
    if (b < 0 && this.isZeroConstant(b)) return this.slot(this.zeroExtended(w, a));
    return this.#compare('ne', 'ne32', false, a, b);
  }
  #isNegative(): Operand {
    const w = this.known.width;
    let r = this.known.r;
    if (r === NOWHERE) {
      if (this.known.known !== Known.DIFFERENCE) return NOWHERE;
      r = this.value(w === 3 ? 'sub64' : 'sub32', this.known.a, this.known.b);
    }
    if (w === 3) return this.value('lts', r, this.constant(0));
    if (w === 2) return this.value('lts32', r, this.constant(0));
    return this.value('and64', r, this.constant(w === 0 ? 0x80 : 0x8000));
  }
}
