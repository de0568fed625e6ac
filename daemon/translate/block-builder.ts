// Collects the micro-ops of one block. Instruction families talk to this and nothing else.
// Why a builder: constants, flags, conditions and what is dead are decided here once, so that a family states only what its instruction means.
import { type FeatureSet, IMPLEMENTED } from '../../shared/cpu/feature-set.js';
import { SLOTS, Slot, TEMPS, VECTOR_TEMPS, VectorSlot } from '../../shared/layout/vp.js';
import { Constants, largestOf, ORIGIN_MASK, Origin, Range, rangeOf } from './constants.js';
import { FLOAT_FUNCTIONS, type FloatFunction } from './float-functions.js';
import { DeadCode, dependsOnOperands, resultBits, WRITES_D } from './liveness.js';
import {
  BLOCK_MICRO_OPS_MAX,
  type Condition,
  IMMEDIATE_FORM,
  MICRO_OP_NAMES,
  MICRO_OPS,
  type MicroOpName,
  OP_MASK,
  Op,
  packSys,
  RECORD_SIZE,
  SEGCHECK_EXECUTE,
  type SysDescriptor,
  type Width,
} from './micro-op.js';
import type { VECTOR_MICRO_OPS } from './vector-micro-ops.js';

/** Micro-ops that take vector slots only, and give one. */
export type VectorName = {
  [K in keyof typeof VECTOR_MICRO_OPS]: (typeof VECTOR_MICRO_OPS)[K] extends 'DX' | 'DXY' | 'DXYi' | 'DXYZ' | 'Di' ? K : never;
}[keyof typeof VECTOR_MICRO_OPS];
export type VectorShiftName = {
  [K in keyof typeof VECTOR_MICRO_OPS]: (typeof VECTOR_MICRO_OPS)[K] extends 'DXB' ? K : never;
}[keyof typeof VECTOR_MICRO_OPS];

const CS = 1;

/** A slot (>= 0) or a constant made by `constant` (< 0). */
export type Operand = number;

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

/** Which instruction family produced the current arithmetic flags, when it is known in this block. */
export type FlagKind = 'add' | 'sub' | 'logic' | 'inc' | 'dec' | 'set';

/** What conditions can be computed from, instead of from the flags. */
const Known = {
  NOTHING: 0,
  /** flagA - flagB, and flagR when it is kept somewhere. */
  DIFFERENCE: 1,
  /** flagA + flagB = flagR. */
  SUM: 2,
  /** flagR gives ZF and SF; CF and OF are in the flags only. */
  RESULT: 3,
  /** flagR gives all; CF = OF = 0. */
  LOGIC: 4,
  /** flagR is CF; the rest is in the flags only. */
  CARRY: 5,
  /** flagR holds the flags at their EFLAGS places. */
  GIVEN: 6,
} as const;
type Known = (typeof Known)[keyof typeof Known];

/** EFLAGS bits that the even conditions O, B, E, BE, S, P are the `or` of; L and LE take more than that. */
const GIVEN_MASKS = [0x800, 1, 0x40, 0x41, 0x80, 4, 0, 0] as const;
const WIDTH_BITS = [8, 16, 32, 64] as const;
const NOWHERE: Operand = 0x7fff;
/** Three temporaries belong to flag operands whose slots were overwritten; the others go round. */
const KEEPERS = 3;
const RING = TEMPS - KEEPERS;
const CAPACITY = BLOCK_MICRO_OPS_MAX + 64;
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
const FUNCTION_NUMBERS = new Map<FloatFunction, number>(FLOAT_FUNCTIONS.map((name, n) => [name, n]));
const HIGH = 4294967296;
const low = (n: number): number => n | 0;
const high = (n: number): number => Math.floor(n / HIGH) | 0;

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

/** What may be set in each slot where a block begins: outside 64-bit mode registers have 32 bits. */
const BITS_64 = new Uint8Array(SLOTS).fill(64);
BITS_64[Slot.ZERO] = 0;
const BITS_32 = BITS_64.slice().fill(32, 0, 16);

export class BlockBuilder implements MicroOps {
  count = 0;
  readonly op: Uint16Array = new Uint16Array(CAPACITY);
  readonly d: Uint8Array = new Uint8Array(CAPACITY);
  readonly a: Uint8Array = new Uint8Array(CAPACITY);
  readonly b: Uint8Array = new Uint8Array(CAPACITY);
  readonly left: Uint8Array = new Uint8Array(CAPACITY);
  readonly ripOffset: Uint16Array = new Uint16Array(CAPACITY);
  readonly lo: Int32Array = new Int32Array(CAPACITY);
  readonly hi: Int32Array = new Int32Array(CAPACITY);
  readonly origin: Uint16Array = new Uint16Array(CAPACITY);
  readonly constants: Constants = new Constants();
  /** Number of instructions begun so far. */
  instructions = 0;
  mode: CodeMode = { bits: 64, stackBits: 64, flat: true, plainLocks: false, features: IMPLEMENTED };
  /** RIP of the block's first byte. */
  blockRip = 0;
  /** RIP of the instruction being translated, for what keeps its distance from the block's: `jump`, `branch`, `position`. */
  nearRip = 0;
  /** Length of the instruction being translated. */
  length = 0;
  /** True once an instruction has ended the block. */
  ended = false;
  /** Set by `truth`: the slot it returned is non-zero when the condition does NOT hold. */
  inverted = false;
  /** Blocks begin with a `count`. */
  counted = false;
  /** The decoding front end that feeds this builder, made with its first block (see translate-block). */
  frontEnd: unknown = null;

  /** How many low bits of each slot may be other than 0. */
  readonly #bits = new Uint8Array(SLOTS);
  readonly #deadCode = new DeadCode();
  #nextTemp = 0;
  #tempsTaken = 0;
  #nextVectorTemp = 0;
  #vectorTempsTaken = 0;
  /** ExtendedState bits that have been found usable in this block. */
  #usable = 0;
  #known: Known = Known.NOTHING;
  #flagWidth: Width = 0;
  #flagA: Operand = NOWHERE;
  #flagB: Operand = NOWHERE;
  #flagR: Operand = NOWHERE;

  begin(mode: CodeMode, rip: number): void {
    this.count = 0;
    this.instructions = 0;
    this.mode = mode;
    this.blockRip = rip;
    this.nearRip = rip;
    this.length = 0;
    this.ended = false;
    this.constants.begin(mode.bits === 16 || this.counted);
    this.#nextTemp = 0;
    this.#tempsTaken = 0;
    this.#nextVectorTemp = 0;
    this.#usable = 0;
    this.#know(Known.NOTHING, 0, NOWHERE, NOWHERE, NOWHERE);
    this.#bits.set(mode.bits === 64 ? BITS_64 : BITS_32);
    if (this.counted) this.#record(Op.count, 0, 0, 0, 0, 0);
  }
  #registersUnknown(): void {
    this.#bits.fill(this.mode.bits === 64 ? 64 : 32, 0, 16);
  }

  /** Starts the next instruction: temporaries of the one before are free again (conditions keep theirs). */
  instruction(rip: number, length: number): void {
    this.nearRip = rip;
    this.length = length;
    this.instructions++;
    this.#tempsTaken = 0;
    this.#vectorTempsTaken = 0;
  }

  /** RIP of the instruction being translated, for anything else. */
  get rip(): number {
    this.constants.positionIsFixed = true;
    return this.nearRip;
  }
  /** RIP of the next instruction, as `nearRip`; wrapped to the mode (16-bit code: 16 bits unless a wider operand size; 32-bit: 32 bits). */
  get nextRip(): number {
    return this.wrapRip(this.nearRip + this.length);
  }
  wrapRip(rip: number): number {
    return this.mode.bits === 64 ? rip : rip >>> 0;
  }

  // --- operands ------------------------------------------------------------------------------------------------------------------------

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
    if (this.#isZeroConstant(x)) return Slot.ZERO;
    const t = this.temp();
    this.#recordConstant(Op.movi, t, 0, x);
    return t;
  }
  /** Whether the operand's bits from the width up are known to be 0. */
  isZeroExtended(width: Width, x: Operand): boolean {
    if (x >= 0) return this.#bits[x] <= WIDTH_BITS[width];
    if (width === 3) return true;
    if (width === 2) {
      const kind = this.constants.origin(x) & ORIGIN_MASK;
      if (kind === Origin.UNSIGNED) return true;
      if (kind === Origin.SIGNED) return false;
    }
    return this.constantHi(x) === 0 && (width === 2 || this.constantLo(x) >>> WIDTH_BITS[width] === 0);
  }
  /** The operand's low bits, zero-extended. */
  zeroExtended(width: Width, x: Operand): Operand {
    if (width === 3 || this.isZeroExtended(width, x)) return x;
    if (x < 0) {
      if (width === 2 && this.#isOpen(x))
        return this.constant64(this.constants.lo(x), 0, (this.constants.origin(x) & ~ORIGIN_MASK) | Origin.UNSIGNED);
      return this.constant64(width === 2 ? this.constantLo(x) : this.constantLo(x) & ((1 << WIDTH_BITS[width]) - 1), 0);
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
    if (this.#bits[x] < WIDTH_BITS[width]) return x;
    return this.value(SIGN_EXTEND[width], x);
  }

  /** Zeros are never open: nothing is closed by the question, but what stands at a position. */
  #isZeroConstant(x: Operand): boolean {
    return (this.constants.lo(x) | this.constants.hi(x)) === 0;
  }
  /** A constant that comes from the code's bytes, whatever they are. */
  #isOpen(x: Operand): boolean {
    const kind = this.constants.origin(x) & ORIGIN_MASK;
    return kind === Origin.UNSIGNED || kind === Origin.SIGNED;
  }

  // --- values and memory ---------------------------------------------------------------------------------------------------------------

  /** d = op(a) or op(a, b); returns d, a fresh temporary unless given. For shapes da, daB, dab. */
  value(name: MicroOpName, a: Operand, b: Operand = 0, d: number = NOWHERE): Operand {
    const code = VALUE_CODES.get(name) as number;
    const op = code & OP_MASK;
    if ((op === Op.ins8 || op === Op.ins16) && this.isZeroExtended(op === Op.ins8 ? 0 : 1, a))
      return this.#replaceAll(op === Op.ins8 ? 0 : 1, b, d);
    const sa = this.slot(a);
    if (b < 0 && (code & TAKES_IMMEDIATE) !== 0) {
      if (d === NOWHERE) d = this.temp();
      this.#recordConstant(op | IMMEDIATE_FORM, d, sa, b);
      return d;
    }
    const sb = (code & IS_UNARY) !== 0 ? 0 : this.slot(b);
    if (d === NOWHERE) d = this.temp();
    this.#record(op, d, sa, sb, 0, 0);
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
    if (a < 0) this.#recordConstant(Op.movi, d, 0, a);
    else if (a !== d) this.#record(Op.mov, d, a, 0, 0, 0);
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
    this.#record(Op.select, d, a, b, c, 0);
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
    this.#record(
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
    this.#record((forWrite ? Op.ldw8 : Op.ld8) + width, d, a, 0, 0, 0);
    return d;
  }
  /** Stores the value's low bits. */
  store(width: Width, address: Operand, value: Operand): void {
    const a = this.slot(address);
    if (value < 0) this.#recordConstant((Op.st8 + width) | IMMEDIATE_FORM, 0, a, value);
    else this.#record(Op.st8 + width, 0, a, value, 0, 0);
  }
  /** d = old value of the atomic; `base` is the W8 member of the family (xadd8, xchg8, aand8, ...). */
  atomic(base: 'xadd8' | 'xchg8' | 'aand8' | 'aor8' | 'axor8', width: Width, address: Operand, value: Operand): Operand {
    const a = this.slot(address);
    const b = this.slot(value);
    const d = this.temp();
    this.#record(Op[base] + width, d, a, b, 0, 0);
    return d;
  }
  /** `expected` is compared with the zero-extended value in memory. */
  compareExchange(width: Width, address: Operand, expected: Operand, replacement: Operand): Operand {
    const a = this.slot(address);
    const b = this.slot(replacement);
    const c = this.slot(this.zeroExtended(width, expected));
    const d = this.temp();
    this.#record(Op.cas8 + width, d, a, b, c, 0);
    return d;
  }
  fence(): void {
    this.#record(Op.fence, 0, 0, 0, 0, 0);
  }
  segmentCheck(segment: number, offset: Operand, bytes: number, write: boolean): void {
    this.#record(Op.segcheck, 0, this.slot(offset), 0, segment | (write ? 0x100 : 0) | ((bytes - 1) << 16), 0);
  }
  /** The offset as the target of a transfer within CS: #GP(0) beyond its limit. */
  codeCheck(offset: Operand): void {
    this.#record(Op.segcheck, 0, this.slot(offset), 0, CS | SEGCHECK_EXECUTE, 0);
  }
  /** Faults with the vector when condition != 0. */
  trapIf(condition: Operand, vector: number, error?: number): void {
    this.#record(Op.trapif, 0, this.slot(condition), 0, vector | (error === undefined ? 0 : 0x100 | (error << 16)), 0);
  }
  /** Calls the slow half. `ends`: it leaves the block (control transfer, mode change); should the helper return 0, the next instruction follows. */
  sys(descriptor: Omit<SysDescriptor, 'length'>, ends = false): void {
    this.#record(Op.sys, 0, 0, 0, (packSys(descriptor as SysDescriptor) | (this.length << 8)) >>> 0, 0);
    this.flagsUnknown();
    this.#registersUnknown();
    this.#bits.fill(64, Slot.SCRATCH, Slot.ZERO);
    if (ends) this.jump(this.nextRip);
  }
  /** Leaves to have this instruction run with the bus locked. */
  busLock(): void {
    this.#record(Op.buslock, 0, 0, 0, 0, 0);
    this.jump(this.nearRip);
  }

  // --- floating point ------------------------------------------------------------------------------------------------------------------

  /** The function's result (daemon/float). It may change floating-point state, and nothing else. */
  call(name: FloatFunction, a: Operand = Slot.ZERO, b: Operand = Slot.ZERO, d: number = NOWHERE): Operand {
    const sa = this.slot(a);
    const sb = this.slot(b);
    if (d === NOWHERE) d = this.temp();
    this.#record(Op.call, d, sa, sb, FUNCTION_NUMBERS.get(name) as number, 0);
    return d;
  }
  /** Faults with the vector that the slot holds, unless it is 0. */
  raiseBy(slot: number): void {
    this.#record(Op.raiseby, 0, slot, 0, 0, 0);
  }
  /** The instruction is done, and ends here, when the slot is not 0. */
  skipIf(slot: number): void {
    const further = this.nextRip - this.nearRip;
    this.#record(Op.skipif, 0, slot, 0, low(further), high(further));
  }

  // --- vectors -------------------------------------------------------------------------------------------------------------------------

  /** A fresh vector temporary, valid until the instruction ends. */
  vectorTemp(): number {
    if (this.#vectorTempsTaken++ >= VECTOR_TEMPS) throw new RangeError('instruction needs too many vector temporaries');
    const n = this.#nextVectorTemp;
    this.#nextVectorTemp = n + 1 === VECTOR_TEMPS ? 0 : n + 1;
    return VectorSlot.TEMP + n;
  }
  /** The instruction faults unless the state (ExtendedState) is usable. Before all else that it does. */
  usable(state: number): void {
    if ((this.#usable & state) !== 0) return;
    this.#usable |= state;
    this.#record(Op.usable, 0, 0, 0, state, 0);
  }
  /** d = op(a, b, c) on vector slots, with the immediate of shapes that have one; returns d, a fresh vector temporary unless given. */
  vector(name: VectorName, a: number, b = 0, d: number = NOWHERE, immediate = 0, immediateHigh = 0): number {
    if (d === NOWHERE) d = this.vectorTemp();
    this.#record(Op[name], d, a, b, immediate, immediateHigh);
    return d;
  }
  /** d = bits of a where the mask is 1, of b where it is 0. */
  vectorSelect(a: number, b: number, mask: number, d: number = NOWHERE): number {
    return this.vector('vselect', a, b, d, mask);
  }
  /** d = a with all lanes shifted by an operand. */
  vectorShift(name: VectorShiftName, a: number, count: Operand, d: number = NOWHERE): number {
    if (d === NOWHERE) d = this.vectorTemp();
    if (count < 0) this.#recordConstant(Op[name] | IMMEDIATE_FORM, d, a, count);
    else this.#record(Op[name], d, a, count, 0, 0);
    return d;
  }
  /** d = a vector made from a general operand: `vfrom64`, splats. */
  vectorFrom(name: 'vfrom64' | 'vsplat8' | 'vsplat16' | 'vsplat32' | 'vsplat64', a: Operand, d: number = NOWHERE): number {
    const slot = this.slot(a);
    if (d === NOWHERE) d = this.vectorTemp();
    this.#record(Op[name], d, slot, 0, 0, 0);
    return d;
  }
  /** Both halves := the 64-bit constant. */
  vectorConstant(lo: number, hi: number, d: number = NOWHERE): number {
    return this.vector('vconst', 0, 0, d, lo, hi);
  }
  /** d = a with one half replaced by a general operand. */
  vectorPut(half: 0 | 1, a: number, value: Operand, d: number = NOWHERE): number {
    const b = this.slot(value);
    if (d === NOWHERE) d = this.vectorTemp();
    this.#record(half === 0 ? Op.vputl : Op.vputh, d, a, b, 0, 0);
    return d;
  }
  /** A general value from a vector slot. */
  fromVector(name: 'vgetl' | 'vgeth' | 'vany' | 'vmask8' | 'vmask32' | 'vmask64', a: number, d: number = NOWHERE): Operand {
    if (d === NOWHERE) d = this.temp();
    this.#record(Op[name], d, a, 0, 0, 0);
    return d;
  }
  /** Value of an MMX register. */
  mmx(n: number): Operand {
    const d = this.temp();
    this.#record(Op.mmget, d, 0, 0, n, 0);
    return d;
  }
  /** MMX register := value. */
  setMmx(n: number, value: Operand): void {
    this.#record(Op.mmput, 0, this.slot(value), 0, n, 0);
  }
  /** The x87's tags and TOP as MMX instructions (EMMS) leave them. */
  mmxState(inUse: boolean): void {
    this.#record(inUse ? Op.mmenter : Op.mmleave, 0, 0, 0, 0, 0);
  }
  /** d = float operation (shared/layout/vector-float) on vectors. */
  vectorFloat(descriptor: number, a: number, b: number, d: number = NOWHERE): number {
    return this.vector('vfloat', a, b, d, descriptor);
  }
  /** A general value from a float operation. */
  vectorFloatToGeneral(descriptor: number, a: number, b: number): number {
    const d = this.temp();
    this.#record(Op.vfloatg, d, a, b, descriptor, 0);
    return d;
  }
  /** d = a with lane 0 from the general operand: by a float operation, or (`exact`) a 32-bit integer as a double. */
  vectorFloatFromGeneral(descriptor: number, a: number, value: Operand, exact: boolean, d: number): void {
    const b = this.slot(value);
    this.#record(exact ? Op.vputi32 : Op.vfloati, d, a, b, descriptor, 0);
  }
  loadVector(address: Operand, aligned: boolean, d: number = NOWHERE): number {
    const a = this.slot(address);
    if (d === NOWHERE) d = this.vectorTemp();
    this.#record(aligned ? Op.vld128a : Op.vld128, d, a, 0, 0, 0);
    return d;
  }
  storeVector(address: Operand, aligned: boolean, value: number): void {
    this.#record(aligned ? Op.vst128a : Op.vst128, 0, this.slot(address), value, 0, 0);
  }

  // --- flags -----------------------------------------------------------------------------------------------------------------------------

  #know(known: Known, width: Width, a: Operand, b: Operand, r: Operand): void {
    this.#known = known;
    this.#flagWidth = width;
    this.#flagA = a;
    this.#flagB = b;
    this.#flagR = r;
  }
  /**
   * Arithmetic flags of an operation of the width. `add` and `sub` are for ADC and SBB too (b without the carry; then not `fusible`: conditions on CF and OF come from the flags).
   * Only the operands' low bits count, but for the result of `inc` and `dec`, which is zero-extended.
   */
  flags(kind: FlagKind, width: Width, a: Operand, b: Operand, r: Operand, fusible = true): void {
    if (kind === 'add' || kind === 'sub') {
      const sa = this.slot(a);
      const sb = this.slot(b);
      this.#record((kind === 'add' ? Op.fadd8 : Op.fsub8) + width, 0, sa, sb, this.slot(r), 0);
      this.#know(fusible ? (kind === 'add' ? Known.SUM : Known.DIFFERENCE) : Known.RESULT, width, a, b, r);
      return;
    }
    const sr = this.slot(r);
    if (kind === 'set') {
      this.#record(Op.fset, 0, sr, 0, 0, 0);
      this.#know(Known.GIVEN, width, NOWHERE, NOWHERE, sr);
      return;
    }
    this.#record((kind === 'logic' ? Op.flogic8 : kind === 'inc' ? Op.finc8 : Op.fdec8) + width, 0, sr, 0, 0, 0);
    this.#know(kind === 'logic' && fusible ? Known.LOGIC : Known.RESULT, width, NOWHERE, NOWHERE, sr);
  }
  /** Flags of a - b; `resultOfFlags` may say later where the difference is. To be called while a and b still stand. */
  flagsOfDifference(width: Width, a: Operand, b: Operand): void {
    this.#pair(Op.fcmp8 + width, a, b);
    this.#know(Known.DIFFERENCE, width, a, b, NOWHERE);
  }
  /** Flags of a + b; as above. */
  flagsOfSum(width: Width, a: Operand, b: Operand): void {
    this.#pair(Op.fsum8 + width, a, b);
    this.#know(Known.SUM, width, a, b, NOWHERE);
  }
  #pair(op: number, a: Operand, b: Operand): void {
    const sa = this.slot(a);
    if (b < 0) this.#recordConstant(op | IMMEDIATE_FORM, 0, sa, b);
    else this.#record(op, 0, sa, b, 0, 0);
  }
  /** The last sum or difference is in this slot: ZF and SF may be taken from there. */
  resultOfFlags(r: number): void {
    this.#flagR = r;
  }
  /** Flags of result r; AF, CF and OF are given (EFLAGS places). With a guard: only when it is not 0. */
  flagsOfResult(width: Width, r: Operand, carries: Operand, guard: Operand = NOWHERE): void {
    const sr = this.slot(r);
    const sc = this.slot(carries);
    if (guard === NOWHERE) {
      this.#record(Op.faux8 + width, 0, sr, sc, 0, 0);
      this.#know(Known.RESULT, width, NOWHERE, NOWHERE, sr);
    } else {
      this.#record(Op.fauxif8 + width, 0, sr, sc, this.slot(guard), 0);
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
    this.#know(Known.CARRY, 0, NOWHERE, NOWHERE, slot);
  }
  /** Flags are no longer those of the last producer (a slow helper changed them). */
  flagsUnknown(): void {
    this.#know(Known.NOTHING, 0, NOWHERE, NOWHERE, NOWHERE);
  }
  /** The six arithmetic flags at their EFLAGS places. */
  readFlags(): Operand {
    const d = this.temp();
    this.#record(Op.fget, d, 0, 0, 0, 0);
    return d;
  }
  carry(): Operand {
    return this.condition(2);
  }

  /** 0/1 value of an x86 condition. Computed from the producer's operands when they are known, from the flags otherwise: both tiers run the same. */
  condition(cc: Condition, d: number = NOWHERE): Operand {
    const t = this.truth(cc);
    if (this.#bits[t] <= 1) {
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
    this.#record(Op.fo + (cc >> 1), d, 0, 0, 0, 0);
    return d;
  }
  #fused(cc: number): Operand {
    switch (this.#known) {
      case Known.NOTHING:
        return NOWHERE;
      case Known.GIVEN: {
        // Of the comparisons of sign and overflow only these are one look.
        const mask = GIVEN_MASKS[cc >> 1];
        return mask === 0 || this.#flagR === NOWHERE ? NOWHERE : this.value('and64', this.#flagR, this.constant(mask));
      }
      case Known.CARRY:
        return cc === 2 ? this.#flagR : NOWHERE;
      case Known.LOGIC:
        if (cc === 0 || cc === 2) return Slot.ZERO;
        if (cc === 6) return this.#isZero();
        if (cc === 12) return this.#isNegative();
        if (cc === 14) return this.#compare('les', 'les32', true, this.#flagR, this.constant(0));
        break;
      case Known.DIFFERENCE: {
        const a = this.#flagA;
        const b = this.#flagB;
        if (cc === 2) return this.#compare('ltu', 'ltu32', false, a, b);
        if (cc === 6) return this.#compare('leu', 'leu32', false, a, b);
        if (cc === 12) return this.#compare('lts', 'lts32', true, a, b);
        if (cc === 14) return this.#compare('les', 'les32', true, a, b);
        break;
      }
      case Known.SUM:
        if (cc === 2 && this.#flagR !== NOWHERE) return this.#compare('ltu', 'ltu32', false, this.#flagR, this.#flagA);
        break;
      case Known.RESULT:
        break;
    }
    if (cc === 4) return this.#isZero();
    if (cc === 8) return this.#isNegative();
    return NOWHERE;
  }
  #compare(name64: MicroOpName, name32: MicroOpName, signed: boolean, a: Operand, b: Operand): Operand {
    const w = this.#flagWidth;
    if (w === 3) return this.value(name64, a, b);
    if (w === 2) return this.value(name32, a, b);
    return signed
      ? this.value(name64, this.signExtended(w, a), this.signExtended(w, b))
      : this.value(name64, this.zeroExtended(w, a), this.zeroExtended(w, b));
  }
  #isZero(): Operand {
    const w = this.#flagWidth;
    this.inverted = !this.inverted;
    if (this.#flagR !== NOWHERE) return this.slot(this.zeroExtended(w, this.#flagR));
    if (this.#known !== Known.DIFFERENCE) {
      this.inverted = !this.inverted;
      return NOWHERE;
    }
    const a = this.#flagA;
    const b = this.#flagB;
    if (b < 0 && this.#isZeroConstant(b)) return this.slot(this.zeroExtended(w, a));
    return this.#compare('ne', 'ne32', false, a, b);
  }
  #isNegative(): Operand {
    const w = this.#flagWidth;
    let r = this.#flagR;
    if (r === NOWHERE) {
      if (this.#known !== Known.DIFFERENCE) return NOWHERE;
      r = this.value(w === 3 ? 'sub64' : 'sub32', this.#flagA, this.#flagB);
    }
    if (w === 3) return this.value('lts', r, this.constant(0));
    if (w === 2) return this.value('lts32', r, this.constant(0));
    return this.value('and64', r, this.constant(w === 0 ? 0x80 : 0x8000));
  }

  // --- ends of blocks --------------------------------------------------------------------------------------------------------------------

  /** To a RIP that is a certain distance from the block's. */
  jump(target: number): void {
    this.#record(Op.jump, 0, 0, 0, low(target), high(target), Origin.POSITION);
    this.ended = true;
  }
  jumpTo(target: Operand): void {
    if (target < 0) throw new RangeError('jumpTo takes a slot');
    this.#record(Op.jumpr, 0, target, 0, 0, 0);
    this.ended = true;
  }
  /** RIP := condition != 0 ? target : next. */
  branch(condition: Operand, target: number, otherwise: number = this.nextRip): void {
    const taken = target - this.blockRip;
    const not = otherwise - this.blockRip;
    if (taken !== (taken | 0) || not !== (not | 0)) {
      this.constants.positionIsFixed = true;
      this.jumpTo(this.select(condition, this.constant(target), this.constant(otherwise)));
      return;
    }
    this.#record(Op.branch, 0, this.slot(condition), 0, taken, not);
    this.ended = true;
  }
  /** RIP := x86 condition ? target : next. */
  branchOn(cc: Condition, target: number): void {
    const t = this.truth(cc);
    if (this.inverted) this.branch(t, this.nextRip, target);
    else this.branch(t, target);
  }

  /** Operand b, or what is moved, is a constant. */
  #recordConstant(op: number, d: number, a: number, constant: Operand): void {
    const { constants } = this;
    this.#record(op, d, a, 0, constants.lo(constant), constants.hi(constant), constants.origin(constant));
  }
  #record(op: number, d: number, a: number, b: number, lo: number, hi: number, origin: number = Origin.FIXED): void {
    if (WRITES_D[op & OP_MASK] === 1) {
      if (this.#known !== Known.NOTHING && (d === this.#flagA || d === this.#flagB || d === this.#flagR)) this.#keep(d);
      this.#bits[d] =
        origin !== Origin.FIXED && dependsOnOperands(op) ? this.#openBits(op, a, lo, origin) : resultBits(this.#bits, op, a, b, lo, hi);
    }
    const i = this.count++;
    this.op[i] = op;
    this.d[i] = d;
    this.a[i] = a;
    this.b[i] = b;
    this.left[i] = this.instructions; // counted from the start here; `finish` turns it round
    this.ripOffset[i] = this.nearRip - this.blockRip;
    this.lo[i] = lo;
    this.hi[i] = hi;
    this.origin[i] = origin;
  }
  /** How wide the result is, by no more of the immediate than its range; and by that only where it matters. */
  #openBits(op: number, a: number, lo: number, origin: number): number {
    const bits = this.#bits;
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
    const keeper = Slot.TEMP + RING + (slot === this.#flagA ? 0 : slot === this.#flagB ? 1 : 2);
    const isA = slot === this.#flagA;
    const isB = slot === this.#flagB;
    const isR = slot === this.#flagR;
    if (isA) this.#flagA = NOWHERE;
    if (isB) this.#flagB = NOWHERE;
    if (isR) this.#flagR = NOWHERE;
    this.move(keeper, slot);
    if (isA) this.#flagA = keeper;
    if (isB) this.#flagB = keeper;
    if (isR) this.#flagR = keeper;
  }

  /** Closes the block: falls through to the next instruction when nothing ended it, turns `left` round, drops what is dead. */
  finish(): void {
    if (!this.ended) this.jump(this.nextRip);
    for (let i = 0; i < this.count; i++) this.left[i] = this.instructions - this.left[i] + 1;
    this.count = this.#deadCode.drop(this);
  }
  /** Bytes that the finished block takes as records. */
  get byteLength(): number {
    return this.count * RECORD_SIZE;
  }
}
