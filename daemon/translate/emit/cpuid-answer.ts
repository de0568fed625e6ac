// CPUID from the LP's kept answers (machine/cpuid-answers), in both tiers without a call: nothing but the four registers changes. The charge is that of the intercept, at
// the same moment; it is counted when guest code is left. Why a micro-op of its own: kernels and runtimes use CPUID as a fence, and a spill of all registers would cost more.
import { ANSWER_ENTRIES, ANSWER_SIZE, Answer } from '../../../shared/layout/cpuid-answer.js';
import { LpContextLayout } from '../../../shared/layout/lp-context.js';
import { Slot } from '../../../shared/layout/vp.js';
import type { Emit } from './frame.js';

/** What CPUID writes. */
export const CPUID_REGISTERS: readonly number[] = [Slot.RAX, Slot.RBX, Slot.RCX, Slot.RDX];
const FIELDS = [Answer.EAX, Answer.EBX, Answer.ECX, Answer.EDX];
const { at } = LpContextLayout;
const SIZE_SHIFT = Math.log2(ANSWER_SIZE);

export const answerCpuid: Emit = (c, f) => {
  const slot32 = (slot: number): void => {
    f.slot(slot);
    c.op('i32_wrap');
  };
  const kept = (field: number): void => {
    c.get(f.entry);
    c.memory('i32_load', at.answers + field);
  };
  // The leaf's place.
  f.context();
  slot32(Slot.RAX);
  slot32(Slot.RAX);
  c.i32(29);
  c.op('i32_shr_u');
  c.op('i32_xor');
  c.i32(ANSWER_ENTRIES - 1);
  c.op('i32_and');
  c.i32(SIZE_SHIFT);
  c.op('i32_shl');
  c.op('i32_add');
  c.set(f.entry);
  // 0: it is for this leaf and subleaf and holds, and no kick waits. A serializing instruction: what another processor changed comes with a kick, which must be seen
  // after it (SDM 3A 9.3).
  kept(Answer.LEAF);
  slot32(Slot.RAX);
  c.op('i32_xor');
  kept(Answer.SUBLEAF);
  slot32(Slot.RCX);
  c.op('i32_xor');
  c.op('i32_or');
  kept(Answer.VERSION);
  f.context();
  c.memory('i32_load', at.answersVersion);
  c.op('i32_xor');
  c.op('i32_or');
  f.context();
  c.memory('i32_load', at.kick);
  c.op('i32_or');
  c.hint(false);
  c.if();
  f.callSys(true);
  c.op('else');
  CPUID_REGISTERS.forEach((register, n) => {
    f.setSlot(register, () => {
      kept(FIELDS[n]);
      c.op('i64_extend_i32_u');
    });
  });
  f.charge(() => {
    f.context();
    c.memory('i32_load', at.answerCycles);
  });
  f.context();
  f.context();
  c.memory('i32_load', at.answersGiven);
  c.i32(1);
  c.op('i32_add');
  c.memory('i32_store', at.answersGiven);
  c.op('end');
};
