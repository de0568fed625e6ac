// A kept answer of CPUID, 32 bytes in the LP context. Entry of a leaf: (leaf ^ leaf >>> 29) & (ANSWER_ENTRIES - 1).
export const ANSWER_ENTRIES = 16;
export const ANSWER_SIZE = 32;
/** Offsets of its u32 fields. VERSION: of the context's `answersVersion` when it was kept; another one means that nothing is. */
export const Answer = { LEAF: 0, SUBLEAF: 4, VERSION: 8, EAX: 12, EBX: 16, ECX: 20, EDX: 24 } as const;
