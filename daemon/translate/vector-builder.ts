// Values of MMX, SSE and AVX: vector slots, and what goes from them to general slots and back.
import { VECTOR_TEMPS, VectorSlot } from '../../shared/layout/vp.js';
import type { CodeMode } from './code-mode.js';
import { FlagBuilder } from './flag-builder.js';
import { IMMEDIATE_FORM, Op } from './micro-op.js';
import { NOWHERE, type Operand } from './operand.js';
import type { VECTOR_MICRO_OPS } from './vector-micro-ops.js';

/** Micro-ops that take vector slots only, and give one. */
export type VectorName = {
  [K in keyof typeof VECTOR_MICRO_OPS]: (typeof VECTOR_MICRO_OPS)[K] extends 'DX' | 'DXY' | 'DXYi' | 'DXYZ' | 'Di' ? K : never;
}[keyof typeof VECTOR_MICRO_OPS];
export type VectorShiftName = {
  [K in keyof typeof VECTOR_MICRO_OPS]: (typeof VECTOR_MICRO_OPS)[K] extends 'DXB' ? K : never;
}[keyof typeof VECTOR_MICRO_OPS];

export class VectorBuilder extends FlagBuilder {
  #nextVectorTemp = 0;
  #vectorTempsTaken = 0;
  /** ExtendedState bits that have been found usable in this block. */
  #usable = 0;

  protected override clear(mode: CodeMode, rip: number, positionIsFixed: boolean): void {
    super.clear(mode, rip, positionIsFixed);
    this.#nextVectorTemp = 0;
    this.#usable = 0;
  }
  protected override freeTemps(): void {
    super.freeTemps();
    this.#vectorTempsTaken = 0;
  }

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
    this.record(Op.usable, 0, 0, 0, state, 0);
  }
  /** d = op(a, b, c) on vector slots, with the immediate of shapes that have one; returns d, a fresh vector temporary unless given. */
  vector(name: VectorName, a: number, b = 0, d: number = NOWHERE, immediate = 0, immediateHigh = 0): number {
    if (d === NOWHERE) d = this.vectorTemp();
    this.record(Op[name], d, a, b, immediate, immediateHigh);
    return d;
  }
  /** d = bits of a where the mask is 1, of b where it is 0. */
  vectorSelect(a: number, b: number, mask: number, d: number = NOWHERE): number {
    return this.vector('vselect', a, b, d, mask);
  }
  /** d = a with all lanes shifted by an operand. */
  vectorShift(name: VectorShiftName, a: number, count: Operand, d: number = NOWHERE): number {
    if (d === NOWHERE) d = this.vectorTemp();
    if (count < 0) this.recordConstant(Op[name] | IMMEDIATE_FORM, d, a, count);
    else this.record(Op[name], d, a, count, 0, 0);
    return d;
  }
  /** d = a vector made from a general operand: `vfrom64`, splats. */
  vectorFrom(name: 'vfrom64' | 'vsplat8' | 'vsplat16' | 'vsplat32' | 'vsplat64', a: Operand, d: number = NOWHERE): number {
    const slot = this.slot(a);
    if (d === NOWHERE) d = this.vectorTemp();
    this.record(Op[name], d, slot, 0, 0, 0);
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
    this.record(half === 0 ? Op.vputl : Op.vputh, d, a, b, 0, 0);
    return d;
  }
  /** A general value from a vector slot. */
  fromVector(name: 'vgetl' | 'vgeth' | 'vany' | 'vmask8' | 'vmask32' | 'vmask64', a: number, d: number = NOWHERE): Operand {
    if (d === NOWHERE) d = this.temp();
    this.record(Op[name], d, a, 0, 0, 0);
    return d;
  }
  /** Value of an MMX register. */
  mmx(n: number): Operand {
    const d = this.temp();
    this.record(Op.mmget, d, 0, 0, n, 0);
    return d;
  }
  /** MMX register := value. */
  setMmx(n: number, value: Operand): void {
    this.record(Op.mmput, 0, this.slot(value), 0, n, 0);
  }
  /** The x87's tags and TOP as MMX instructions (EMMS) leave them. */
  mmxState(inUse: boolean): void {
    this.record(inUse ? Op.mmenter : Op.mmleave, 0, 0, 0, 0, 0);
  }
  /** d = float operation (shared/layout/vector-float) on vectors. */
  vectorFloat(descriptor: number, a: number, b: number, d: number = NOWHERE): number {
    return this.vector('vfloat', a, b, d, descriptor);
  }
  /** A general value from a float operation. */
  vectorFloatToGeneral(descriptor: number, a: number, b: number): number {
    const d = this.temp();
    this.record(Op.vfloatg, d, a, b, descriptor, 0);
    return d;
  }
  /** d = a with lane 0 from the general operand: by a float operation, or (`exact`) a 32-bit integer as a double. */
  vectorFloatFromGeneral(descriptor: number, a: number, value: Operand, exact: boolean, d: number): void {
    const b = this.slot(value);
    this.record(exact ? Op.vputi32 : Op.vfloati, d, a, b, descriptor, 0);
  }
  loadVector(address: Operand, aligned: boolean, d: number = NOWHERE): number {
    const a = this.slot(address);
    if (d === NOWHERE) d = this.vectorTemp();
    this.record(aligned ? Op.vld128a : Op.vld128, d, a, 0, 0, 0);
    return d;
  }
  storeVector(address: Operand, aligned: boolean, value: number): void {
    this.record(aligned ? Op.vst128a : Op.vst128, 0, this.slot(address), value, 0, 0);
  }
}
