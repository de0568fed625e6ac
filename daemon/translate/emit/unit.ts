// Compiles a region into one WebAssembly function: registers in locals, flags put off until somebody looks, loops as loops.
// The function is `(vp, context) -> Exit`; its bytes depend on the guest's code alone, so that V8 compiles equal ones once for all LPs and partitions.

import type { Views } from '../../../shared/layout/struct.js';
import { Slot } from '../../../shared/layout/vp.js';
import { Exit, IMMEDIATE_FORM, OP_MASK, Op, RECORD_SIZE } from '../micro-op.js';
import { HELPER_IMPORTS, TYPES, UNIT_TYPE } from './core-module.js';
import { CPUID_REGISTERS } from './cpuid-answer.js';
import type { Region } from './region.js';
import { CONTEXT, PRODUCES_FLAGS, pushTruth, SEMANTICS, SHAPES } from './semantics.js';
import { UnitFlags } from './unit-flags.js';
import { UnitFloats } from './unit-floats.js';
import { CTX, number64, type Position, unitFrame, VP } from './unit-frame.js';
import { recentPages } from './unit-recent.js';
import { UnitSlots } from './unit-slots.js';
import { waitingLoops } from './waiting-loops.js';
import { assemble, Code, I32, I64, Locals } from './wasm.js';

/** Tells the slots which registers the region reads and writes. */
const findRegisters = (graph: Region, { u8, u16 }: Views, slots: UnitSlots): void => {
  for (const block of graph.blocks)
    for (let i = 0, at = block.records; i < block.count; i++, at += RECORD_SIZE) {
      const form = u16[at >>> 1];
      const op = form & OP_MASK;
      const shape = SHAPES[op];
      if (shape.includes('a')) slots.uses(u8[at + 3], false);
      if (shape.includes('b') || (shape.includes('B') && !(form & IMMEDIATE_FORM))) slots.uses(u8[at + 4], false);
      if (shape.includes('c')) slots.uses(u8[at + 8], false);
      if (shape.includes('d')) slots.uses(u8[at + 2], true);
      if (shape.includes('X')) slots.usesVector(u8[at + 3], false);
      if (shape.includes('Y')) slots.usesVector(u8[at + 4], false);
      if (shape.includes('Z')) slots.usesVector(u8[at + 8], false);
      if (shape.includes('D')) slots.usesVector(u8[at + 2], true);
      if (op === Op.cpuid) for (const register of CPUID_REGISTERS) slots.uses(register, true);
      const producesFlags = PRODUCES_FLAGS[op] === 1;
      slots.uses(Slot.FLAG_RESULT, producesFlags);
      slots.uses(Slot.FLAG_AUX, producesFlags);
    }
};

export const compileUnit = (views: Views, graph: Region): Uint8Array<ArrayBuffer> => {
  const c = new Code();
  const { u8, u16 } = views;
  const locals = new Locals(2);
  const tlb = locals.add(I32);
  const budget = locals.add(I32);
  const exitReason = locals.add(I32);
  const exitRip = locals.add(I64);
  const goal = locals.add(I64);
  const slots = new UnitSlots(c, VP, locals, !graph.wide);
  findRegisters(graph, views, slots);

  let exit = 0; // label
  const leaveTo = (pushRip: () => void, reason: number): void => {
    flags.beforeJump(-1);
    pushRip(); c.set(exitRip); c.i32(reason); c.set(exitReason); c.br(exit);
  };
  const p: Position = { at: 0, rip: 0, immediateB: false, recent: 0 };
  const floats = new UnitFloats(c, VP, locals, graph, views);
  const frame = unitFrame(c, views, p, slots, locals, tlb, budget, floats, {
    leaveTo,
    settleFlags: () => flags.settle(),
    keepingFlags: (emit) => {
      const { now } = flags;
      emit();
      flags.restore(now);
    },
  });
  const flags = new UnitFlags(c, locals, !graph.wide, frame, graph, u16);

  const recent = recentPages(graph, views);
  const waiting = waitingLoops(graph, views);

  // --- structure
  const loopLabel: number[] = [];
  const blockLabel: number[] = [];
  /** A loop that only waits begins to: what the budget will be when that has been for long. In the context, where a read of a device makes it never. */
  const armWait = (): void => {
    c.get(CTX); c.get(budget); c.get(CTX); c.memory('i32_load', CONTEXT.waitWindow); c.op('i32_sub'); c.memory('i32_store', CONTEXT.waitEnd);
  };
  const branchTo = (from: number, to: number, toRip: number): void => {
    if (to < 0) leaveTo(() => number64(c, toRip), Exit.NEXT);
    else if (to <= from || graph.merge[to]) {
      flags.beforeJump(to);
      if (to <= from && waiting[to]?.has(from) === false) armWait();
      c.br(to <= from ? loopLabel[to] : blockLabel[to]);
    } else tree(to);
  };
  /** Indirect: compared with what it is known to go to. */
  const jumpIndirect = (i: number, target: number): void => {
    const now = flags.now;
    const sure = graph.blocks[i].returns && graph.targets[i].length === 1;
    // Code that follows a guess is emitted in between and has the temporaries for itself.
    slots.push(target);
    c.set(goal);
    graph.targets[i].forEach((guess, k) => {
      const to = graph.successors[i][k];
      if (to < 0) return;
      c.get(goal);
      number64(c, guess);
      c.op('i64_eq');
      if (sure) c.hint(true);
      c.if();
      branchTo(i, to, guess);
      c.op('end');
      flags.restore(now);
    });
    leaveTo(() => c.get(goal), Exit.NEXT);
  };
  const body = (i: number): void => {
    const block = graph.blocks[i];
    const out = graph.successors[i];
    c.get(budget); c.i32(block.instructions); c.op('i32_sub'); c.set(budget);
    const end = block.records + block.count * RECORD_SIZE;
    for (let at = block.records; at < end; at += RECORD_SIZE) {
      const form = u16[at >>> 1];
      const op = form & OP_MASK;
      p.at = at;
      p.rip = block.rip;
      p.immediateB = (form & IMMEDIATE_FORM) !== 0;
      p.recent = recent[i]?.[(at - block.records) / RECORD_SIZE] ?? 0;
      if (op === Op.jump) branchTo(i, out[0], block.targets[0]);
      else if (op === Op.jumpr) jumpIndirect(i, u8[at + 3]);
      else if (op === Op.branch) {
        pushTruth(c, frame, 'a');
        c.if();
        const now = flags.now;
        branchTo(i, out[0], block.targets[0]);
        c.op('else');
        flags.restore(now);
        branchTo(i, out[1], block.targets[1]);
        c.op('end');
      } else if (!flags.take(op, frame)) SEMANTICS[op](c, frame);
    }
    c.op('unreachable');
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
    flags.begin(last);
    tree(last);
  };
  const tree = (i: number): void => {
    const merges = graph.children[i].filter((child) => graph.merge[child]);
    if (!graph.loopHeader[i]) {
      within(i, merges);
      return;
    }
    flags.beforeJump(i);
    if (waiting[i]) armWait();
    loopLabel[i] = c.loop();
    flags.begin(i);
    // A slice that is over, or another thread's request: KICKED is more than any budget. Not an atomic load: V8 checks the alignment of those
    // each time, and moves no load out of a loop.
    c.get(budget); c.get(CTX); c.memory('i32_load', CONTEXT.kick); c.op('i32_lt_s');
    c.hint(false); c.if(); leaveTo(() => number64(c, graph.blocks[i].rip), Exit.BUDGET); c.op('end');
    if (waiting[i]) {
      c.get(budget); c.get(CTX); c.memory('i32_load', CONTEXT.waitEnd); c.op('i32_lt_s');
      c.hint(false); c.if(); leaveTo(() => number64(c, graph.blocks[i].rip), Exit.WAITING); c.op('end');
    }
    within(i, merges);
    c.op('end');
    c.op('unreachable');
  };

  slots.load();
  floats.lookAtMxcsr();
  c.get(CTX); c.memory('i32_load', CONTEXT.budget); c.set(budget);
  c.get(CTX); c.memory('i32_load', CONTEXT.tlb); c.set(tlb);
  exit = c.block();
  tree(0);
  c.op('end');
  flags.settleAtExit();
  slots.store();
  c.get(VP); c.get(exitRip); c.memory('i64_store', Slot.RIP * 8);
  c.get(CTX); c.get(budget); c.memory('i32_store', CONTEXT.budget);
  c.get(exitReason);
  c.op('end');
  return assemble({
    types: TYPES,
    imports: [...HELPER_IMPORTS, ...floats.imports],
    functions: [{ type: UNIT_TYPE, locals: locals.groups(), body: c, exportAs: 'unit' }],
  });
};
