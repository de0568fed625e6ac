// INVLPG and INVPCID: the guest takes translations back (SDM 3A 4.10.4.1).
import type { Intercepts } from '../../machine/processor.js';
import type { PartitionOnLp } from '../partition-on-lp.js';

export const translationIntercepts = (on: PartitionOnLp): Pick<Intercepts, 'invlpg' | 'invpcid'> => {
  const account = on.account('invlpg', 'invlpgIntercepts');
  return {
    invlpg(gva) {
      account();
      on.mmu.invlpg(gva);
    },
    invpcid(type, pcid, gva) {
      account();
      on.mmu.invpcid(type, pcid, gva);
    },
  };
};
