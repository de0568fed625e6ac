// What floating-point micro-ops of a unit need besides their operands: the functions that they call, and whether MXCSR lets the host's arithmetic stand in.
import type { Views } from '../../../shared/layout/struct.js';
import { VpLayout } from '../../../shared/layout/vp.js';
import { FLOAT_FUNCTIONS } from '../float-functions.js';
import { OP_MASK, Op, RECORD_SIZE } from '../micro-op.js';
import { HELPER_IMPORTS } from './core-module.js';
import { FUNCTION_TYPE } from './frame.js';
import type { Region } from './region.js';
import { type Code, F32, F64, I32, type ImportedFunction, type Locals } from './wasm.js';

const VECTOR_FLOAT = FLOAT_FUNCTIONS.indexOf('vectorFloat');
/** FTZ, rounding, masks, DAZ and PE; and their values when inexact results leave no trace: all masked, to nearest, PE raised. */
const MXCSR_MODES = 0xffe0;
const MXCSR_PLAIN = 0x1fa0;

export class UnitFloats {
  readonly #c: Code;
  readonly #vp: number;
  readonly #locals: Locals;
  /** By their numbers in FLOAT_FUNCTIONS, in order of appearance: imported after the helpers. */
  readonly #functions: number[] = [];
  /** Local: whether MXCSR is plain; -1 where nobody asks. */
  readonly #plain: number = -1;
  #single = -1;
  #double = -1;

  constructor(c: Code, vp: number, locals: Locals, graph: Region, { u16, i32 }: Views) {
    this.#c = c;
    this.#vp = vp;
    this.#locals = locals;
    let vectors = false;
    for (const block of graph.blocks)
      for (let i = 0, at = block.records; i < block.count; i++, at += RECORD_SIZE) {
        const op = u16[at >>> 1] & OP_MASK;
        if (op === Op.vfloat || op === Op.vfloatg || op === Op.vfloati) vectors = true;
        const called = i32[(at + 8) >>> 2];
        if (op === Op.call && !this.#functions.includes(called)) this.#functions.push(called);
      }
    if (!vectors) return;
    this.#functions.push(VECTOR_FLOAT);
    this.#plain = locals.add(I32);
  }

  get imports(): readonly ImportedFunction[] {
    return this.#functions.map((n) => ({ name: FLOAT_FUNCTIONS[n], type: FUNCTION_TYPE }));
  }
  call(n: number): void {
    this.#c.call(HELPER_IMPORTS.length + this.#functions.indexOf(n));
  }
  callVectorFloat(): void {
    this.call(VECTOR_FLOAT);
    this.lookAtMxcsr();
  }
  /** MXCSR may have changed. */
  lookAtMxcsr(): void {
    if (this.#plain < 0) return;
    const c = this.#c;
    c.get(this.#vp);
    c.memory('i32_load', VpLayout.at.mxcsr);
    c.i32(MXCSR_MODES);
    c.op('i32_and');
    c.i32(MXCSR_PLAIN);
    c.op('i32_eq');
    c.set(this.#plain);
  }
  pushPlain(): void {
    this.#c.get(this.#plain);
  }
  /** Scratch local of the format. */
  scratch(format: 'f32' | 'f64'): number {
    if (format === 'f32') {
      if (this.#single < 0) this.#single = this.#locals.add(F32);
      return this.#single;
    }
    if (this.#double < 0) this.#double = this.#locals.add(F64);
    return this.#double;
  }
}
