// PUSH, POP, LEAVE and what they share with CALL and RET: the stack pointer by stack width (SDM 1 6.2.3), moved only after the access succeeded.
import { OpKind } from 'iced-x86';
import { Slot } from '../../../shared/layout/vp.js';
import { REGISTER_SLOT, segmentNumber } from '../decode/registers.js';
import { SysOp, type Width } from '../micro-op.js';
import type { Operand } from '../operand.js';
import { inSegment } from './effective-address.js';
import type { Families, Family, InstructionContext } from './instruction-context.js';

const SS = 2;

const stackWidth = (x: InstructionContext): Width => (x.builder.mode.stackBits === 64 ? 3 : x.builder.mode.stackBits === 32 ? 2 : 1);

/** A register's low bits of the stack's width plus a number, as an offset in SS. */
const stackOffset = (x: InstructionContext, slot: number, delta: number): Operand => {
  const { builder } = x;
  const width = stackWidth(x);
  if (delta === 0) return builder.zeroExtended(width, slot);
  if (width === 1) return builder.effective(16, slot, Slot.ZERO, 0, delta);
  return builder.value(width === 3 ? 'add64' : 'add32', slot, builder.constant(delta));
};
/** RSP, ESP or SP := value. */
export const setStackPointer = (x: InstructionContext, value: Operand): void => x.writeSlot(Slot.RSP, stackWidth(x), value);

/** Adds to RSP, ESP or SP. */
export const addToStackPointer = (x: InstructionContext, delta: number): void => {
  const { builder } = x;
  const width = stackWidth(x);
  if (width === 1) builder.value('ins16', Slot.RSP, builder.value('add32', Slot.RSP, builder.constant(delta)), Slot.RSP);
  else builder.value(width === 3 ? 'add64' : 'add32', Slot.RSP, builder.constant(delta), Slot.RSP);
};

/** Stores the value below the stack pointer; `stored` bytes of it, where they differ from the width (segment registers). */
export const push = (x: InstructionContext, width: Width, value: Operand, stored: Width = width): void =>
  setStackPointer(x, storeBelow(x, width, value, stored));
/** The same, but the stack pointer stays: it is to be set to the result. */
export const storeBelow = (x: InstructionContext, width: Width, value: Operand, stored: Width = width): Operand => {
  const { builder } = x;
  const offset = stackOffset(x, Slot.RSP, -(1 << width));
  builder.store(stored, inSegment(x, SS, offset, 1 << stored, true), value);
  return offset;
};
/** Value at the stack pointer plus a number; the pointer stays. */
export const peek = (x: InstructionContext, width: Width, d?: number): Operand => {
  const offset = stackOffset(x, Slot.RSP, 0);
  return x.builder.load(width, inSegment(x, SS, offset, 1 << width, false), false, d);
};

const pushRegister: Family = (x) => push(x, x.width, REGISTER_SLOT[x.register(0)]);
const pushOperand: Family = (x) => {
  // PUSH of memory addressed by RSP uses the old one: the load comes first.
  push(x, x.width, x.read(0, x.width));
};
const pushImmediate =
  (width: Width): Family =>
  (x) =>
    push(x, width, x.immediate(x.kind(0)));
/** 32-bit pushes of a segment register write 16 bits only (SDM 2B, PUSH: recent processors). */
const pushSegment =
  (width: Width): Family =>
  (x) => {
    const { builder } = x;
    const segment = segmentNumber(x.register(0));
    builder.sys({ op: SysOp.MOV_FROM_SEG, width: 1, addressWidth: x.addressWidth, a: segment });
    push(x, width, Slot.ARG1, width === 2 ? 1 : width);
  };
const pushWidth =
  (width: Width): Family =>
  (x) =>
    x.kind(0) === OpKind.Register ? pushSegment(width)(x) : pushImmediate(width)(x);

const popRegister: Family = (x) => {
  const { builder, width } = x;
  const register = x.register(0);
  const slot = REGISTER_SLOT[register];
  if (width >= 2 && slot !== Slot.RSP) {
    peek(x, width, slot);
    addToStackPointer(x, 1 << width);
    return;
  }
  const value = peek(x, width);
  addToStackPointer(x, 1 << width);
  x.writeRegister(register, builder.slot(value));
};
const popOperand: Family = (x) => {
  if (!x.isMemory(0)) return popRegister(x);
  const { builder, width } = x;
  const value = peek(x, width);
  // The address is computed with the stack pointer after the pop (SDM 2B, POP).
  const bytes = 1 << width;
  const after =
    stackWidth(x) === 1
      ? builder.value('ins16', Slot.RSP, builder.value('add32', Slot.RSP, builder.constant(bytes)))
      : stackOffset(x, Slot.RSP, bytes);
  x.stackPointer = after;
  builder.store(width, x.address(bytes, true), value);
  builder.move(Slot.RSP, after);
};
const popSegment =
  (width: Width): Family =>
  (x) =>
    x.builder.sys({ op: SysOp.POP_SEG, width, addressWidth: x.addressWidth, a: segmentNumber(x.register(0)) }, true);

const leave =
  (width: Width): Family =>
  (x) => {
    const { builder } = x;
    const offset = stackOffset(x, Slot.RBP, 0);
    const value = builder.load(width, inSegment(x, SS, offset, 1 << width, false));
    const stack = stackWidth(x);
    if (stack === 1) setStackPointer(x, stackOffset(x, Slot.RBP, 1 << width));
    else builder.value(stack === 3 ? 'add64' : 'add32', Slot.RBP, builder.constant(1 << width), Slot.RSP);
    x.writeSlot(Slot.RBP, width, value);
  };
const enter =
  (width: Width): Family =>
  (x) => {
    const { builder } = x;
    const i = x.decoder.instruction;
    builder.move(Slot.ARG1, builder.constant(i.immediate16));
    builder.move(Slot.ARG2, builder.constant(i.immediate8_2nd));
    builder.sys({ op: SysOp.ENTER, width, addressWidth: x.addressWidth });
  };
const sized =
  (op: number, width: Width): Family =>
  (x) =>
    x.builder.sys({ op, width, addressWidth: x.addressWidth });

export const stackFamilies: Families = {
  Push_r16: pushRegister,
  Push_r32: pushRegister,
  Push_r64: pushRegister,
  Push: pushOperand,
  Pushw: pushWidth(1),
  Pushd: pushWidth(2),
  Pushq: pushWidth(3),
  Push_imm16: pushImmediate(1),
  Pop: popOperand,
  Popw: popSegment(1),
  Popd: popSegment(2),
  Popq: popSegment(3),
  Leavew: leave(1),
  Leaved: leave(2),
  Leaveq: leave(3),
  Enterw: enter(1),
  Enterd: enter(2),
  Enterq: enter(3),
  Pushaw: sized(SysOp.PUSHA, 1),
  Pushad: sized(SysOp.PUSHA, 2),
  Popaw: sized(SysOp.POPA, 1),
  Popad: sized(SysOp.POPA, 2),
  Pushfw: sized(SysOp.PUSHF, 1),
  Pushfd: sized(SysOp.PUSHF, 2),
  Pushfq: sized(SysOp.PUSHF, 3),
  Popfw: sized(SysOp.POPF, 1),
  Popfd: sized(SysOp.POPF, 2),
  Popfq: sized(SysOp.POPF, 3),
};
