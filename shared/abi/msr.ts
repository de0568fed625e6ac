// Numbers of the model-specific registers that guests may meet, and the bits of the simple ones: numbers only, no behaviour (SDM 4, table 2-2).

export const Msr = {
  IA32_P5_MC_ADDR: 0,
  IA32_P5_MC_TYPE: 1,
  IA32_PLATFORM_ID: 0x17,
  IA32_APIC_BASE: 0x1b,
  EBL_CR_POWERON: 0x2a,
  IA32_FEATURE_CONTROL: 0x3a,
  IA32_TSC_ADJUST: 0x3b,
  IA32_BIOS_UPDT_TRIG: 0x79,
  IA32_BIOS_SIGN_ID: 0x8b,
  IA32_TIME_STAMP_COUNTER: 0x10,
  /** P6 performance counters and their event selectors, two each. */
  PERFCTR0: 0xc1,
  PERFEVTSEL0: 0x186,
  IA32_MTRRCAP: 0xfe,
  IA32_ARCH_CAPABILITIES: 0x10a,
  IA32_SYSENTER_CS: 0x174,
  IA32_SYSENTER_ESP: 0x175,
  IA32_SYSENTER_EIP: 0x176,
  IA32_MCG_CAP: 0x179,
  IA32_MCG_STATUS: 0x17a,
  IA32_MISC_ENABLE: 0x1a0,
  IA32_DEBUGCTL: 0x1d9,
  /** PHYSBASE0, PHYSMASK0, ... up to PHYSMASK7 at 0x20f. */
  IA32_MTRR_PHYSBASE0: 0x200,
  IA32_MTRR_FIX64K_00000: 0x250,
  IA32_MTRR_FIX16K_80000: 0x258,
  IA32_MTRR_FIX16K_A0000: 0x259,
  /** Eight of them, up to FIX4K_F8000 at 0x26f. */
  IA32_MTRR_FIX4K_C0000: 0x268,
  IA32_PAT: 0x277,
  IA32_MTRR_DEF_TYPE: 0x2ff,
  /** CTL, STATUS, ADDR, MISC of bank 0; the next bank's follow. */
  IA32_MC0_CTL: 0x400,
  IA32_TSC_DEADLINE: 0x6e0,
  /** x2APIC register window, 0x800..0x8ff. */
  X2APIC_FIRST: 0x800,
  X2APIC_LAST: 0x8ff,
  IA32_EFER: 0xc000_0080,
  IA32_STAR: 0xc000_0081,
  IA32_LSTAR: 0xc000_0082,
  IA32_CSTAR: 0xc000_0083,
  IA32_FMASK: 0xc000_0084,
  IA32_FS_BASE: 0xc000_0100,
  IA32_GS_BASE: 0xc000_0101,
  IA32_KERNEL_GS_BASE: 0xc000_0102,
  IA32_TSC_AUX: 0xc000_0103,
} as const;

/** Machine-check banks (IA32_MCG_CAP.Count), and performance counters of the P6. */
export const MCA_BANKS = 4;
export const P6_COUNTERS = 2;

/** Variable MTRR pairs that the processor has (IA32_MTRRCAP.VCNT). */
export const MTRR_VARIABLE_PAIRS = 8;
/** Places in the VP block's `mtrr` array of 32 u64: variable ones first, then the eleven fixed ones, then the default type. */
export const MTRR_FIXED_AT = 16;
export const MTRR_DEF_TYPE_AT = 27;

/** Fixed MTRRs in address order: each byte is the type of one 64, 16 or 4 KiB range. */
export const FIXED_MTRRS: readonly number[] = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];

/** Memory types (SDM 3A 12.3, table 12-2; UC- only in the PAT). */
export const MemoryType = { UC: 0, WC: 1, WT: 4, WP: 5, WB: 6, UC_MINUS: 7 } as const;

/** IA32_MISC_ENABLE after reset: fast strings; no branch trace store, no PEBS (SDM 4, table 2-2). */
export const MISC_ENABLE_RESET = 0x1801;
/** IA32_PAT after reset: WB WT UC- UC, twice (SDM 3A 12.12.4). */
export const PAT_RESET = 0x0007_0406_0007_0406n;
