// Flags of a unit that nobody has looked at yet: the last producer's operands stay in locals, and the two flag words are made on the way out, or when somebody looks.
// Why along the graph: where all ways into a block agree on the producer, nothing has to be remembered at run time.
import { OP_MASK, Op, RECORD_SIZE } from '../micro-op.js';
import type { Frame } from './frame.js';
import type { Region } from './region.js';
import { DEFERRABLE, KEEPS_FLAGS, PRODUCES_FLAGS, pushCarryOf, SEMANTICS, SHAPES, WIDE_FLAGS } from './semantics.js';
import { type Code, I32, I64, type Locals } from './wasm.js';

/** The flag words are right; who produced the flags is in the local `#pending`. Otherwise the producer's op number. */
const NONE = -1;
const UNKNOWN = -2;
/** Not yet reached by the analysis. */
const UNSEEN = -3;

const looksAtFlags = (op: number): boolean => op >= Op.fget && op <= Op.fle;

export class UnitFlags {
  readonly #c: Code;
  readonly #narrow: boolean;
  readonly #frame: Frame;
  readonly #a: number;
  readonly #b: number;
  readonly #r: number;
  /** 0 = none, otherwise 1 + index in `#kinds`. */
  readonly #pending: number;
  readonly #kinds: number[] = [];
  readonly #in: number[];
  /** Whose flags are pending where code is being emitted. */
  #now = NONE;

  /** `narrow`: operands of flags have at most 32 bits. `frame` is that of the unit. */
  constructor(c: Code, locals: Locals, narrow: boolean, frame: Frame, graph: Region, u16: Uint16Array) {
    this.#c = c;
    this.#narrow = narrow;
    const type = narrow ? I32 : I64;
    this.#a = locals.add(type);
    this.#b = locals.add(type);
    this.#r = locals.add(type);
    this.#pending = locals.add(I32);
    const long = (local: number) => (): void => {
      c.get(local);
      if (narrow) c.op('i64_extend_i32_u');
    };
    const half = (local: number) => (): void => {
      c.get(local);
      if (!narrow) c.op('i32_wrap');
    };
    this.#frame = {
      ...frame,
      a: long(this.#a),
      b: long(this.#b),
      c: long(this.#r),
      a32: half(this.#a),
      b32: half(this.#b),
      c32: half(this.#r),
      fits32: () => narrow,
    };
    this.#in = this.#flow(graph, u16);
  }

  /** Whose flags are pending at each block's start. */
  #flow(graph: Region, u16: Uint16Array): number[] {
    const changes = graph.blocks.map((block) => {
      let last: number = UNSEEN;
      for (let i = 0, at = block.records; i < block.count; i++, at += RECORD_SIZE) {
        const op = u16[at >>> 1] & OP_MASK;
        if (PRODUCES_FLAGS[op]) {
          last = this.#deferrable(op) ? op : NONE;
          if (last === op && !this.#kinds.includes(op)) this.#kinds.push(op);
        } else if (op === Op.sys || looksAtFlags(op)) last = NONE;
      }
      return last;
    });
    const into: number[] = graph.blocks.map((_, i) => (i === 0 ? NONE : UNSEEN));
    for (let again = true; again; ) {
      again = false;
      graph.successors.forEach((out, i) => {
        const after = changes[i] === UNSEEN ? into[i] : changes[i];
        if (after === UNSEEN) return;
        for (const to of out) {
          if (to < 0 || into[to] === after || into[to] === UNKNOWN) continue;
          into[to] = into[to] === UNSEEN ? after : UNKNOWN;
          again = true;
        }
      });
    }
    return into;
  }
  #deferrable(op: number): boolean {
    return DEFERRABLE[op] === 1 && !(this.#narrow && WIDE_FLAGS[op] === 1);
  }

  /** Whose flags are pending, to be given back to `restore` where code goes on from here another way. */
  get now(): number {
    return this.#now;
  }
  restore(now: number): void {
    this.#now = now;
  }
  /** A block begins that may be reached in more than one way. */
  begin(block: number): void {
    this.#now = this.#in[block];
  }
  /** Before a jump to a block, or (block < 0) out of the unit. */
  beforeJump(block: number): void {
    if (this.#now === UNKNOWN || (block >= 0 && this.#in[block] !== UNKNOWN)) return;
    this.#c.i32(this.#now === NONE ? 0 : this.#kinds.indexOf(this.#now) + 1);
    this.#c.set(this.#pending);
  }
  /** Where all ways out of the unit meet: makes the flag words. */
  settleAtExit(): void {
    this.#now = UNKNOWN;
    this.settle();
  }

  /** Makes the flag words. */
  settle(): void {
    const c = this.#c;
    if (this.#now >= 0) SEMANTICS[this.#now](c, this.#frame);
    else if (this.#now === UNKNOWN) {
      this.#kinds.forEach((op, i) => {
        c.get(this.#pending);
        c.i32(i + 1);
        c.op('i32_eq');
        c.if();
        SEMANTICS[op](c, this.#frame);
        c.op('end');
      });
    }
    this.#now = NONE;
  }
  /** INC and DEC keep the carry: it alone is made. */
  #settleCarry(): void {
    if (KEEPS_FLAGS[Math.max(this.#now, 0)] === 1 || this.#now === NONE) return;
    const carry = this.#now >= 0 ? pushCarryOf(this.#now) : undefined;
    if (carry) carry(this.#c, this.#frame);
    else this.settle();
  }

  /** A micro-op that reads or writes flags, or not: true when nothing is left to emit of it. */
  take(op: number, frame: Frame): boolean {
    if (PRODUCES_FLAGS[op]) {
      if (this.#deferrable(op)) {
        this.#putOff(op, frame);
        return true;
      }
      if (KEEPS_FLAGS[op]) this.settle();
      this.#now = NONE;
    } else if (looksAtFlags(op)) this.settle();
    return false;
  }
  #putOff(op: number, frame: Frame): void {
    const c = this.#c;
    if (KEEPS_FLAGS[op]) this.#settleCarry();
    const keep = (long: () => void, half: () => void, local: number): void => {
      if (this.#narrow) half();
      else long();
      c.set(local);
    };
    const shape = SHAPES[op];
    keep(frame.a, frame.a32, this.#a);
    if (/b/i.test(shape)) keep(frame.b, frame.b32, this.#b);
    if (shape.includes('c')) keep(frame.c, frame.c32, this.#r);
    this.#now = op;
  }
}
