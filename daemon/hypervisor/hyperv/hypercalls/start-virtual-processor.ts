// HvCallStartVirtualProcessor (TLFS 7.9): a VP that waits for INIT and SIPI begins in a state of the caller's choice.
//   +0 u64 partition   +8 u32 VP index   +12 u8 target VTL   +16 HV_INITIAL_VP_CONTEXT (initial-context.ts)
import { HV_PARTITION_SELF, HV_VP_SELF, HvCall, HvPrivilege, HvStatus } from '../../../../shared/abi/hyperv.js';
import type { SimpleHypercall } from '../hypercall.js';
import { requestStart } from '../vp-start.js';

const At = { PARTITION: 0, VP: 8, VTL: 12, CONTEXT: 16 } as const;
const CONTEXT_BYTES = 224;

export const startVirtualProcessor = (): SimpleHypercall => ({
  kind: 'simple',
  code: HvCall.START_VIRTUAL_PROCESSOR,
  name: 'StartVirtualProcessor',
  allowed: (hv) => hv.has(HvPrivilege.START_VIRTUAL_PROCESSOR),
  header: At.CONTEXT + CONTEXT_BYTES,
  output: 0,
  run: (hv, { input }) => {
    if (input.getBigUint64(At.PARTITION, true) !== HV_PARTITION_SELF) return HvStatus.INVALID_PARTITION_ID;
    const index = input.getUint32(At.VP, true);
    // The caller runs: it waits for no start.
    if (index === HV_VP_SELF) return HvStatus.INVALID_VP_STATE;
    if (index >= hv.on.vpCount) return HvStatus.INVALID_VP_INDEX;
    if (input.getUint8(At.VTL) !== 0) return HvStatus.INVALID_PARAMETER;
    return requestStart(hv, index, input, At.CONTEXT);
  },
});
