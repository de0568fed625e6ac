// LDMXCSR, STMXCSR, VZEROUPPER, VZEROALL: state of the vector unit as a whole. References: SDM 2A LDMXCSR, SDM 2C VZEROUPPER.
import { ExtendedState, Slot, VectorSlot } from '../../../../shared/layout/vp.js';
import { SysOp } from '../../micro-op.js';
import type { Families, Family } from '../instruction-context.js';
import { controlFamilies, type VectorFamily } from './form.js';

const REGISTERS_64 = 16;
const REGISTERS_32 = 8;

/** The reserved bits are checked there. */
const loadControl: VectorFamily = (x) => {
  const { builder } = x;
  builder.move(Slot.ARG1, x.read(0, 2));
  builder.sys({ op: SysOp.LDMXCSR, width: 2, addressWidth: x.addressWidth });
};
const storeControl: VectorFamily = (x) => {
  const { builder } = x;
  builder.sys({ op: SysOp.STMXCSR, width: 2, addressWidth: x.addressWidth });
  builder.store(2, x.address(4, true), Slot.ARG1);
};

const clear =
  (first: number): Family =>
  (x) => {
    const { builder } = x;
    builder.usable(ExtendedState.AVX);
    const count = builder.mode.bits === 64 ? REGISTERS_64 : REGISTERS_32;
    for (let slot = first; slot <= VectorSlot.YMM_HIGH; slot += VectorSlot.YMM_HIGH)
      for (let n = 0; n < count; n++) builder.vector('vmov', VectorSlot.ZERO, 0, slot + n);
  };

export const vectorControlFamilies: Families = {
  ...controlFamilies({ ldmxcsr: loadControl, stmxcsr: storeControl }),
  VEX_Vzeroupper: clear(VectorSlot.YMM_HIGH),
  VEX_Vzeroall: clear(VectorSlot.XMM),
};
