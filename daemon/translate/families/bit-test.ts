// BT BTS BTR BTC, BSF BSR (SDM 2A). Of the flags BT changes CF only.
// BSF, BSR: flags other than ZF are undefined; processors set PF by the index and clear the rest, and leave the destination alone for a source of 0.
import { OpKind } from 'iced-x86';
import { REGISTER_SLOT } from '../decode/registers.js';
import type { Width } from '../micro-op.js';
import type { Operand } from '../operand.js';
import { effectiveOffset, segmented } from './effective-address.js';
import type { Families, Family, InstructionContext } from './instruction-context.js';

type Action = 'test' | 'set' | 'reset' | 'complement';
const LOCKED = { set: 'aor8', reset: 'aand8', complement: 'axor8' } as const;

/** Bit number within the operand. */
const bitIndex = (x: InstructionContext): Operand => {
  const { builder, width } = x;
  const mask = (8 << width) - 1;
  if (x.kind(1) !== OpKind.Register) return builder.constant(x.decoder.instruction.immediate8 & mask);
  const slot = REGISTER_SLOT[x.register(1)];
  return width === 1 ? builder.value('and64', slot, builder.constant(mask)) : slot; // wider counts are masked by the shifts
};
/** Memory operand with a bit string: a register's bit number is signed and may reach far (SDM 1 3.4.4, BT). */
const bitStringAddress = (x: InstructionContext, write: boolean): number => {
  const { builder, width } = x;
  if (x.kind(1) !== OpKind.Register) return x.address(1 << width, write);
  const number = builder.signExtended(width, REGISTER_SLOT[x.register(1)]);
  const units = builder.value('sar64', number, builder.constant(3 + width));
  const distance = builder.value('shl64', units, builder.constant(width));
  const base = effectiveOffset(x);
  const offset = x.addressWidth === 3 ? builder.value('add64', builder.slot(base), distance) : wrapped(x, base, distance);
  return builder.slot(segmented(x, offset, 1 << width, write));
};
const wrapped = (x: InstructionContext, base: Operand, distance: Operand): Operand => {
  const { builder } = x;
  return x.addressWidth === 2
    ? builder.value('add32', builder.slot(base), distance)
    : builder.effective(16, builder.slot(base), distance, 0, 0);
};

const apply = (x: InstructionContext, action: Exclude<Action, 'test'>, value: Operand, index: Operand, d?: number): Operand => {
  const { builder } = x;
  const mask = maskOf(x, index, action === 'reset');
  const suffix: Width = x.width === 3 ? 3 : 2;
  const name = action === 'set' ? 'or' : action === 'reset' ? 'and' : 'xor';
  return builder.value(`${name}${suffix === 3 ? 64 : 32}`, value, mask, d);
};
const maskOf = (x: InstructionContext, index: Operand, inverted: boolean): Operand => {
  const { builder, width } = x;
  if (index < 0) {
    const n = builder.constantLo(index);
    const lo = n < 32 ? 1 << n : 0;
    const hi = n < 32 ? 0 : 1 << (n - 32);
    return inverted ? builder.constant64(~lo, ~hi) : builder.constant64(lo, hi);
  }
  const mask = builder.value(width === 3 ? 'shl64' : 'shl32', builder.slot(builder.constant(1)), index);
  return inverted ? builder.value('xor64', mask, builder.constant(-1)) : mask;
};

const bitTest =
  (action: Action): Family =>
  (x) => {
    const { builder, width } = x;
    const memory = x.isMemory(0);
    const index = bitIndex(x);
    const address = memory ? bitStringAddress(x, action !== 'test') : 0;
    let old: Operand;
    if (memory && x.atomic && action !== 'test') old = builder.atomic(LOCKED[action], width, address, maskOf(x, index, action === 'reset'));
    else if (memory) {
      old = builder.load(width, address, action !== 'test');
      if (action !== 'test') builder.store(width, address, apply(x, action, old, index));
    } else old = x.readRegister(x.register(0));
    const carry = builder.value('and64', builder.value(width === 3 ? 'shr64' : 'shr32', old, index), builder.constant(1));
    if (!memory && action !== 'test') {
      const register = x.register(0);
      const r = apply(x, action, old, index, x.target(register));
      if (width < 2) x.writeRegister(register, r);
    }
    builder.setCarry(carry);
  };

const scan =
  (reverse: boolean): Family =>
  (x) => {
    const { builder, width } = x;
    const register = x.register(0);
    const slot = REGISTER_SLOT[register];
    const source = builder.slot(builder.zeroExtended(width, x.read(1, width)));
    const index = reverse ? builder.value('sub64', builder.constant(63), builder.value('clz64', source)) : builder.value('ctz64', source);
    // A bit beside the low byte keeps ZF clear for index 0 and shows in no other flag.
    const result = builder.select(source, builder.value('or64', index, builder.constant(0x100)), builder.constant(0));
    builder.flags('logic', 3, result, result, result, false);
    if (width >= 2) builder.select(source, index, slot, slot);
    else builder.select(source, builder.value('ins16', slot, index), slot, slot);
  };

export const bitTestFamilies: Families = {
  Bt: bitTest('test'),
  Bts: bitTest('set'),
  Btr: bitTest('reset'),
  Btc: bitTest('complement'),
  Bsf: scan(false),
  Bsr: scan(true),
};
