// LOCK forms as the host's atomics (SDM 3A 9.1.2): old value out, flags computed from it afterwards.
// ADC, SBB and NEG have no such atomic: they run with the bus locked (see BlockBuilder.busLock).
import { Slot } from '../../../shared/layout/vp.js';
import type { Operand } from '../operand.js';
import type { InstructionContext } from './instruction-context.js';

export const lockedAdd = (x: InstructionContext, address: number, b: Operand, subtract: boolean): void => {
  const { builder, width } = x;
  if (!subtract) {
    const old = builder.atomic('xadd8', width, address, b);
    builder.flagsOfSum(width, old, b);
    return;
  }
  const negative = b < 0 ? negated(x, b) : builder.value('sub64', Slot.ZERO, b);
  const old = builder.atomic('xadd8', width, address, negative);
  builder.flagsOfDifference(width, old, b);
};
const negated = (x: InstructionContext, constant: Operand): Operand => {
  const { builder } = x;
  const lo = builder.constantLo(constant);
  return builder.constant64(-lo | 0, ~builder.constantHi(constant) + (lo === 0 ? 1 : 0));
};

const ATOMIC = { and: 'aand8', or: 'aor8', xor: 'axor8' } as const;

export const lockedLogic = (x: InstructionContext, address: number, b: Operand, operation: 'and' | 'or' | 'xor'): void => {
  const { builder, width } = x;
  const value = builder.slot(b);
  const old = builder.atomic(ATOMIC[operation], width, address, value);
  const r = builder.value(`${operation}64`, old, value);
  builder.flags('logic', width, r, r, r);
};

export const lockedStep = (x: InstructionContext, address: number, decrement: boolean): void => {
  const { builder, width } = x;
  const by = builder.slot(builder.constant(decrement ? -1 : 1));
  const old = builder.atomic('xadd8', width, address, by);
  const r = builder.zeroExtended(width, builder.value('add64', old, by));
  builder.flags(decrement ? 'dec' : 'inc', width, r, r, r);
};
