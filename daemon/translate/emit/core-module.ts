// The micro-op machine and the dispatcher: one fixed module per partition memory, made from the same semantics as compiled units.
// Why in WebAssembly: blocks follow each other, cold or hot, without a step through JavaScript.
//
// A translated block in the arena:  +0 u32 instructions   +4 i32 runs left until it counts as hot   +8 u64 spare   +16 records
import { JUMP_ENTRY_SIZE, JUMP_MULTIPLIER, JUMP_SHIFT } from '../../../shared/layout/lp-context.js';
import { Slot } from '../../../shared/layout/vp.js';
import { Exit, IMMEDIATE_FORM, MICRO_OP_NAMES, RECORD_SIZE } from '../micro-op.js';
import { CONTEXT, type Frame, HELPERS, Helper, SEMANTICS, SHAPES } from './semantics.js';
import { assemble, Code, F64, type FunctionType, I32, I64 } from './wasm.js';

export const BLOCK_HEADER_SIZE = 16;

/** Function types shared by all modules: helpers, then `(vp, context) -> Exit`. */
export const TYPES: readonly FunctionType[] = [
  { parameters: [F64, I32], results: [I32] },
  { parameters: [I32], results: [I32] },
  { parameters: [I32, I32], results: [I32] },
];
export const UNIT_TYPE = 2;
export const HELPER_IMPORTS = HELPERS.map((name) => ({ name, type: name === 'sys' ? 1 : 0 }));

const VP = 0;
const CTX = 1;
const PC = 2;
const ENTRY = 3;
const CODE = 4;
const X = 5;
const Y = 6;
const Z = 7;
const RIP = 8;

/** Module exporting `run(vp, context) -> Exit`. */
export const coreModule = (): Uint8Array<ArrayBuffer> => {
  const c = new Code();
  const slotAddress = (recordOffset: number): void => {
    c.get(PC); c.memory('i32_load8_u', recordOffset); c.i32(3); c.op('i32_shl'); c.get(VP); c.op('i32_add');
  };
  const budgetAdd = (value: () => void): void => {
    c.get(CTX); c.get(CTX); c.memory('i32_load', CONTEXT.budget); value(); c.op('i32_add'); c.memory('i32_store', CONTEXT.budget);
  };
  const left = (): void => { c.get(PC); c.memory('i32_load8_u', 5); };
  const setRip = (value: () => void): void => { c.get(VP); value(); c.memory('i64_store', Slot.RIP * 8); };
  const ripHere = (): void => { c.get(RIP); c.get(PC); c.memory('i64_load16_u', 6); c.op('i64_add'); };
  const leave = (reason: number): void => { c.i32(reason); c.op('return'); };

  let dispatch = 0;
  const frame = (immediateB: boolean): Frame => ({
    a: () => { slotAddress(3); c.memory('i64_load', 0); },
    b: () => { if (immediateB) { c.get(PC); c.memory('i64_load', 8); } else { slotAddress(4); c.memory('i64_load', 0); } },
    c: () => { slotAddress(8); c.memory('i64_load', 0); },
    immediate: () => { c.get(PC); c.memory('i64_load', 8); },
    immediateLo: () => { c.get(PC); c.memory('i32_load', 8); },
    d: (value) => { slotAddress(2); value(); c.memory('i64_store', 0); },
    slot: (s) => { c.get(VP); c.memory('i64_load', s * 8); },
    setSlot: (s, value) => { c.get(VP); value(); c.memory('i64_store', s * 8); },
    vp: () => c.get(VP),
    tlb: () => { c.get(CTX); c.memory('i32_load', CONTEXT.tlb); },
    leaveHere: (reason) => { setRip(ripHere); budgetAdd(left); leave(reason); },
    beforeSlow: () => {},
    afterSlow: () => {},
    callSys: () => {
      setRip(ripHere);
      c.get(PC); c.memory('i32_load', 8); c.call(Helper.sys); c.tee(ENTRY);
      c.if();
      c.get(ENTRY); c.i32(2); c.op('i32_eq');
      c.if(); budgetAdd(left); leave(Exit.FAULT); c.op('end');
      budgetAdd(() => { left(); c.i32(1); c.op('i32_sub'); }); leave(Exit.SYS);
      c.op('end');
    },
    jump: () => { setRip(() => { c.get(PC); c.memory('i64_load', 8); }); c.br(dispatch); },
    jumpTo: () => { setRip(() => { slotAddress(3); c.memory('i64_load', 0); }); c.br(dispatch); },
    branch: () => {
      setRip(() => {
        c.get(RIP);
        c.get(PC); c.memory('i32_load', 8); c.get(PC); c.memory('i32_load', 12); slotAddress(3); c.memory('i64_load', 0); c.op('i64_eqz'); c.op('i32_eqz'); c.op('select');
        c.op('i64_extend_i32_s'); c.op('i64_add');
      });
      c.br(dispatch);
    },
    x: X, y: Y, z: Z, entry: ENTRY,
  });

  dispatch = c.loop();
  c.get(CTX); c.memory('i32_load', CONTEXT.budget); c.i32(0); c.op('i32_lt_s'); c.get(CTX); c.atomicLoad32(CONTEXT.kick); c.op('i32_or');
  c.if(); leave(Exit.BUDGET); c.op('end');
  // Jump cache: index from RIP, tag RIP 47:0 | mode id.
  c.get(VP); c.memory('i64_load', Slot.RIP * 8); c.tee(RIP);
  c.op('i32_wrap'); c.i32(JUMP_MULTIPLIER); c.op('i32_mul'); c.i32(JUMP_SHIFT); c.op('i32_shr_u'); c.i32(JUMP_ENTRY_SIZE); c.op('i32_mul');
  c.get(CTX); c.op('i32_add'); c.tee(ENTRY);
  c.memory('i64_load', CONTEXT.jump);
  c.get(RIP); c.i64(-1, 0xffff); c.op('i64_and'); c.get(CTX); c.memory('i64_load', CONTEXT.jumpTag); c.op('i64_or');
  c.op('i64_ne');
  c.if(); leave(Exit.LOOKUP); c.op('end');
  c.get(ENTRY); c.memory('i32_load', CONTEXT.jump + 8); c.tee(CODE); c.i32(0); c.op('i32_lt_s');
  c.if();
  c.get(VP); c.get(CTX); c.get(CODE); c.i32(-1); c.op('i32_xor'); c.callIndirect(UNIT_TYPE); c.tee(CODE); c.op('i32_eqz'); c.brIf(dispatch);
  c.get(CODE); c.op('return');
  c.op('end');
  // Cold block: count the run down, charge its instructions.
  c.get(CODE); c.get(CODE); c.memory('i32_load', 4); c.i32(1); c.op('i32_sub'); c.tee(ENTRY); c.memory('i32_store', 4);
  c.get(ENTRY); c.op('i32_eqz');
  c.if(); leave(Exit.HOT); c.op('end');
  budgetAdd(() => { c.i32(0); c.get(CODE); c.memory('i32_load', 0); c.op('i32_sub'); });
  c.get(CODE); c.i32(BLOCK_HEADER_SIZE); c.op('i32_add'); c.set(PC);

  const next = c.loop();
  const handlers: { op: number; immediate: boolean }[] = [];
  for (let op = 0; op < MICRO_OP_NAMES.length; op++) {
    handlers.push({ op, immediate: false });
    if (SHAPES[op].includes('B')) handlers.push({ op, immediate: true });
  }
  const unknown = c.block();
  const labels = handlers.map(() => c.block());
  // Innermost block belongs to the last handler opened; each `end` below closes one.
  const table: number[] = new Array(IMMEDIATE_FORM + MICRO_OP_NAMES.length).fill(unknown);
  handlers.forEach((h, i) => { table[h.op | (h.immediate ? IMMEDIATE_FORM : 0)] = labels[i]; });
  c.get(PC); c.memory('i32_load16_u', 0); c.brTable(table, unknown);
  for (let i = handlers.length - 1; i >= 0; i--) {
    c.op('end');
    SEMANTICS[handlers[i].op](c, frame(handlers[i].immediate));
    c.get(PC); c.i32(RECORD_SIZE); c.op('i32_add'); c.set(PC); c.br(next);
  }
  c.op('end');
  c.op('unreachable');
  c.op('end'); // next
  c.op('unreachable');
  c.op('end'); // dispatch
  c.op('unreachable');
  c.op('end');
  return assemble({
    types: TYPES,
    imports: HELPER_IMPORTS,
    table: true,
    functions: [{ type: UNIT_TYPE, locals: [[3, I32], [4, I64]], body: c, exportAs: 'run' }],
  });
};
