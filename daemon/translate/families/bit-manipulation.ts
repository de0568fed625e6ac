// Counting and bit manipulation: POPCNT, LZCNT, TZCNT, BMI1, BMI2, ADX, MOVBE, CRC32. References: SDM 2A/2B by mnemonic.
// Flags that are undefined: as results of the same kind leave them (SF and PF by the result, AF clear).
import { ExtendedState, Slot } from '../../../shared/layout/vp.js';
import { CODES } from '../decode/forms.js';
import { REGISTER_SLOT, REGISTER_WIDTH } from '../decode/registers.js';
import type { MicroOpName } from '../micro-op.js';
import type { Operand } from '../operand.js';
import type { Families, Family, InstructionContext } from './instruction-context.js';

const CF = 1;
const OF = 0x800;
const CONDITION_OVERFLOW = 0;
const BITS = [8, 16, 32, 64] as const;

/** Name of the micro-op for 64 bits or, zero-extending, for 32. */
const sized = (x: InstructionContext, name: 'add' | 'sub' | 'and' | 'or' | 'xor' | 'shl' | 'shr' | 'sar'): MicroOpName =>
  `${name}${x.width === 3 ? 64 : 32}` as MicroOpName;
const source = (x: InstructionContext, n: number): number => x.builder.slot(x.builder.zeroExtended(x.width, x.read(n, x.width)));
const write = (x: InstructionContext, value: Operand): void => x.writeRegister(x.register(0), value);
/** CF and ZF of 0/1 values, the other flags clear. */
const setCarryAndZero = (x: InstructionContext, carry: Operand, zero: Operand): void => {
  const { builder } = x;
  builder.flags('set', 2, Slot.ZERO, Slot.ZERO, builder.value('or64', builder.value('shl64', zero, builder.constant(6)), carry));
};
const isZero = (x: InstructionContext, value: Operand): Operand => x.builder.value('eq', value, x.builder.constant(0));

const populationCount: Family = (x) => {
  const { builder } = x;
  const count = builder.value('popcnt64', source(x, 1));
  builder.flags('set', 2, Slot.ZERO, Slot.ZERO, builder.value('shl64', isZero(x, count), builder.constant(6)));
  write(x, count);
};
/** LZCNT and TZCNT of zero are the operand's size. */
const zeroCount =
  (leading: boolean): Family =>
  (x) => {
    const { builder, width } = x;
    const value = source(x, 1);
    const bits = BITS[width];
    // A bit beyond the operand stops the count; leading zeros beyond it are not its own.
    const bounded = leading || width === 3 ? value : builder.value('or64', value, builder.constant(2 ** bits));
    const count = builder.value(leading ? 'clz64' : 'ctz64', bounded);
    const own = leading && width < 3 ? builder.value('sub64', count, builder.constant(64 - bits)) : count;
    setCarryAndZero(x, isZero(x, value), isZero(x, own));
    write(x, own);
  };

const andNot: Family = (x) => {
  const { builder, width } = x;
  const b = source(x, 2);
  const inverted = builder.value(sized(x, 'xor'), source(x, 1), builder.constant(-1));
  const r = builder.value(sized(x, 'and'), inverted, b);
  builder.flags('logic', width, r, r, r);
  write(x, r);
};
/** BLSI, BLSMSK, BLSR: the lowest set bit alone, the mask up to it, all but it. CF says that there is one, or that there is none. */
const lowestBit =
  (operation: 'and' | 'xor', negate: boolean, carryWhenZero: boolean): Family =>
  (x) => {
    const { builder, width } = x;
    const value = source(x, 1);
    const other = negate
      ? builder.value(sized(x, 'sub'), builder.constant(0), value)
      : builder.value(sized(x, 'sub'), value, builder.constant(1));
    const r = builder.value(sized(x, operation), value, other);
    builder.flagsOfResult(width, r, builder.value(carryWhenZero ? 'eq' : 'ne', value, builder.constant(0)));
    write(x, r);
  };
/** BEXTR: length bits from start, both in the control operand. */
const extractBits: Family = (x) => {
  const { builder } = x;
  const control = source(x, 2);
  const value = source(x, 1);
  const start = builder.zeroExtended(0, control);
  const length = builder.zeroExtended(0, builder.value('shr64', control, builder.constant(8)));
  const long = (n: Operand): Operand => builder.value('ltu', n, builder.constant(64));
  const shifted = builder.select(long(start), builder.value('shr64', value, start), builder.constant(0));
  const mask = builder.value('sub64', builder.value('shl64', builder.constant(1), length), builder.constant(1));
  const r = builder.value('and64', shifted, builder.select(long(length), mask, builder.constant(-1)));
  builder.flags('logic', x.width, r, r, r);
  write(x, r);
};
/** BZHI: bits from the index on cleared; CF when the index is beyond the operand. */
const clearHigh: Family = (x) => {
  const { builder, width } = x;
  const index = builder.zeroExtended(0, source(x, 2));
  const value = source(x, 1);
  const inside = builder.value('ltu', index, builder.constant(BITS[width]));
  const mask = builder.value('sub64', builder.value('shl64', builder.constant(1), index), builder.constant(1));
  const r = builder.value('and64', value, builder.select(inside, mask, builder.constant(-1)));
  builder.flagsOfResult(width, r, builder.value('xor64', inside, builder.constant(1)));
  write(x, r);
};
/** PDEP, PEXT. */
const scatter =
  (name: 'depositBits' | 'extractBits'): Family =>
  (x) => {
    const mask = source(x, 2);
    write(x, x.builder.call(name, source(x, 1), mask));
  };
/** MULX: the product of RDX and the last operand, high half to the first, which wins when both are one. */
const multiply: Family = (x) => {
  const { builder, width } = x;
  const a = source(x, 2);
  const b = builder.zeroExtended(width, Slot.RDX);
  const low = builder.value('mul64', a, b);
  const high = width === 3 ? builder.value('umulh', a, b) : builder.value('shr64', low, builder.constant(32));
  x.writeRegister(x.register(1), low);
  write(x, high);
};
const rotate: Family = (x) => {
  const { builder, width } = x;
  const i = builder.constantLo(x.immediate(x.kind(2)));
  write(x, builder.value(width === 3 ? 'rotr64' : 'rotr32', source(x, 1), builder.constant(i & (BITS[width] - 1))));
};
/** Counts are taken modulo the operand's size, as the micro-ops take them. */
const shift =
  (name: 'shl' | 'shr' | 'sar'): Family =>
  (x) => {
    const count = source(x, 2);
    write(x, x.builder.value(sized(x, name), source(x, 1), count));
  };

/** ADCX, ADOX: additions whose carry is CF or OF, and that leave all other flags alone. */
const addWith =
  (overflow: boolean): Family =>
  (x) => {
    const { builder, width } = x;
    const a = source(x, 0);
    const b = source(x, 1);
    const carry = overflow ? builder.condition(CONDITION_OVERFLOW) : builder.carry();
    const partial = builder.value('add64', a, b);
    const sum = builder.value('add64', partial, carry);
    const out =
      width === 3
        ? builder.value('or64', builder.value('ltu', partial, a), builder.value('ltu', sum, partial))
        : builder.value('shr64', sum, builder.constant(32));
    builder.mergeFlags(overflow ? builder.value('shl64', out, builder.constant(11)) : out, builder.constant(overflow ? OF : CF));
    write(x, sum);
  };

/** Bytes of the operand in reverse order. */
const reversed = (x: InstructionContext, value: Operand): Operand => {
  const { builder, width } = x;
  if (width === 3) return builder.value('bswap64', value);
  const swapped = builder.value('bswap32', value);
  return width === 2 ? swapped : builder.value('shr64', swapped, builder.constant(16));
};
const moveReversed: Family = (x) => {
  const { builder, width } = x;
  if (!x.isMemory(0)) {
    write(x, reversed(x, source(x, 1)));
    return;
  }
  const address = x.address(1 << width, true);
  builder.store(width, address, reversed(x, REGISTER_SLOT[x.register(1)]));
};
/** CRC32 of the second operand's bytes, polynomial 11EDC6F41h. */
const crc: Family = (x) => {
  const { builder, secondWidth } = x;
  const value = builder.zeroExtended(secondWidth, x.read(1, secondWidth));
  // The function takes as many low bytes as the CRC's upper half says.
  const state = builder.value(
    'or64',
    builder.zeroExtended(2, REGISTER_SLOT[x.register(0)]),
    builder.constant((1 << secondWidth) * 2 ** 32),
  );
  const slot = REGISTER_SLOT[x.register(0)];
  if (REGISTER_WIDTH[x.register(0)] === 3) builder.move(slot, builder.call('crc32c', state, value));
  else x.writeZeroExtended(slot, builder.call('crc32c', state, value));
};

const LEGACY: Families = {
  Popcnt: populationCount,
  Lzcnt: zeroCount(true),
  Tzcnt: zeroCount(false),
  Adcx: addWith(false),
  Adox: addWith(true),
  Movbe: moveReversed,
  Crc32: crc,
};
const VEX: Families = {
  Andn: andNot,
  Blsi: lowestBit('and', true, false),
  Blsmsk: lowestBit('xor', false, true),
  Blsr: lowestBit('and', false, true),
  Bextr: extractBits,
  Bzhi: clearHigh,
  Pdep: scatter('depositBits'),
  Pext: scatter('extractBits'),
  Mulx: multiply,
  Rorx: rotate,
  Sarx: shift('sar'),
  Shlx: shift('shl'),
  Shrx: shift('shr'),
};
/** VEX encodings need no state, but protected mode. */
const vexForms = (): Families => {
  const families: Record<string, Family> = {};
  for (const name of CODES) {
    const family = /^VEX_/.test(name) ? VEX[name.split('_')[1]] : undefined;
    if (family === undefined) continue;
    families[name] = (x) => {
      x.builder.usable(ExtendedState.VEX);
      family(x);
    };
  }
  return families;
};
export const bitManipulationFamilies: Families = { ...LEGACY, ...vexForms() };
