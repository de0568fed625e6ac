// CPUID leaves and feature bits: numbers only; which of them a guest sees is the hypervisor's choice (SDM 2A, CPUID; TLFS 2.4).

/** Family 6, model 0Fh, stepping 0Bh: CPUID.1:EAX, and EDX after reset (SDM 3A table 10-1). */
export const PROCESSOR_SIGNATURE = 0x6fb;

/** CPUID.1:EDX. */
export const Feature1Edx = {
  FPU: 0,
  VME: 1,
  DE: 2,
  PSE: 3,
  TSC: 4,
  MSR: 5,
  PAE: 6,
  MCE: 7,
  CX8: 8,
  APIC: 9,
  SEP: 11,
  MTRR: 12,
  PGE: 13,
  MCA: 14,
  CMOV: 15,
  PAT: 16,
  PSE36: 17,
  CLFSH: 19,
  MMX: 23,
  FXSR: 24,
  SSE: 25,
  SSE2: 26,
  SS: 27,
  HTT: 28,
} as const;

/** CPUID.1:ECX. */
export const Feature1Ecx = {
  SSE3: 0,
  PCLMULQDQ: 1,
  MONITOR: 3,
  SSSE3: 9,
  CX16: 13,
  PCID: 17,
  SSE41: 19,
  SSE42: 20,
  X2APIC: 21,
  MOVBE: 22,
  POPCNT: 23,
  TSC_DEADLINE: 24,
  XSAVE: 26,
  RDRAND: 30,
  HYPERVISOR: 31,
} as const;

/** CPUID.(7,0):EBX and EDX. */
export const Feature7Ebx = { FSGSBASE: 0, BMI1: 3, SMEP: 7, BMI2: 8, ERMS: 9, INVPCID: 10, SMAP: 20 } as const;
export const Feature7Edx = { ARCH_CAPABILITIES: 29 } as const;

/** CPUID.80000001h: ECX and EDX. */
export const FeatureExtEcx = { LAHF: 0, LZCNT: 5 } as const;
export const FeatureExtEdx = { SYSCALL: 11, NX: 20, PAGE_1GB: 26, RDTSCP: 27, LM: 29 } as const;

/** CPUID.80000007h:EDX, and CPUID.6:EAX. */
export const POWER_INVARIANT_TSC = 1 << 8;
export const THERMAL_ARAT = 1 << 2;

export const HYPERVISOR_FIRST_LEAF = 0x4000_0000;
export const HYPERVISOR_LAST_LEAF = 0x4000_ffff;
export const EXTENDED_FIRST_LEAF = 0x8000_0000;

/** A mask from bit numbers. */
export const bits = (...numbers: readonly number[]): number => numbers.reduce((mask, bit) => (mask | (1 << bit)) >>> 0, 0);
