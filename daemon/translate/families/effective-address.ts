// Memory operands: offset by address size (SDM 1 3.7.5), then segment check and base.
// Kept minimal, for nearly every second instruction has one: base alone costs no micro-op in flat code, base + displacement one.
import { Register } from 'iced-x86';
import { Slot } from '../../../shared/layout/vp.js';
import { Origin } from '../constants.js';
import { REGISTER_SLOT, REGISTER_WIDTH, segmentNumber } from '../decode/registers.js';
import type { Operand } from '../operand.js';
import type { InstructionContext } from './instruction-context.js';

const FS = 4;
const CS = 1;
const SCALE = [0, 0, 1, 0, 2, 0, 0, 0, 3] as const;
const HIGH = 4294967296;

/** Offset of the memory operand in its segment, zero-extended from its address size. `d`: where to compute it; `narrow`: 32 bits of it are enough. */
export const effectiveOffset = (x: InstructionContext, d?: number, narrow = false): Operand => {
  const { builder } = x;
  const i = x.decoder.instruction;
  const baseRegister = i.memoryBase;
  const indexRegister = i.memoryIndex;
  if (baseRegister === Register.RIP) return builder.position(i.memoryDisplacement + builder.nearRip);
  if (baseRegister === Register.EIP) return builder.constant((((i.memoryDisplacement + builder.rip) % HIGH) + HIGH) % HIGH);
  if (baseRegister === Register.None && indexRegister === Register.None) {
    i.readDisplacement();
    return builder.constant64(i.displacementLo, i.displacementHi, displacementOrigin(x, i.displacementLo, x.addressWidth === 3));
  }
  const width = REGISTER_WIDTH[baseRegister === Register.None ? indexRegister : baseRegister];
  const wide = width === 3;
  const bits = wide && !narrow ? 64 : width >= 2 ? 32 : 16;
  const displacement = wide ? i.memoryDisplacement : i.memoryDisplacement | 0;
  const origin = displacementOrigin(x, displacement, true);
  let base = baseRegister === Register.None ? Slot.ZERO : REGISTER_SLOT[baseRegister];
  if (base === Slot.RSP) base = x.stackPointer;
  if (indexRegister === Register.None) {
    if (bits === 16)
      return displacement === 0 ? builder.zeroExtended(1, base) : builder.effective(16, base, Slot.ZERO, 0, displacement, d, origin);
    if (displacement === 0) return bits === 64 ? base : builder.zeroExtended(2, base);
    return builder.value(
      bits === 64 ? 'add64' : 'add32',
      base,
      builder.constant64(displacement | 0, Math.floor(displacement / HIGH), origin),
      d,
    );
  }
  // XLAT's index is AL.
  const index = indexRegister === Register.AL ? builder.zeroExtended(0, Slot.RAX) : REGISTER_SLOT[indexRegister];
  const scale = SCALE[i.memoryIndexScale];
  if (displacement === 0 && scale === 0 && bits !== 16) return builder.value(bits === 64 ? 'add64' : 'add32', base, index, d);
  return builder.effective(bits, base, index, scale, displacement, d, origin);
};

/** Where a displacement of four bytes comes from; one of another size decides what the block is. */
const displacementOrigin = (x: InstructionContext, displacement: number, signed: boolean): number => {
  const { encoding, at } = x.decoder.instruction;
  return encoding.displacementBytes === 4 ? x.builder.constants.originOf(displacement, at + encoding.displacementAt, signed) : Origin.FIXED;
};

/** Base and displacement alone: of an operand whose index is a vector (VSIB, SDM 2A 2.3.12). */
export const offsetOfBase = (x: InstructionContext): Operand => {
  const { builder } = x;
  const i = x.decoder.instruction;
  const base = i.memoryBase === Register.None ? Slot.ZERO : REGISTER_SLOT[i.memoryBase];
  const wide = x.addressWidth === 3;
  return builder.value(wide ? 'add64' : 'add32', base, builder.constant(wide ? i.memoryDisplacement : i.memoryDisplacement | 0));
};

/** Linear address of the memory operand. */
export const linearAddress = (x: InstructionContext, bytes: number, write: boolean): Operand =>
  segmented(x, effectiveOffset(x), bytes, write);

/** Linear address of an offset in the memory operand's segment. */
export const segmented = (x: InstructionContext, offset: Operand, bytes: number, write: boolean): Operand => {
  const { mode } = x.builder;
  if (!x.segmentOverride && (mode.bits === 64 || mode.flat)) return offset;
  return inSegment(x, segmentNumber(x.decoder.instruction.memorySegment), offset, bytes, write);
};

/** Linear address of an offset in the segment (0..5). */
export const inSegment = (x: InstructionContext, segment: number, offset: Operand, bytes: number, write: boolean): Operand => {
  const { builder } = x;
  const { mode } = builder;
  if (mode.bits === 64) return segment < FS ? offset : builder.value('add64', Slot.ES_BASE + segment, offset);
  const flat = mode.flat && segment < FS;
  if (flat && !(write && segment === CS)) return offset;
  const slot = builder.slot(offset);
  builder.segmentCheck(segment, slot, bytes, write);
  return flat ? slot : builder.value('add32', Slot.ES_BASE + segment, slot);
};
