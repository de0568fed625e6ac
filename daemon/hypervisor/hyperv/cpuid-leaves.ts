// CPUID leaves 40000000h to 40000006h: who the hypervisor is, and what of it the partition may use (TLFS 2.4).
import { HV_INTERFACE, HV_VENDOR, HvLeaf, HvRecommendation } from '../../../shared/abi/hyperv.js';
import { PHYSICAL_ADDRESS_BITS } from '../../../shared/abi/registers.js';
import { MAX_LPS, MAX_VPS } from '../../../shared/layout/partition.js';
import { ApicEoi } from '../../../shared/protocol/policies.js';
import type { CpuidResult, HypervisorLeaves } from '../cpuid.js';
import type { HyperV } from './hyperv.js';

/** Build 14393 of version 10.0, as another implementer of the interface reports itself. Guests only print it. */
const VERSION = [0x3839, 0x000a_0000] as const;

const set = (out: CpuidResult, eax: number, ebx: number, ecx: number, edx: number): void => {
  out[0] = eax >>> 0;
  out[1] = ebx >>> 0;
  out[2] = ecx >>> 0;
  out[3] = edx >>> 0;
};

const DEPRECATE_AUTO_EOI = 1 << HvRecommendation.DEPRECATE_AUTO_EOI;

export const hypervisorLeaves = ({ state, on }: HyperV): HypervisorLeaves => {
  return (_vp, leaf, _subleaf, out) => {
    switch (leaf) {
      case HvLeaf.VENDOR:
        set(out, HvLeaf.HARDWARE, ...HV_VENDOR);
        break;
      case HvLeaf.INTERFACE:
        set(out, HV_INTERFACE, 0, 0, 0);
        break;
      case HvLeaf.VERSION:
        set(out, VERSION[0], VERSION[1], 0, 0);
        break;
      case HvLeaf.FEATURES:
        set(out, state.privilegesLow, state.privilegesHigh, 0, state.features);
        break;
      case HvLeaf.RECOMMENDATIONS:
        // Where the policy asks for vectors that end by themselves, they are not advised against.
        set(
          out,
          state.recommendations & (on.eoiPolicy === ApicEoi.AUTO ? ~DEPRECATE_AUTO_EOI : -1),
          state.spinRetries,
          PHYSICAL_ADDRESS_BITS,
          0,
        );
        break;
      case HvLeaf.LIMITS:
        set(out, MAX_VPS, MAX_LPS, 0, 0);
        break;
      // HARDWARE: none of the processor's aids to virtualization is used, address translation is by shadow page tables.
    }
  };
};
