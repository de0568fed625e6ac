// The x87: each instruction as a call of a function of daemon/float, which works on the registers in the VP block (SDM 1 chapter 8; SDM 2A of each instruction).
// Here are operands in memory and what comes before: #NM while the state is not usable, #MF while an unmasked exception is pending (SDM 1 8.7).
// Undefined condition codes are left as they were.
import { ExtendedState, Slot } from '../../../shared/layout/vp.js';
import type { FloatFunction } from '../float-functions.js';
import { type Condition, SysOp, type Width } from '../micro-op.js';
import type { Operand } from '../operand.js';
import { effectiveOffset, segmented } from './effective-address.js';
import type { Families, Family, InstructionContext } from './instruction-context.js';

const FIRST_ESCAPE = 0xd8;
const LAST_ESCAPE = 0xdf;
const AX = Slot.RAX;

/** RIP << 16 | opcode, the latter as the processor keeps it: low three bits of the escape byte, then ModR/M (SDM 1 8.1.9). */
const where = (x: InstructionContext): Operand => {
  const { builder, bytes, end } = x;
  let at = end - x.decoder.length;
  while (bytes[at] < FIRST_ESCAPE || bytes[at] > LAST_ESCAPE) at++;
  const opcode = ((bytes[at] & 7) << 8) | bytes[at + 1];
  const { rip } = builder;
  return builder.constant64((rip << 16) | opcode | 0, Math.floor(rip / 0x1_0000) | 0);
};
/** Instructions that do not wait: only #NM. */
const enter = (x: InstructionContext): void => x.builder.usable(ExtendedState.X87);
const wait = (x: InstructionContext): void => {
  enter(x);
  x.builder.raiseBy(Slot.FPU_FAULT);
};
/** Linear address of the memory operand; its offset is kept for the data pointer. */
const operandAddress = (x: InstructionContext, bytes: number, write: boolean): number => {
  const { builder } = x;
  const offset = effectiveOffset(x);
  const address = builder.slot(segmented(x, offset, bytes, write));
  builder.move(Slot.FPU_OFFSET, offset);
  return address;
};
/** Address of the part of an 80-bit operand that holds its last two bytes. */
const highPart = (x: InstructionContext, address: number): number =>
  x.builder.slot(x.builder.value(x.builder.mode.bits === 64 ? 'add64' : 'add32', address, x.builder.constant(8)));

/** Registers only; `a` is what the function wants to know. */
const plain =
  (name: FloatFunction, a?: number): Family =>
  (x) => {
    wait(x);
    x.builder.call(name, a === undefined ? Slot.ZERO : x.builder.constant(a), where(x));
  };
/** A function of a memory operand of the width, zero-extended. */
const fromMemory =
  (name: FloatFunction, width: Width, signed = false): Family =>
  (x) => {
    const { builder } = x;
    wait(x);
    const value = builder.load(width, operandAddress(x, 1 << width, false));
    builder.call(name, signed ? builder.signExtended(width, value) : value, where(x));
  };
const from80 =
  (name: FloatFunction): Family =>
  (x) => {
    const { builder } = x;
    wait(x);
    const address = operandAddress(x, 10, false);
    const low = builder.load(3, address);
    const high = builder.load(1, highPart(x, address));
    builder.call('x87LoadHigh', high);
    builder.call(name, low, where(x));
  };
/** The value that the function makes goes to memory, unless an unmasked exception forbids it; then the register stack follows. */
const toMemory =
  (name: FloatFunction, width: Width, pops: boolean, a = 0): Family =>
  (x) => {
    const { builder } = x;
    wait(x);
    const address = operandAddress(x, 1 << width, true);
    const value = builder.call(name, builder.constant(a), where(x));
    builder.skipIf(Slot.FPU_SKIP);
    builder.store(width, address, value);
    builder.call('x87Commit', builder.constant(pops ? 1 : 0), where(x));
  };
/** 80 bits in two stores: the second must not fault when the first has been done, nor any when the value has been made. */
const to80 =
  (name: FloatFunction): Family =>
  (x) => {
    const { builder } = x;
    wait(x);
    const address = operandAddress(x, 10, true);
    const high = highPart(x, address);
    builder.load(3, address, true);
    builder.load(1, high, true);
    const value = builder.call(name, Slot.ZERO, where(x));
    builder.skipIf(Slot.FPU_SKIP);
    builder.store(3, address, value);
    builder.store(1, high, builder.call('x87StoreHigh'));
    builder.call('x87Commit', builder.constant(1), where(x));
  };

const ORDERED = 4;
/** FCOMI, FUCOMI set ZF, PF and CF, and clear the others, even with an unmasked exception. */
const compareFlags =
  (how: number): Family =>
  (x) => {
    const { builder } = x;
    wait(x);
    const flags = builder.call('x87CompareFlags', builder.constant(how), where(x));
    builder.flags('set', 3, flags, flags, flags);
  };
const moveIf =
  (cc: Condition): Family =>
  (x) => {
    wait(x);
    x.builder.call('x87MoveIf', x.builder.condition(cc), where(x));
  };

/** The control instructions, which keep no pointers. */
const control =
  (name: FloatFunction): Family =>
  (x) => {
    enter(x);
    x.builder.call(name);
  };
const storeWord =
  (name: FloatFunction): Family =>
  (x) => {
    enter(x);
    const address = x.address(2, true);
    x.builder.store(1, address, x.builder.call(name));
  };
const storeStatusRegister: Family = (x) => {
  enter(x);
  x.builder.value('ins16', AX, x.builder.call('x87StoreStatus'), AX);
};
const loadControl: Family = (x) => {
  wait(x);
  x.builder.call('x87LoadControl', x.builder.load(1, x.address(2, false)));
};
/** Images of the state, by the processor's slow half. Both ends are checked against the segment's limit. */
const image =
  (op: number, bytes: number, write: boolean, waits: boolean, long = false): Family =>
  (x) => {
    const { builder, addressWidth } = x;
    if (waits) wait(x);
    else enter(x);
    const offset = effectiveOffset(x);
    const address = builder.slot(segmented(x, offset, 1, write));
    if (builder.mode.bits !== 64) segmented(x, builder.effective(32, builder.slot(offset), Slot.ZERO, 0, bytes - 1), 1, write);
    builder.move(Slot.ARG0, address);
    builder.sys({ op, width: bytes === 14 || bytes === 94 ? 1 : 2, addressWidth, a: long ? 1 : 0, memory: true });
  };
/** FNENI, FNDISI, FNSETPM and the like are instructions of older coprocessors that do nothing. */
const nothing: Family = enter;
const waitForIt: Family = (x) => {
  x.builder.usable(ExtendedState.WAIT);
  x.builder.raiseBy(Slot.FPU_FAULT);
};

const arithmetic: Record<string, Family> = {};
for (const name of ['add', 'mul', 'sub', 'subr', 'div', 'divr']) {
  for (const form of ['_st0_sti', '_sti_st0', 'p_sti_st0']) arithmetic[`F${name}${form}`] = plain('x87ArithmeticRegister');
  arithmetic[`F${name}_m32fp`] = fromMemory('x87ArithmeticMemory', 2);
  arithmetic[`F${name}_m64fp`] = fromMemory('x87ArithmeticMemory', 3);
  arithmetic[`Fi${name}_m32int`] = fromMemory('x87ArithmeticMemory', 2);
  arithmetic[`Fi${name}_m16int`] = fromMemory('x87ArithmeticMemory', 1);
}
for (const pops of ['', 'p']) {
  arithmetic[`Fcom${pops}_m32fp`] = fromMemory('x87CompareMemory', 2);
  arithmetic[`Fcom${pops}_m64fp`] = fromMemory('x87CompareMemory', 3);
  arithmetic[`Ficom${pops}_m32int`] = fromMemory('x87CompareMemory', 2);
  arithmetic[`Ficom${pops}_m16int`] = fromMemory('x87CompareMemory', 1);
}

export const x87Families: Families = {
  ...arithmetic,
  Fcom: plain('x87CompareRegister', ORDERED),
  Fcomp: plain('x87CompareRegister', ORDERED | 1),
  Fcompp: plain('x87CompareRegister', ORDERED | 2),
  Fucom: plain('x87CompareRegister', 0),
  Fucomp: plain('x87CompareRegister', 1),
  Fucompp: plain('x87CompareRegister', 2),
  Fcomi: compareFlags(ORDERED),
  Fcomip: compareFlags(ORDERED | 1),
  Fucomi: compareFlags(0),
  Fucomip: compareFlags(1),
  Ftst: plain('x87Test'),
  Fxam: plain('x87Examine'),
  Fld_m32fp: fromMemory('x87Load32', 2),
  Fld_m64fp: fromMemory('x87Load64', 3),
  Fld_m80fp: from80('x87Load80'),
  Fld_sti: plain('x87LoadRegister'),
  Fild_m16int: fromMemory('x87LoadInteger', 1, true),
  Fild_m32int: fromMemory('x87LoadInteger', 2, true),
  Fild_m64int: fromMemory('x87LoadInteger', 3),
  Fbld: from80('x87LoadDecimal'),
  Fst_m32fp: toMemory('x87Store32', 2, false),
  Fst_m64fp: toMemory('x87Store64', 3, false),
  Fstp_m32fp: toMemory('x87Store32', 2, true),
  Fstp_m64fp: toMemory('x87Store64', 3, true),
  Fstp_m80fp: to80('x87Store80'),
  Fbstp: to80('x87StoreDecimal'),
  Fist_m16int: toMemory('x87StoreInteger', 1, false, 16),
  Fist_m32int: toMemory('x87StoreInteger', 2, false, 32),
  Fistp_m16int: toMemory('x87StoreInteger', 1, true, 16),
  Fistp_m32int: toMemory('x87StoreInteger', 2, true, 32),
  Fistp_m64int: toMemory('x87StoreInteger', 3, true, 64),
  Fisttp_m16int: toMemory('x87StoreInteger', 1, true, -16),
  Fisttp_m32int: toMemory('x87StoreInteger', 2, true, -32),
  Fisttp_m64int: toMemory('x87StoreInteger', 3, true, -64),
  Fst_sti: plain('x87StoreRegister'),
  Fstp: plain('x87StoreRegister'),
  Fstpnce: plain('x87StoreRegister'),
  Fxch: plain('x87Exchange'),
  Fld1: plain('x87LoadConstant'),
  Fldl2t: plain('x87LoadConstant'),
  Fldl2e: plain('x87LoadConstant'),
  Fldpi: plain('x87LoadConstant'),
  Fldlg2: plain('x87LoadConstant'),
  Fldln2: plain('x87LoadConstant'),
  Fldz: plain('x87LoadConstant'),
  Fchs: plain('x87ChangeSign'),
  Fabs: plain('x87Absolute'),
  Fsqrt: plain('x87SquareRoot'),
  Frndint: plain('x87RoundToInteger'),
  Fprem: plain('x87Remainder'),
  Fprem1: plain('x87RemainderNearest'),
  F2xm1: plain('x87Exponential'),
  Fyl2x: plain('x87Logarithm'),
  Fyl2xp1: plain('x87LogarithmPlusOne'),
  Fpatan: plain('x87ArcTangent'),
  Fsin: plain('x87Sine'),
  Fcos: plain('x87Cosine'),
  Fsincos: plain('x87SineCosine'),
  Fptan: plain('x87Tangent'),
  Fscale: plain('x87Scale'),
  Fxtract: plain('x87Extract'),
  Ffree: plain('x87Free'),
  Ffreep: plain('x87Free'),
  Fincstp: plain('x87Turn', 1),
  Fdecstp: plain('x87Turn', -1),
  Fnop: plain('x87Nothing'),
  Fcmovb: moveIf(2),
  Fcmovnb: moveIf(3),
  Fcmove: moveIf(4),
  Fcmovne: moveIf(5),
  Fcmovbe: moveIf(6),
  Fcmovnbe: moveIf(7),
  Fcmovu: moveIf(10),
  Fcmovnu: moveIf(11),
  Fninit: control('x87Initialize'),
  Fnclex: control('x87ClearExceptions'),
  Fldcw: loadControl,
  Fnstcw: storeWord('x87StoreControl'),
  Fnstsw_m2byte: storeWord('x87StoreStatus'),
  Fnstsw_AX: storeStatusRegister,
  Fnstenv_m14byte: image(SysOp.FNSTENV, 14, true, false),
  Fnstenv_m28byte: image(SysOp.FNSTENV, 28, true, false),
  Fldenv_m14byte: image(SysOp.FLDENV, 14, false, true),
  Fldenv_m28byte: image(SysOp.FLDENV, 28, false, true),
  Fnsave_m94byte: image(SysOp.FNSAVE, 94, true, false),
  Fnsave_m108byte: image(SysOp.FNSAVE, 108, true, false),
  Frstor_m94byte: image(SysOp.FRSTOR, 94, false, true),
  Frstor_m108byte: image(SysOp.FRSTOR, 108, false, true),
  Fxsave_m512byte: image(SysOp.FXSAVE, 512, true, false),
  Fxsave64_m512byte: image(SysOp.FXSAVE, 512, true, false, true),
  Fxrstor_m512byte: image(SysOp.FXRSTOR, 512, false, false),
  Fxrstor64_m512byte: image(SysOp.FXRSTOR, 512, false, false, true),
  Fneni: nothing,
  Fndisi: nothing,
  Fnsetpm: nothing,
  Frstpm: nothing,
  Wait: waitForIt,
};
