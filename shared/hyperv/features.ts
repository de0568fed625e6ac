// The features of the Hyper-V interface that a partition may have, each with the CPUID bits that announce it: table in, choice and leaves out.
// Never there: CpuManagement and AccessPartitionId (Linux would take the partition for the root), ExtendedHypercalls, Isolation (TLFS 2.4.4).
import { HvFeature, HvPrivilege, HvRecommendation } from '../abi/hyperv.js';

/** Bit numbers: `privilege` of EBX:EAX and `feature` of EDX of leaf 40000003h, `recommendation` of EAX of leaf 40000004h. */
export interface HypervFeature {
  readonly name: string;
  readonly privilege?: number;
  readonly feature?: number;
  readonly recommendation?: number;
  readonly needs: readonly string[];
  /** What a guest gets by it. */
  readonly meaning: string;
}

/** In the order of their bits. */
export const HYPERV_FEATURES = [
  { name: 'vp-runtime', privilege: HvPrivilege.VP_RUNTIME, needs: [], meaning: 'MSR VP_RUNTIME' },
  { name: 'time-ref-count', privilege: HvPrivilege.TIME_REF_COUNT, needs: [], meaning: 'MSR TIME_REF_COUNT' },
  {
    name: 'synic',
    privilege: HvPrivilege.SYNIC,
    needs: [],
    meaning: 'the synthetic interrupt controller: MSRs SCONTROL to SINT15',
  },
  {
    name: 'synthetic-timers',
    privilege: HvPrivilege.SYNTHETIC_TIMERS,
    needs: ['time-ref-count'],
    meaning: 'four timers for each VP',
  },
  {
    name: 'apic-msrs',
    privilege: HvPrivilege.APIC_MSRS,
    needs: [],
    meaning: 'MSRs EOI, ICR, TPR and VP_ASSIST_PAGE',
  },
  {
    name: 'hypercall-msrs',
    privilege: HvPrivilege.HYPERCALL_MSRS,
    needs: [],
    meaning: 'MSRs GUEST_OS_ID and HYPERCALL, and hypercalls',
  },
  { name: 'vp-index', privilege: HvPrivilege.VP_INDEX, needs: [], meaning: 'MSR VP_INDEX' },
  { name: 'reset', privilege: HvPrivilege.RESET, needs: [], meaning: 'MSR RESET' },
  { name: 'ref-tsc', privilege: HvPrivilege.REFERENCE_TSC, needs: [], meaning: 'the reference TSC page' },
  {
    name: 'guest-idle',
    privilege: HvPrivilege.GUEST_IDLE,
    feature: HvFeature.GUEST_IDLE_STATE,
    needs: [],
    meaning: 'MSR GUEST_IDLE',
  },
  {
    name: 'frequency-msrs',
    privilege: HvPrivilege.FREQUENCY_MSRS,
    feature: HvFeature.FREQUENCIES,
    needs: [],
    meaning: 'MSRs TSC_FREQUENCY and APIC_FREQUENCY',
  },
  { name: 'tsc-invariant', privilege: HvPrivilege.TSC_INVARIANT, needs: [], meaning: 'MSR TSC_INVARIANT_CONTROL' },
  {
    name: 'post-messages',
    privilege: HvPrivilege.POST_MESSAGES,
    needs: ['hypercall-msrs'],
    meaning: 'HvCallPostMessage; with synic also a VMBus that offers nothing',
  },
  { name: 'signal-events', privilege: HvPrivilege.SIGNAL_EVENTS, needs: ['hypercall-msrs'], meaning: 'HvCallSignalEvent' },
  {
    name: 'start-vp',
    privilege: HvPrivilege.START_VIRTUAL_PROCESSOR,
    needs: ['hypercall-msrs'],
    meaning: 'HvCallStartVirtualProcessor and HvCallGetVpIndexFromApicId',
  },
  {
    name: 'xmm-input',
    feature: HvFeature.XMM_INPUT,
    needs: ['hypercall-msrs'],
    meaning: 'fast hypercalls with more than 16 bytes of input',
  },
  { name: 'crash-msrs', feature: HvFeature.CRASH_MSRS, needs: [], meaning: 'MSRs CRASH_P0 to P4 and CRASH_CTL' },
  { name: 'xmm-output', feature: HvFeature.XMM_OUTPUT, needs: ['xmm-input'], meaning: 'fast hypercalls with output' },
  { name: 'sint-polling', feature: HvFeature.SINT_POLLING, needs: ['synic'], meaning: 'SINTs that are polled' },
  { name: 'hypercall-lock', feature: HvFeature.HYPERCALL_LOCK, needs: ['hypercall-msrs'], meaning: 'bit Locked of MSR HYPERCALL' },
  {
    name: 'direct-timers',
    feature: HvFeature.DIRECT_TIMERS,
    needs: ['synthetic-timers'],
    meaning: 'timers that interrupt rather than send messages',
  },
  {
    name: 'switch-vas',
    recommendation: HvRecommendation.SWITCH_ADDRESS_SPACE,
    needs: ['hypercall-msrs'],
    meaning: 'HvCallSwitchVirtualAddressSpace rather than MOV CR3',
  },
  {
    name: 'local-flush',
    recommendation: HvRecommendation.LOCAL_FLUSH,
    needs: ['hypercall-msrs'],
    meaning: 'flush hypercalls rather than INVLPG and MOV CR3',
  },
  {
    name: 'remote-flush',
    recommendation: HvRecommendation.REMOTE_FLUSH,
    needs: ['hypercall-msrs', 'vp-index'],
    meaning: 'flush hypercalls rather than interrupts to other VPs',
  },
  {
    name: 'apic-msr-hint',
    recommendation: HvRecommendation.APIC_MSRS,
    needs: ['apic-msrs'],
    meaning: 'MSRs rather than the page of the local APIC',
  },
  { name: 'relaxed-timing', recommendation: HvRecommendation.RELAXED_TIMING, needs: [], meaning: 'no watchdogs' },
  {
    name: 'deprecate-autoeoi',
    recommendation: HvRecommendation.DEPRECATE_AUTO_EOI,
    needs: [],
    meaning: 'no SINT that ends interrupts by itself',
  },
  {
    name: 'cluster-ipi',
    recommendation: HvRecommendation.CLUSTER_IPI,
    needs: ['hypercall-msrs', 'vp-index'],
    meaning: 'hypercalls rather than the ICR',
  },
  {
    name: 'ex-processor-masks',
    recommendation: HvRecommendation.EX_PROCESSOR_MASKS,
    needs: ['hypercall-msrs', 'vp-index'],
    meaning: 'hypercalls with sparse sets of VPs',
  },
] as const satisfies readonly HypervFeature[];
export type HypervFeatureName = (typeof HYPERV_FEATURES)[number]['name'];
export const HYPERV_FEATURE_NAMES: readonly HypervFeatureName[] = HYPERV_FEATURES.map(({ name }) => name);

/** Presets: what is enough to be recognized, what Linux makes use of, all there is. */
export const HYPERV_PRESETS = {
  off: [],
  minimal: ['hypercall-msrs', 'vp-index'],
  linux: HYPERV_FEATURE_NAMES.filter((name) => name !== 'switch-vas' && name !== 'local-flush' && name !== 'hypercall-lock'),
  all: HYPERV_FEATURE_NAMES,
} as const satisfies Readonly<Record<string, readonly HypervFeatureName[]>>;
export type HypervPreset = keyof typeof HYPERV_PRESETS;
