// MUL, IMUL, DIV, IDIV (SDM 2A, 2B).
// Undefined flags as current Intel processors leave them: products set SF and PF from the low half and clear ZF and AF; divisions change nothing.
import { Slot } from '../../../shared/layout/vp.js';
import type { BlockBuilder } from '../block-builder.js';
import { SysOp, type Width } from '../micro-op.js';
import type { Operand } from '../operand.js';
import type { Families, Family, InstructionContext } from './instruction-context.js';

const BITS = [8, 16, 32, 64] as const;
const DE = 0;
const CF_OF = 0x801;

/** Flags of a product: its low half (sign-extended), and whether the high half says more than the low one. */
const productFlags = (builder: BlockBuilder, width: Width, low: Operand, overflow: Operand): void => {
  // A bit beside the low byte and the sign keeps ZF clear and shows in no other flag.
  const result = builder.value('or64', builder.signExtended(width, low), builder.constant(0x100));
  builder.flagsOfResult(3, result, builder.value('mul64', overflow, builder.constant(CF_OF)));
  builder.flagsUnknown();
};

const multiply =
  (signed: boolean): Family =>
  (x) => {
    const { builder, width } = x;
    const extend = (v: Operand): Operand => (signed ? builder.signExtended(width, v) : builder.zeroExtended(width, v));
    const b = extend(x.read(0, width));
    const a = extend(Slot.RAX);
    const low = builder.value('mul64', a, b);
    if (width === 3) {
      const high = builder.value(signed ? 'smulh' : 'umulh', a, b);
      productFlags(
        builder,
        3,
        low,
        builder.value('ne', high, signed ? builder.value('sar64', low, builder.constant(63)) : builder.constant(0)),
      );
      builder.move(Slot.RAX, low);
      builder.move(Slot.RDX, high);
      return;
    }
    const bits = BITS[width];
    productFlags(builder, width, low, builder.value('ne', low, extend(low)));
    if (width === 0) builder.value('ins16', Slot.RAX, low, Slot.RAX);
    else {
      x.writeSlot(Slot.RAX, width, low);
      x.writeSlot(Slot.RDX, width, builder.value('shr64', low, builder.constant(bits)));
    }
  };

/** IMUL with two or three operands: the low half goes to a register. */
const multiplyInto: Family = (x) => {
  const { builder, width } = x;
  const register = x.register(0);
  const three = x.decoder.instruction.opCount === 3;
  const first = three ? x.read(1, width) : x.readRegister(register);
  const second = x.read(three ? 2 : 1, width);
  // For the flags alone; gone when nobody reads them.
  const a = builder.signExtended(width, builder.slot(first));
  const b = builder.signExtended(width, second);
  const whole = builder.value('mul64', a, b);
  const overflow =
    width === 3
      ? builder.value('ne', builder.value('smulh', a, b), builder.value('sar64', whole, builder.constant(63)))
      : builder.value('ne', whole, builder.signExtended(width, whole));
  productFlags(builder, width, whole, overflow);
  const r = builder.value(width === 3 ? 'mul64' : 'mul32', first, second, x.target(register));
  if (width < 2) x.writeRegister(register, r);
};

const divide =
  (signed: boolean): Family =>
  (x) => {
    const { builder, width } = x;
    const operand = x.read(0, width);
    if (width === 3) {
      builder.move(Slot.ARG1, operand);
      builder.sys({ op: signed ? SysOp.IDIV64 : SysOp.DIV64, width, addressWidth: x.addressWidth });
      return;
    }
    const divisor = signed ? builder.signExtended(width, operand) : builder.zeroExtended(width, operand);
    builder.trapIf(builder.value('eq', divisor, builder.constant(0)), DE);
    const dividend = dividendOf(x, signed);
    if (signed && width === 2) {
      // -2^63 / -1 is the one quotient that 64 bits do not hold.
      const lowest = builder.value('eq', dividend, builder.constant64(0, -0x80000000));
      builder.trapIf(builder.value('and64', lowest, builder.value('eq', divisor, builder.constant(-1))), DE);
    }
    const quotient = builder.value(signed ? 'divs64' : 'divu64', dividend, divisor);
    const fits = signed ? builder.signExtended(width, quotient) : builder.zeroExtended(width, quotient);
    if (fits !== quotient) builder.trapIf(builder.value('ne', quotient, fits), DE);
    const remainder = builder.value(signed ? 'rems64' : 'remu64', dividend, divisor);
    if (width === 0) {
      builder.value('ins8', Slot.RAX, quotient, Slot.RAX);
      builder.value('ins8h', Slot.RAX, remainder, Slot.RAX);
    } else {
      x.writeSlot(Slot.RAX, width, quotient);
      x.writeSlot(Slot.RDX, width, remainder);
    }
  };
/** AX, DX:AX or EDX:EAX, extended to 64 bits. */
const dividendOf = (x: InstructionContext, signed: boolean): Operand => {
  const { builder, width } = x;
  if (width === 0) return signed ? builder.signExtended(1, Slot.RAX) : builder.zeroExtended(1, Slot.RAX);
  const bits = BITS[width];
  const upper = builder.value('shl64', width === 1 ? builder.zeroExtended(1, Slot.RDX) : Slot.RDX, builder.constant(bits));
  const joined = builder.value('or64', upper, builder.zeroExtended(width, Slot.RAX));
  return signed && width === 1 ? builder.signExtended(2, joined) : joined;
};

export const multiplyFamilies: Families = {
  Mul: multiply(false),
  Imul: multiplyInto,
  Imul_rm8: multiply(true),
  Imul_rm16: multiply(true),
  Imul_rm32: multiply(true),
  Imul_rm64: multiply(true),
  Div: divide(false),
  Idiv: divide(true),
};
