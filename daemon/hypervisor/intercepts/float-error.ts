// x87 exceptions the PC's way (CR0.NE = 0): IRQ 13; the handler's write to port F0h also asserts IGNNE#, so that it may use the x87 with the exception pending.
// References: SDM 1 8.7.2, appendix D.2.1.
import { Cr0 } from '../../../shared/abi/registers.js';
import { Slot } from '../../../shared/layout/vp.js';
import type { Intercepts } from '../../machine/processor.js';
import type { PartitionOnLp } from '../partition-on-lp.js';

const CLEAR_BUSY = 0xf0;

export const floatErrorIntercept = (on: PartitionOnLp): Pick<Intercepts, 'floatError'> => ({
  floatError() {
    on.platform.coprocessorError();
  },
});

/** IGNNE#, until the exceptions are cleared or new ones come: nothing is pending for waiting instructions. */
export const ignoreFloatError = (on: PartitionOnLp, port: number): void => {
  const { vp } = on.processor;
  if (port === CLEAR_BUSY && (vp.cr0 & Cr0.NE) === 0) on.views.u64[(vp.base >>> 3) + Slot.FPU_FAULT] = 0n;
};
