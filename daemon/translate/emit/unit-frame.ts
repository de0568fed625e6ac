// Operands as a compiled unit has them: slots are locals, immediates constants. What differs from one micro-op to the next is where `at` stands.
import type { Views } from '../../../shared/layout/struct.js';
import { Slot } from '../../../shared/layout/vp.js';
import { Exit } from '../micro-op.js';
import { type Frame, Helper, SysResult } from './frame.js';
import { CONTEXT } from './semantics.js';
import type { UnitFloats } from './unit-floats.js';
import type { UnitSlots } from './unit-slots.js';
import { type Code, I32, I64, type Locals, V128 } from './wasm.js';

export const VP = 0;
export const CTX = 1;
const ZEROS = new Uint8Array(16);

/** Where emission stands. */
export interface Position {
  /** Address of the record, and RIP of its block. */
  at: number;
  rip: number;
  /** Operand b is the record's immediate. */
  immediateB: boolean;
  /** Of this access (unit-recent). */
  recent: number;
}

/** What the frame leaves to the unit. */
export interface UnitExits {
  /** Leaves the unit: `pushRip` pushes where to go on. */
  leaveTo(pushRip: () => void, reason: number): void;
  settleFlags(): void;
  /** What is emitted may settle them, and leaves them as they are: those that were put off before are put off after it. */
  keepingFlags(emit: () => void): void;
}

export const number64 = (c: Code, n: number): void => c.i64(n | 0, Math.floor(n / 4294967296) | 0);

export const unitFrame = (
  c: Code,
  views: Views,
  p: Position,
  slots: UnitSlots,
  locals: Locals,
  tlb: number,
  budget: number,
  floats: UnitFloats,
  exits: UnitExits,
): Frame => {
  const { u8, u16, i32 } = views;
  const status = locals.add(I32);
  const immediateLo = (): number => i32[(p.at + 8) >>> 2];
  const immediateHi = (): number => i32[(p.at + 12) >>> 2];
  const immediate = (): void => c.i64(immediateLo(), immediateHi());
  const ripHere = (): void => number64(c, p.rip + u16[(p.at + 6) >>> 1]);
  const takeBudget = (): void => {
    c.get(CTX);
    c.memory('i32_load', CONTEXT.budget);
    c.set(budget);
  };
  const giveBudget = (): void => {
    c.get(CTX);
    c.get(budget);
    c.memory('i32_store', CONTEXT.budget);
  };
  /** What of the block has not been retired is not charged. */
  const refund = (count: number): void => {
    if (count === 0) return;
    c.get(budget);
    c.i32(count);
    c.op('i32_add');
    c.set(budget);
  };
  const callSys = (): void => {
    exits.settleFlags();
    slots.store();
    c.get(VP);
    ripHere();
    c.memory('i64_store', Slot.RIP * 8);
    giveBudget();
    c.i32(immediateLo());
    c.call(Helper.sys);
    c.tee(status);
    c.if();
    // Everything is in the VP block already, and RIP is where the helper put it.
    c.get(CTX);
    c.get(CTX);
    c.memory('i32_load', CONTEXT.budget);
    c.i32(u8[p.at + 5]);
    c.get(status);
    c.i32(SysResult.FAULT);
    c.op('i32_ne');
    c.op('i32_sub');
    c.op('i32_add');
    c.memory('i32_store', CONTEXT.budget);
    c.get(status);
    c.i32(SysResult.DISPATCH);
    c.op('i32_eq');
    c.if();
    c.i32(Exit.NEXT);
    c.op('return');
    c.op('end');
    c.i32(Exit.FAULT);
    c.i32(Exit.SYS);
    c.get(status);
    c.i32(SysResult.FAULT);
    c.op('i32_eq');
    c.op('select');
    c.op('return');
    c.op('end');
    slots.load();
    floats.lookAtMxcsr();
    takeBudget();
  };
  const a = (): number => u8[p.at + 3];
  const b = (): number => u8[p.at + 4];
  const third = (): number => u8[p.at + 8];
  return {
    a: () => slots.push(a()),
    b: () => {
      if (p.immediateB) immediate();
      else slots.push(b());
    },
    c: () => slots.push(third()),
    a32: () => slots.push32(a()),
    b32: () => {
      if (p.immediateB) c.i32(immediateLo());
      else slots.push32(b());
    },
    c32: () => slots.push32(third()),
    fits32: (operand) => {
      if (operand === 'a') return slots.fits32(a());
      if (operand === 'c') return slots.fits32(third());
      return operand === 'b' && !p.immediateB ? slots.fits32(b()) : immediateHi() === 0;
    },
    immediate,
    immediateLo: () => c.i32(immediateLo()),
    d: (value) => slots.set(u8[p.at + 2], value),
    d32: (value) => slots.set32(u8[p.at + 2], value),
    va: () => slots.pushVector(a()),
    vb: () => slots.pushVector(b()),
    vc: () => slots.pushVector(third()),
    vd: (value) => slots.setVector(u8[p.at + 2], value),
    pickLanes: (laneBytes) => {
      const lanes = immediateLo();
      slots.pushVector(a());
      slots.pushVector(b());
      c.shuffle(Array.from({ length: 16 }, (_, i) => ((lanes >>> (Math.floor(i / laneBytes) * 4)) & 15) * laneBytes + (i % laneBytes)));
    },
    pickBytes: () => {
      const from = immediateLo();
      // A shuffle has two operands: from 16 on they are (b, 0).
      if (from < 16) {
        slots.pushVector(a());
        slots.pushVector(b());
      } else {
        slots.pushVector(b());
        c.v128(ZEROS);
      }
      c.shuffle(Array.from({ length: 16 }, (_, i) => (from & 15) + i));
    },
    slot: (s) => slots.push(s),
    setSlot: (s, value) => slots.set(s, value),
    vp: () => c.get(VP),
    tlb: () => c.get(tlb),
    recent: () => p.recent,
    context: () => c.get(CTX),
    record: () => c.i32(p.at),
    leaveHere: (reason) => {
      refund(u8[p.at + 5]);
      exits.leaveTo(ripHere, reason);
    },
    beforeSlow: giveBudget,
    afterSlow: takeBudget,
    charge: (value) => {
      c.get(budget);
      value();
      c.op('i32_sub');
      c.set(budget);
    },
    callSys: (aside) => (aside ? exits.keepingFlags(callSys) : callSys()),
    constant: immediateLo,
    plain: () => floats.pushPlain(),
    callVectorFloat: (integer) => {
      c.get(VP);
      immediate();
      integer();
      floats.callVectorFloat();
    },
    float: (format) => floats.scratch(format),
    callFunction: () => {
      c.get(VP);
      slots.push(a());
      slots.push(b());
      floats.call(immediateLo());
    },
    leaveAfter: () => {
      refund(u8[p.at + 5] - 1);
      exits.leaveTo(() => number64(c, p.rip + u16[(p.at + 6) >>> 1] + immediateLo()), Exit.NEXT);
    },
    jump: () => {},
    jumpTo: () => {},
    branch: () => {},
    x: locals.add(I64),
    y: locals.add(I64),
    z: locals.add(I64),
    entry: locals.add(I32),
    w: locals.add(I32),
    v: locals.add(V128),
  };
};
