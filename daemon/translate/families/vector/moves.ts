// Moves between vector registers, memory and general registers. Non-temporal moves are moves: there is no cache to go round.
// References: SDM 2B MOVAPS, MOVD/MOVQ, MOVHPS, MOVSD, MOVMSKPS, PMOVMSKB, MASKMOVDQU.
import { Slot, VectorSlot } from '../../../../shared/layout/vp.js';
import { SysOp, type Width } from '../../micro-op.js';
import { inSegment, segmented } from '../effective-address.js';
import type { Families, InstructionContext } from '../instruction-context.js';
import {
  Alignment,
  assign,
  clearUpper,
  halfOf,
  source,
  storeHalves,
  target,
  type VectorFamily,
  vectorFamilies,
  writeGeneral,
} from './form.js';

const whole =
  (aligned: boolean): VectorFamily =>
  (x, form) => {
    const alignment = aligned ? Alignment.ALWAYS : Alignment.NEVER;
    if (x.isMemory(0)) storeHalves(x, source(x, form, 1), aligned);
    else {
      const d = target(x);
      // A lone half is loaded in place; two of them are loaded before either register half changes.
      if (x.isMemory(1) && form.halves === 1) {
        x.builder.loadVector(x.address(16, false), aligned, d);
        clearUpper(x, form, 1);
      } else assign(x, form, source(x, form, 1, alignment));
    }
  };

/** MOVSS, MOVSD: from memory the rest is cleared, from a register it is kept (VEX: taken from the first source). */
const scalar =
  (width: Width): VectorFamily =>
  (x, form) => {
    const { builder } = x;
    if (x.isMemory(0)) {
      const address = x.address(1 << width, true);
      builder.store(width, address, builder.fromVector('vgetl', halfOf(x, 1, 0)));
      return;
    }
    if (x.isMemory(1)) builder.vectorFrom('vfrom64', x.read(1, width), target(x));
    else builder.vector('vshuf32', halfOf(x, form.count - 2, 0), halfOf(x, form.count - 1, 0), target(x), width === 3 ? 0x3254 : 0x3214);
    clearUpper(x, form, 1);
  };

/** MOVLPS, MOVHPS and their doubles: one half to or from memory. */
const halfMove =
  (half: 0 | 1): VectorFamily =>
  (x, form) => {
    const { builder } = x;
    if (x.isMemory(0)) {
      const address = x.address(8, true);
      builder.store(3, address, builder.fromVector(half === 0 ? 'vgetl' : 'vgeth', halfOf(x, 1, 0)));
      return;
    }
    builder.vectorPut(half, halfOf(x, form.count - 2, 0), x.read(form.count - 1, 3), target(x));
    clearUpper(x, form, 1);
  };
/** MOVHLPS, MOVLHPS. */
const across =
  (lanes: number): VectorFamily =>
  (x, form) => {
    x.builder.vector('vshuf32', halfOf(x, form.count - 2, 0), halfOf(x, form.count - 1, 0), target(x), lanes);
    clearUpper(x, form, 1);
  };

/** MOVD, MOVQ: the low lane, the rest cleared. */
const lowLane: VectorFamily = (x, form) => {
  const { builder } = x;
  const [to, from] = form.operands;
  const wide = /64/.test(to) || /64/.test(from);
  const width: Width = wide ? 3 : 2;
  if (from === 'xmm') {
    if (x.isMemory(0)) {
      const address = x.address(1 << width, true);
      builder.store(width, address, builder.fromVector('vgetl', halfOf(x, 1, 0)));
      return;
    }
    if (to.startsWith('xmm')) builder.vector('vshuf32', halfOf(x, 1, 0), VectorSlot.ZERO, target(x), 0x5410);
    else {
      writeGeneral(x, 0, builder.fromVector('vgetl', halfOf(x, 1, 0)));
      return;
    }
  } else if (from.startsWith('xmm') && !x.isMemory(1)) builder.vector('vshuf32', halfOf(x, 1, 0), VectorSlot.ZERO, target(x), 0x5410);
  else builder.vectorFrom('vfrom64', builder.zeroExtended(width, x.read(1, width)), target(x));
  clearUpper(x, form, 1);
};

const signs =
  (name: 'vmask8' | 'vmask32' | 'vmask64', perHalf: number): VectorFamily =>
  (x, form) => {
    const { builder } = x;
    const [low, high] = source(x, form, 1).map((slot) => builder.fromVector(name, slot));
    writeGeneral(x, 0, high === undefined ? low : builder.value('or64', low, builder.value('shl64', high, builder.constant(perHalf))));
  };

/** MOVSLDUP, MOVSHDUP, MOVDDUP: lanes doubled. */
const doubled =
  (lanes: number): VectorFamily =>
  (x, form) => {
    const from = source(x, form, 1);
    for (let half = 0; half < form.halves; half++) x.builder.vector('vshuf32', from[half], from[half], target(x, half), lanes);
    clearUpper(x, form, form.halves);
  };

/** MASKMOVDQU, MASKMOVQ to DS:rDI: bytes whose mask is clear are not touched, which only a store of single bytes gives. */
export const maskedStore = (x: InstructionContext, value: number, mask: number): void => {
  const { builder } = x;
  const offset = builder.zeroExtended(x.addressWidth, Slot.RDI);
  builder.move(Slot.ARG0, x.segmentOverride ? segmented(x, offset, 16, true) : inSegment(x, 3, offset, 16, true));
  builder.vector('vmov', value, 0, VectorSlot.SCRATCH);
  builder.vector('vmov', mask, 0, VectorSlot.SCRATCH + 1);
  builder.sys({ op: SysOp.MASKED_STORE, width: 0, addressWidth: x.addressWidth, memory: true });
};
const maskMove: VectorFamily = (x) => maskedStore(x, halfOf(x, 1, 0), halfOf(x, 2, 0));

/** VLDDQU, LDDQU and MOVNTDQA are loads only. */
export const vectorMoveFamilies: Families = vectorFamilies({
  movaps: whole(true),
  movapd: whole(true),
  movdqa: whole(true),
  movntps: whole(true),
  movntpd: whole(true),
  movntdq: whole(true),
  movntdqa: whole(true),
  movups: whole(false),
  movupd: whole(false),
  movdqu: whole(false),
  lddqu: whole(false),
  movss: scalar(2),
  movsd: scalar(3),
  movlps: halfMove(0),
  movlpd: halfMove(0),
  movhps: halfMove(1),
  movhpd: halfMove(1),
  movhlps: across(0x3276),
  movlhps: across(0x5410),
  movd: lowLane,
  movq: lowLane,
  movmskps: signs('vmask32', 4),
  movmskpd: signs('vmask64', 2),
  pmovmskb: signs('vmask8', 16),
  movsldup: doubled(0x2200),
  movshdup: doubled(0x3311),
  movddup: doubled(0x1010),
  maskmovdqu: maskMove,
});
