// XCHG, XADD, CMPXCHG and CMPXCHG8B/16B (SDM 1 7.3.1.2). XCHG with memory is locked without being told.
import { Vector } from '../../../shared/abi/exceptions.js';
import { Rflags } from '../../../shared/abi/registers.js';
import { Slot } from '../../../shared/layout/vp.js';
import { REGISTER_SLOT } from '../decode/registers.js';
import type { Operand } from '../operand.js';
import type { Families, Family, InstructionContext } from './instruction-context.js';

const xchg: Family = (x) => {
  const { builder, width } = x;
  const register = x.register(1);
  if (x.isMemory(0)) {
    const address = x.address(1 << width, true);
    const value = x.readRegister(register);
    let old: Operand;
    if (builder.mode.plainLocks) {
      old = builder.load(width, address, true);
      builder.store(width, address, value);
    } else old = builder.atomic('xchg8', width, address, value);
    x.writeRegister(register, old);
    return;
  }
  const other = x.register(0);
  const was = builder.zeroExtended(width === 2 ? 2 : 3, x.readRegister(other));
  const a = was === REGISTER_SLOT[other] ? builder.copy(was) : was;
  x.writeRegister(other, x.readRegister(register));
  x.writeRegister(register, a);
};

const xadd: Family = (x) => {
  const { builder, width } = x;
  const name = width === 3 ? 'add64' : 'add32';
  const register = x.register(1);
  if (x.isMemory(0)) {
    const address = x.address(1 << width, true);
    const b = x.readRegister(register);
    let a: Operand;
    if (x.atomic) a = builder.atomic('xadd8', width, address, b);
    else {
      a = builder.load(width, address, true);
      builder.store(width, address, builder.value(name, a, b));
    }
    builder.flagsOfSum(width, a, b);
    x.writeRegister(register, a);
    return;
  }
  const target = x.register(0);
  const a = builder.copy(x.readRegister(target));
  const b = x.readRegister(register);
  builder.flagsOfSum(width, a, b);
  const sum = builder.value(name, a, b);
  x.writeRegister(register, a);
  x.writeRegister(target, sum);
  builder.resultOfFlags(sum);
};

const cmpxchg: Family = (x) => {
  const { builder, width } = x;
  const replacement = x.readRegister(x.register(1));
  const expected = builder.zeroExtended(width, Slot.RAX);
  if (x.isMemory(0)) {
    const address = x.address(1 << width, true);
    let old: Operand;
    let equal: Operand;
    if (x.atomic) {
      old = builder.compareExchange(width, address, expected, replacement);
      equal = width === 2 ? builder.value('eq', old, expected) : 0;
    } else {
      // The destination is written in any case (SDM 2A, CMPXCHG).
      old = builder.load(width, address, true);
      equal = builder.value('eq', old, expected);
      builder.store(width, address, builder.select(equal, replacement, old));
    }
    builder.flagsOfDifference(width, expected, old);
    writeAccumulator(x, equal, old);
    return;
  }
  const register = x.register(0);
  const slot = REGISTER_SLOT[register];
  const old = builder.zeroExtended(width, x.readRegister(register));
  const equal = builder.value('eq', old, expected);
  builder.flagsOfDifference(width, expected, old);
  writeAccumulator(x, equal, old);
  // On failure a register is not touched, its upper half neither: unlike memory, and as processors do.
  if (width >= 2) builder.select(equal, builder.zeroExtended(width, replacement), slot, slot);
  else x.writeRegister(register, builder.select(equal, replacement, old));
};
/** Only on failure is EAX written, and RAX cleared above it. In the other widths the accumulator gets the value it has, or the one it must get. */
const writeAccumulator = (x: InstructionContext, equal: Operand, old: Operand): void => {
  if (x.width === 2) x.builder.select(equal, Slot.RAX, old, Slot.RAX);
  else x.writeSlot(Slot.RAX, x.width, old);
};

/** The pair high:low of 32-bit registers as one value. */
const pair = ({ builder }: InstructionContext, high: number, low: number): Operand =>
  builder.value('or64', builder.value('shl64', high, builder.constant(32)), builder.zeroExtended(2, low));
/** ZF := equal; the other flags are kept. */
const setZero = ({ builder }: InstructionContext, equal: Operand): void => {
  const others = builder.value('and64', builder.readFlags(), builder.constant(~Rflags.ZF));
  builder.flags('set', 3, 0, 0, builder.value('or64', others, builder.value('shl64', equal, builder.constant(ZF_SHIFT))));
};
const ZF_SHIFT = 6;

/** EDX:EAX against memory; ECX:EBX goes there when they are equal. It is written in any case (SDM 2A, CMPXCHG8B). */
const cmpxchg8b: Family = (x) => {
  const { builder } = x;
  const expected = pair(x, Slot.RDX, Slot.RAX);
  const replacement = pair(x, Slot.RCX, Slot.RBX);
  const address = x.address(8, true);
  let old: Operand;
  let equal: Operand;
  if (x.atomic) {
    old = builder.compareExchange(3, address, expected, replacement);
    equal = builder.value('eq', old, expected);
  } else {
    old = builder.load(3, address, true);
    equal = builder.value('eq', old, expected);
    builder.store(3, address, builder.select(equal, replacement, old));
  }
  setZero(x, equal);
  builder.select(equal, Slot.RAX, builder.zeroExtended(2, old), Slot.RAX);
  builder.select(equal, Slot.RDX, builder.value('shr64', old, builder.constant(32)), Slot.RDX);
};

/** As two quadwords: the host has no atomic of 16 bytes, so the LOCK form runs with the bus locked. #GP(0) when misaligned. */
const cmpxchg16b: Family = (x) => {
  const { builder } = x;
  if (x.atomic) {
    builder.busLock();
    return;
  }
  const address = x.address(16, true);
  builder.trapIf(builder.value('and64', address, builder.constant(15)), Vector.GP, 0);
  const second = builder.value('add64', address, builder.constant(8));
  const low = builder.load(3, address, true);
  const high = builder.load(3, second, true);
  const equal = builder.value('and64', builder.value('eq', low, Slot.RAX), builder.value('eq', high, Slot.RDX));
  builder.store(3, address, builder.select(equal, Slot.RBX, low));
  builder.store(3, second, builder.select(equal, Slot.RCX, high));
  setZero(x, equal);
  builder.select(equal, Slot.RAX, low, Slot.RAX);
  builder.select(equal, Slot.RDX, high, Slot.RDX);
};

export const exchangeFamilies: Families = {
  Xchg: xchg,
  Xadd: xadd,
  Cmpxchg: cmpxchg,
  Cmpxchg8b: cmpxchg8b,
  Cmpxchg16b: cmpxchg16b,
};
