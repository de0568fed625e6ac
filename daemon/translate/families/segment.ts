// Segment registers, far transfers and descriptor tables (SDM 3A 3, 5): operands are fetched here, the rest is the slow half's.
import { OpKind } from 'iced-x86';
import { Slot } from '../../../shared/layout/vp.js';
import { REGISTER_SLOT, REGISTER_WIDTH, segmentNumber } from '../decode/registers.js';
import { SysOp, type Width } from '../micro-op.js';
import type { Operand } from '../operand.js';
import { effectiveOffset, segmented } from './effective-address.js';
import type { Families, Family, InstructionContext } from './instruction-context.js';
import { undefinedInstruction } from './undefined.js';

const CS = 1;

const fromSegment: Family = (x) => {
  const { builder, addressWidth } = x;
  builder.sys({ op: SysOp.MOV_FROM_SEG, width: 1, addressWidth, a: segmentNumber(x.register(1)) });
  writeSelector(x);
};
/** ARG1 to the operand: 16 bits of memory, or a register zero-extended to its width. */
const writeSelector = (x: InstructionContext): void => {
  if (x.isMemory(0)) x.builder.store(1, x.address(2, true), Slot.ARG1);
  else x.writeRegister(x.register(0), x.builder.zeroExtended(1, Slot.ARG1));
};
const toSegment: Family = (x) => {
  const segment = segmentNumber(x.register(0));
  if (segment === CS) {
    undefinedInstruction(x);
    return;
  }
  x.builder.move(Slot.ARG1, x.builder.zeroExtended(1, x.read(1, 1)));
  x.builder.sys({ op: SysOp.MOV_TO_SEG, width: 1, addressWidth: x.addressWidth, a: segment }, true);
};

/** Loads a far pointer: offset to ARG1, selector to ARG2. */
const loadPointer = (x: InstructionContext, width: Width): void => {
  const { builder } = x;
  const bytes = 1 << width;
  const offset = builder.slot(effectiveOffset(x));
  const address = builder.slot(segmented(x, offset, bytes + 2, false));
  const low = builder.load(width, address);
  const selector = builder.load(1, builder.value(builder.mode.bits === 64 ? 'add64' : 'add32', address, builder.constant(bytes)));
  builder.move(Slot.ARG1, low);
  builder.move(Slot.ARG2, selector);
};
const loadFar =
  (segment: number): Family =>
  (x) => {
    const { addressWidth } = x;
    const register = x.register(0);
    const width = REGISTER_WIDTH[register] as Width;
    loadPointer(x, width);
    x.builder.sys({ op: SysOp.LOAD_FAR, width, addressWidth, a: segment, b: REGISTER_SLOT[register] }, true);
  };

const farDirect =
  (op: number, width: Width): Family =>
  (x) => {
    const { builder } = x;
    const i = x.decoder.instruction;
    builder.move(Slot.ARG1, builder.constant(i.op0Kind === OpKind.FarBranch16 ? i.farBranch16 : i.farBranch32));
    builder.move(Slot.ARG2, builder.constant(i.farBranchSelector));
    builder.sys({ op, width, addressWidth: x.addressWidth }, true);
  };
const farIndirect =
  (op: number, width: Width): Family =>
  (x) => {
    loadPointer(x, width);
    x.builder.sys({ op, width, addressWidth: x.addressWidth }, true);
  };
const farReturn =
  (width: Width, releases = false): Family =>
  (x) => {
    x.builder.move(Slot.ARG1, x.builder.constant(releases ? x.decoder.instruction.immediate16 : 0));
    x.builder.sys({ op: SysOp.FAR_RET, width, addressWidth: x.addressWidth }, true);
  };

/** SGDT and its like: ARG0 is where the pseudo-descriptor is; 10 bytes in 64-bit mode, 6 elsewhere. */
/** Privilege comes before the operand, whose segment may not allow the access. Without segments the instruction itself is early enough. */
const requireLevel0 = (x: InstructionContext): void => {
  const { mode } = x.builder;
  if (mode.bits !== 64 && (!mode.flat || x.segmentOverride))
    x.builder.sys({ op: SysOp.LEVEL0, width: x.width, addressWidth: x.addressWidth });
};
const table =
  (op: number, width: Width, write: boolean): Family =>
  (x) => {
    if (!write) requireLevel0(x);
    x.builder.move(Slot.ARG0, x.address(width === 3 ? 10 : 6, write));
    x.builder.sys({ op, width, addressWidth: x.addressWidth, memory: true }, !write);
  };
/** SLDT, STR, SMSW: the helper stores through ARG0, or hands a register's value back in ARG1. */
const storeSystem =
  (op: number): Family =>
  (x) => {
    const { builder, width, addressWidth } = x;
    const memory = x.isMemory(0);
    if (memory) builder.move(Slot.ARG0, x.address(2, true));
    builder.sys({ op, width, addressWidth, memory });
    if (!memory) x.writeRegister(x.register(0), Slot.ARG1);
  };
/** LLDT, LTR, LMSW: ARG0 is the operand's address, or ARG1 its value. */
const loadSystem =
  (op: number): Family =>
  (x) => {
    const { builder, width, addressWidth } = x;
    const memory = x.isMemory(0);
    if (memory) {
      requireLevel0(x);
      builder.move(Slot.ARG0, x.address(2, false));
    } else builder.move(Slot.ARG1, builder.zeroExtended(1, x.readRegister(x.register(0))));
    builder.sys({ op, width, addressWidth, memory }, true);
  };

const selectorOperand = (x: InstructionContext, n: number): Operand => x.builder.zeroExtended(1, x.read(n, 1));
const probe =
  (op: number): Family =>
  (x) => {
    const { builder, addressWidth } = x;
    const register = x.register(0);
    builder.move(Slot.ARG1, selectorOperand(x, 1));
    builder.sys({ op, width: REGISTER_WIDTH[register] as Width, addressWidth, b: REGISTER_SLOT[register] });
  };
const verify =
  (op: number): Family =>
  (x) => {
    x.builder.move(Slot.ARG1, selectorOperand(x, 0));
    x.builder.sys({ op, width: 1, addressWidth: x.addressWidth });
  };
/** ARPL: ARG1 = destination selector, ARG2 = source; ARG1 := result. */
const arpl: Family = (x) => {
  const { builder, addressWidth } = x;
  const memory = x.isMemory(0);
  const address = memory ? x.address(2, true) : 0;
  builder.move(Slot.ARG1, memory ? builder.load(1, address, true) : builder.zeroExtended(1, x.readRegister(x.register(0))));
  builder.move(Slot.ARG2, builder.zeroExtended(1, x.readRegister(x.register(1))));
  builder.sys({ op: SysOp.ARPL, width: 1, addressWidth });
  if (memory) builder.store(1, address, Slot.ARG1);
  else builder.value('ins16', REGISTER_SLOT[x.register(0)], Slot.ARG1, REGISTER_SLOT[x.register(0)]);
};

const families: Record<string, Family> = {
  Les: loadFar(0),
  Lss: loadFar(2),
  Lds: loadFar(3),
  Lfs: loadFar(4),
  Lgs: loadFar(5),
  Jmp_ptr1616: farDirect(SysOp.FAR_JMP, 1),
  Jmp_ptr1632: farDirect(SysOp.FAR_JMP, 2),
  Call_ptr1616: farDirect(SysOp.FAR_CALL, 1),
  Call_ptr1632: farDirect(SysOp.FAR_CALL, 2),
  Jmp_m1616: farIndirect(SysOp.FAR_JMP, 1),
  Jmp_m1632: farIndirect(SysOp.FAR_JMP, 2),
  Jmp_m1664: farIndirect(SysOp.FAR_JMP, 3),
  Call_m1616: farIndirect(SysOp.FAR_CALL, 1),
  Call_m1632: farIndirect(SysOp.FAR_CALL, 2),
  Call_m1664: farIndirect(SysOp.FAR_CALL, 3),
  Retfw: farReturn(1),
  Retfd: farReturn(2),
  Retfq: farReturn(3),
  Retfw_imm16: farReturn(1, true),
  Retfd_imm16: farReturn(2, true),
  Retfq_imm16: farReturn(3, true),
  Sldt: storeSystem(SysOp.SLDT),
  Str: storeSystem(SysOp.STR),
  Smsw: storeSystem(SysOp.SMSW),
  Lldt: loadSystem(SysOp.LLDT),
  Ltr: loadSystem(SysOp.LTR),
  Lmsw: loadSystem(SysOp.LMSW),
  Lar: probe(SysOp.LAR),
  Lsl: probe(SysOp.LSL),
  Verr: verify(SysOp.VERR),
  Verw: verify(SysOp.VERW),
  Arpl: arpl,
};
for (const register of ['rm16', 'r32m16', 'r64m16']) {
  families[`Mov_${register}_Sreg`] = fromSegment;
  families[`Mov_Sreg_${register}`] = toSegment;
}
for (const [form, width] of [
  ['m1632_16', 1],
  ['m1632', 2],
  ['m1664', 3],
] as const) {
  families[`Sgdt_${form}`] = table(SysOp.SGDT, width, true);
  families[`Sidt_${form}`] = table(SysOp.SIDT, width, true);
  families[`Lgdt_${form}`] = table(SysOp.LGDT, width, false);
  families[`Lidt_${form}`] = table(SysOp.LIDT, width, false);
}
export const segmentFamilies: Families = families;
