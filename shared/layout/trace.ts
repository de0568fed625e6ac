// The trace of a machine: what its LPs do, each with its time, in a ring for each LP while somebody traces (`hvd trace`).
// Why beside the event ring: that one goes into the hash of a run and is kept always; this one tells more, costs more, and changes nothing of the course.
//
// One LP writes, root alone reads (root/traces). A ring that is full takes nothing more until root has read: what finds no room is counted.
//
//   record, 32 bytes:  +0 clock u64   +8 kind u8, partition u8, vp u8, lp u8   +12 a u32   +16 b u32   +20 0   +24 began u64
//   `clock`: cycles of the LP when it was written, the end of what it tells of; `began`: the begin, the same for what takes no time.
export const TRACE_RECORD_SIZE = 32;
export const TRACE_RECORD_WORDS = TRACE_RECORD_SIZE / 4;
/** Records of a ring, a power of two. Pages that nobody traced into cost nothing. */
export const TRACE_RING = 1 << 15;
export const TraceRecord = { CLOCK: 0, WHAT: 2, A: 3, B: 4, BEGAN: 6 } as const;

/** What `a` and `b` are. */
export const TraceKind = {
  /** A VP ran. a: SliceEnd. b: cycles that it is charged. */
  RUN: 1,
  /** The LP had nothing to do. */
  IDLE: 2,
  /** a: number in INTERCEPTS. */
  INTERCEPT: 3,
  /** An interrupt was requested. a: vector, InterruptKind << 8. b: which one of the vector, together with VP and vector: the clock's low half as the interrupt log has it. */
  RAISED: 4,
  /** The VP took it. a and b: as above. */
  DELIVERED: 5,
  /** It came to its end. a: vector, InterruptState << 8. b: as above. */
  ENDED: 6,
  /** The LP waited for others in the vTLB. a: TraceWait. */
  WAIT: 7,
  /** The VP was found spinning. a: SpinKind. b: cycles of the episode. */
  SPIN: 8,
  /** Another LP was told to look at a VP. a: the VP. b: the LP. */
  KICK: 9,
  /** The LP's super-mode changed. a: SuperMode from now on. */
  WORLD: 10,
} as const;

/** Why a VP's slice is over. CONTINUES: it is not. */
export const SliceEnd = { CONTINUES: 0, USED: 1, BLOCKED: 2, SPINNING: 3, SECTION: 4, STOPPED: 5 } as const;
export const SLICE_END_NAMES: readonly string[] = ['preempted', 'slice used up', 'halted', 'spinning', 'end of section', 'stopped'];

/** What an LP may wait for in the vTLB. */
export const TraceWait = { PENDING_FILLS: 0, GLOBAL_LOCK: 1, TABLE_LOCK: 2, SHOOTDOWN: 3 } as const;
export const TRACE_WAIT_NAMES: readonly string[] = ['pending fills', 'vTLB lock', 'shadow table lock', 'shootdown'];
