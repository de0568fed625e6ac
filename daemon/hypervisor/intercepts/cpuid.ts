// CPUID: what the partition's processor says of itself (cpuid.ts).
import type { Intercepts } from '../../machine/processor.js';
import { CpuidModel } from '../cpuid.js';
import { hypervisorLeaves } from '../hyperv/cpuid-leaves.js';
import type { PartitionOnLp } from '../partition-on-lp.js';

export const cpuidIntercept = (on: PartitionOnLp): Pick<Intercepts, 'cpuid' | 'cpuidAnswered'> => {
  const model = new CpuidModel(on.vpCount, on.wiring.frequencyHz, on.model, on.hyperv && hypervisorLeaves(on.hyperv));
  const account = on.account('cpuid', 'cpuidIntercepts');
  return {
    cpuidAnswered: on.tally('cpuid', 'cpuidIntercepts'),
    cpuid(leaf, subleaf) {
      account();
      return model.query(on.processor.vp, leaf, subleaf);
    },
  };
};
