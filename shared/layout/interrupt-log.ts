// The last interrupts of a VP, a ring in its VP block: vector, kind, and when it was raised, delivered and ended.
// Why clocks of 32 bits: a record is 16 bytes, written at every interrupt; whoever reads it knows the clock of now, and a ring seldom goes back four seconds.
//
//   record, 16 bytes:  +0 vector u8, kind u8, state u8   +4 raised u32   +8 delivered u32   +12 ended u32
//   raised[vector]:    clock of the first request that is not delivered yet, its low 3 bits the kind (0: none stands)
export const INTERRUPT_LOG = 64;
export const INTERRUPT_RECORD_SIZE = 16;
export const INTERRUPT_LOG_SIZE = INTERRUPT_LOG * INTERRUPT_RECORD_SIZE;
export const InterruptRecord = { WHAT: 0, RAISED: 4, DELIVERED: 8, ENDED: 12 } as const;

/** Where an interrupt came from. */
export const InterruptKind = { NONE: 0, DEVICE: 1, IPI: 2, SINT: 3, TIMER: 4 } as const;
export const INTERRUPT_KIND_NAMES: readonly string[] = ['none', 'device', 'ipi', 'sint', 'timer'];
/** How far it has come; how it ended. */
export const InterruptState = { SERVED: 0, EXPLICIT: 1, LAZY: 2, AUTO: 3, SPECIFIC: 4 } as const;
export const INTERRUPT_STATE_NAMES: readonly string[] = ['in service', 'exit', 'assist', 'auto', 'specific'];
/** Bits of a raise time that hold the kind. */
export const RAISED_KIND = 7;
