// VMCALL and VMMCALL: a hypercall where the partition has the Hyper-V interface and the guest has said who it is (TLFS 3.5), #UD otherwise.
import { Vector } from '../../../shared/abi/exceptions.js';
import type { Intercepts } from '../../machine/processor.js';
import { Dispatcher } from '../hyperv/dispatcher.js';
import { hypercalls } from '../hyperv/hypercalls/calls.js';
import type { PartitionOnLp } from '../partition-on-lp.js';

export const hypercallIntercept = (on: PartitionOnLp): Pick<Intercepts, 'hypercall'> => {
  const { hyperv } = on;
  const dispatcher = hyperv && new Dispatcher(hyperv, hypercalls());
  const account = on.account('hypercall', 'hypercalls');
  return {
    hypercall() {
      if (dispatcher === undefined || hyperv?.state.guestOsId === 0n || on.processor.vp.cpl !== 0) throw on.fault.set(Vector.UD);
      account();
      return dispatcher.execute();
    },
  };
};
