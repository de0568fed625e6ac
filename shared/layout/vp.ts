// The VP block: all architectural and scheduling state of one virtual processor, in partition memory.
// Why in one block: compiled units, the micro-op machine and TypeScript read the same bytes; a VP moves between LPs by moving nothing.
//
//   +0     slots: 96 x u64. Micro-ops name operands by slot number (0..15 = RAX..R15 in encoding order).
//   +768   vector slots: 64 x 16 bytes. Vector micro-ops name operands by vector slot number.
//   +1792  segments, tables, control registers, MSRs
//   +...   local APIC, scheduling, counters
import { MCA_BANKS } from '../abi/msr.js';
import { INTERRUPT_LOG_SIZE } from './interrupt-log.js';
import { accessor, block, i32, struct, u32, u64 } from './struct.js';

/** Slot numbers: operand names of micro-ops. A slot's byte offset in the VP block is 8 x its number. */
export const Slot = {
  RAX: 0,
  RCX: 1,
  RDX: 2,
  RBX: 3,
  RSP: 4,
  RBP: 5,
  RSI: 6,
  RDI: 7,
  R8: 8,
  R9: 9,
  R10: 10,
  R11: 11,
  R12: 12,
  R13: 13,
  R14: 14,
  R15: 15,
  /** RIP (offset in CS) of the instruction at hand; exact whenever a unit has been left. */
  RIP: 16,
  /** Result, sign-extended to 64 bits: ZF, SF, PF are derived from it and FLAG_AUX (see translate/flags). */
  FLAG_RESULT: 17,
  /** CF bit 0, PF delta bit 2, AF bit 4, SF delta bit 7, OF bit 11. */
  FLAG_AUX: 18,
  /** RFLAGS without the six arithmetic flags; bit 1 set. */
  FLAG_SYSTEM: 19,
  /** Segment bases, 64 bit: ES, CS, SS, DS, FS, GS in encoding order. */
  ES_BASE: 20,
  CS_BASE: 21,
  SS_BASE: 22,
  DS_BASE: 23,
  FS_BASE: 24,
  GS_BASE: 25,
  /** Value loaded or stored by a slow memory helper. */
  SCRATCH: 26,
  /** Arguments of `sys` micro-ops, set by the micro-ops before them; ARG0 holds a memory operand's linear address. */
  ARG0: 27,
  ARG1: 28,
  ARG2: 29,
  /** Always 0. */
  ZERO: 30,
  /** First of the temporaries; the last is TEMP + TEMPS - 1. */
  TEMP: 32,
  /** Highest offset that a read (write) of ES..GS may touch, as i64: -1 sends every access to the slow check (null, expand-down, ...). */
  READ_LIMIT: 80,
  WRITE_LIMIT: 86,
  /** Highest offset in CS that a transfer may go to: where a third table of limits would have its entry for CS. */
  CODE_LIMIT: 93,
  /** Vector of the fault that waiting x87 instructions raise: #MF while an unmasked exception is pending (ES), else 0. */
  FPU_FAULT: 92,
  /** Offset of the x87 instruction's memory operand, for the data pointer. */
  FPU_OFFSET: 94,
  /** Set by an x87 function: an unmasked exception ends the instruction, its store or flags do not happen. */
  FPU_SKIP: 95,
} as const;
export const TEMPS = 48;
export const SLOTS = 96;

/** Vector slot numbers: 128 bits each, at `vectors` in the VP block. */
export const VectorSlot = {
  /** XMM0..XMM15, which are the low halves of YMM0..YMM15. */
  XMM: 0,
  /** The high halves of YMM0..YMM15. */
  YMM_HIGH: 16,
  /** First of the temporaries; the last is TEMP + VECTOR_TEMPS - 1. */
  TEMP: 32,
  /** Operands of slow helpers, and values that a lane is picked from by number: two slots that are followed by zeros. */
  SCRATCH: 60,
  /** Always 0. */
  ZERO: 62,
  /** What a slow helper returns. */
  RESULT: 63,
} as const;
export const VECTOR_TEMPS = 28;
export const VECTOR_SLOTS = 64;

/**
 * State beyond the general registers that an instruction works on, as bits of `unusable`: the low byte says #UD, the one above it #NM
 * (SDM 3A 2.5, 13.1; SDM 2A 2.4).
 */
export const ExtendedState = { X87: 1, WAIT: 2, MMX: 4, SSE: 8, AVX: 16, VEX: 32 } as const;

/** One segment register (or LDTR, TR): the hidden part but for the base of ES..GS, which is in a slot. Limit in bytes, inclusive. */
export const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const;

/** Why a VP is not running guest code, or that it is. Written by its LP but for READY (by whoever wakes it) and PAUSED requests. */
export const VpState = {
  /** Waits for INIT/SIPI (all but VP 0 at reset). */
  WAIT_FOR_SIPI: 0,
  READY: 1,
  RUNNING: 2,
  /** HLT or MWAIT: wakes on an interrupt. */
  HALTED: 3,
  /** Triple fault or machine check: never runs again until reset. */
  STOPPED: 4,
} as const;
export const VP_STATE_NAMES: readonly string[] = ['wait-for-sipi', 'ready', 'running', 'halted', 'stopped'];

/** How `pendingEvent` is to be delivered (SDM 3A 6.3, 6.4). */
export const EventKind = { NONE: 0, EXTERNAL: 1, NMI: 2, EXCEPTION: 3, SOFTWARE: 4 } as const;

/** What the last instruction holds off until after the next one (SDM 3A 6.8.3): STI interrupts; a load of SS also debug exceptions. */
export const InterruptShadow = { NONE: 0, INTERRUPTS: 1, STACK: 2 } as const;

/** Bits of `mwait`: waiting by MWAIT, so for the monitored line too; for masked interrupts too (ECX bit 0; alone: a read of the MSR GUEST_IDLE). */
export const MWait = { WAITING: 1, MASKED_TOO: 2 } as const;

export const VP_BLOCK_SIZE = 8192;
export const VpLayout = struct(
  'VpBlock',
  {
    slots: block(SLOTS * 8),
    vectors: block(VECTOR_SLOTS * 16, 16),
    // --- segments: selector, access rights (descriptor bits 8..23 >> 8, as VMX: type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16), limit
    esSelector: u32,
    csSelector: u32,
    ssSelector: u32,
    dsSelector: u32,
    fsSelector: u32,
    gsSelector: u32,
    ldtrSelector: u32,
    trSelector: u32,
    esAccess: u32,
    csAccess: u32,
    ssAccess: u32,
    dsAccess: u32,
    fsAccess: u32,
    gsAccess: u32,
    ldtrAccess: u32,
    trAccess: u32,
    esLimit: u32,
    csLimit: u32,
    ssLimit: u32,
    dsLimit: u32,
    fsLimit: u32,
    gsLimit: u32,
    ldtrLimit: u32,
    trLimit: u32,
    ldtrBase: u64,
    trBase: u64,
    gdtrBase: u64,
    idtrBase: u64,
    gdtrLimit: u32,
    idtrLimit: u32,
    // --- control and model-specific registers
    cr0: u32,
    cr4: u32,
    cr2: u64,
    cr3: u64,
    efer: u32,
    cpl: u32,
    pdpte: block(32),
    star: u64,
    lstar: u64,
    cstar: u64,
    sfmask: u64,
    kernelGsBase: u64,
    tscAux: u64,
    sysenterCs: u64,
    sysenterEsp: u64,
    sysenterEip: u64,
    pat: u64,
    apicBase: u64,
    miscEnable: u64,
    tscOffset: u64,
    /** IA32_TSC_ADJUST: what writes of it and of the TSC have added to the TSC since power-up. INIT leaves it alone. */
    tscAdjust: u64,
    tscDeadline: u64,
    mtrr: block(32 * 8),
    dr: block(8 * 8),
    // --- event delivery
    /** InterruptShadow: while the instruction after STI, MOV SS or POP SS has not run. */
    interruptShadow: u32,
    pendingKind: u32,
    pendingVector: u32,
    pendingError: u32,
    pendingHasError: u32,
    /** Fault raised by a helper, to be delivered at RIP: vector | hasError << 8; error code beside it. */
    faultVector: u32,
    faultError: u32,
    /** NMIs to be delivered: one is latched while another is handled, so before the first there can be two. */
    nmiPending: u32,
    nmiBlocked: u32,
    pauseCount: u32,
    /** GPA of the 64-byte line that MONITOR watches | 1, 0 = none. Atomics: whoever stores there takes it away. */
    monitorLine: i32,
    /** MWait: what a halted VP also wakes on. */
    mwait: u32,
    /** An ExtINT message has come from the I/O APIC: the VP acknowledges the 8259 when it can. Atomics. */
    extInt: i32,
    /** Derived from CR0, CR4 and XCR0: ExtendedState bits that raise #UD (7:0) and #NM (15:8). */
    unusable: u32,
    mxcsr: u32,
    xcr0: u32,
    /** State of the VP's random numbers: four words of xoshiro128** (vp-random.ts). INIT leaves it alone. */
    random: block(16, 8),
    // --- local APIC (owner LP only, but for the shared request words)
    apicId: u32,
    apicTpr: u32,
    apicLdr: u32,
    apicDfr: u32,
    apicSvr: u32,
    apicEsr: u32,
    apicIcrLo: u32,
    apicIcrHi: u32,
    lvtCmci: u32,
    lvtTimer: u32,
    lvtThermal: u32,
    lvtPerf: u32,
    lvtLint0: u32,
    lvtLint1: u32,
    lvtError: u32,
    timerInitial: u32,
    timerDivide: u32,
    timerArmed: u32,
    /** LP-clock cycle (partition time) at which the APIC timer fires, and at which it was last started. */
    timerDeadline: u64,
    timerStart: u64,
    irr: block(32, 4),
    isr: block(32, 4),
    tmr: block(32, 4),
    autoEoi: block(32, 4),
    /** Requests from any thread: Atomics.or of a bit, then a kick of the LP that runs the VP. TMR and AUTO bits first (mechanisms: Post). */
    newIrr: block(32, 4),
    newTmr: block(32, 4),
    newAuto: block(32, 4),
    /** Bit set of VpRequest, atomics. */
    requests: i32,
    sipiVector: u32,
    // --- scheduling (Atomics on state)
    state: i32,
    /** LP that runs the VP or in whose queue it stands. */
    lp: i32,
    homeLp: i32,
    index: u32,
    runCycles: u64,
    /** Cycles in which it was ready and its LP ran another VP. */
    readyCycles: u64,
    /** Retired guest instructions. */
    instructions: u64,
    /** Monotonic counters: see VP_COUNTERS; u32 each, wraps. */
    counters: block(64 * 4),
    /** Interrupts delivered by vector. */
    vectorCounts: block(256 * 4),
    /** Unimplemented instructions met, by iced mnemonic number modulo the table: pairs (mnemonic, count) x 32. */
    unknownOps: block(32 * 8),
    // --- floating point
    /** Physical registers R0..R7, 16 bytes each: the significand, whose MMX register it is too, then sign and exponent in the low 16 bits of the second half. */
    fpuRegisters: block(8 * 16, 16),
    fpuControl: u32,
    /** Status word without TOP; B follows ES. */
    fpuStatus: u32,
    /** Status word bits 13:11. */
    fpuTop: u32,
    /** Bit n: R n is not empty (the tag word as in an FXSAVE image). */
    fpuValid: u32,
    /** Opcode of the last instruction that raised an unmasked exception, and its operand's offset (CPUID.7.EBX: FDP_EXCPTN_ONLY, no FCS and FDS). */
    fpuOpcode: u32,
    fpuDataPointer: u64,
    fpuInstructionPointer: u64,
    /** Exceptions of the last floating-point functions called (daemon/float), for the caller to act on. */
    floatFlags: u32,
    /** Vector of the unmasked exception that the last SSE instruction in the slow half raised, or 0. */
    floatTrap: u32,
    /** Exceptions of the first half of a 256-bit instruction while not all are masked: raised with those of the second. */
    floatPending: u32,
    // --- end of interrupts (hypervisor/apic)
    /** Partition address of the assist page's marker while it says that the highest interrupt in service needs no EOI by intercept, 0 = it says nothing. Owner LP only. */
    eoiMarker: u32,
    /** The guest's word: vectors that end by themselves (SINTs with AutoEOI). Written by the owner with Atomics, read by whoever posts. */
    autoVectors: block(32, 4),
    /** Vectors whose EOI somebody waits for, beside those that are level-triggered: no shortcut may take it. Owner LP only. */
    endWatched: block(32, 4),
    /** Vectors in IRR or ISR that are passed through: a physical interrupt ends with them. Owner LP only. */
    passedThrough: block(32, 4),
    /** Extended APIC control register of processors with `extapic` (APM 2 16.4.8). */
    apicExtendedControl: u32,
    /** The version register as it reads. */
    apicVersion: u32,
    // --- the last interrupts (layout/interrupt-log)
    /** When each vector was raised that has not been delivered yet, and by what. Atomics. */
    raised: block(256 * 4, 4),
    interruptLog: block(INTERRUPT_LOG_SIZE, 4),
    /** Records written so far, modulo 2^32. */
    interruptLogHead: u32,
    /** Interrupts delivered by InterruptKind; u32 each, wraps. */
    kindCounts: block(8 * 4, 4),
    // --- machine-check banks: CTL, ADDR and MISC of each. INIT leaves them alone.
    machineCheck: block(MCA_BANKS * 3 * 8, 8),
  },
  VP_BLOCK_SIZE,
);
export const VpBlock = accessor(VpLayout);
export type VpBlock = InstanceType<typeof VpBlock>;

/** Bits of `requests`. NMI_AGAIN: another NMI after the one of bit NMI. */
export const VpRequest = { INIT: 1, SIPI: 2, NMI: 4, RESET: 8, PULL: 16, START: 32, NMI_AGAIN: 64 } as const;

/** Counter numbers in `counters`; names are the TLFS's where it has one (TLFS appendix, VP counters). */
export const VP_COUNTERS = [
  'pageFaultIntercepts',
  'crAccessIntercepts',
  'invlpgIntercepts',
  'ioIntercepts',
  'msrIntercepts',
  'hltIntercepts',
  'pauseIntercepts',
  'cpuidIntercepts',
  'apicMmioAccesses',
  'apicEoiAccesses',
  'apicTprAccesses',
  'apicIpisSent',
  'apicSelfIpisSent',
  'virtualInterrupts',
  'largePageTlbFills',
  'smallPageTlbFills',
  'reflectedGuestPageFaults',
  'addressSpaceSwitches',
  'addressDomainFlushes',
  'pageTableWriteIntercepts',
  'hypercalls',
  'externalInterrupts',
  'hardwareTlbMisses',
  'lpMigrations',
  'exceptionsDelivered',
  'translations',
  'compilations',
  'busLocks',
  'mmioAccesses',
  'nmis',
  'tripleFaults',
  'unknownInstructions',
  'longSpinWaits',
  /** EOIs without an intercept: found in the assist page, and of vectors that are never in service; and those that named their vector. */
  'lazyEois',
  'autoEois',
  'specificEois',
] as const;
export type VpCounter = (typeof VP_COUNTERS)[number];
export const vpCounterIndex = Object.fromEntries(VP_COUNTERS.map((n, i) => [n, i])) as Record<VpCounter, number>;
