// All synthetic MSRs that a partition has: each group of them comes with a privilege or a feature, and what does not come is #GP like any MSR that is not there.
import { HvFeature, HvPrivilege } from '../../../shared/abi/hyperv.js';
import type { Registers } from '../msr/register.js';
import type { HyperV } from './hyperv.js';
import { apicRegisters } from './msrs/apic.js';
import { crashRegisters } from './msrs/crash.js';
import { hypercallRegisters, resetRegisters, vpIndexRegisters } from './msrs/identity.js';
import { idleRegisters } from './msrs/idle.js';
import { synicRegisters, timerRegisters } from './msrs/synic.js';
import { frequencyRegisters, referenceTscRegisters, timeRegisters, tscInvariantRegisters, vpRuntimeRegisters } from './msrs/time.js';

type Group = (hv: HyperV) => Registers;

const BY_PRIVILEGE: readonly (readonly [(typeof HvPrivilege)[keyof typeof HvPrivilege], Group])[] = [
  [HvPrivilege.VP_RUNTIME, vpRuntimeRegisters],
  [HvPrivilege.TIME_REF_COUNT, timeRegisters],
  [HvPrivilege.SYNIC, synicRegisters],
  [HvPrivilege.SYNTHETIC_TIMERS, timerRegisters],
  [HvPrivilege.APIC_MSRS, apicRegisters],
  [HvPrivilege.HYPERCALL_MSRS, hypercallRegisters],
  [HvPrivilege.VP_INDEX, vpIndexRegisters],
  [HvPrivilege.RESET, resetRegisters],
  [HvPrivilege.REFERENCE_TSC, referenceTscRegisters],
  [HvPrivilege.GUEST_IDLE, idleRegisters],
  [HvPrivilege.FREQUENCY_MSRS, frequencyRegisters],
  [HvPrivilege.TSC_INVARIANT, tscInvariantRegisters],
];

export const syntheticMsrs = (hv: HyperV): Registers => [
  ...BY_PRIVILEGE.flatMap(([privilege, group]) => (hv.has(privilege) ? group(hv) : [])),
  ...(hv.hasFeature(HvFeature.CRASH_MSRS) ? crashRegisters(hv) : []),
];
