// HvCallFlushVirtualAddressList and its Ex form, with a set of VPs (TLFS 9.4.6.4): as the flush of a space, for ranges of pages. Large pages go as a whole.
import { HvCall } from '../../../../shared/abi/hyperv.js';
import { AddressFlush, MASK_HEADER, mayFlush, mayFlushSets, SET_HEADER } from '../address-flush.js';
import type { RepHypercall } from '../hypercall.js';

const list = (set: boolean): Pick<RepHypercall, 'kind' | 'element' | 'begin' | 'each' | 'end'> => {
  const flush = new AddressFlush();
  return {
    kind: 'rep',
    element: { input: 8, output: 0 },
    begin: (_hv, call) => flush.begin(call, set, true),
    each: (hv, call, input) => flush.range(hv, call, input),
    end: (hv) => flush.end(hv),
  };
};

export const flushVirtualAddressList = (): RepHypercall => ({
  code: HvCall.FLUSH_VIRTUAL_ADDRESS_LIST,
  name: 'FlushVirtualAddressList',
  allowed: mayFlush,
  header: MASK_HEADER,
  ...list(false),
});
export const flushVirtualAddressListEx = (): RepHypercall => ({
  code: HvCall.FLUSH_VIRTUAL_ADDRESS_LIST_EX,
  name: 'FlushVirtualAddressListEx',
  allowed: mayFlushSets,
  header: SET_HEADER,
  variable: true,
  ...list(true),
});
