// The processors that a partition may have: what CPUID calls them and which features they came with.
// Chips have the features of their first steppings that matter to software; x86-64-v1 to v3 are the levels of the x86-64 psABI with the system features of the
// first Intel generation that met them (Merom, Nehalem, Haswell). `max` is everything that the simulated processor has,
// but for MONITOR: a wait by MWAIT takes every LP's right to write a page, which is dear where HLT would do. It is had by `max,+monitor`. And but for AMD's extended
// APIC registers, which no Intel processor has: `max,+extapic`.
import { FEATURES, type FeatureName } from './features.js';

export interface CpuModel {
  readonly name: string;
  /** Family, model and stepping as CPUID.1:EAX has them, and EDX after reset (SDM 2A figure 3-6, SDM 3A table 10-1). */
  readonly signature: number;
  /** Highest basic and extended leaf; 0 = no extended leaves. */
  readonly maxLeaf: number;
  readonly maxExtendedLeaf: number;
  readonly brand: string;
  readonly features: readonly FeatureName[];
}

const I486: readonly FeatureName[] = ['fpu', 'vme'];
const PENTIUM: readonly FeatureName[] = [...I486, 'de', 'pse', 'tsc', 'msr', 'mce', 'cx8', 'apic'];
const PENTIUM_MMX: readonly FeatureName[] = [...PENTIUM, 'mmx', 'rdpmc'];
const PENTIUM2: readonly FeatureName[] = [...PENTIUM_MMX, 'pae', 'sep', 'mtrr', 'pge', 'mca', 'cmov', 'pat', 'pse36', 'fxsr', 'nopl'];
const PENTIUM3: readonly FeatureName[] = [...PENTIUM2, 'sse'];
const PENTIUM4: readonly FeatureName[] = [...PENTIUM3, 'sse2', 'clflush'];
/** What a hypervisor gives to every guest beside the chip's own: it says who it is, and its timers have no cause to stop. */
const VIRTUAL: readonly FeatureName[] = ['hypervisor', 'x2apic', 'tsc_deadline_timer', 'invtsc', 'arat', 'arch_capabilities'];
const V1: readonly FeatureName[] = [...PENTIUM4, ...VIRTUAL, 'lm', 'syscall', 'nx', 'prefetchw'];
const V2: readonly FeatureName[] = [
  ...V1,
  'sse3',
  'ssse3',
  'sse4_1',
  'sse4_2',
  'popcnt',
  'cx16',
  'lahf_lm',
  'rdtscp',
  'monitor',
  'pdpe1gb',
];
const V3_USER: readonly FeatureName[] = ['xsave', 'avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'lzcnt', 'movbe'];
const V3_SYSTEM: readonly FeatureName[] = [
  'aes',
  'pclmulqdq',
  'rdrand',
  'xsaveopt',
  'fsgsbase',
  'tsc_adjust',
  'smep',
  'erms',
  'pcid',
  'invpcid',
];
const V3: readonly FeatureName[] = [...V2, ...V3_USER, ...V3_SYSTEM];

const chip = (name: string, signature: number, maxLeaf: number, maxExtendedLeaf: number, features: readonly FeatureName[]): CpuModel => ({
  name,
  signature,
  maxLeaf,
  maxExtendedLeaf,
  brand: `hvd virtual processor (${name})`,
  features,
});
const EXTENDED_32 = 0x8000_0004;
const EXTENDED_64 = 0x8000_0008;

/** Partition headers hold a model as its position here. */
export const CPU_MODELS: readonly CpuModel[] = [
  {
    ...chip(
      'max',
      0x6fb,
      0x16,
      EXTENDED_64,
      FEATURES.map((feature) => feature.name).filter((name) => name !== 'monitor' && name !== 'extapic'),
    ),
    brand: 'hvd virtual processor',
  },
  chip('x86-64-v1', 0x6fb, 0x16, EXTENDED_64, V1),
  chip('x86-64-v2', 0x106a5, 0x16, EXTENDED_64, V2),
  chip('x86-64-v3', 0x306c3, 0x16, EXTENDED_64, V3),
  chip('pentium4', 0xf29, 2, EXTENDED_32, PENTIUM4),
  chip('pentium3', 0x673, 2, 0, PENTIUM3),
  chip('pentium2', 0x652, 2, 0, PENTIUM2),
  chip('pentium-mmx', 0x543, 1, 0, PENTIUM_MMX),
  chip('pentium', 0x52c, 1, 0, PENTIUM),
  chip('i486', 0x480, 1, 0, I486),
];
/** Of partitions that name none. */
export const DEFAULT_MODEL: CpuModel = CPU_MODELS[0]!;
