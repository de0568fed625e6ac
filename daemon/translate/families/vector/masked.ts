// AVX moves that leave elements out: VMASKMOVPS and its like, gathers. An element that the mask excludes is not touched and cannot fault.
// References: SDM 2C VMASKMOV, VPMASKMOV, VGATHERDPS and the other gathers.
import { Slot, VectorSlot } from '../../../../shared/layout/vp.js';
import { segmentNumber } from '../../decode/registers.js';
import { SysOp, type Width } from '../../micro-op.js';
import { offsetOfBase } from '../effective-address.js';
import type { Families, InstructionContext } from '../instruction-context.js';
import { undefinedInstruction } from '../undefined.js';
import { assign, halfOf, type VectorFamily, type VectorForm, vectorFamilies, vectorNumber } from './form.js';

/** One half of the slow half's masked access; `probe`: it only looks whether a store would fault. */
const access = (x: InstructionContext, op: number, width: Width, address: number, value: number, mask: number, probe = false): void => {
  const { builder } = x;
  builder.move(Slot.ARG0, address);
  builder.vector('vmov', value, 0, VectorSlot.SCRATCH);
  builder.vector('vmov', mask, 0, VectorSlot.SCRATCH + 1);
  builder.sys({ op, width, addressWidth: x.addressWidth, memory: true, rep: probe });
};
const masked =
  (width: Width): VectorFamily =>
  (x, form: VectorForm) => {
    const { builder } = x;
    const store = x.isMemory(0);
    const address = x.address(16 * form.halves, store);
    const at = (half: number): number => (half === 0 ? address : builder.slot(builder.value('add64', address, builder.constant(16))));
    if (!store) {
      const results: number[] = [];
      for (let half = 0; half < form.halves; half++) {
        access(x, SysOp.MASKED_LOAD, width, at(half), VectorSlot.ZERO, halfOf(x, 1, half));
        results.push(builder.vector('vmov', VectorSlot.RESULT));
      }
      assign(x, form, results);
      return;
    }
    if (form.halves === 2) access(x, SysOp.MASKED_STORE, width, at(1), halfOf(x, 2, 1), halfOf(x, 1, 1), true);
    for (let half = 0; half < form.halves; half++) access(x, SysOp.MASKED_STORE, width, at(half), halfOf(x, 2, half), halfOf(x, 1, half));
  };

const SCALE_SHIFT: Readonly<Record<number, number>> = { 1: 0, 2: 1, 4: 2, 8: 3 };
/** Registers are named by number, for elements that are there already stay when a later one faults. */
const gather =
  (indexWidth: Width, width: Width): VectorFamily =>
  (x, form) => {
    const { builder } = x;
    const i = x.decoder.instruction;
    const index = vectorNumber(i.memoryIndex);
    const [destination, mask] = [vectorNumber(x.register(0)), vectorNumber(x.register(2))];
    if (index === destination || index === mask || destination === mask) {
      undefinedInstruction(x);
      return;
    }
    // As many elements as the shorter of destination and indexes has.
    const indexBytes = form.operands[1].endsWith('y') ? 32 : 16;
    const bytes = form.operands[0] === 'ymm' ? 32 : 16;
    const count = Math.min(indexBytes >> indexWidth, bytes >> width);
    builder.move(Slot.ARG0, offsetOfBase(x));
    builder.move(Slot.ARG1, builder.constant(index | (SCALE_SHIFT[i.memoryIndexScale] << 8) | (indexWidth << 12) | (count << 16)));
    builder.sys({
      op: SysOp.GATHER,
      width,
      addressWidth: x.addressWidth,
      a: destination,
      b: mask,
      segment: segmentNumber(i.memorySegment),
      memory: true,
    });
  };

export const vectorMaskedFamilies: Families = vectorFamilies({
  maskmovps: masked(2),
  maskmovpd: masked(3),
  pmaskmovd: masked(2),
  pmaskmovq: masked(3),
  pgatherdd: gather(2, 2),
  pgatherdq: gather(2, 3),
  pgatherqd: gather(3, 2),
  pgatherqq: gather(3, 3),
  gatherdps: gather(2, 2),
  gatherdpd: gather(2, 3),
  gatherqps: gather(3, 2),
  gatherqpd: gather(3, 3),
});
