// Compiles a region into one WebAssembly function: registers in locals, flags put off until somebody looks, loops as loops.
// The function is `(vp, context) -> Exit`; its bytes depend on the guest's code alone, so that V8 compiles equal ones once for all LPs and partitions.

import type { Views } from '../../../shared/layout/struct.js';
import { Slot, VECTOR_SLOTS, VectorSlot, VpLayout } from '../../../shared/layout/vp.js';
import { FLOAT_FUNCTIONS } from '../float-functions.js';
import { Exit, IMMEDIATE_FORM, OP_MASK, Op, RECORD_SIZE } from '../micro-op.js';
import { HELPER_IMPORTS, TYPES, UNIT_TYPE } from './core-module.js';
import { type Frame, FUNCTION_TYPE, Helper, SysResult } from './frame.js';
import type { Region } from './region.js';
import { CONTEXT, DEFERRABLE, KEEPS_FLAGS, PRODUCES_FLAGS, SEMANTICS, SHAPES } from './semantics.js';
import { assemble, Code, F32, F64, I32, I64, V128 } from './wasm.js';

const VP = 0;
const CTX = 1;
const TLB = 2;
const ENTRY = 3;
const BUDGET = 4;
const EXIT = 5;
/** Which producer's flags are pending: 0 none (FLAG_RESULT and FLAG_AUX are right), otherwise 1 + index in `kinds`. */
const PENDING = 6;
const X = 7;
const Y = 8;
const Z = 9;
const EXIT_RIP = 10;
const FLAG_A = 11;
const FLAG_B = 12;
const FLAG_R = 13;
const FIRST_SLOT_LOCAL = 14;

/** Slots that live in locals while a unit runs. */
const inLocal = (slot: number): boolean => slot < 16 || slot === Slot.FLAG_RESULT || slot === Slot.FLAG_AUX || (slot >= Slot.TEMP && slot < Slot.READ_LIMIT);
const isTemporary = (slot: number): boolean => slot >= Slot.TEMP;

const VECTORS = VpLayout.at.vectors;
const ZEROS = new Uint8Array(16);

const VECTOR_FLOAT = FLOAT_FUNCTIONS.indexOf('vectorFloat');
/** FTZ, rounding, masks, DAZ and PE; and their values when inexact results leave no trace: all masked, to nearest, PE raised. */
const MXCSR_MODES = 0xffe0;
const MXCSR_PLAIN = 0x1fa0;

/** What is known at compile time about the pending flags. */
const UNKNOWN = -2;
const NONE = -1;

export const compileUnit = (views: Views, graph: Region): Uint8Array<ArrayBuffer> => {
  const c = new Code();
  const { u8, u16, i32 } = views;

  // --- which slots get locals, which of them are written, which producers occur
  const localOf = new Int16Array(128).fill(-1);
  const written = new Uint8Array(128);
  const kinds: number[] = [];
  const order: number[] = [];
  const use = (slot: number): void => {
    if (inLocal(slot) && localOf[slot] < 0) {
      localOf[slot] = FIRST_SLOT_LOCAL + order.length;
      order.push(slot);
    }
  };
  // Vector slots have locals of their own, numbered after all others.
  const vectorIndex = new Int16Array(VECTOR_SLOTS).fill(-1);
  const vectorWritten = new Uint8Array(VECTOR_SLOTS);
  const vectorOrder: number[] = [];
  const useVector = (slot: number): void => {
    if (slot < VectorSlot.SCRATCH && vectorIndex[slot] < 0) vectorIndex[slot] = vectorOrder.push(slot);
  };
  use(Slot.FLAG_RESULT);
  use(Slot.FLAG_AUX);
  let producesFlags = false;
  // Functions that the unit calls, in order of appearance: imported after the helpers.
  const functions: number[] = [];
  let usesFloat = false;
  for (const block of graph.blocks) {
    for (let i = 0, at = block.records; i < block.count; i++, at += RECORD_SIZE) {
      const full = u16[at >>> 1];
      const op = full & OP_MASK;
      const shape = SHAPES[op];
      if (shape.includes('a')) use(u8[at + 3]);
      if ((shape.includes('b') || shape.includes('B')) && !(full & IMMEDIATE_FORM)) use(u8[at + 4]);
      if (shape.includes('c')) use(u8[at + 8]);
      if (shape.includes('d')) {
        use(u8[at + 2]);
        written[u8[at + 2]] = 1;
      }
      if (op === Op.vfloat || op === Op.vfloatg || op === Op.vfloati) usesFloat = true;
      if (op === Op.call && !functions.includes(i32[(at + 8) >>> 2])) functions.push(i32[(at + 8) >>> 2]);
      if (shape.includes('X')) useVector(u8[at + 3]);
      if (shape.includes('Y')) useVector(u8[at + 4]);
      if (shape.includes('Z')) useVector(u8[at + 8]);
      if (shape.includes('D')) {
        useVector(u8[at + 2]);
        vectorWritten[u8[at + 2]] = 1;
      }
      if (PRODUCES_FLAGS[op]) {
        producesFlags = true;
        if (DEFERRABLE[op] && !kinds.includes(op)) kinds.push(op);
      }
    }
  }
  if (producesFlags) written[Slot.FLAG_RESULT] = written[Slot.FLAG_AUX] = 1;
  // A slow helper may change any register: all that the unit holds are reloaded after it.
  const held = order.filter((s) => !isTemporary(s));
  const heldVectors = vectorOrder.filter((s) => s < VectorSlot.TEMP);
  if (usesFloat) functions.push(VECTOR_FLOAT);
  const vectorScratch = FIRST_SLOT_LOCAL + order.length;
  const vectorLocal = (s: number): number => vectorScratch + vectorIndex[s];
  // Behind the vectors: a float of each format, and whether MXCSR is plain.
  const single = vectorScratch + vectorOrder.length + 1;
  const double = single + 1;
  const plain = single + 2;
  const lookAtMxcsr = (): void => {
    if (!usesFloat) return;
    c.get(VP); c.memory('i32_load', VpLayout.at.mxcsr); c.i32(MXCSR_MODES); c.op('i32_and'); c.i32(MXCSR_PLAIN); c.op('i32_eq'); c.set(plain);
  };

  const loadHeld = (): void => {
    for (const s of held) { c.get(VP); c.memory('i64_load', s * 8); c.set(localOf[s]); }
    lookAtMxcsr();
    for (const s of heldVectors) { c.get(VP); c.load128(VECTORS + s * 16); c.set(vectorLocal(s)); }
  };
  const storeWritten = (): void => {
    for (const s of held) if (written[s]) { c.get(VP); c.get(localOf[s]); c.memory('i64_store', s * 8); }
    for (const s of heldVectors) if (vectorWritten[s]) { c.get(VP); c.get(vectorLocal(s)); c.store128(VECTORS + s * 16); }
  };
  const number64 = (n: number): void => c.i64(n | 0, Math.floor(n / 4294967296) | 0);

  // --- where micro-ops find their operands
  let at = 0; // record
  let rip = 0; // of its block
  let exit = 0; // label
  let pending = NONE;
  let immediateB = false;
  const pushSlot = (s: number): void => {
    if (localOf[s] >= 0) c.get(localOf[s]);
    else { c.get(VP); c.memory('i64_load', s * 8); }
  };
  const setSlot = (s: number, value: () => void): void => {
    if (localOf[s] >= 0) { value(); c.set(localOf[s]); }
    else { c.get(VP); value(); c.memory('i64_store', s * 8); }
  };
  const pushVector = (s: number): void => {
    if (s === VectorSlot.ZERO) c.v128(ZEROS);
    else if (vectorIndex[s] > 0) c.get(vectorLocal(s));
    else { c.get(VP); c.load128(VECTORS + s * 16); }
  };
  const setVector = (s: number, value: () => void): void => {
    if (vectorIndex[s] > 0) { value(); c.set(vectorLocal(s)); }
    else { c.get(VP); value(); c.store128(VECTORS + s * 16); }
  };
  const pushImmediate = (): void => c.i64(i32[(at + 8) >>> 2], i32[(at + 12) >>> 2]);
  const leaveTo = (pushRip: () => void, reason: number): void => {
    pushRip(); c.set(EXIT_RIP); c.i32(reason); c.set(EXIT); c.br(exit);
  };
  const ripHere = (): void => number64(rip + u16[(at + 6) >>> 1]);
  const refund = (count: number): void => { if (count) { c.get(BUDGET); c.i32(count); c.op('i32_add'); c.set(BUDGET); } };
  const frame: Frame = {
    a: () => pushSlot(u8[at + 3]),
    b: () => { if (immediateB) pushImmediate(); else pushSlot(u8[at + 4]); },
    c: () => pushSlot(u8[at + 8]),
    immediate: pushImmediate,
    immediateLo: () => c.i32(i32[(at + 8) >>> 2]),
    d: (value) => setSlot(u8[at + 2], value),
    va: () => pushVector(u8[at + 3]),
    vb: () => pushVector(u8[at + 4]),
    vc: () => pushVector(u8[at + 8]),
    vd: (value) => setVector(u8[at + 2], value),
    pickLanes: (laneBytes) => {
      const lanes = i32[(at + 8) >>> 2];
      pushVector(u8[at + 3]); pushVector(u8[at + 4]);
      c.shuffle(Array.from({ length: 16 }, (_, i) => ((lanes >>> (Math.floor(i / laneBytes) * 4)) & 15) * laneBytes + (i % laneBytes)));
    },
    pickBytes: () => {
      const from = i32[(at + 8) >>> 2];
      // A shuffle has two operands: from 16 on they are (b, 0).
      if (from < 16) { pushVector(u8[at + 3]); pushVector(u8[at + 4]); }
      else { pushVector(u8[at + 4]); c.v128(ZEROS); }
      c.shuffle(Array.from({ length: 16 }, (_, i) => (from & 15) + i));
    },
    slot: pushSlot,
    setSlot,
    vp: () => c.get(VP),
    tlb: () => c.get(TLB),
    context: () => c.get(CTX),
    record: () => c.i32(at),
    leaveHere: (reason) => { refund(u8[at + 5]); leaveTo(ripHere, reason); },
    beforeSlow: () => { c.get(CTX); c.get(BUDGET); c.memory('i32_store', CONTEXT.budget); },
    afterSlow: () => { c.get(CTX); c.memory('i32_load', CONTEXT.budget); c.set(BUDGET); },
    callSys: () => {
      settleFlags();
      storeWritten();
      c.get(VP); ripHere(); c.memory('i64_store', Slot.RIP * 8);
      c.get(CTX); c.get(BUDGET); c.memory('i32_store', CONTEXT.budget);
      c.i32(i32[(at + 8) >>> 2]); c.call(Helper.sys); c.tee(EXIT);
      c.if();
      // Everything is in the VP block already, and RIP is where the helper put it.
      c.get(CTX); c.get(CTX); c.memory('i32_load', CONTEXT.budget); c.i32(u8[at + 5]); c.get(EXIT); c.i32(SysResult.FAULT); c.op('i32_ne'); c.op('i32_sub'); c.op('i32_add'); c.memory('i32_store', CONTEXT.budget);
      c.get(EXIT); c.i32(SysResult.DISPATCH); c.op('i32_eq'); c.if(); c.i32(Exit.NEXT); c.op('return'); c.op('end');
      c.i32(Exit.FAULT); c.i32(Exit.SYS); c.get(EXIT); c.i32(SysResult.FAULT); c.op('i32_eq'); c.op('select'); c.op('return');
      c.op('end');
      loadHeld();
      c.get(CTX); c.memory('i32_load', CONTEXT.budget); c.set(BUDGET);
    },
    constant: () => i32[(at + 8) >>> 2],
    plain: () => c.get(plain),
    callVectorFloat: (integer) => {
      c.get(VP); pushImmediate(); integer(); c.call(HELPER_IMPORTS.length + functions.indexOf(VECTOR_FLOAT));
      lookAtMxcsr();
    },
    float: (format) => (format === 'f32' ? single : double),
    callFunction: () => { c.get(VP); pushSlot(u8[at + 3]); pushSlot(u8[at + 4]); c.call(HELPER_IMPORTS.length + functions.indexOf(i32[(at + 8) >>> 2])); },
    leaveAfter: () => { refund(u8[at + 5] - 1); leaveTo(() => number64(rip + u16[(at + 6) >>> 1] + i32[(at + 8) >>> 2]), Exit.NEXT); },
    jump: () => {},
    jumpTo: () => {},
    branch: () => {},
    x: X, y: Y, z: Z, entry: ENTRY, v: vectorScratch,
  };
  const flagFrame: Frame = { ...frame, a: () => c.get(FLAG_A), b: () => c.get(FLAG_B), c: () => c.get(FLAG_R) };
  /** One-operand producers keep their operand in FLAG_A as well. */
  const settleKind = (op: number): void => SEMANTICS[op](c, flagFrame);
  const settleFlags = (): void => {
    if (pending >= 0) settleKind(pending);
    else if (pending === UNKNOWN) {
      kinds.forEach((op, i) => {
        c.get(PENDING); c.i32(i + 1); c.op('i32_eq'); c.if(); settleKind(op); c.op('end');
      });
    }
    if (pending !== NONE) { c.i32(0); c.set(PENDING); }
    pending = NONE;
  };
  const putOff = (op: number): void => {
    // INC and DEC keep the carry that was there: it has to be there.
    if (KEEPS_FLAGS[op]) settleFlags();
    frame.a(); c.set(FLAG_A);
    if (/b/i.test(SHAPES[op])) { frame.b(); c.set(FLAG_B); }
    if (SHAPES[op].includes('c')) { frame.c(); c.set(FLAG_R); }
    c.i32(kinds.indexOf(op) + 1); c.set(PENDING);
    pending = op;
  };

  const emitRecord = (op: number): void => {
    if (PRODUCES_FLAGS[op]) {
      if (!DEFERRABLE[op]) {
        if (KEEPS_FLAGS[op]) settleFlags();
        SEMANTICS[op](c, frame);
        if (pending !== NONE) { c.i32(0); c.set(PENDING); }
        pending = NONE;
      } else putOff(op);
      return;
    }
    if (op >= Op.fget && op <= Op.fle) settleFlags();
    SEMANTICS[op](c, frame);
  };

  // --- structure
  const loopLabel: number[] = [];
  const blockLabel: number[] = [];
  const unknownFlags = (): void => { if (kinds.length > 0) pending = UNKNOWN; };
  const branchTo = (from: number, to: number, toRip: number): void => {
    if (to < 0) leaveTo(() => number64(toRip), Exit.NEXT);
    else if (to <= from) c.br(loopLabel[to]);
    else if (graph.merge[to]) c.br(blockLabel[to]);
    else tree(to);
  };
  const body = (i: number): void => {
    const block = graph.blocks[i];
    c.get(BUDGET); c.i32(block.instructions); c.op('i32_sub'); c.set(BUDGET);
    const last = block.records + (block.count - 1) * RECORD_SIZE;
    for (at = block.records; at < last; at += RECORD_SIZE) {
      rip = block.rip;
      const full = u16[at >>> 1];
      immediateB = (full & IMMEDIATE_FORM) !== 0;
      emitRecord(full & OP_MASK);
    }
    at = last;
    rip = block.rip;
    const out = graph.successors[i];
    const op = u16[at >>> 1] & OP_MASK;
    if (op === Op.jump) branchTo(i, out[0], block.targets[0]);
    else if (op === Op.branch) {
      frame.a(); c.op('i64_eqz'); c.op('i32_eqz');
      c.if();
      const known = pending;
      branchTo(i, out[0], block.targets[0]);
      c.op('else');
      pending = known;
      branchTo(i, out[1], block.targets[1]);
      c.op('end');
      c.op('unreachable');
    } else if (op === Op.jumpr) {
      const target = u8[at + 3];
      const known = pending;
      graph.returns.forEach((guess, k) => {
        if (out[k] < 0) return;
        pushSlot(target); number64(guess.rip); c.op('i64_eq');
        c.if();
        pending = known;
        branchTo(i, out[k], guess.rip);
        c.op('end');
      });
      leaveTo(() => pushSlot(target), Exit.NEXT);
    } else {
      immediateB = false;
      emitRecord(op);
      c.op('unreachable');
    }
  };
  /** Children that are merges stand after the blocks that are wrapped round everything before them. */
  const within = (i: number, merges: readonly number[]): void => {
    if (merges.length === 0) {
      body(i);
      return;
    }
    // The last merge in reverse post-order is outermost.
    const last = merges[merges.length - 1];
    blockLabel[last] = c.block();
    within(i, merges.slice(0, -1));
    c.op('end');
    unknownFlags();
    tree(last);
  };
  const tree = (i: number): void => {
    const merges = graph.children[i].filter((child) => graph.merge[child]);
    if (graph.loopHeader[i]) {
      loopLabel[i] = c.loop();
      unknownFlags();
      // A slice that is over, or another thread's request.
      c.get(BUDGET); c.i32(0); c.op('i32_lt_s'); c.get(CTX); c.atomicLoad32(CONTEXT.kick); c.op('i32_or');
      c.hint(false); c.if(); leaveTo(() => number64(graph.blocks[i].rip), Exit.BUDGET); c.op('end');
      within(i, merges);
      c.op('end');
      c.op('unreachable');
    } else within(i, merges);
  };

  loadHeld();
  c.get(CTX); c.memory('i32_load', CONTEXT.budget); c.set(BUDGET);
  c.get(CTX); c.memory('i32_load', CONTEXT.tlb); c.set(TLB);
  exit = c.block();
  tree(0);
  c.op('end');
  if (kinds.length > 0) {
    pending = UNKNOWN;
    settleFlags();
  }
  storeWritten();
  c.get(VP); c.get(EXIT_RIP); c.memory('i64_store', Slot.RIP * 8);
  c.get(CTX); c.get(BUDGET); c.memory('i32_store', CONTEXT.budget);
  c.get(EXIT);
  c.op('end');
  return assemble({
    types: TYPES,
    imports: [...HELPER_IMPORTS, ...functions.map((n) => ({ name: FLOAT_FUNCTIONS[n], type: FUNCTION_TYPE }))],
    functions: [{ type: UNIT_TYPE, locals: [[5, I32], [7, I64], [order.length, I64], [1 + vectorOrder.length, V128], [1, F32], [1, F64], [1, I32]], body: c, exportAs: 'unit' }],
  });
};
