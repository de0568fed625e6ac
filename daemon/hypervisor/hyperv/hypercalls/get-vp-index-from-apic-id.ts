// HvCallGetVpIndexFromApicId (TLFS 7.10): for each APIC ID of a list, the VP that has it.
//   header: +0 u64 partition   +8 u8 target VTL     element: u32 APIC ID -> u32 VP index, each padded to 8 bytes
import { HV_PARTITION_SELF, HvCall, HvPrivilege, HvStatus } from '../../../../shared/abi/hyperv.js';
import type { RepHypercall } from '../hypercall.js';

export const getVpIndexFromApicId = (): RepHypercall => ({
  kind: 'rep',
  code: HvCall.GET_VP_INDEX_FROM_APIC_ID,
  name: 'GetVpIndexFromApicId',
  allowed: (hv) => hv.has(HvPrivilege.START_VIRTUAL_PROCESSOR),
  header: 16,
  element: { input: 8, output: 8 },
  begin: (_hv, { input }) => {
    if (input.getBigUint64(0, true) !== HV_PARTITION_SELF) return HvStatus.INVALID_PARTITION_ID;
    return input.getUint8(8) === 0 ? HvStatus.SUCCESS : HvStatus.INVALID_PARAMETER;
  },
  each: ({ on }, call, input, output) => {
    const id = call.input.getUint32(input, true);
    const vp = on.vps.find(({ apicId }) => apicId === id);
    if (vp === undefined) return HvStatus.INVALID_PARAMETER;
    call.output.setBigUint64(output, BigInt(vp.index), true);
    return HvStatus.SUCCESS;
  },
});
