// XSAVE and its like: images of extended state. The descriptor's `a` says which: bit 0 REX.W, bits 2:1 XSAVE, XSAVEOPT, XSAVEC (SDM 1 chapter 13).
import { Slot } from '../../../shared/layout/vp.js';
import { SysOp } from '../micro-op.js';
import { effectiveOffset, segmented } from './effective-address.js';
import type { Families, Family } from './instruction-context.js';

const image =
  (op: number, write: boolean, a: number): Family =>
  (x) => {
    const { builder } = x;
    builder.move(Slot.ARG0, segmented(x, effectiveOffset(x), 1, write));
    builder.sys({ op, width: 2, addressWidth: x.addressWidth, a, memory: true });
  };

export const xsaveFamilies: Families = {
  Xsave_mem: image(SysOp.XSAVE, true, 0),
  Xsave64_mem: image(SysOp.XSAVE, true, 1),
  Xsaveopt_mem: image(SysOp.XSAVE, true, 2),
  Xsaveopt64_mem: image(SysOp.XSAVE, true, 3),
  Xsavec_mem: image(SysOp.XSAVE, true, 4),
  Xsavec64_mem: image(SysOp.XSAVE, true, 5),
  Xrstor_mem: image(SysOp.XRSTOR, false, 0),
  Xrstor64_mem: image(SysOp.XRSTOR, false, 1),
};
