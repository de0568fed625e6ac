// HvCallSendSyntheticClusterIpi and its Ex form, with a set of VPs (TLFS 10.5.1): a fixed interrupt, edge-triggered, for each VP named by index. What a VP's local APIC does
// not take, being disabled, is lost as on the bus.
import { HV_IPI_VECTORS, HvCall, HvRecommendation, HvStatus } from '../../../../shared/abi/hyperv.js';
import { deliverFixed } from '../../apic/message.js';
import type { CallData, SimpleHypercall } from '../hypercall.js';
import type { HyperV } from '../hyperv.js';
import { VpTargets } from '../vp-targets.js';

/** +0 u32 vector, +4 u8 HV_INPUT_VTL, +8 u64 mask of VPs, or HV_VP_SET. */
const Header = { VECTOR: 0, VTL: 4, TARGETS: 8 } as const;
/** "Use the level that follows", which must be 0. */
const USE_VTL = 0x10;

const send = (hv: HyperV, { input }: CallData, targets: VpTargets): HvStatus => {
  const { on } = hv;
  const vector = input.getUint32(Header.VECTOR, true);
  if (vector < HV_IPI_VECTORS.FIRST || vector > HV_IPI_VECTORS.LAST) return HvStatus.INVALID_PARAMETER;
  if ((input.getUint8(Header.VTL) & ~USE_VTL) !== 0) return HvStatus.INVALID_PARAMETER;
  const sender = on.processor.vp;
  targets.each(on.vpCount, (index) => {
    on.count(sender, index === sender.index ? 'apicSelfIpisSent' : 'apicIpisSent');
    deliverFixed(on, index, vector);
  });
  return HvStatus.SUCCESS;
};
const mayUse = (hv: HyperV): boolean => hv.recommends(HvRecommendation.CLUSTER_IPI);

export const sendSyntheticClusterIpi = (): SimpleHypercall => {
  const targets = new VpTargets();
  return {
    kind: 'simple',
    code: HvCall.SEND_SYNTHETIC_CLUSTER_IPI,
    name: 'SendSyntheticClusterIpi',
    allowed: mayUse,
    header: 16,
    output: 0,
    run: (hv, call) => {
      targets.setMask(call.input.getBigUint64(Header.TARGETS, true));
      return send(hv, call, targets);
    },
  };
};
export const sendSyntheticClusterIpiEx = (): SimpleHypercall => {
  const targets = new VpTargets();
  return {
    kind: 'simple',
    code: HvCall.SEND_SYNTHETIC_CLUSTER_IPI_EX,
    name: 'SendSyntheticClusterIpiEx',
    allowed: (hv) => mayUse(hv) && hv.recommends(HvRecommendation.EX_PROCESSOR_MASKS),
    header: 24,
    variable: true,
    output: 0,
    run: (hv, call) => {
      const status = targets.readSet(call, Header.TARGETS);
      return status === HvStatus.SUCCESS ? send(hv, call, targets) : status;
    },
  };
};
