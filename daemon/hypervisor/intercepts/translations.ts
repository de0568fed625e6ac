// INVLPG and INVPCID: the guest takes translations back (SDM 3A 4.10.4.1).
import type { Intercepts } from '../../machine/processor.js';
import type { PartitionOnLp } from '../partition-on-lp.js';

export const translationIntercepts = (on: PartitionOnLp): Pick<Intercepts, 'invlpg' | 'invpcid'> => ({
  invlpg(gva) {
    on.intercept('invlpg');
    on.count(on.processor.vp, 'invlpgIntercepts');
    on.mmu.invlpg(gva);
  },
  invpcid() {
    throw on.fault.set(6);
  },
});
