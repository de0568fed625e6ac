// HvCallFlushVirtualAddressSpace and its Ex form, with a set of VPs (TLFS 9.4.6.2): no target VP uses, on return, what the guest's tables no longer say.
import { HvCall, HvStatus } from '../../../../shared/abi/hyperv.js';
import { AddressFlush, MASK_HEADER, mayFlush, mayFlushSets, SET_HEADER } from '../address-flush.js';
import type { CallData, SimpleHypercall } from '../hypercall.js';
import type { HyperV } from '../hyperv.js';

const run = (set: boolean): SimpleHypercall['run'] => {
  const flush = new AddressFlush();
  return (hv: HyperV, call: CallData) => {
    const status = flush.begin(call, set, false);
    if (status === HvStatus.SUCCESS) flush.end(hv);
    return status;
  };
};

export const flushVirtualAddressSpace = (): SimpleHypercall => ({
  kind: 'simple',
  code: HvCall.FLUSH_VIRTUAL_ADDRESS_SPACE,
  name: 'FlushVirtualAddressSpace',
  allowed: mayFlush,
  header: MASK_HEADER,
  output: 0,
  run: run(false),
});
export const flushVirtualAddressSpaceEx = (): SimpleHypercall => ({
  kind: 'simple',
  code: HvCall.FLUSH_VIRTUAL_ADDRESS_SPACE_EX,
  name: 'FlushVirtualAddressSpaceEx',
  allowed: mayFlushSets,
  header: SET_HEADER,
  variable: true,
  output: 0,
  run: run(true),
});
