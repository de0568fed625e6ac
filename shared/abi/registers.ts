// Bits of RFLAGS, CR0, CR4, EFER, and segment access rights: numbers only.
// Why one place: processor, hypervisor and boot code must agree on them. References: SDM 1 3.4.3, SDM 3A 2.5, 3.4.5.

export const Rflags = {
  CF: 1,
  FIXED: 2,
  PF: 4,
  AF: 0x10,
  ZF: 0x40,
  SF: 0x80,
  TF: 0x100,
  IF: 0x200,
  DF: 0x400,
  OF: 0x800,
  IOPL: 0x3000,
  NT: 0x4000,
  RF: 0x1_0000,
  VM: 0x2_0000,
  AC: 0x4_0000,
  VIF: 0x8_0000,
  VIP: 0x10_0000,
  ID: 0x20_0000,
  /** The six arithmetic flags. */
  ARITHMETIC: 0x8d5,
} as const;
export const RFLAGS_IOPL_SHIFT = 12;

export const Cr0 = {
  PE: 1,
  MP: 2,
  EM: 4,
  TS: 8,
  ET: 0x10,
  NE: 0x20,
  WP: 0x1_0000,
  AM: 0x4_0000,
  NW: 0x2000_0000,
  CD: 0x4000_0000,
  PG: 0x8000_0000,
} as const;
export const Cr4 = {
  VME: 1,
  PVI: 2,
  TSD: 4,
  DE: 8,
  PSE: 0x10,
  PAE: 0x20,
  MCE: 0x40,
  PGE: 0x80,
  PCE: 0x100,
  OSFXSR: 0x200,
  OSXMMEXCPT: 0x400,
  UMIP: 0x800,
  LA57: 0x1000,
  VMXE: 0x2000,
  FSGSBASE: 0x1_0000,
  PCIDE: 0x2_0000,
  OSXSAVE: 0x4_0000,
  SMEP: 0x10_0000,
  SMAP: 0x20_0000,
} as const;
/** Debug control: any breakpoint enabled, general detect (SDM 3B 18.2.4). */
export const Dr7 = { ENABLES: 0xff, GD: 0x2000 } as const;
export const Efer = { SCE: 1, LME: 0x100, LMA: 0x400, NXE: 0x800 } as const;

/** Physical-address width that CPUID 80000008 states and reserved-bit checks use. */
export const PHYSICAL_ADDRESS_BITS = 40;
export const LINEAR_ADDRESS_BITS = 48;

/** Access rights as the VP block holds them: descriptor bits 8..23, and `UNUSABLE` for a null selector (SDM 3C 24.4.1). */
export const Access = {
  ACCESSED: 1,
  /** Data: writable. Code: readable. */
  WRITABLE: 2,
  READABLE: 2,
  /** Data: expand-down. Code: conforming. */
  EXPAND_DOWN: 4,
  CONFORMING: 4,
  CODE: 8,
  S: 0x10,
  DPL: 0x60,
  P: 0x80,
  AVL: 0x1000,
  L: 0x2000,
  DB: 0x4000,
  G: 0x8000,
  UNUSABLE: 0x1_0000,
} as const;
export const ACCESS_DPL_SHIFT = 5;
/** Types of system descriptors (S = 0), SDM 3A table 3-2; in IA-32e mode TSS32/GATE32 are the 64-bit ones and the 16-bit ones are reserved. */
export const SystemType = {
  TSS16: 1,
  LDT: 2,
  TSS16_BUSY: 3,
  CALL_GATE16: 4,
  TASK_GATE: 5,
  INTERRUPT_GATE16: 6,
  TRAP_GATE16: 7,
  TSS32: 9,
  TSS32_BUSY: 11,
  CALL_GATE32: 12,
  INTERRUPT_GATE32: 14,
  TRAP_GATE32: 15,
} as const;

/** XCR0 bits of the state components that exist (SDM 1 13.1). */
export const Xcr0 = { X87: 1, SSE: 2, AVX: 4 } as const;
