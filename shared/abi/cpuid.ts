// CPUID leaves and bits that are no features: numbers only; which of them a guest sees is the hypervisor's choice (SDM 2A, CPUID; TLFS 2.4).

/** CPUID.1: what depends on the VP rather than on its processor's features (shared/cpu). */
export const Feature1Edx = { APIC: 9, HTT: 28 } as const;
export const Feature1Ecx = { OSXSAVE: 27, HYPERVISOR: 31 } as const;

export const HYPERVISOR_FIRST_LEAF = 0x4000_0000;
export const HYPERVISOR_LAST_LEAF = 0x4000_ffff;
export const EXTENDED_FIRST_LEAF = 0x8000_0000;

/** A mask from bit numbers. */
export const bits = (...numbers: readonly number[]): number => numbers.reduce((mask, bit) => (mask | (1 << bit)) >>> 0, 0);
