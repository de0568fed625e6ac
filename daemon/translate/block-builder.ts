// Collects the micro-ops of one block. Instruction families talk to this and nothing else: operands and memory (value-builder.ts), flags and conditions
// (flag-builder.ts), vectors (vector-builder.ts); here are the block itself, its ends and what is called.
// Why a builder: constants, flags, conditions and what is dead are decided here once, so that a family states only what its instruction means.
import { Slot } from '../../shared/layout/vp.js';
import type { CodeMode } from './code-mode.js';
import { Origin } from './constants.js';
import { FLOAT_FUNCTIONS, type FloatFunction } from './float-functions.js';
import { DeadCode } from './liveness.js';
import { type Condition, Op, packSys, RECORD_SIZE, SYS_GOES_ON, type SysDescriptor, SysOp } from './micro-op.js';
import { high, low, NOWHERE, type Operand } from './operand.js';
import { VectorBuilder } from './vector-builder.js';

const FUNCTION_NUMBERS = new Map<FloatFunction, number>(FLOAT_FUNCTIONS.map((name, n) => [name, n]));

/** A finished block is in views of the builder's buffers: copy before the next `begin`. */
export class BlockBuilder extends VectorBuilder {
  /** Length of the instruction being translated. */
  length = 0;
  /** True once an instruction has ended the block. */
  ended = false;
  /** Blocks begin with a `count`. */
  counted = false;
  /** The decoding front end that feeds this builder, made with its first block (see translate-block). */
  frontEnd: unknown = null;
  readonly #deadCode = new DeadCode();
  /** Record of the instruction's `sys` that does not end the block; -1: none. */
  #sysAt = -1;

  begin(mode: CodeMode, rip: number): void {
    this.clear(mode, rip, mode.bits === 16 || this.counted);
    this.length = 0;
    this.ended = false;
    if (this.counted) this.record(Op.count, 0, 0, 0, 0, 0);
  }

  /** Starts the next instruction: temporaries of the one before are free again (conditions keep theirs). */
  instruction(rip: number, length: number): void {
    this.nearRip = rip;
    this.length = length;
    this.instructions++;
    this.#sysAt = -1;
    this.freeTemps();
  }
  /** All of the instruction's micro-ops are there. */
  instructionEnds(): void {
    if (this.#sysAt >= 0 && this.#sysAt < this.count - 1) this.lo[this.#sysAt] |= SYS_GOES_ON;
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

  /** Calls the slow half. `ends`: it leaves the block (control transfer, mode change); should the helper return 0, the next instruction follows. */
  sys(descriptor: Omit<SysDescriptor, 'length'>, ends = false): void {
    this.record(
      descriptor.op === SysOp.CPUID ? Op.cpuid : Op.sys,
      0,
      0,
      0,
      (packSys(descriptor as SysDescriptor) | (this.length << 8)) >>> 0,
      0,
    );
    this.flagsUnknown();
    this.registersUnknown();
    this.slotBits.fill(64, Slot.SCRATCH, Slot.ZERO);
    if (ends) this.jump(this.nextRip);
    else this.#sysAt = this.count - 1;
  }
  /** Leaves to have this instruction run with the bus locked. */
  busLock(): void {
    this.record(Op.buslock, 0, 0, 0, 0, 0);
    this.jump(this.nearRip);
  }

  /** The function's result (daemon/float). It may change floating-point state, and nothing else. */
  call(name: FloatFunction, a: Operand = Slot.ZERO, b: Operand = Slot.ZERO, d: number = NOWHERE): Operand {
    const sa = this.slot(a);
    const sb = this.slot(b);
    if (d === NOWHERE) d = this.temp();
    this.record(Op.call, d, sa, sb, FUNCTION_NUMBERS.get(name) as number, 0);
    return d;
  }
  /** Faults with the vector that the slot holds, unless it is 0. */
  raiseBy(slot: number): void {
    this.record(Op.raiseby, 0, slot, 0, 0, 0);
  }
  /** The instruction is done, and ends here, when the slot is not 0. */
  skipIf(slot: number): void {
    const further = this.nextRip - this.nearRip;
    this.record(Op.skipif, 0, slot, 0, low(further), high(further));
  }

  /** To a RIP that is a certain distance from the block's. */
  jump(target: number): void {
    this.record(Op.jump, 0, 0, 0, low(target), high(target), Origin.POSITION);
    this.ended = true;
  }
  jumpTo(target: Operand): void {
    if (target < 0) throw new RangeError('jumpTo takes a slot');
    this.record(Op.jumpr, 0, target, 0, 0, 0);
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
    this.record(Op.branch, 0, this.slot(condition), 0, taken, not);
    this.ended = true;
  }
  /** RIP := x86 condition ? target : next. */
  branchOn(cc: Condition, target: number): void {
    const t = this.truth(cc);
    if (this.inverted) this.branch(t, this.nextRip, target);
    else this.branch(t, target);
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
