// Operands, values and accesses to memory. Why here: what is constant and how wide a value is decides about the micro-op, and no family has to ask.
import { Slot } from '../../shared/layout/vp.js';
import type { CodeMode } from './code-mode.js';
import { ORIGIN_MASK, Origin } from './constants.js';
import { RING } from './known-flags.js';
import { IMMEDIATE_FORM, MICRO_OP_NAMES, MICRO_OPS, type MicroOpName, OP_MASK, Op, SEGCHECK_EXECUTE, type Width } from './micro-op.js';
import { MicroOpBuffer } from './micro-op-buffer.js';
import { bitsOf, high, low, NOWHERE, type Operand } from './operand.js';

const CS = 1;
const EFFECTIVE_64 = [Op.ea64s0, Op.ea64s1, Op.ea64s2, Op.ea64s3] as const;
const EFFECTIVE_32 = [Op.ea32s0, Op.ea32s1, Op.ea32s2, Op.ea32s3] as const;
const SIGN_EXTEND = ['sx8', 'sx16', 'sx32'] as const;
const ZERO_EXTEND = ['zx8', 'zx16', 'zx32'] as const;
/** Op number of each micro-op by name, with its shape: a map, because `Op` is too large an object for V8 to look names up fast. */
const IS_UNARY = 0x1_0000;
const TAKES_IMMEDIATE = 0x2_0000;
const VALUE_CODES = new Map<MicroOpName, number>(
  MICRO_OP_NAMES.map((name, op) => [
    name,
    op | (MICRO_OPS[name] === 'da' ? IS_UNARY : 0) | (MICRO_OPS[name] === 'daB' ? TAKES_IMMEDIATE : 0),
  ]),
);

export class ValueBuilder extends MicroOpBuffer {
  #nextTemp = 0;
  #tempsTaken = 0;

  protected override clear(mode: CodeMode, rip: number, positionIsFixed: boolean): void {
    super.clear(mode, rip, positionIsFixed);
    this.#nextTemp = 0;
    this.#tempsTaken = 0;
  }
  /** All temporaries are free again. */
  protected freeTemps(): void {
    this.#tempsTaken = 0;
  }

  /** A fresh temporary, valid until the instruction ends. */
  temp(): Operand {
    if (this.#tempsTaken++ >= RING) throw new RangeError('instruction needs too many temporaries');
    const n = this.#nextTemp;
    this.#nextTemp = n + 1 === RING ? 0 : n + 1;
    return Slot.TEMP + n;
  }

  /** A 64-bit constant from a number that is exact (|value| < 2^53, sign kept). */
  constant(value: number): Operand {
    return this.constant64(low(value), high(value));
  }
  constant64(lo: number, hi: number, origin: number = Origin.FIXED): Operand {
    return this.constants.add(lo, hi, origin);
  }
  /** A RIP that is a certain distance from the block's. */
  position(rip: number): Operand {
    return this.constant64(low(rip), high(rip), Origin.POSITION);
  }
  isConstant(x: Operand): boolean {
    return x < 0;
  }
  /** Low and high half of a constant operand, for whoever decides by them. */
  constantLo(x: Operand): number {
    this.constants.close(x);
    return this.constants.lo(x);
  }
  constantHi(x: Operand): number {
    this.constants.close(x);
    return this.constants.hi(x);
  }
  /** The operand as a slot: constants are moved into a temporary. */
  slot(x: Operand): number {
    if (x >= 0) return x;
    if (this.isZeroConstant(x)) return Slot.ZERO;
    const t = this.temp();
    this.recordConstant(Op.movi, t, 0, x);
    return t;
  }
  /** Whether the operand's bits from the width up are known to be 0. */
  isZeroExtended(width: Width, x: Operand): boolean {
    if (x >= 0) return this.slotBits[x] <= bitsOf(width);
    if (width === 3) return true;
    if (width === 2) {
      const kind = this.constants.origin(x) & ORIGIN_MASK;
      if (kind === Origin.UNSIGNED) return true;
      if (kind === Origin.SIGNED) return false;
    }
    return this.constantHi(x) === 0 && (width === 2 || this.constantLo(x) >>> bitsOf(width) === 0);
  }
  /** The operand's low bits, zero-extended. */
  zeroExtended(width: Width, x: Operand): Operand {
    if (width === 3 || this.isZeroExtended(width, x)) return x;
    if (x < 0) {
      if (width === 2 && this.#isOpen(x))
        return this.constant64(this.constants.lo(x), 0, (this.constants.origin(x) & ~ORIGIN_MASK) | Origin.UNSIGNED);
      return this.constant64(width === 2 ? this.constantLo(x) : this.constantLo(x) & ((1 << bitsOf(width)) - 1), 0);
    }
    return this.value(ZERO_EXTEND[width], x);
  }
  /** The operand's low bits, sign-extended to 64. */
  signExtended(width: Width, x: Operand): Operand {
    if (width === 3) return x;
    if (x < 0) {
      if (width === 2 && this.#isOpen(x)) {
        const lo = this.constants.lo(x);
        return this.constant64(lo, lo >> 31, (this.constants.origin(x) & ~ORIGIN_MASK) | Origin.SIGNED);
      }
      const shift = width === 2 ? 0 : width === 1 ? 16 : 24;
      const lo = (this.constantLo(x) << shift) >> shift;
      return this.constant64(lo, lo >> 31);
    }
    if (this.slotBits[x] < bitsOf(width)) return x;
    return this.value(SIGN_EXTEND[width], x);
  }

  /** Zeros are never open: nothing is closed by the question, but what stands at a position. */
  protected isZeroConstant(x: Operand): boolean {
    return (this.constants.lo(x) | this.constants.hi(x)) === 0;
  }
  /** A constant that comes from the code's bytes, whatever they are. */
  #isOpen(x: Operand): boolean {
    const kind = this.constants.origin(x) & ORIGIN_MASK;
    return kind === Origin.UNSIGNED || kind === Origin.SIGNED;
  }

  /** d = op(a) or op(a, b); returns d, a fresh temporary unless given. For shapes da, daB, dab. */
  value(name: MicroOpName, a: Operand, b: Operand = 0, d: number = NOWHERE): Operand {
    const code = VALUE_CODES.get(name) as number;
    const op = code & OP_MASK;
    if ((op === Op.ins8 || op === Op.ins16) && this.isZeroExtended(op === Op.ins8 ? 0 : 1, a))
      return this.#replaceAll(op === Op.ins8 ? 0 : 1, b, d);
    const sa = this.slot(a);
    if (b < 0 && (code & TAKES_IMMEDIATE) !== 0) {
      if (d === NOWHERE) d = this.temp();
      this.recordConstant(op | IMMEDIATE_FORM, d, sa, b);
      return d;
    }
    const sb = (code & IS_UNARY) !== 0 ? 0 : this.slot(b);
    if (d === NOWHERE) d = this.temp();
    this.record(op, d, sa, sb, 0, 0);
    return d;
  }
  /** Low bits are inserted into a slot that has no others: nothing of it is left. */
  #replaceAll(width: 0 | 1, value: Operand, d: number): Operand {
    if (d === NOWHERE) d = this.temp();
    if (value >= 0 && !this.isZeroExtended(width, value)) return this.value(ZERO_EXTEND[width], value, 0, d);
    this.move(d, this.zeroExtended(width, value));
    return d;
  }
  /** d = a (mov or movi). */
  move(d: number, a: Operand): void {
    if (a < 0) this.recordConstant(Op.movi, d, 0, a);
    else if (a !== d) this.record(Op.mov, d, a, 0, 0, 0);
  }
  /** A copy in a fresh temporary (for a register that is about to change). */
  copy(a: Operand): Operand {
    const t = this.temp();
    this.move(t, a);
    return t;
  }
  /** d = condition != 0 ? yes : no. */
  select(condition: Operand, yes: Operand, no: Operand, d: number = NOWHERE): Operand {
    const a = this.slot(yes);
    const b = this.slot(no);
    const c = this.slot(condition);
    if (d === NOWHERE) d = this.temp();
    this.record(Op.select, d, a, b, c, 0);
    return d;
  }
  /** d = a + (b << scale) + displacement in 16, 32 or 64 bits. `origin`: of the displacement. */
  effective(
    bits: 16 | 32 | 64,
    a: Operand,
    b: Operand,
    scale: number,
    displacement: number,
    d: number = NOWHERE,
    origin: number = Origin.FIXED,
  ): Operand {
    const sa = this.slot(a);
    const sb = this.slot(b);
    if (d === NOWHERE) d = this.temp();
    this.record(
      bits === 16 ? Op.ea16 : bits === 32 ? EFFECTIVE_32[scale] : EFFECTIVE_64[scale],
      d,
      sa,
      sb,
      low(displacement),
      high(displacement),
      origin,
    );
    return d;
  }
  /** d is written only when the access succeeded. */
  load(width: Width, address: Operand, forWrite = false, d: number = NOWHERE): Operand {
    const a = this.slot(address);
    if (d === NOWHERE) d = this.temp();
    this.record((forWrite ? Op.ldw8 : Op.ld8) + width, d, a, 0, 0, 0);
    return d;
  }
  /** Stores the value's low bits. */
  store(width: Width, address: Operand, value: Operand): void {
    const a = this.slot(address);
    if (value < 0) this.recordConstant((Op.st8 + width) | IMMEDIATE_FORM, 0, a, value);
    else this.record(Op.st8 + width, 0, a, value, 0, 0);
  }
  /** d = old value of the atomic; `base` is the W8 member of the family (xadd8, xchg8, aand8, ...). */
  atomic(base: 'xadd8' | 'xchg8' | 'aand8' | 'aor8' | 'axor8', width: Width, address: Operand, value: Operand): Operand {
    const a = this.slot(address);
    const b = this.slot(value);
    const d = this.temp();
    this.record(Op[base] + width, d, a, b, 0, 0);
    return d;
  }
  /** `expected` is compared with the zero-extended value in memory. */
  compareExchange(width: Width, address: Operand, expected: Operand, replacement: Operand): Operand {
    const a = this.slot(address);
    const b = this.slot(replacement);
    const c = this.slot(this.zeroExtended(width, expected));
    const d = this.temp();
    this.record(Op.cas8 + width, d, a, b, c, 0);
    return d;
  }
  fence(): void {
    this.record(Op.fence, 0, 0, 0, 0, 0);
  }
  segmentCheck(segment: number, offset: Operand, bytes: number, write: boolean): void {
    this.record(Op.segcheck, 0, this.slot(offset), 0, segment | (write ? 0x100 : 0) | ((bytes - 1) << 16), 0);
  }
  /** The offset as the target of a transfer within CS: #GP(0) beyond its limit. */
  codeCheck(offset: Operand): void {
    this.record(Op.segcheck, 0, this.slot(offset), 0, CS | SEGCHECK_EXECUTE, 0);
  }
  /** Faults with the vector when condition != 0. */
  trapIf(condition: Operand, vector: number, error?: number): void {
    this.record(Op.trapif, 0, this.slot(condition), 0, vector | (error === undefined ? 0 : 0x100 | (error << 16)), 0);
  }
}
