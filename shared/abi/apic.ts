// Register offsets and bits of the local APIC (xAPIC and x2APIC): numbers only, no behaviour (SDM 3A chapter 11; the chapter is 10 in older editions).

/** Where the local APIC answers after reset. */
export const APIC_DEFAULT_BASE = 0xfee0_0000;
/** Where the first I/O APIC answers. */
export const IO_APIC_BASE = 0xfec0_0000;

/** Byte offset in the 4 KiB register page. An x2APIC MSR is 0x800 + offset / 16 (SDM 3A table 11-6). */
export const ApicRegister = {
  ID: 0x20,
  VERSION: 0x30,
  TPR: 0x80,
  APR: 0x90,
  PPR: 0xa0,
  EOI: 0xb0,
  RRD: 0xc0,
  LDR: 0xd0,
  DFR: 0xe0,
  SVR: 0xf0,
  /** Eight registers each, 16 bytes apart. */
  ISR: 0x100,
  TMR: 0x180,
  IRR: 0x200,
  ESR: 0x280,
  LVT_CMCI: 0x2f0,
  ICR_LOW: 0x300,
  ICR_HIGH: 0x310,
  LVT_TIMER: 0x320,
  LVT_THERMAL: 0x330,
  LVT_PERF: 0x340,
  LVT_LINT0: 0x350,
  LVT_LINT1: 0x360,
  LVT_ERROR: 0x370,
  TIMER_INITIAL: 0x380,
  TIMER_CURRENT: 0x390,
  TIMER_DIVIDE: 0x3e0,
  /** x2APIC only (MSR 0x83f). */
  SELF_IPI: 0x3f0,
  /** AMD's extended registers (APM 2 16.4.6 to 16.4.8). */
  EXTENDED_FEATURE: 0x400,
  EXTENDED_CONTROL: 0x410,
  SPECIFIC_EOI: 0x420,
} as const;

/** IA32_APIC_BASE (SDM 3A 11.4.4, 11.12.1). */
export const ApicBase = { BSP: 1 << 8, X2APIC: 1 << 10, ENABLE: 1 << 11 } as const;

/** Version 0x14 (integrated), seven LVT entries, no EOI-broadcast suppression (SDM 3A 11.4.8). */
export const APIC_VERSION = 0x0006_0014;

/** Version register: the extended registers are there (APM 2 16.3.4). */
export const APIC_EXTENDED = 0x8000_0000;
/** Bits of the extended feature register (capable) and of the control register (enabled): specific EOI. */
export const ExtendedApic = { SPECIFIC_EOI: 1 << 1 } as const;

/** Dword 0 of the VP assist page, bit 0: the highest interrupt in service needs no EOI (TLFS 10.3.5, "No EOI Required"). */
export const EOI_MARKER = 1;

/** Delivery modes of the ICR, the LVT and I/O APIC messages (SDM 3A 11.5.1, 11.6.1). */
export const DeliveryMode = { FIXED: 0, LOWEST_PRIORITY: 1, SMI: 2, RESERVED: 3, NMI: 4, INIT: 5, SIPI: 6, EXT_INT: 7 } as const;

/** ICR low half: vector 7:0, delivery mode 10:8 (SDM 3A 11.6.1). */
export const Icr = {
  LOGICAL: 1 << 11,
  BUSY: 1 << 12,
  ASSERT: 1 << 14,
  LEVEL: 1 << 15,
  SHORTHAND_SHIFT: 18,
  WRITABLE: 0x000c_cfff,
} as const;
export const Shorthand = { NONE: 0, SELF: 1, ALL: 2, OTHERS: 3 } as const;

/** Local vector table entries (SDM 3A 11.5.1). */
export const Lvt = { MASKED: 1 << 16, TIMER_MODE_SHIFT: 17, REMOTE_IRR: 1 << 14, LEVEL: 1 << 15, RESET: 0x1_0000 } as const;
export const TimerMode = { ONE_SHOT: 0, PERIODIC: 1, TSC_DEADLINE: 2, RESERVED: 3 } as const;

/** Spurious-interrupt vector register (SDM 3A 11.9). */
export const Svr = { ENABLE: 1 << 8, FOCUS_OFF: 1 << 9, RESET: 0xff } as const;

/** Error status register (SDM 3A 11.5.3). */
export const ApicError = { SEND_ILLEGAL_VECTOR: 1 << 5, RECEIVE_ILLEGAL_VECTOR: 1 << 6, ILLEGAL_REGISTER: 1 << 7 } as const;

/** Vectors below this one are not for interrupts (SDM 3A 11.5.2). */
export const FIRST_LEGAL_VECTOR = 16;

/** The APIC timer's input clock; CPUID 15h names the same one as the crystal, so that guests need not calibrate. */
export const APIC_FREQUENCY_HZ = 1_000_000_000;
/** A periodic timer is never faster than this: one that is would leave the LP no time for anybody else. */
export const TIMER_PERIOD_MIN_NS = 20_000;
