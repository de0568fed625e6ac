// SHL SHR SAR and SHLD SHRD (SDM 2B). Counts are masked to 5 bits (6 for 64-bit operands); a count of 0 changes no flag.
// OF is defined for a count of 1 only; for others it is computed from the unshifted operand by the same rule, as current Intel processors do. AF is cleared.
import { OpKind } from 'iced-x86';
import { Slot } from '../../../shared/layout/vp.js';
import type { BlockBuilder } from '../block-builder.js';
import type { Width } from '../micro-op.js';
import type { Operand } from '../operand.js';
import type { Families, Family, InstructionContext } from './instruction-context.js';

export const BITS = [8, 16, 32, 64] as const;
const OF_BIT = 11;

/** Bit n of the operand at OF's place; others 0. */
export const asOverflow = (builder: BlockBuilder, x: Operand, bit: number): Operand => {
  const moved =
    bit === OF_BIT
      ? x
      : bit > OF_BIT
        ? builder.value('shr64', x, builder.constant(bit - OF_BIT))
        : builder.value('shl64', x, builder.constant(OF_BIT - bit));
  return builder.value('and64', moved, builder.constant(1 << OF_BIT));
};
/** OF after shifting left by one: the top two bits differ. */
export const overflowLeft = (builder: BlockBuilder, a: Operand, bits: number): Operand =>
  asOverflow(builder, builder.value('xor64', a, builder.value('shl64', a, builder.constant(1))), bits - 1);
export const bit = (builder: BlockBuilder, x: Operand, n: number): Operand =>
  builder.value('and64', n === 0 ? x : builder.value('shr64', x, builder.constant(n)), builder.constant(1));

/** The count operand: a constant (perhaps 0), or CL masked, in a slot. */
export const shiftCount = (x: InstructionContext, operand: number): Operand => {
  const { builder } = x;
  const mask = x.width === 3 ? 63 : 31;
  if (x.kind(operand) === OpKind.Register) return builder.value('and64', Slot.RCX, builder.constant(mask));
  return builder.constant(x.decoder.instruction.immediate8 & mask);
};
/** The last operand, where it stands: result written, memory before flags. */
export const finishShift = (x: InstructionContext, address: number, r: Operand): void => {
  if (address >= 0) x.builder.store(x.width, address, r);
  else x.writeRegister(x.register(0), r);
};
/** True for a constant count of 0: only the access (and for 32-bit registers the cleared upper half) remains. */
export const isNoShift = (x: InstructionContext, count: Operand, address: number, a: Operand): boolean => {
  const { builder } = x;
  if (count >= 0 || builder.constantLo(count) !== 0) return false;
  if (address < 0 && x.width === 2) x.writeRegister(x.register(0), a);
  return true;
};

const shift =
  (kind: 'shl' | 'shr' | 'sar'): Family =>
  (x) => {
    const { builder, width } = x;
    const bits = BITS[width];
    const address = x.isMemory(0) ? x.address(1 << width, true) : -1;
    const raw = address >= 0 ? builder.load(width, address, true) : x.readRegister(x.register(0));
    const count = shiftCount(x, 1);
    if (isNoShift(x, count, address, raw)) return;
    const a = kind === 'sar' ? builder.signExtended(width, raw) : builder.zeroExtended(width, raw);
    // The last bit shifted out.
    let carry: Operand;
    if (kind !== 'shl') carry = bit(builder, builder.value(kind === 'sar' ? 'sar64' : 'shr64', a, minusOne(builder, count)), 0);
    else if (width === 3) carry = bit(builder, builder.value('shr64', a, fromTop(builder, count, 64)), 0);
    else carry = bit(builder, builder.value('shl64', a, count), bits);
    const carries =
      kind === 'sar'
        ? carry
        : builder.value('or64', carry, kind === 'shl' ? overflowLeft(builder, a, bits) : asOverflow(builder, a, bits - 1));
    // 32-bit operands are shifted in place, narrower ones in 32 bits: counts go to 31.
    const source = width === 2 || kind === 'shl' ? raw : a;
    const inPlace = address < 0 && width >= 2;
    const r = builder.value(`${kind}${width === 3 ? 64 : 32}`, source, count, inPlace ? x.target(x.register(0)) : undefined);
    if (!inPlace) finishShift(x, address, r);
    builder.flagsOfResult(width, r, carries, count < 0 ? undefined : count);
  };
export const minusOne = (builder: BlockBuilder, count: Operand): Operand =>
  count < 0 ? builder.constant(builder.constantLo(count) - 1) : builder.value('sub64', count, builder.constant(1));
export const fromTop = (builder: BlockBuilder, count: Operand, bits: number): Operand =>
  count < 0 ? builder.constant(bits - builder.constantLo(count)) : builder.value('sub64', builder.constant(bits), count);

const doubleShift =
  (left: boolean): Family =>
  (x) => {
    const { builder, width } = x;
    const bits = BITS[width];
    const address = x.isMemory(0) ? x.address(1 << width, true) : -1;
    const raw = address >= 0 ? builder.load(width, address, true) : x.readRegister(x.register(0));
    const count = shiftCount(x, 2);
    if (isNoShift(x, count, address, raw)) return;
    const a = builder.zeroExtended(width, raw);
    const b = builder.zeroExtended(width, x.readRegister(x.register(1)));
    const [r, carry] = width === 3 ? doubleWide(builder, left, a, b, count) : doubleNarrow(builder, left, width, a, b, count);
    const overflow = left
      ? overflowLeft(builder, a, bits)
      : asOverflow(builder, builder.value('xor64', builder.value('shl64', b, builder.constant(bits - 1)), a), bits - 1);
    const carries = builder.value('or64', carry, overflow);
    finishShift(x, address, r);
    builder.flagsOfResult(width, r, carries, count < 0 ? undefined : count);
  };
const doubleWide = (builder: BlockBuilder, left: boolean, a: Operand, b: Operand, count: Operand): [Operand, Operand] => {
  const one = builder.constant(1);
  const rest = fromTop(builder, count, 63);
  // The other operand is shifted in two steps, for its whole way is 64 when the count is 0.
  if (left) {
    const r = builder.value('or64', builder.value('shl64', a, count), builder.value('shr64', builder.value('shr64', b, one), rest));
    return [r, bit(builder, builder.value('shr64', a, fromTop(builder, count, 64)), 0)];
  }
  const r = builder.value('or64', builder.value('shr64', a, count), builder.value('shl64', builder.value('shl64', b, one), rest));
  return [r, bit(builder, builder.value('shr64', a, minusOne(builder, count)), 0)];
};
/** In one 64-bit value: a:b for 32 bits; a:b:a for 16, which is what counts above 16 show. */
const doubleNarrow = (builder: BlockBuilder, left: boolean, width: Width, a: Operand, b: Operand, count: Operand): [Operand, Operand] => {
  const shl = (v: Operand, n: number): Operand => builder.value('shl64', v, builder.constant(n));
  const or = (v: Operand, w: Operand): Operand => builder.value('or64', v, w);
  const joined = width === 1 ? or(or(shl(a, 32), shl(b, 16)), a) : left ? or(shl(a, 32), b) : or(shl(b, 32), a);
  if (left) {
    const moved = builder.value('shl64', joined, count);
    const r = builder.value('shr64', moved, builder.constant(32));
    return [builder.zeroExtended(width, r), width === 1 ? bit(builder, moved, 48) : bit(builder, builder.value('shl64', a, count), 32)];
  }
  const r = builder.value('shr64', joined, count);
  return [builder.zeroExtended(width, r), bit(builder, builder.value('shr64', joined, minusOne(builder, count)), 0)];
};

export const shiftFamilies: Families = {
  Shl: shift('shl'),
  Sal: shift('shl'),
  Shr: shift('shr'),
  Sar: shift('sar'),
  Shld: doubleShift(true),
  Shrd: doubleShift(false),
};
