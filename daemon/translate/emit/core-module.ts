// The micro-op machine and the dispatcher: one fixed module per partition memory, made from the same semantics as compiled units.
// Why in WebAssembly: blocks follow each other, cold or hot, without a step through JavaScript.
import { JUMP_ENTRY_SIZE, JUMP_MULTIPLIER, JUMP_SHIFT } from '../../../shared/layout/lp-context.js';
import { Slot } from '../../../shared/layout/vp.js';
import { FLOAT_FUNCTIONS } from '../float-functions.js';
import { Exit, IMMEDIATE_FORM, MICRO_OP_NAMES, RECORD_SIZE } from '../micro-op.js';
import { BLOCK_HEADER_SIZE } from './block-layout.js';
import { HELPERS } from './frame.js';
import { type RecordLocals, recordFrame } from './record-frame.js';
import { CONTEXT, IS_VECTOR, SEMANTICS, SHAPES } from './semantics.js';
import { assemble, Code, F64, type FunctionType, I32, I64, V128 } from './wasm.js';

/** Function types shared by all modules: helpers, then `(vp, context) -> Exit`, the vector micro-ops', that of functions (FUNCTION_TYPE), `copy`. */
export const TYPES: readonly FunctionType[] = [
  { parameters: [F64, I32], results: [I32] },
  { parameters: [I32], results: [I32] },
  { parameters: [I32, I32], results: [I32] },
  { parameters: [I32, I32, I32, I64], results: [I32] },
  { parameters: [I32, I64, I64], results: [I64] },
  { parameters: [I32, I32, I32], results: [] },
];
const COPY_TYPE = 5;
export const UNIT_TYPE = 2;
export const HELPER_IMPORTS = HELPERS.map((name) => ({ name, type: name === 'sys' ? 1 : 0 }));

const VP = 0;
const CTX = 1;
const PC = 2;
const ENTRY = 3;
const CODE = 4;
const RIP = 8;
const RUN_LOCALS: RecordLocals = { vp: VP, context: CTX, pc: PC, entry: ENTRY, x: 5, y: 6, z: 7, rip: RIP, block: CODE, v: 9, w: 10 };
/** They end no block. */
const NONE = 0;
/** Vector micro-ops are a function of their own, (vp, context, record, rip) -> 0 or the Exit: the loop of the others stays small. */
const VECTOR_TYPE = 3;
const VECTOR_LOCALS: RecordLocals = { vp: 0, context: 1, pc: 2, rip: 3, block: NONE, entry: 4, x: 5, y: 6, z: 7, v: 8, w: 9 };
const VECTOR_FUNCTION = HELPERS.length + 1;

interface Handler {
  readonly op: number;
  readonly immediate: boolean;
}
const handlersOf = (vectors: boolean): Handler[] =>
  MICRO_OP_NAMES.flatMap((_, op) => {
    if ((IS_VECTOR[op] === 1) !== vectors) return [];
    return SHAPES[op].includes('B') ? [{ op, immediate: false }, { op, immediate: true }] : [{ op, immediate: false }];
  });

/** A jump by the record's op number to one of the handlers; `others` is where every other number leads. */
const handlers = (c: Code, list: readonly Handler[], emit: (h: Handler) => void, others: () => void): void => {
  const other = c.block();
  const labels = list.map(() => c.block());
  // Innermost block belongs to the last handler opened; each `end` below closes one.
  const table: number[] = new Array(IMMEDIATE_FORM + MICRO_OP_NAMES.length).fill(other);
  list.forEach((h, i) => { table[h.op | (h.immediate ? IMMEDIATE_FORM : 0)] = labels[i]; });
  c.get(PC); c.memory('i32_load16_u', 0); c.brTable(table, other);
  for (let i = list.length - 1; i >= 0; i--) {
    c.op('end');
    emit(list[i]);
  }
  c.op('end');
  others();
};

const vectorFunction = (): Code => {
  const c = new Code();
  const frames = [false, true].map((immediate) => recordFrame(c, VECTOR_LOCALS, immediate, 0));
  handlers(
    c,
    handlersOf(true),
    (h) => {
      SEMANTICS[h.op](c, frames[h.immediate ? 1 : 0]);
      c.i32(0); c.op('return');
    },
    () => c.op('unreachable'),
  );
  c.op('end');
  return c;
};

/** Why not TypedArray.copyWithin: V8 copies shared memory word by word there. */
const copyFunction = (): Code => {
  const c = new Code();
  c.get(0); c.get(1); c.get(2); c.memoryCopy();
  c.op('end');
  return c;
};

/** Why not TypedArray.fill: the same. */
const fillFunction = (): Code => {
  const c = new Code();
  c.get(0); c.get(1); c.get(2); c.memoryFill();
  c.op('end');
  return c;
};

/** Module exporting `run(vp, context) -> Exit`, `copy(to, from, bytes)` and `fill(to, value, bytes)`. */
export const coreModule = (): Uint8Array<ArrayBuffer> => {
  const c = new Code();
  const leave = (reason: number): void => { c.i32(reason); c.op('return'); };

  const dispatch = c.loop();
  c.get(CTX); c.memory('i32_load', CONTEXT.budget); c.get(CTX); c.memory('i32_load', CONTEXT.kick); c.op('i32_lt_s');
  c.if(); leave(Exit.BUDGET); c.op('end');
  // Jump cache: index from RIP, tag RIP ^ mode id << 48.
  c.get(VP); c.memory('i64_load', Slot.RIP * 8); c.tee(RIP);
  c.op('i32_wrap'); c.i32(JUMP_MULTIPLIER); c.op('i32_mul'); c.i32(JUMP_SHIFT); c.op('i32_shr_u'); c.i32(JUMP_ENTRY_SIZE); c.op('i32_mul');
  c.get(CTX); c.op('i32_add'); c.tee(ENTRY);
  c.memory('i64_load', CONTEXT.jump);
  c.get(RIP); c.get(CTX); c.memory('i64_load', CONTEXT.jumpTag); c.op('i64_xor');
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
  c.get(CTX); c.get(CTX); c.memory('i32_load', CONTEXT.budget); c.get(CODE); c.memory('i32_load', 0); c.op('i32_sub'); c.memory('i32_store', CONTEXT.budget);
  c.get(CODE); c.i32(BLOCK_HEADER_SIZE); c.op('i32_add'); c.set(PC);

  const next = c.loop();
  const advance = (): void => { c.get(PC); c.i32(RECORD_SIZE); c.op('i32_add'); c.set(PC); c.br(next); };
  const frames = [false, true].map((immediate) => recordFrame(c, RUN_LOCALS, immediate, dispatch));
  handlers(
    c,
    handlersOf(false),
    (h) => {
      SEMANTICS[h.op](c, frames[h.immediate ? 1 : 0]);
      advance();
    },
    () => {
      c.get(VP); c.get(CTX); c.get(PC); c.get(RIP); c.call(VECTOR_FUNCTION); c.tee(ENTRY);
      c.if(); c.get(ENTRY); c.op('return'); c.op('end');
      advance();
    },
  );
  c.op('end'); // next
  c.op('unreachable');
  c.op('end'); // dispatch
  c.op('unreachable');
  c.op('end');
  return assemble({
    types: TYPES,
    imports: HELPER_IMPORTS,
    tables: [['table', 1], ['functions', FLOAT_FUNCTIONS.length]],
    functions: [
      { type: UNIT_TYPE, locals: [[3, I32], [4, I64], [1, V128], [1, I32]], body: c, exportAs: 'run' },
      { type: VECTOR_TYPE, locals: [[1, I32], [3, I64], [1, V128], [1, I32]], body: vectorFunction() },
      { type: COPY_TYPE, locals: [], body: copyFunction(), exportAs: 'copy' },
      { type: COPY_TYPE, locals: [], body: fillFunction(), exportAs: 'fill' },
    ],
  });
};
