// Collects the micro-ops of one block. Instruction families talk to this and nothing else.
// Why a builder: constants, flags and conditions are decided here once, so that a family states only what its instruction means.
import { Slot, TEMPS } from '../../shared/layout/vp.js';
import { BLOCK_MICRO_OPS_MAX, type Condition, IMMEDIATE_FORM, MICRO_OPS, MICRO_OP_NAMES, type MicroOpName, Op, packSys, type SysDescriptor, type Width } from './micro-op.js';

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
  /** Set when the one instruction is run with the bus locked: LOCK forms become plain read-modify-write. */
  readonly busLocked: boolean;
}

/** Which instruction family produced the current arithmetic flags, when it is known in this block. */
export type FlagKind = 'add' | 'sub' | 'logic' | 'inc' | 'dec' | 'set';

const WIDTH_BITS = [8, 16, 32, 64] as const;

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
}

export class BlockBuilder implements MicroOps {
  count = 0;
  readonly op: Uint16Array = new Uint16Array(BLOCK_MICRO_OPS_MAX + 64);
  readonly d: Uint8Array = new Uint8Array(BLOCK_MICRO_OPS_MAX + 64);
  readonly a: Uint8Array = new Uint8Array(BLOCK_MICRO_OPS_MAX + 64);
  readonly b: Uint8Array = new Uint8Array(BLOCK_MICRO_OPS_MAX + 64);
  readonly left: Uint8Array = new Uint8Array(BLOCK_MICRO_OPS_MAX + 64);
  readonly ripOffset: Uint16Array = new Uint16Array(BLOCK_MICRO_OPS_MAX + 64);
  readonly lo: Int32Array = new Int32Array(BLOCK_MICRO_OPS_MAX + 64);
  readonly hi: Int32Array = new Int32Array(BLOCK_MICRO_OPS_MAX + 64);
  /** Number of instructions begun so far. */
  instructions = 0;
  mode: CodeMode = { bits: 64, stackBits: 64, flat: true, busLocked: false };
  /** RIP of the block's first byte, and of the instruction being translated. */
  blockRip = 0;
  rip = 0;
  /** Length of the instruction being translated. */
  length = 0;
  /** True once an instruction has ended the block. */
  ended = false;

  #constLo: number[] = [];
  #constHi: number[] = [];
  #nextTemp = 0;
  #flagTemp = 0;
  #kind: FlagKind | null = null;
  #flagWidth: Width = 0;
  #flagA: Operand = 0;
  #flagB: Operand = 0;
  #flagR: Operand = 0;

  begin(mode: CodeMode, rip: number): void {
    this.count = 0;
    this.instructions = 0;
    this.mode = mode;
    this.blockRip = rip;
    this.ended = false;
    this.#constLo.length = 0;
    this.#constHi.length = 0;
    this.#flagTemp = 0;
    this.#kind = null;
  }

  /** Starts the next instruction: temporaries of the one before are free again (but those that conditions may still fuse with). */
  instruction(rip: number, length: number): void {
    this.rip = rip;
    this.length = length;
    this.instructions++;
    this.#nextTemp = 0;
  }

  /** RIP of the next instruction, wrapped to the mode (16-bit code: 16 bits unless a wider operand size; 32-bit: 32 bits). */
  get nextRip(): number {
    return this.wrapRip(this.rip + this.length);
  }
  wrapRip(rip: number): number {
    return this.mode.bits === 64 ? rip : rip >>> 0;
  }

  /** A fresh temporary, valid until the instruction ends. */
  temp(): Operand {
    // The top six temporaries belong to flag operands (two sets in turn).
    if (this.#nextTemp >= TEMPS - 6) throw new RangeError('instruction needs too many temporaries');
    return Slot.TEMP + this.#nextTemp++;
  }

  /** A 64-bit constant from a number that is exact (|value| < 2^53, sign kept). */
  constant(value: number): Operand {
    return this.constant64(value | 0, Math.floor(value / 4294967296) | 0);
  }
  constant64(lo: number, hi: number): Operand {
    this.#constLo.push(lo | 0);
    this.#constHi.push(hi | 0);
    return -this.#constLo.length;
  }
  isConstant(x: Operand): boolean {
    return x < 0;
  }
  /** Low and high half of a constant operand. */
  constantLo(x: Operand): number {
    return this.#constLo[-x - 1];
  }
  constantHi(x: Operand): number {
    return this.#constHi[-x - 1];
  }
  /** The operand as a slot: constants are moved into a temporary. */
  slot(x: Operand): number {
    if (x >= 0) return x;
    const t = this.temp();
    this.#record(Op.movi, t, 0, 0, this.constantLo(x), this.constantHi(x));
    return t;
  }

  /** d = op(a) or op(a, b); returns d, a fresh temporary unless given. For shapes da, daB, dab. */
  value(name: MicroOpName, a: Operand, b: Operand = 0, d: number = this.temp()): Operand {
    const shape = MICRO_OPS[name];
    const sa = this.slot(a);
    if (shape === 'daB' && b < 0) this.#record(Op[name] | IMMEDIATE_FORM, d, sa, 0, this.constantLo(b), this.constantHi(b));
    else this.#record(Op[name], d, sa, shape === 'da' ? 0 : this.slot(b), 0, 0);
    return d;
  }
  /** d = a (mov or movi). */
  move(d: number, a: Operand): void {
    if (a < 0) this.#record(Op.movi, d, 0, 0, this.constantLo(a), this.constantHi(a));
    else if (a !== d) this.#record(Op.mov, d, a, 0, 0, 0);
  }
  /** A copy in a fresh temporary (for a register that is about to change). */
  copy(a: Operand): Operand {
    const t = this.temp();
    this.move(t, a);
    return t;
  }
  /** d = condition != 0 ? yes : no. */
  select(condition: Operand, yes: Operand, no: Operand, d: number = this.temp()): Operand {
    const a = this.slot(yes);
    const b = this.slot(no);
    this.#record(Op.select, d, a, b, this.slot(condition), 0);
    return d;
  }
  /** d = a + (b << scale) + displacement in 16, 32 or 64 bits. */
  effective(bits: 16 | 32 | 64, a: Operand, b: Operand, scale: number, displacement: number): Operand {
    const d = this.temp();
    const name = bits === 16 ? 'ea16' : (`ea${bits}s${scale}` as MicroOpName);
    this.#record(Op[name], d, this.slot(a), this.slot(b), displacement | 0, Math.floor(displacement / 4294967296) | 0);
    return d;
  }
  load(width: Width, address: Operand, forWrite = false): Operand {
    const d = this.temp();
    this.#record((forWrite ? Op.ldw8 : Op.ld8) + width, d, this.slot(address), 0, 0, 0);
    return d;
  }
  store(width: Width, address: Operand, value: Operand): void {
    const a = this.slot(address);
    if (value < 0) this.#record((Op.st8 + width) | IMMEDIATE_FORM, 0, a, 0, this.constantLo(value), this.constantHi(value));
    else this.#record(Op.st8 + width, 0, a, value, 0, 0);
  }
  /** d = old value of the atomic; `base` is the W8 member of the family (xadd8, xchg8, aand8, ...). */
  atomic(base: 'xadd8' | 'xchg8' | 'aand8' | 'aor8' | 'axor8', width: Width, address: Operand, value: Operand): Operand {
    const d = this.temp();
    this.#record(Op[base] + width, d, this.slot(address), this.slot(value), 0, 0);
    return d;
  }
  compareExchange(width: Width, address: Operand, expected: Operand, replacement: Operand): Operand {
    const d = this.temp();
    const a = this.slot(address);
    const b = this.slot(replacement);
    this.#record(Op.cas8 + width, d, a, b, this.slot(expected), 0);
    return d;
  }
  fence(): void {
    this.#record(Op.fence, 0, 0, 0, 0, 0);
  }
  segmentCheck(segment: number, offset: Operand, bytes: number, write: boolean): void {
    this.#record(Op.segcheck, 0, this.slot(offset), 0, segment | ((bytes - 1) << 4) | (write ? 0x100 : 0), 0);
  }
  /** Faults with the vector when condition != 0. */
  trapIf(condition: Operand, vector: number, error?: number): void {
    this.#record(Op.trapif, 0, this.slot(condition), 0, vector | (error === undefined ? 0 : 0x100 | (error << 16)), 0);
  }
  /** Calls the slow half. `ends`: it always leaves (control transfer, mode change). */
  sys(descriptor: Omit<SysDescriptor, 'length'>, ends = false): void {
    this.#record(Op.sys, 0, 0, 0, packSys({ ...descriptor, length: this.length }), 0);
    this.#kind = null;
    if (ends) this.ended = true;
  }

  // --- flags -------------------------------------------------------------------------------------------------------------------------

  /** Arithmetic flags of an operation of the width; operands zero-extended. `sub` covers CMP and NEG, `add` ADC, `sub` SBB (b without the carry). */
  flags(kind: FlagKind, width: Width, a: Operand, b: Operand, r: Operand, fusible = true): void {
    // Operands are kept in temporaries of their own so that a later condition can be computed from them; two sets in turn.
    const keep = (x: Operand, i: number): Operand => {
      if (x < 0) return x;
      const t = Slot.TEMP + TEMPS - 6 + this.#flagTemp * 3 + i;
      this.move(t, x);
      return t;
    };
    this.#flagTemp ^= 1;
    this.#kind = fusible ? kind : null;
    this.#flagWidth = width;
    switch (kind) {
      case 'add':
      case 'sub': {
        this.#flagA = keep(a, 0);
        this.#flagB = keep(b, 1);
        this.#flagR = keep(r, 2);
        const sa = this.slot(this.#flagA);
        const sb = this.slot(this.#flagB);
        this.#record((kind === 'add' ? Op.fadd8 : Op.fsub8) + width, 0, sa, sb, this.slot(this.#flagR), 0);
        break;
      }
      case 'logic':
      case 'inc':
      case 'dec':
        this.#flagR = keep(r, 2);
        this.#record((kind === 'logic' ? Op.flogic8 : kind === 'inc' ? Op.finc8 : Op.fdec8) + width, 0, this.slot(this.#flagR), 0, 0, 0);
        break;
      case 'set':
        this.#kind = null;
        this.#record(Op.fset, 0, this.slot(r), 0, 0, 0);
        break;
    }
  }
  /** Flags are no longer those of the last `flags` call (a slow helper changed them). */
  flagsUnknown(): void {
    this.#kind = null;
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
  condition(cc: Condition): Operand {
    const fused = this.#fused(cc & ~1);
    if (fused !== null) return cc & 1 ? this.value('xor64', fused, this.constant(1)) : fused;
    const d = this.temp();
    const name = (['fo', 'fb', 'fz', 'fbe', 'fs', 'fp', 'fl', 'fle'] as const)[cc >> 1];
    this.#record(Op[name], d, 0, 0, 0, 0);
    return cc & 1 ? this.value('xor64', d, this.constant(1)) : d;
  }

  #signed(x: Operand): Operand {
    const w = this.#flagWidth;
    return w === 3 ? x : this.value((['sx8', 'sx16', 'sx32'] as const)[w], x);
  }
  #fused(cc: number): Operand | null {
    const bits = WIDTH_BITS[this.#flagWidth];
    const kind = this.#kind;
    if (kind === null) return null;
    if (cc === 4) return this.value('eq', this.#flagR, this.constant(0));
    if (cc === 8) return this.value('and64', this.value('shr64', this.#flagR, this.constant(bits - 1)), this.constant(1));
    if (kind === 'sub') {
      if (cc === 2) return this.value('ltu', this.#flagA, this.#flagB);
      if (cc === 6) return this.value('leu', this.#flagA, this.#flagB);
      if (cc === 12) return this.value('lts', this.#signed(this.#flagA), this.#signed(this.#flagB));
      if (cc === 14) return this.value('les', this.#signed(this.#flagA), this.#signed(this.#flagB));
    }
    if (kind === 'add' && cc === 2) return this.value('ltu', this.#flagR, this.#flagA);
    if (kind === 'logic') {
      if (cc === 2) return this.slot(this.constant(0));
      if (cc === 6) return this.value('eq', this.#flagR, this.constant(0));
      if (cc === 12) return this.value('lts', this.#signed(this.#flagR), this.constant(0));
      if (cc === 14) return this.value('les', this.#signed(this.#flagR), this.constant(0));
    }
    return null;
  }

  // --- ends of blocks ------------------------------------------------------------------------------------------------------------------

  jump(target: number): void {
    this.#record(Op.jump, 0, 0, 0, target | 0, Math.floor(target / 4294967296) | 0);
    this.ended = true;
  }
  jumpTo(target: Operand): void {
    if (target < 0) throw new RangeError('jumpTo takes a slot');
    this.#record(Op.jumpr, 0, target, 0, 0, 0);
    this.ended = true;
  }
  /** RIP := condition != 0 ? target : next. */
  branch(condition: Operand, target: number): void {
    const taken = target - this.blockRip;
    if (taken !== (taken | 0) || this.nextRip < this.blockRip) {
      this.jumpTo(this.select(condition, this.constant(target), this.constant(this.nextRip)));
      return;
    }
    this.#record(Op.branch, 0, this.slot(condition), 0, (target - this.blockRip) | 0, (this.nextRip - this.blockRip) | 0);
    this.ended = true;
  }

  #record(op: number, d: number, a: number, b: number, lo: number, hi: number): void {
    const i = this.count++;
    this.op[i] = op;
    this.d[i] = d;
    this.a[i] = a;
    this.b[i] = b;
    this.left[i] = this.instructions; // counted from the start here; `finish` turns it round
    this.ripOffset[i] = this.rip - this.blockRip;
    this.lo[i] = lo;
    this.hi[i] = hi;
  }

  /** Closes the block: falls through to the next instruction when nothing ended it, turns `left` round, drops dead flag producers. */
  finish(): void {
    if (!this.ended) this.jump(this.nextRip);
    for (let i = 0; i < this.count; i++) this.left[i] = this.instructions - this.left[i] + 1;
    this.#dropDeadFlags();
  }

  #dropDeadFlags(): void {
    let live = true;
    let out = this.count;
    for (let i = this.count - 1; i >= 0; i--) {
      const op = this.op[i] & 0xff;
      let drop = false;
      if (op >= Op.fadd8 && op <= Op.fset) {
        if (!live) drop = true;
        else live = op >= Op.finc8 && op <= Op.fdec64; // INC and DEC keep CF: what was before them is still read
      } else if (READS_FLAGS[op]) live = true;
      if (drop) continue;
      out--;
      if (out !== i) this.#moveRecord(i, out);
    }
    // Records now stand at out..count-1: move them to the front.
    const kept = this.count - out;
    for (let i = 0; i < kept; i++) if (out !== 0) this.#moveRecord(out + i, i);
    this.count = kept;
  }
  #moveRecord(from: number, to: number): void {
    this.op[to] = this.op[from];
    this.d[to] = this.d[from];
    this.a[to] = this.a[from];
    this.b[to] = this.b[from];
    this.left[to] = this.left[from];
    this.ripOffset[to] = this.ripOffset[from];
    this.lo[to] = this.lo[from];
    this.hi[to] = this.hi[from];
  }
}

/** Micro-ops that use the flags or may leave the block, where the flags must be exact. */
const READS_FLAGS: readonly boolean[] = MICRO_OP_NAMES.map((name) =>
  /^(fget|fcarry|fo|fb|fz|fbe|fs|fp|fl|fle|ldw?\d+|st\d+|xadd\d+|xchg\d+|a(and|or|xor)\d+|cas\d+|segcheck|trapif|sys|jump|jumpr|branch|leave)$/.test(name),
);
