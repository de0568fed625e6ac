// INVLPG and INVPCID: the guest takes translations back (SDM 3A 4.10.4.1).
import { type Intercepts, InvpcidType } from '../../machine/processor.js';
import type { PartitionOnLp } from '../partition-on-lp.js';
import { Flush } from '../vtlb/vtlb.js';

export const translationIntercepts = (on: PartitionOnLp): Pick<Intercepts, 'invlpg' | 'invpcid'> => {
  const account = on.account('invlpg', 'invlpgIntercepts');
  return {
    invlpg(gva) {
      account();
      on.mmu.invlpg(gva);
    },
    /** One context is all that is not global: address spaces that are not loaded are purged when they are (vtlb). */
    invpcid(type, _pcid, gva) {
      account();
      if (type === InvpcidType.ADDRESS) on.mmu.invlpg(gva);
      else on.mmu.switchAddressSpace(type === InvpcidType.ALL ? Flush.ALL : Flush.NON_GLOBAL);
    },
  };
};
