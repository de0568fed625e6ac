// Near JMP, CALL, RET, LOOP and JCXZ (SDM 1 7.3.8). The target is cut to the operand size; in 64-bit mode that is always 64 bits.
import { Slot } from '../../../shared/layout/vp.js';
import { CODE_COUNT, CODES, codeNumber } from '../decode/forms.js';
import type { Width } from '../micro-op.js';
import type { Operand } from '../operand.js';
import type { Families, Family, InstructionContext } from './instruction-context.js';
import { addToStackPointer, peek, setStackPointer, storeBelow } from './stack.js';

const GP = 13;
const CANONICAL_LIMIT = 2 ** 47;

/** Bytes of the displacement and operand size of each relative branch: Jo_rel8_16, Call_rel32_64, Jmp_rel16. */
const DISPLACEMENT_BYTES = new Uint8Array(CODE_COUNT);
const TARGET_WIDTH = new Uint8Array(CODE_COUNT);
for (const name of CODES) {
  const m = /_rel(8|16|32)(?:_(16|32|64))?/.exec(name);
  if (!m) continue;
  DISPLACEMENT_BYTES[codeNumber(name)] = Number(m[1]) / 8;
  TARGET_WIDTH[codeNumber(name)] = { 16: 1, 32: 2, 64: 3 }[Number(m[2] ?? m[1]) as 16 | 32 | 64];
}

/** RIP that the relative branch at hand goes to. */
export const nearTarget = (x: InstructionContext): number => {
  const { builder, code } = x;
  const target = builder.nearRip + builder.length + x.trailing(DISPLACEMENT_BYTES[code]);
  const width = TARGET_WIDTH[code];
  if (width >= 2) return width === 3 ? target : target >>> 0;
  builder.constants.positionIsFixed = true;
  return target & 0xffff;
};

/**
 * A near transfer to a non-canonical RIP, or beyond the limit of CS, faults before anything has changed: #GP(0) at the branch (SDM 2A, CALL; JMP; RET).
 * A 16-bit target is compared with the limit only when it is fetched: segments that are smaller are not seen in practice.
 */
const requireInside = (x: InstructionContext, width: Width, target: number): void => {
  const { builder } = x;
  if (builder.mode.bits !== 64) {
    if (!builder.mode.flat && width === 2) builder.codeCheck(target);
    return;
  }
  const unused = builder.constant(16);
  const extended = builder.value('sar64', builder.value('shl64', target, unused), unused);
  builder.trapIf(builder.value('xor64', extended, target), GP, 0);
};

/** Whether the target of a relative branch is not canonical: then it faults at the branch, if that is taken. */
export const isBeyond = ({ builder }: InstructionContext, target: number): boolean => {
  if (builder.mode.bits !== 64 || (target < CANONICAL_LIMIT && target >= -CANONICAL_LIMIT)) return false;
  builder.constants.positionIsFixed = true;
  return true;
};
/** A branch to such a target, taken when the condition is not 0. */
export const branchBeyond = ({ builder }: InstructionContext, condition: Operand): void => {
  builder.trapIf(condition, GP, 0);
  builder.jump(builder.nextRip);
};

/** A relative JMP or CALL: checked as others are; of 32-bit ones only those in segments with limits are. */
const requireTargetInside = (x: InstructionContext, width: Width, target: number): void => {
  if (isBeyond(x, target)) x.builder.trapIf(x.builder.constant(1), GP, 0);
  if (width === 2 && !x.builder.mode.flat) requireInside(x, width, x.builder.slot(x.builder.position(target)));
};
const jumpRelative: Family = (x) => {
  const target = nearTarget(x);
  requireTargetInside(x, TARGET_WIDTH[x.code] as Width, target);
  x.builder.jump(target);
};
const jumpIndirect: Family = (x) => {
  const { builder, width } = x;
  const target = builder.slot(builder.zeroExtended(width, x.read(0, width)));
  requireInside(x, width, target);
  builder.jumpTo(target);
};

const returnAddress = (x: InstructionContext, width: Width): Operand => {
  const { builder } = x;
  return width === 1 ? builder.constant(builder.nextRip & 0xffff) : builder.position(builder.nextRip);
};
/** Pushes the return address. Processors look at the target only when that has been written (a fault leaves it below the stack pointer). */
const callTo = (x: InstructionContext, width: Width, check: () => void): void => {
  const stackPointer = storeBelow(x, width, returnAddress(x, width));
  check();
  setStackPointer(x, stackPointer);
};
const callRelative: Family = (x) => {
  const width = TARGET_WIDTH[x.code] as Width;
  const target = nearTarget(x);
  callTo(x, width, () => requireTargetInside(x, width, target));
  x.builder.jump(target);
};
const callIndirect: Family = (x) => {
  const { builder, width } = x;
  let target = builder.slot(builder.zeroExtended(width, x.read(0, width)));
  if (target === Slot.RSP) target = builder.copy(target);
  callTo(x, width, () => requireInside(x, width, target));
  builder.jumpTo(target);
};
const ret =
  (width: Width, releases = false): Family =>
  (x) => {
    const { builder } = x;
    const target = peek(x, width);
    requireInside(x, width, builder.slot(target));
    addToStackPointer(x, (1 << width) + (releases ? x.decoder.instruction.immediate16 : 0));
    builder.jumpTo(target);
  };

/** Counter register's width by code: Loop_rel8_16_ECX, Jrcxz_rel8_64. */
const COUNTER_WIDTH = new Uint8Array(CODE_COUNT);
for (const name of CODES) {
  const m = /^Loop(?:e|ne)?_.*_(CX|ECX|RCX)$|^J(cx|ecx|rcx)z_/.exec(name);
  if (m) COUNTER_WIDTH[codeNumber(name)] = { CX: 1, ECX: 2, RCX: 3 }[(m[1] ?? m[2]).toUpperCase() as 'CX'];
}
/** LOOP, and with an E/NE condition on ZF. No flag changes. */
const loop =
  (cc: number): Family =>
  (x) => {
    const { builder } = x;
    const width = COUNTER_WIDTH[x.code] as Width;
    const less = builder.constant(-1);
    const target = nearTarget(x);
    const beyond = isBeyond(x, target);
    let count: number;
    if (width === 1) {
      count = builder.zeroExtended(1, builder.value('add32', Slot.RCX, less));
      builder.value('ins16', Slot.RCX, count, Slot.RCX);
    } else count = builder.value(width === 3 ? 'add64' : 'add32', Slot.RCX, less, beyond ? undefined : Slot.RCX);
    const taken = cc < 0 ? count : builder.value('and64', builder.value('ne', count, builder.constant(0)), builder.condition(cc));
    if (!beyond) builder.branch(taken, target);
    else {
      builder.trapIf(taken, GP, 0);
      builder.move(Slot.RCX, count);
      builder.jump(builder.nextRip);
    }
  };
const jcxz: Family = (x) => {
  const { builder } = x;
  const count = builder.slot(builder.zeroExtended(COUNTER_WIDTH[x.code] as Width, Slot.RCX));
  const target = nearTarget(x);
  if (isBeyond(x, target)) branchBeyond(x, builder.value('eq', count, builder.constant(0)));
  else builder.branch(count, builder.nextRip, target);
};

const families: Record<string, Family> = {
  Retnw: ret(1),
  Retnd: ret(2),
  Retnq: ret(3),
  Retnw_imm16: ret(1, true),
  Retnd_imm16: ret(2, true),
  Retnq_imm16: ret(3, true),
  Loop: loop(-1),
  Loope: loop(4),
  Loopne: loop(5),
  Jcxz: jcxz,
  Jecxz: jcxz,
  Jrcxz: jcxz,
};
for (const width of [16, 32, 64]) {
  families[`Jmp_rm${width}`] = jumpIndirect;
  families[`Call_rm${width}`] = callIndirect;
}
for (const name of CODES) {
  if (name.startsWith('Jmp_rel')) families[name] = jumpRelative;
  if (name.startsWith('Call_rel')) families[name] = callRelative;
}
export const branchFamilies: Families = families;
