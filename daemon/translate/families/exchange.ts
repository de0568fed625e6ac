// XCHG, XADD, CMPXCHG and CMPXCHG8B/16B (SDM 1 7.3.1.2). XCHG with memory is locked without being told.
import { Slot } from '../../../shared/layout/vp.js';
import type { Operand } from '../block-builder.js';
import { REGISTER_SLOT } from '../decode/registers.js';
import { SysOp } from '../micro-op.js';
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

const wide =
  (op: number): Family =>
  (x) => {
    const { builder } = x;
    builder.move(Slot.ARG0, x.address(op === SysOp.CMPXCHG16B ? 16 : 8, true));
    builder.sys({ op, width: op === SysOp.CMPXCHG16B ? 3 : 2, addressWidth: x.addressWidth, memory: true });
  };

export const exchangeFamilies: Families = {
  Xchg: xchg,
  Xadd: xadd,
  Cmpxchg: cmpxchg,
  Cmpxchg8b: wide(SysOp.CMPXCHG8B),
  Cmpxchg16b: wide(SysOp.CMPXCHG16B),
};
