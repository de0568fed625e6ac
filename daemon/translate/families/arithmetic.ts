// ADD OR ADC SBB AND SUB XOR CMP TEST, INC DEC NEG NOT (SDM 1 7.3.2): registers in place, memory as load, compute, store, then flags.

import { Slot } from '../../../shared/layout/vp.js';
import { REGISTER_WIDTH } from '../decode/registers.js';
import type { Operand } from '../operand.js';

import type { Families, Family, InstructionContext } from './instruction-context.js';
import { lockedAdd, lockedLogic, lockedStep } from './locked.js';

type Logic = 'and' | 'or' | 'xor';

/** The 64-bit micro-op for 64-bit operands, the 32-bit one for all others: their upper bits do not matter. */
const NAMES = {
  add: ['add32', 'add32', 'add32', 'add64'],
  sub: ['sub32', 'sub32', 'sub32', 'sub64'],
  and: ['and32', 'and32', 'and32', 'and64'],
  or: ['or32', 'or32', 'or32', 'or64'],
  xor: ['xor32', 'xor32', 'xor32', 'xor64'],
} as const;

const addition = (subtract: boolean): Family => {
  const names = subtract ? NAMES.sub : NAMES.add;
  return (x) => {
    const { builder, width } = x;
    const name = names[width];
    if (x.isMemory(0)) {
      const address = x.address(1 << width, true);
      const b = x.read(1, width);
      if (x.atomic) {
        lockedAdd(x, address, b, subtract);
        return;
      }
      const a = builder.load(width, address, true);
      const r = builder.value(name, a, b);
      builder.store(width, address, r);
      if (subtract) builder.flagsOfDifference(width, a, b);
      else builder.flagsOfSum(width, a, b);
      builder.resultOfFlags(r);
      return;
    }
    const register = x.register(0);
    if (subtract && x.register(1) === register) {
      zero(x);
      return;
    }
    const b = x.read(1, width);
    const a = x.readRegister(register);
    // The flags come first, while the operands still stand.
    if (subtract) builder.flagsOfDifference(width, a, b);
    else builder.flagsOfSum(width, a, b);
    const r = builder.value(name, a, b, x.target(register));
    if (REGISTER_WIDTH[register] < 2) x.writeRegister(register, r);
    builder.resultOfFlags(r);
  };
};

/** SUB and XOR of a register with itself: 0, with the flags of 0. */
const zero = (x: InstructionContext): void => {
  x.writeRegister(x.register(0), x.builder.constant(0));
  x.builder.flags('logic', x.width, Slot.ZERO, Slot.ZERO, Slot.ZERO);
};

const withCarry = (subtract: boolean): Family => {
  const names = subtract ? NAMES.sub : NAMES.add;
  return (x) => {
    const { builder, width } = x;
    const memory = x.isMemory(0);
    if (memory && x.atomic) {
      builder.busLock();
      return;
    }
    const address = memory ? x.address(1 << width, true) : 0;
    const b = x.read(1, width);
    const a = memory ? builder.load(width, address, true) : x.readRegister(x.register(0));
    const carry = builder.carry();
    const r = builder.value(names[width], builder.value(names[width], a, b), carry);
    if (memory) builder.store(width, address, r);
    builder.flags(subtract ? 'sub' : 'add', width, a, b, r, false);
    if (!memory) x.writeRegister(x.register(0), r);
  };
};

const logic = (operation: Logic): Family => {
  const names = NAMES[operation];
  return (x) => {
    const { builder, width } = x;
    let r: Operand;
    if (x.isMemory(0)) {
      const address = x.address(1 << width, true);
      const b = x.read(1, width);
      if (x.atomic) {
        lockedLogic(x, address, b, operation);
        return;
      }
      r = builder.value(names[width], builder.load(width, address, true), b);
      builder.store(width, address, r);
    } else {
      const register = x.register(0);
      if (operation === 'xor' && x.register(1) === register) {
        zero(x);
        return;
      }
      const b = x.read(1, width);
      r = builder.value(names[width], x.readRegister(register), b, x.target(register));
      if (REGISTER_WIDTH[register] < 2) x.writeRegister(register, r);
    }
    builder.flags('logic', width, r, r, r);
  };
};

const compare: Family = (x) => {
  const a = x.read(0, x.width);
  x.builder.flagsOfDifference(x.width, x.builder.slot(a), x.read(1, x.width));
};

const test: Family = (x) => {
  const { builder, width } = x;
  const a = x.read(0, width);
  const same = !x.isMemory(0) && x.register(1) === x.register(0);
  const r = same ? a : builder.value(NAMES.and[width], a, x.read(1, width));
  builder.flags('logic', width, r, r, r);
};

const step =
  (decrement: boolean): Family =>
  (x) => {
    const { builder, width } = x;
    const name = NAMES.add[width];
    const by = builder.constant(decrement ? -1 : 1);
    const kind = decrement ? 'dec' : 'inc';
    let r: Operand;
    if (x.isMemory(0)) {
      const address = x.address(1 << width, true);
      if (x.atomic) {
        lockedStep(x, address, decrement);
        return;
      }
      r = builder.zeroExtended(width, builder.value(name, builder.load(width, address, true), by));
      builder.store(width, address, r);
    } else {
      const register = x.register(0);
      r = builder.value(name, x.readRegister(register), by, x.target(register));
      if (REGISTER_WIDTH[register] < 2) {
        x.writeRegister(register, r);
        r = builder.zeroExtended(width, r);
      }
    }
    builder.flags(kind, width, r, r, r);
  };

const negate: Family = (x) => {
  const { builder, width } = x;
  const name = NAMES.sub[width];
  if (x.isMemory(0)) {
    if (x.atomic) {
      builder.busLock();
      return;
    }
    const address = x.address(1 << width, true);
    const a = builder.load(width, address, true);
    const r = builder.value(name, Slot.ZERO, a);
    builder.store(width, address, r);
    builder.flagsOfDifference(width, Slot.ZERO, a);
    builder.resultOfFlags(r);
    return;
  }
  const register = x.register(0);
  const a = x.readRegister(register);
  builder.flagsOfDifference(width, Slot.ZERO, a);
  const r = builder.value(name, Slot.ZERO, a, x.target(register));
  if (REGISTER_WIDTH[register] < 2) x.writeRegister(register, r);
  builder.resultOfFlags(r);
};

const not: Family = (x) => {
  const { builder, width } = x;
  const name = NAMES.xor[width];
  const ones = builder.constant(-1);
  if (x.isMemory(0)) {
    const address = x.address(1 << width, true);
    if (x.atomic) builder.atomic('axor8', width, address, ones);
    else builder.store(width, address, builder.value(name, builder.load(width, address, true), ones));
    return;
  }
  const register = x.register(0);
  const r = builder.value(name, x.readRegister(register), ones, x.target(register));
  if (REGISTER_WIDTH[register] < 2) x.writeRegister(register, r);
};

export const arithmeticFamilies: Families = {
  Add: addition(false),
  Sub: addition(true),
  Adc: withCarry(false),
  Sbb: withCarry(true),
  And: logic('and'),
  Or: logic('or'),
  Xor: logic('xor'),
  Cmp: compare,
  Test: test,
  Inc: step(false),
  Dec: step(true),
  Neg: negate,
  Not: not,
};
