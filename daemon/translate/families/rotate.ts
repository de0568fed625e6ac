// ROL ROR RCL RCR (SDM 2B): only CF and OF change.
// OF is defined for a count of 1 only. For others current Intel processors compute it from the unrotated operand by the same rule, but leave it alone
// when a register is rotated by another immediate (ROL, ROR) or the count comes round to 0 (RCL, RCR).
import type { BlockBuilder } from '../block-builder.js';
import type { Width } from '../micro-op.js';
import type { Operand } from '../operand.js';
import type { Families, Family, InstructionContext } from './instruction-context.js';
import { asOverflow, BITS, bit, finishShift, fromTop, isNoShift, minusOne, overflowLeft, shiftCount } from './shift.js';

const CF = 1;
const CF_OF = 0x801;

/** The 32-bit value that rotates as the operand does: 8 and 16 bits are repeated. */
const repeated = (builder: BlockBuilder, width: Width, a: Operand): Operand =>
  width >= 2 ? a : builder.value('mul32', builder.zeroExtended(width, a), builder.constant(width === 0 ? 0x01010101 : 0x00010001));

const rotate =
  (left: boolean): Family =>
  (x) => {
    const { builder, width } = x;
    const bits = BITS[width];
    const address = x.isMemory(0) ? x.address(1 << width, true) : -1;
    const a = address >= 0 ? builder.load(width, address, true) : x.readRegister(x.register(0));
    const count = shiftCount(x, 1);
    if (isNoShift(x, count, address, a)) return;
    const overflow = left
      ? overflowLeft(builder, a, bits)
      : asOverflow(builder, builder.value('xor64', builder.value('shl64', a, builder.constant(bits - 1)), a), bits - 1);
    const inPlace = address < 0 && width >= 2;
    const r = builder.value(
      `${left ? 'rotl' : 'rotr'}${width === 3 ? 64 : 32}`,
      repeated(builder, width, a),
      count,
      inPlace ? x.target(x.register(0)) : undefined,
    );
    if (!inPlace) finishShift(x, address, r);
    const carry = bit(builder, r, left ? 0 : bits - 1);
    if (address < 0 && count < 0 && builder.constantLo(count) !== 1) builder.setCarry(carry);
    else
      builder.mergeFlags(
        builder.value('or64', carry, overflow),
        count < 0 ? builder.constant(CF_OF) : builder.select(count, builder.constant(CF_OF), builder.constant(0)),
      );
  };

const rotateThroughCarry =
  (left: boolean): Family =>
  (x) => {
    const { builder, width } = x;
    const bits = BITS[width];
    const address = x.isMemory(0) ? x.address(1 << width, true) : -1;
    const raw = address >= 0 ? builder.load(width, address, true) : x.readRegister(x.register(0));
    let count = shiftCount(x, 1);
    if (isNoShift(x, count, address, raw)) return;
    const a = builder.zeroExtended(width, raw);
    const carryIn = builder.carry();
    const overflow = left
      ? overflowLeft(builder, a, bits)
      : asOverflow(builder, builder.value('xor64', a, builder.value('shl64', carryIn, builder.constant(bits - 1))), bits - 1);
    if (width <= 1)
      count =
        count < 0 ? builder.constant(builder.constantLo(count) % (bits + 1)) : builder.value('remu64', count, builder.constant(bits + 1));
    const [r, carry] = width === 3 ? throughWide(x, left, a, carryIn, count) : throughNarrow(builder, left, bits, a, carryIn, count);
    finishShift(x, address, r);
    const mask =
      count < 0
        ? builder.constant(builder.constantLo(count) === 0 ? CF : CF_OF)
        : builder.select(count, builder.constant(CF_OF), builder.constant(CF));
    builder.mergeFlags(builder.value('or64', carry, overflow), mask);
  };
/** CF:operand as one number of bits + 1 bits, at most 33, that rotates. */
const throughNarrow = (
  builder: BlockBuilder,
  left: boolean,
  bits: number,
  a: Operand,
  carryIn: Operand,
  count: Operand,
): [Operand, Operand] => {
  const whole = builder.value('or64', a, builder.value('shl64', carryIn, builder.constant(bits)));
  const rest = fromTop(builder, count, bits + 1);
  const turned = builder.value(
    'or64',
    builder.value(left ? 'shl64' : 'shr64', whole, count),
    builder.value(left ? 'shr64' : 'shl64', whole, rest),
  );
  return [bits === 32 ? builder.zeroExtended(2, turned) : turned, bit(builder, turned, bits)];
};
/** 65 bits: the carry goes in beside the two halves of the operand. The shifted-out part goes in two steps, for its way is up to 64. */
const throughWide = (x: InstructionContext, left: boolean, a: Operand, carryIn: Operand, count: Operand): [Operand, Operand] => {
  const { builder } = x;
  const one = builder.constant(1);
  const less = minusOne(builder, count);
  const rest = fromTop(builder, count, 64);
  const [near, far] = left ? (['shl64', 'shr64'] as const) : (['shr64', 'shl64'] as const);
  const carryPlaced = builder.value('shl64', carryIn, left ? less : rest);
  const turned = builder.value(
    'or64',
    builder.value('or64', builder.value(near, a, count), carryPlaced),
    builder.value(far, builder.value(far, a, one), rest),
  );
  const carry = bit(builder, builder.value('shr64', a, left ? rest : less), 0);
  if (count < 0) return [turned, carry];
  return [builder.select(count, turned, a), builder.select(count, carry, carryIn)];
};

export const rotateFamilies: Families = {
  Rol: rotate(true),
  Ror: rotate(false),
  Rcl: rotateThroughCarry(true),
  Rcr: rotateThroughCarry(false),
};
