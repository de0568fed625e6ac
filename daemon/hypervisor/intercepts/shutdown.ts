// The rest: shutdown by a triple fault, and caches, of which there are none.
import { Slot, VpState } from '../../../shared/layout/vp.js';
import type { Intercepts } from '../../machine/processor.js';
import type { PartitionOnLp } from '../partition-on-lp.js';

export const shutdownIntercepts = (on: PartitionOnLp): Pick<Intercepts, 'tripleFault' | 'wbinvd'> => ({
  tripleFault() {
    const { vp } = on.processor;
    on.intercept('tripleFault');
    on.count(vp, 'tripleFaults');
    on.setState(vp, VpState.STOPPED);
    on.ends.tripleFault(vp.index, on.views.u64[(vp.base + Slot.RIP * 8) >>> 3]);
  },
  wbinvd() {
    on.intercept('wbinvd');
  },
});
