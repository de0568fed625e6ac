// Numbers of the synthetic interrupt controller: registers, message slots, event flags, synthetic timers (TLFS 11 and 12.3).

/** Synthetic interrupt sources of a VP. */
export const SINTS = 16;
/** Synthetic timers of a VP. */
export const STIMERS = 4;

/** Register numbers; SINT0 and STIMER0_CONFIG are the first of their kind. */
export const SynicMsr = {
  SCONTROL: 0x4000_0080,
  SVERSION: 0x4000_0081,
  SIEFP: 0x4000_0082,
  SIMP: 0x4000_0083,
  EOM: 0x4000_0084,
  SINT0: 0x4000_0090,
  SINT15: 0x4000_009f,
  STIMER0_CONFIG: 0x4000_00b0,
  STIMER3_COUNT: 0x4000_00b7,
} as const;
export const SYNIC_VERSION = 1n;

/** Bits of a SINT register: vector 7:0. */
export const Sint = { VECTOR: 0xff, MASKED: 1 << 16, AUTO_EOI: 1 << 17, POLLING: 1 << 18, RESET: 0x1_0000 } as const;
/** Vectors below are the processor's: an unmasked SINT that names one is #GP. */
export const FIRST_SINT_VECTOR = 16;

/** A message in its slot, 256 bytes: type u32 (0 = the slot is empty), size u8, flags u8, reserved u16, origin u64 (a port's number), payload. */
export const Message = { TYPE: 0, SIZE: 4, FLAGS: 5, ORIGIN: 8, PAYLOAD: 16, BYTES: 256 } as const;
export const MESSAGE_PAYLOAD_MAX: number = Message.BYTES - Message.PAYLOAD;
export const MessageType = {
  NONE: 0,
  /** Types with this bit are the hypervisor's own: no guest may post one. */
  HYPERVISOR: 0x8000_0000,
  TIMER_EXPIRED: 0x8000_0010,
} as const;
/** Bit of `flags`: another message waits for this slot, so its reader writes EOM. */
export const MESSAGE_PENDING = 1;
/** The same bit in the u32 of size, flags and the two reserved bytes. */
export const MESSAGE_PENDING_WORD: number = MESSAGE_PENDING << 8;

/** Payload of TIMER_EXPIRED: timer u32, reserved u32, expiration u64, delivery u64 (reference time). */
export const TimerPayload = { INDEX: 0, EXPIRATION: 8, DELIVERY: 16, BYTES: 24 } as const;

/** Event flags of one SINT in the event-flag page. */
export const EVENT_FLAGS = 2048;
export const EVENT_FLAGS_BYTES: number = EVENT_FLAGS / 8;

/** Bits of a synthetic timer's configuration; the rest reads as written. */
export const StimerConfig = {
  ENABLE: 1n,
  PERIODIC: 2n,
  LAZY: 4n,
  AUTO_ENABLE: 8n,
  VECTOR_SHIFT: 4n,
  DIRECT: 1n << 12n,
  SINT_SHIFT: 16n,
} as const;

/** A port (connection) number has 24 bits. */
export const PORT_ID_MAX = 0xff_ffff;
/** Input of PostMessage, and the largest it can be. */
export const PostMessageInput = { CONNECTION: 0, RESERVED: 4, TYPE: 8, SIZE: 12, PAYLOAD: 16, BYTES: 16 + 240 } as const;
/** Input of SignalEvent: 8 bytes, in a register when fast. */
export const SignalEventInput = { CONNECTION: 0, FLAG: 4, RESERVED: 6, BYTES: 8 } as const;
