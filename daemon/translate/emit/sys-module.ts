// The first half of `sys`: what can be answered from memory is, all else goes on to JavaScript. One fixed module per partition memory, called by both tiers.
// Why: an intercept that only says what it said before costs a guest tens of nanoseconds in JavaScript, and a few here.
//
//   sys(vp, context, descriptor) -> SysResult: CPUID from the LP's kept answers (machine/cpuid-answers); others `sysSlow(descriptor)`.

import { ANSWER_ENTRIES, ANSWER_SIZE, Answer } from '../../../shared/layout/cpuid-answer.js';
import { LpContextLayout } from '../../../shared/layout/lp-context.js';
import { Slot } from '../../../shared/layout/vp.js';
import { SysOp } from '../micro-op.js';
import { SysResult } from './frame.js';
import { assemble, Code, I32 } from './wasm.js';

const VP = 0;
const CTX = 1;
const DESCRIPTOR = 2;
const ENTRY = 3;
const LEAF = 4;
const SYS_SLOW = 0;
const AT = LpContextLayout.at;

/** Module exporting `sys`; imports `sysSlow`. */
export const sysModule = (): Uint8Array<ArrayBuffer> => {
  const c = new Code();
  const register = (slot: number): void => {
    c.get(VP);
    c.memory('i32_load', slot * 8);
  };
  const kept = (field: number): void => {
    c.get(ENTRY);
    c.memory('i32_load', AT.answers + field);
  };
  const same = (): void => c.op('i32_eq');

  const slow = c.block();
  c.get(DESCRIPTOR);
  c.i32(0xff);
  c.op('i32_and');
  c.i32(SysOp.CPUID);
  c.op('i32_ne');
  c.brIf(slow);
  // CPUID is a serializing instruction: what another processor changed comes with a kick, which must be seen after it (SDM 3A 9.3).
  c.get(CTX);
  c.memory('i32_load', AT.kick);
  c.brIf(slow);
  register(Slot.RAX);
  c.tee(LEAF);
  c.get(LEAF);
  c.i32(29);
  c.op('i32_shr_u');
  c.op('i32_xor');
  c.i32(ANSWER_ENTRIES - 1);
  c.op('i32_and');
  c.i32(ANSWER_SIZE);
  c.op('i32_mul');
  c.get(CTX);
  c.op('i32_add');
  c.set(ENTRY);
  kept(Answer.LEAF);
  c.get(LEAF);
  same();
  kept(Answer.SUBLEAF);
  register(Slot.RCX);
  same();
  c.op('i32_and');
  kept(Answer.VERSION);
  c.get(CTX);
  c.memory('i32_load', AT.answersVersion);
  same();
  c.op('i32_and');
  c.op('i32_eqz');
  c.brIf(slow);
  for (const [slot, field] of [
    [Slot.RAX, Answer.EAX],
    [Slot.RBX, Answer.EBX],
    [Slot.RCX, Answer.ECX],
    [Slot.RDX, Answer.EDX],
  ] as const) {
    c.get(VP);
    kept(field);
    c.op('i64_extend_i32_u');
    c.memory('i64_store', slot * 8);
  }
  // The same charge as in the slow half, at the same moment.
  c.get(CTX);
  c.get(CTX);
  c.memory('i32_load', AT.budget);
  c.get(CTX);
  c.memory('i32_load', AT.answerCycles);
  c.op('i32_sub');
  c.memory('i32_store', AT.budget);
  c.get(CTX);
  c.get(CTX);
  c.memory('i32_load', AT.answersGiven);
  c.i32(1);
  c.op('i32_add');
  c.memory('i32_store', AT.answersGiven);
  c.i32(SysResult.CONTINUE);
  c.op('return');
  c.op('end');
  c.get(DESCRIPTOR);
  c.call(SYS_SLOW);
  c.op('end');
  return assemble({
    types: [
      { parameters: [I32], results: [I32] },
      { parameters: [I32, I32, I32], results: [I32] },
    ],
    imports: [{ name: 'sysSlow', type: 0 }],
    functions: [{ type: 1, locals: [[2, I32]], body: c, exportAs: 'sys' }],
  });
};
