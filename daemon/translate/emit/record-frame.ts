// Operands as the micro-op machine finds them: slot numbers and immediates are read from the record at PC.
import { Slot, VpLayout } from '../../../shared/layout/vp.js';
import { FLOAT_FUNCTIONS } from '../float-functions.js';
import { Exit, RECORD_SIZE } from '../micro-op.js';
import { BlockHeader, OBSERVED } from './block-layout.js';
import { type Frame, FUNCTION_TABLE, FUNCTION_TYPE, Helper, SysResult } from './frame.js';
import { CONTEXT } from './semantics.js';
import { SCRATCH } from './vector-semantics.js';
import type { Code } from './wasm.js';

/** Local numbers of the function that the handlers are part of. */
export interface RecordLocals {
  readonly vp: number;
  readonly context: number;
  /** Address of the record, and RIP of its block. */
  readonly pc: number;
  readonly rip: number;
  /** Address of the block's header. */
  readonly block: number;
  /** Scratch: two i32, three i64, v128. */
  readonly entry: number;
  readonly w: number;
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly v: number;
}

const VECTORS = VpLayout.at.vectors;

/** `dispatch`: label of the loop that looks RIP up. */
export const recordFrame = (c: Code, at: RecordLocals, immediateB: boolean, dispatch: number): Frame => {
  const slotAddress = (recordOffset: number, sizeLog2 = 3): void => {
    c.get(at.pc);
    c.memory('i32_load8_u', recordOffset);
    c.i32(sizeLog2);
    c.op('i32_shl');
    c.get(at.vp);
    c.op('i32_add');
  };
  const vector = (recordOffset: number): void => {
    slotAddress(recordOffset, 4);
    c.load128(VECTORS);
  };
  const budgetAdd = (value: () => void): void => {
    c.get(at.context);
    c.get(at.context);
    c.memory('i32_load', CONTEXT.budget);
    value();
    c.op('i32_add');
    c.memory('i32_store', CONTEXT.budget);
  };
  const left = (): void => {
    c.get(at.pc);
    c.memory('i32_load8_u', 5);
  };
  const setRip = (value: () => void): void => {
    c.get(at.vp);
    value();
    c.memory('i64_store', Slot.RIP * 8);
  };
  const ripHere = (): void => {
    c.get(at.rip);
    c.get(at.pc);
    c.memory('i64_load16_u', 6);
    c.op('i64_add');
  };
  const leave = (reason: number): void => {
    c.i32(reason);
    c.op('return');
  };
  const immediate = (): void => {
    c.get(at.pc);
    c.memory('i64_load', 8);
  };
  const immediateLo = (): void => {
    c.get(at.pc);
    c.memory('i32_load', 8);
  };
  const spillPair = (): void => {
    c.get(at.vp);
    vector(3);
    c.store128(SCRATCH);
    c.get(at.vp);
    vector(4);
    c.store128(SCRATCH + 16);
  };
  return {
    a: () => {
      slotAddress(3);
      c.memory('i64_load', 0);
    },
    b: () => {
      if (immediateB) immediate();
      else {
        slotAddress(4);
        c.memory('i64_load', 0);
      }
    },
    c: () => {
      slotAddress(8);
      c.memory('i64_load', 0);
    },
    a32: () => {
      slotAddress(3);
      c.memory('i32_load', 0);
    },
    b32: () => {
      if (immediateB) immediateLo();
      else {
        slotAddress(4);
        c.memory('i32_load', 0);
      }
    },
    c32: () => {
      slotAddress(8);
      c.memory('i32_load', 0);
    },
    fits32: () => false,
    immediate,
    immediateLo,
    d: (value) => {
      slotAddress(2);
      value();
      c.memory('i64_store', 0);
    },
    d32: (value) => {
      slotAddress(2);
      value();
      c.op('i64_extend_i32_u');
      c.memory('i64_store', 0);
    },
    va: () => vector(3),
    vb: () => vector(4),
    vc: () => vector(8),
    vd: (value) => {
      slotAddress(2, 4);
      value();
      c.store128(VECTORS);
    },
    pickLanes: (laneBytes) => {
      spillPair();
      c.v128(new Uint8Array(16));
      for (let lane = 0; lane < 16 / laneBytes; lane++) {
        c.get(at.vp);
        immediateLo();
        c.i32(lane * 4);
        c.op('i32_shr_u');
        c.i32(15);
        c.op('i32_and');
        c.i32(laneBytes === 2 ? 1 : 2);
        c.op('i32_shl');
        c.op('i32_add');
        c.memory(laneBytes === 2 ? 'i32_load16_u' : 'i32_load', SCRATCH);
        c.lane(laneBytes === 2 ? 'i16x8_replace' : 'i32x4_replace', lane);
      }
    },
    pickBytes: () => {
      spillPair();
      c.get(at.vp);
      immediateLo();
      c.op('i32_add');
      c.load128(SCRATCH);
    },
    slot: (s) => {
      c.get(at.vp);
      c.memory('i64_load', s * 8);
    },
    setSlot: (s, value) => {
      c.get(at.vp);
      value();
      c.memory('i64_store', s * 8);
    },
    vp: () => c.get(at.vp),
    recent: () => 0,
    tlb: () => {
      c.get(at.context);
      c.memory('i32_load', CONTEXT.tlb);
    },
    context: () => c.get(at.context),
    record: () => c.get(at.pc),
    leaveHere: (reason) => {
      setRip(ripHere);
      budgetAdd(left);
      leave(reason);
    },
    constant: () => undefined,
    plain: () => c.i32(0),
    callVectorFloat: (integer) => {
      c.get(at.vp);
      immediate();
      integer();
      c.i32(FLOAT_FUNCTIONS.indexOf('vectorFloat'));
      c.callIndirect(FUNCTION_TYPE, FUNCTION_TABLE);
    },
    float: () => at.x,
    callFunction: () => {
      c.get(at.vp);
      slotAddress(3);
      c.memory('i64_load', 0);
      slotAddress(4);
      c.memory('i64_load', 0);
      immediateLo();
      c.callIndirect(FUNCTION_TYPE, FUNCTION_TABLE);
    },
    leaveAfter: () => {
      setRip(() => {
        ripHere();
        immediate();
        c.op('i64_add');
      });
      budgetAdd(() => {
        left();
        c.i32(1);
        c.op('i32_sub');
      });
      c.br(dispatch);
    },
    charge: (value) => {
      budgetAdd(() => {
        c.i32(0);
        value();
        c.op('i32_sub');
      });
    },
    beforeSlow: () => {},
    afterSlow: () => {},
    callSys: () => {
      setRip(ripHere);
      immediateLo();
      c.call(Helper.sys);
      c.tee(at.entry);
      c.if();
      c.get(at.entry);
      c.i32(SysResult.FAULT);
      c.op('i32_eq');
      c.if();
      budgetAdd(left);
      leave(Exit.FAULT);
      c.op('end');
      budgetAdd(() => {
        left();
        c.i32(1);
        c.op('i32_sub');
      });
      c.get(at.entry);
      c.i32(SysResult.DISPATCH);
      c.op('i32_eq');
      c.brIf(dispatch);
      leave(Exit.SYS);
      c.op('end');
    },
    jump: () => {
      setRip(immediate);
      c.br(dispatch);
    },
    jumpTo: () => {
      setRip(() => {
        slotAddress(3);
        c.memory('i64_load', 0);
      });
      // Where it went, by turns into the places behind the record: regions are made along them.
      c.get(at.pc);
      c.get(at.block);
      c.memory('i32_load', BlockHeader.RUNS);
      c.i32(OBSERVED - 1);
      c.op('i32_and');
      c.i32(3);
      c.op('i32_shl');
      c.op('i32_add');
      slotAddress(3);
      c.memory('i64_load', 0);
      c.memory('i64_store', RECORD_SIZE);
      c.br(dispatch);
    },
    branch: () => {
      setRip(() => {
        c.get(at.rip);
        immediateLo();
        c.get(at.pc);
        c.memory('i32_load', 12);
        slotAddress(3);
        c.memory('i64_load', 0);
        c.op('i64_eqz');
        c.op('i32_eqz');
        c.op('select');
        c.op('i64_extend_i32_s');
        c.op('i64_add');
      });
      c.br(dispatch);
    },
    x: at.x,
    y: at.y,
    z: at.z,
    entry: at.entry,
    w: at.w,
    v: at.v,
  };
};
