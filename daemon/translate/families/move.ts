// MOV, MOVZX, MOVSX, MOVSXD, LEA, MOVNTI, BSWAP, XLAT and the sign extensions of the accumulator.
import { Slot } from '../../../shared/layout/vp.js';
import { REGISTER_SLOT, REGISTER_WIDTH } from '../decode/registers.js';
import { effectiveOffset } from './effective-address.js';
import type { Families, Family } from './instruction-context.js';

const mov: Family = (x) => {
  const { builder, width } = x;
  if (x.isMemory(0)) {
    const address = x.address(1 << width, true);
    builder.store(width, address, x.read(1, width));
    return;
  }
  const register = x.register(0);
  if (width >= 2 && x.isMemory(1)) builder.load(width, x.address(1 << width, false), false, REGISTER_SLOT[register]);
  else x.writeRegister(register, x.read(1, width));
};

const movzx: Family = (x) => {
  const { builder, secondWidth } = x;
  const register = x.register(0);
  if (REGISTER_WIDTH[register] < 2) {
    x.writeRegister(register, builder.zeroExtended(secondWidth, x.read(1, secondWidth)));
    return;
  }
  const slot = REGISTER_SLOT[register];
  if (x.isMemory(1)) {
    builder.load(secondWidth, x.address(1 << secondWidth, false), false, slot);
    return;
  }
  const value = x.read(1, secondWidth);
  if (builder.isZeroExtended(secondWidth, value)) builder.move(slot, value);
  else builder.value(secondWidth === 0 ? 'zx8' : 'zx16', value, 0, slot);
};

const movsx: Family = (x) => {
  const { builder, secondWidth } = x;
  const register = x.register(0);
  const width = REGISTER_WIDTH[register];
  const value = x.read(1, secondWidth);
  const name = secondWidth === 0 ? 'sx8' : secondWidth === 1 ? 'sx16' : 'sx32';
  if (width === 3) builder.value(name, value, 0, REGISTER_SLOT[register]);
  // MOVSXD without REX.W moves 32 (16) bits as they are.
  else x.writeRegister(register, secondWidth >= width ? value : builder.value(name, value));
};

const lea: Family = (x) => {
  const register = x.register(0);
  const width = REGISTER_WIDTH[register];
  const slot = REGISTER_SLOT[register];
  // Computed in place where that leaves the right upper bits; of a 64-bit offset only the low half is wanted for a 32-bit destination.
  const offset = effectiveOffset(x, width >= 2 ? slot : undefined, width === 2);
  if (offset !== slot) x.writeRegister(register, offset);
};

const bswap: Family = (x) => {
  const register = x.register(0);
  const slot = REGISTER_SLOT[register];
  // BSWAP of a 16-bit register is undefined; processors clear it.
  if (x.width === 1) x.writeRegister(register, x.builder.constant(0));
  else x.builder.value(x.width === 3 ? 'bswap64' : 'bswap32', slot, 0, slot);
};

const xlat: Family = (x) => x.builder.value('ins8', Slot.RAX, x.builder.load(0, x.address(1, false)), Slot.RAX);

const cbw: Family = ({ builder }) => builder.value('ins16', Slot.RAX, builder.value('sx8', Slot.RAX), Slot.RAX);
const cwde: Family = (x) => x.writeZeroExtended(Slot.RAX, x.builder.value('sx16', Slot.RAX));
const cdqe: Family = ({ builder }) => builder.value('sx32', Slot.RAX, 0, Slot.RAX);
const cwd: Family = ({ builder }) =>
  builder.value('ins16', Slot.RDX, builder.value('sar64', builder.value('sx16', Slot.RAX), builder.constant(15)), Slot.RDX);
const cdq: Family = ({ builder }) => builder.value('sar32', Slot.RAX, builder.constant(31), Slot.RDX);
const cqo: Family = ({ builder }) => builder.value('sar64', Slot.RAX, builder.constant(63), Slot.RDX);

export const moveFamilies: Families = {
  Mov: mov,
  Movnti: mov,
  Movzx: movzx,
  Movsx: movsx,
  Movsxd: movsx,
  Lea: lea,
  Bswap: bswap,
  Xlat: xlat,
  Cbw: cbw,
  Cwde: cwde,
  Cdqe: cdqe,
  Cwd: cwd,
  Cdq: cdq,
  Cqo: cqo,
};
