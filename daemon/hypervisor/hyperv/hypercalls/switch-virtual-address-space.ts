// HvCallSwitchVirtualAddressSpace (TLFS 9.4.6.1): CR3 := the value, and no translation need be flushed. As by MOV CR3 a value that the processor refuses is refused.
import { HvCall, HvRecommendation, HvStatus } from '../../../../shared/abi/hyperv.js';
import { loadCr3 } from '../../intercepts/control-registers.js';
import { Flush } from '../../vtlb/loaded-space.js';
import type { SimpleHypercall } from '../hypercall.js';

export const switchVirtualAddressSpace = (): SimpleHypercall => ({
  kind: 'simple',
  code: HvCall.SWITCH_VIRTUAL_ADDRESS_SPACE,
  name: 'SwitchVirtualAddressSpace',
  allowed: (hv) => hv.recommends(HvRecommendation.SWITCH_ADDRESS_SPACE),
  header: 8,
  output: 0,
  run: ({ on }, { input }) =>
    loadCr3(on, input.getUint32(0, true), input.getUint32(4, true), Flush.NONE) ? HvStatus.SUCCESS : HvStatus.INVALID_PARAMETER,
});
