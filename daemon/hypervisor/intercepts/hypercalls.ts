// VMCALL and VMMCALL: a hypercall where the partition has the Hyper-V interface and the guest has its hypercall page enabled, #UD otherwise (TLFS 3.5, 3.13).
// Why the page: calls go by it, and it cannot be enabled before the guest has said who it is, nor outlives that unless it is locked. One rule for all of this.
import { Vector } from '../../../shared/abi/exceptions.js';
import type { Intercepts } from '../../machine/processor.js';
import { Dispatcher } from '../hyperv/dispatcher.js';
import { hypercalls } from '../hyperv/hypercalls/calls.js';
import { isEnabled } from '../hyperv/overlays.js';
import type { PartitionOnLp } from '../partition-on-lp.js';

export const hypercallIntercept = (on: PartitionOnLp): Pick<Intercepts, 'hypercall'> => {
  const { hyperv } = on;
  const dispatcher = hyperv && new Dispatcher(hyperv, hypercalls());
  const account = on.account('hypercall', 'hypercalls');
  return {
    hypercall() {
      if (hyperv === undefined || dispatcher === undefined || !isEnabled(hyperv.state.hypercall) || on.processor.vp.cpl !== 0)
        throw on.fault.set(Vector.UD);
      account();
      return dispatcher.execute();
    },
  };
};
