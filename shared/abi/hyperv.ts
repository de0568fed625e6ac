// Numbers of the Hyper-V guest interface: CPUID leaves and bits, synthetic MSRs, hypercall codes, status codes, layouts of what guests hand in. Numbers only, no
// behaviour. Reference: Hyper-V Top-Level Functional Specification (TLFS) 6.0b, by chapter in the comments.

/** CPUID leaves (TLFS 2.4). */
export const HvLeaf = {
  VENDOR: 0x4000_0000,
  INTERFACE: 0x4000_0001,
  VERSION: 0x4000_0002,
  FEATURES: 0x4000_0003,
  RECOMMENDATIONS: 0x4000_0004,
  LIMITS: 0x4000_0005,
  HARDWARE: 0x4000_0006,
} as const;
/** "Microsoft Hv" in EBX, ECX, EDX of the first leaf; "Hv#1" in EAX of the second. */
export const HV_VENDOR = [0x7263_694d, 0x666f_736f, 0x7648_2074] as const;
export const HV_INTERFACE = 0x3123_7648;

/** Partition privileges: bit numbers of EBX:EAX of the feature leaf (TLFS 2.4.4, HV_PARTITION_PRIVILEGE_MASK). */
export const HvPrivilege = {
  VP_RUNTIME: 0,
  TIME_REF_COUNT: 1,
  SYNIC: 2,
  SYNTHETIC_TIMERS: 3,
  APIC_MSRS: 4,
  HYPERCALL_MSRS: 5,
  VP_INDEX: 6,
  RESET: 7,
  REFERENCE_TSC: 9,
  GUEST_IDLE: 10,
  FREQUENCY_MSRS: 11,
  TSC_INVARIANT: 15,
  POST_MESSAGES: 36,
  SIGNAL_EVENTS: 37,
  START_VIRTUAL_PROCESSOR: 53,
} as const;
/** EDX of the feature leaf, bit numbers. */
export const HvFeature = {
  XMM_INPUT: 4,
  GUEST_IDLE_STATE: 5,
  FREQUENCIES: 8,
  CRASH_MSRS: 10,
  XMM_OUTPUT: 15,
  SINT_POLLING: 17,
  HYPERCALL_LOCK: 18,
  DIRECT_TIMERS: 19,
} as const;
/** EAX of the recommendation leaf, bit numbers (TLFS 2.4.5). */
export const HvRecommendation = {
  SWITCH_ADDRESS_SPACE: 0,
  LOCAL_FLUSH: 1,
  REMOTE_FLUSH: 2,
  APIC_MSRS: 3,
  RELAXED_TIMING: 5,
  DEPRECATE_AUTO_EOI: 9,
  CLUSTER_IPI: 10,
  EX_PROCESSOR_MASKS: 11,
} as const;
/** EBX of the recommendation leaf: never notify of a long spin wait. */
export const HV_NEVER_NOTIFY = 0xffff_ffff;

/** Synthetic MSRs (TLFS appendix C). */
export const HvMsr = {
  GUEST_OS_ID: 0x4000_0000,
  HYPERCALL: 0x4000_0001,
  VP_INDEX: 0x4000_0002,
  RESET: 0x4000_0003,
  VP_RUNTIME: 0x4000_0010,
  TIME_REF_COUNT: 0x4000_0020,
  REFERENCE_TSC: 0x4000_0021,
  TSC_FREQUENCY: 0x4000_0022,
  APIC_FREQUENCY: 0x4000_0023,
  EOI: 0x4000_0070,
  ICR: 0x4000_0071,
  TPR: 0x4000_0072,
  VP_ASSIST_PAGE: 0x4000_0073,
  SCONTROL: 0x4000_0080,
  SVERSION: 0x4000_0081,
  SIEFP: 0x4000_0082,
  SIMP: 0x4000_0083,
  EOM: 0x4000_0084,
  /** SINT0; the other fifteen follow. */
  SINT0: 0x4000_0090,
  /** CONFIG and COUNT of timer 0; those of the other three follow. */
  STIMER0_CONFIG: 0x4000_00b0,
  GUEST_IDLE: 0x4000_00f0,
  /** P0; P1 to P4 follow. */
  CRASH_P0: 0x4000_0100,
  CRASH_CTL: 0x4000_0105,
  TSC_INVARIANT_CONTROL: 0x4000_0118,
} as const;
export const HV_CRASH_PARAMETERS = 5;

/** Bits that registers of overlay pages share: 63:12 frame, 0 enable; HYPERCALL has 1, locked (TLFS 3.13, 7.8.7, 12.7.1). */
export const HvPageRegister = { ENABLE: 1n, LOCKED: 2n } as const;

/** CRASH_CTL (TLFS 2.6): the guest has crashed; P3 and P4 are address and length of a text. */
export const HvCrashControl = { NOTIFY: 1n << 63n, MESSAGE: 1n << 62n, NO_DUMP: 1n << 61n, PRE_OS_ID_SHIFT: 58n } as const;
/** Longest crash message that is looked at, bytes. */
export const HV_CRASH_MESSAGE_MAX = 4096;

/** Call codes (TLFS appendix A). */
export const HvCall = {
  SWITCH_VIRTUAL_ADDRESS_SPACE: 0x0001,
  FLUSH_VIRTUAL_ADDRESS_SPACE: 0x0002,
  FLUSH_VIRTUAL_ADDRESS_LIST: 0x0003,
  NOTIFY_LONG_SPIN_WAIT: 0x0008,
  SEND_SYNTHETIC_CLUSTER_IPI: 0x000b,
  FLUSH_VIRTUAL_ADDRESS_SPACE_EX: 0x0013,
  FLUSH_VIRTUAL_ADDRESS_LIST_EX: 0x0014,
  SEND_SYNTHETIC_CLUSTER_IPI_EX: 0x0015,
  POST_MESSAGE: 0x005c,
  SIGNAL_EVENT: 0x005d,
  START_VIRTUAL_PROCESSOR: 0x0099,
  GET_VP_INDEX_FROM_APIC_ID: 0x009a,
} as const;

/** HV_STATUS (TLFS appendix B). */
export const HvStatus = {
  SUCCESS: 0,
  INVALID_HYPERCALL_CODE: 0x02,
  INVALID_HYPERCALL_INPUT: 0x03,
  INVALID_ALIGNMENT: 0x04,
  INVALID_PARAMETER: 0x05,
  ACCESS_DENIED: 0x06,
  OPERATION_DENIED: 0x08,
  INSUFFICIENT_MEMORY: 0x0b,
  INVALID_PARTITION_ID: 0x0d,
  INVALID_VP_INDEX: 0x0e,
  INVALID_PORT_ID: 0x11,
  INVALID_CONNECTION_ID: 0x12,
  INSUFFICIENT_BUFFERS: 0x13,
  INVALID_VP_STATE: 0x15,
  INVALID_SYNIC_STATE: 0x18,
  INVALID_REGISTER_VALUE: 0x50,
} as const;
export type HvStatus = (typeof HvStatus)[keyof typeof HvStatus];

/**
 * The hypercall input value (TLFS 3.7), by its halves.
 *   low:  15..0 call code   16 fast   26..17 variable header, in 8 bytes   31..27 zero
 *   high: 11..0 rep count   15..12 zero   27..16 rep start   31..28 zero
 */
export const HvControl = {
  CODE: 0xffff,
  FAST: 1 << 16,
  VARIABLE_SHIFT: 17,
  VARIABLE: 0x3ff,
  RESERVED_LOW: 0xf800_0000 | 0,
  REP_COUNT: 0xfff,
  REP_START_SHIFT: 16,
  RESERVED_HIGH: 0xf000_f000 | 0,
} as const;
/** Input and output of a fast call are in RDX and R8, and of an XMM fast one in XMM0 to XMM5 too (TLFS 3.7.3). */
export const HV_FAST_BYTES = 16;
export const HV_XMM_FAST_BYTES = 112;

/** HV_FLUSH_FLAGS. */
export const HvFlush = { ALL_PROCESSORS: 1, ALL_ADDRESS_SPACES: 2, NON_GLOBAL_ONLY: 4 } as const;
/** Format of an HV_VP_SET. */
export const HvVpSet = { SPARSE: 0n, ALL: 1n } as const;
/** The calling partition itself, and the VP that calls. */
export const HV_PARTITION_SELF = 0xffff_ffff_ffff_ffffn;
export const HV_VP_SELF = 0xffff_fffe;
/** Vectors that a synthetic IPI may have. */
export const HV_IPI_VECTORS = { FIRST: 0x10, LAST: 0xff } as const;
