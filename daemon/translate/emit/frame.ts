// Where a micro-op's semantics find their operands, and what they may call: the contract between what a micro-op does and the tier it is emitted for.
import type { Code } from './wasm.js';

/** Imported functions, in the order in which every module imports them. GVAs travel as f64: exact for canonical addresses, and no BigInt is made. */
export const HELPERS = [
  /** (gva f64, width | forWrite << 4) -> 0 done, value in SCRATCH; 1 fault recorded. Width 4 is 128 bits, in the vector slot SCRATCH. */
  'loadSlow',
  /** (gva f64, width) -> 0 done, 1 fault recorded, 2 hits running code; the value is in SCRATCH. */
  'storeSlow',
  /** (gva f64, width) -> host address of memory that an atomic may use; 0 fault recorded; -1 needs the bus lock. */
  'atomicSlow',
  /** (offset f64, segcheck immediate) -> 0 allowed, 1 fault recorded. */
  'segmentSlow',
  /** (descriptor) -> SysResult. RIP and all registers are in the VP block. */
  'sys',
] as const;
export const Helper = { loadSlow: 0, storeSlow: 1, atomicSlow: 2, segmentSlow: 3, sys: 4 } as const;
/** What comes after `sys`. CONTINUE: the block goes on. LEAVE, FAULT (recorded): guest code is left. DISPATCH: RIP is set, guest code goes on there. */
export const SysResult = { CONTINUE: 0, LEAVE: 1, FAULT: 2, DISPATCH: 3 } as const;

/** Type number of the functions that the micro-op `call` calls, and the table that the micro-op machine finds them in. */
export const FUNCTION_TYPE = 4;
export const FUNCTION_TABLE = 1;

/** Where a micro-op finds its operands and how it leaves. Every method appends to the code it was made with. */
export interface Frame {
  /** Push operands as i64. */
  a(): void;
  b(): void;
  c(): void;
  immediate(): void;
  /** Push the operands' low halves as i32. */
  a32(): void;
  b32(): void;
  c32(): void;
  /** Whether the operand is known to have no bits above 31 while code is made. In the micro-op machine nothing is: it is made for all records. */
  fits32(operand: 'a' | 'b' | 'c' | 'immediate'): boolean;
  /** Push the immediate's low half as i32. */
  immediateLo(): void;
  /** Assign d: `value` pushes an i64. */
  d(value: () => void): void;
  /** The same of an i32, zero-extended. */
  d32(value: () => void): void;
  /** Push or assign a slot that has a name of its own. */
  slot(slot: number): void;
  setSlot(slot: number, value: () => void): void;
  /** Push the address of the VP block, of the hardware TLB half in use. */
  vp(): void;
  tlb(): void;
  /** Offset from that half of the recent page that this access is to try first; 0 = none. */
  recent(): number;
  /** Push the address of the LP context, of the record at hand (which binds a unit to the LP it is compiled on). */
  context(): void;
  record(): void;
  /** Leave: this instruction has not been retired. A fault is recorded in the VP block for FAULT. */
  leaveHere(reason: number): void;
  /** Before a slow memory helper: what it may look at besides its arguments is in memory (the budget, from which the clock follows). */
  beforeSlow(): void;
  /** After it: what it charged is taken over. */
  afterSlow(): void;
  /** Takes the cycles that `value` pushes (i32) from the budget. */
  charge(value: () => void): void;
  /** `sys`: everything spilled, call, reload or leave. `aside`: on one of two ways, which keeps the flags; on the other they are as they were before. */
  callSys(aside?: boolean): void;
  /** Push the result of the function that the immediate names, of (a, b). */
  callFunction(): void;
  /** Leave: this instruction has been retired, and RIP is the immediate further. */
  leaveAfter(): void;
  /** Ends of blocks. */
  jump(): void;
  jumpTo(): void;
  branch(): void;
  /** Push vector operands as v128, assign the vector destination. */
  va(): void;
  vb(): void;
  vc(): void;
  vd(value: () => void): void;
  /** Push the vector of lanes of (a, b) that the immediate names, lanes of 2 or 4 bytes; of bytes of (a, b, 0) from the immediate on. */
  pickLanes(laneBytes: 2 | 4): void;
  pickBytes(): void;
  /** The immediate's low half, where it is known when the code is emitted. */
  constant(): number | undefined;
  /** Push i32: whether MXCSR is plain (emit/vector-float). Only where `constant` is known. */
  plain(): void;
  /** Push the result of `vectorFloat` (daemon/float) for the immediate as descriptor, and a general operand; MXCSR may have changed. */
  callVectorFloat(integer: () => void): void;
  /** A scratch local for a float. Only where `constant` is known. */
  float(format: 'f32' | 'f64'): number;
  /** Scratch locals that a micro-op may use as it likes. */
  readonly x: number; // i64
  readonly y: number; // i64
  readonly z: number; // i64
  readonly entry: number; // i32
  readonly w: number; // i32
  readonly v: number; // v128
}

/** Appends what one micro-op does. */
export type Emit = (c: Code, f: Frame) => void;
