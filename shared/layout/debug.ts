// How a debugger stops the machine, looks at it and lets it go on: words between root, which speaks to the debugger, and the LPs. One machine has one debugger.
//
//   sequence even: the machine runs. Odd: it stands still. Root makes it odd, or an LP whose VP has come to something (compare-and-swap: the first one wins, and then
//   says in `event*` what it was, `eventOf` last). Every LP then stands still at the next boundary, which it says by `parked[lp] = sequence`, and goes on when root has
//   made the sequence even again. Clocks of the virtual modes stand with the LPs; `stoodMicros` is what `realtime` takes off the host's,
//   with all that was before there was a machine.
//   An LP that stands still carries out requests: root writes their fields, then `requestLp` = LP + 1; the LP answers by 0.
//
// Why not by the mailbox: LPs stand still in the middle of a run, where no command of the mailbox may be carried out, and go on as if nothing had been.
import { accessor, block, i32, struct, u32, u64 } from './struct.js';

const VPS_MAX = 64;
const LPS_MAX = 64;
export const BREAKPOINTS_MAX = 1024;
export const WATCHES_MAX = 64;
/** Bytes of memory in one request. */
export const DEBUG_BUFFER = 4096;

/** Why the machine stands still. INTERRUPT: root wanted it. */
export const DebugReason = { INTERRUPT: 0, BREAKPOINT: 1, WATCHPOINT: 2, STEP: 3 } as const;

/** What a VP does while the machine runs. HOLD: nothing. STEP: one instruction, then all stand still. */
export const DebugAction = { RUN: 0, HOLD: 1, STEP: 2 } as const;

/** STEP: one instruction of the VP in whose run the LP stands; no other LP goes on meanwhile. */
export const DebugRequest = { READ: 1, WRITE: 2, STEP: 3, WALK: 4 } as const;
/** NOT_NOW: the VP's run is over, or the VP waits: only a machine that runs can step it. */
export const DebugResult = { OK: 0, UNMAPPED: 1, NOT_NOW: 2 } as const;

/** Kinds of watchpoints: bits. */
export const WatchKind = { WRITE: 1, READ: 2 } as const;
export const WATCH_SIZE = 24;
export const WatchEntry = { FROM: 0, BYTES: 8, KIND: 16 } as const;

export const DebugLayout = struct('Debug', {
  sequence: i32,
  /** Slot + 1 of the partition that is debugged, 0 none. */
  target: i32,
  eventOf: i32,
  /** DebugReason. */
  eventReason: i32,
  eventVp: i32,
  /** WatchKind of a watchpoint. */
  eventKind: i32,
  /** Linear address: of the instruction, or of the access. */
  eventAddress: u64,
  /** Host's microseconds in which the machine has stood still so far; when it began to do so. */
  stoodMicros: u64,
  stoppedMicros: u64,
  /** LP + 1 that carries the request out, 0 none. */
  requestLp: i32,
  /** DebugRequest. */
  request: i32,
  requestVp: u32,
  requestBytes: u32,
  requestAddress: u64,
  /** DebugResult. */
  result: i32,
  /** Bytes read, written; steps of a walk. */
  done: u32,
  /** Changes with what is below it; LPs take it over before they go on. */
  tableVersion: i32,
  breakpointCount: u32,
  watchCount: u32,
  buffer: block(DEBUG_BUFFER),
  /** DebugAction of each VP. */
  actions: block(VPS_MAX * 4, 4),
  /** Of each VP: linear address + 1 of the breakpoint that it stands at and has reported, f64; 0 none. */
  reported: block(VPS_MAX * 8),
  /** Of each LP: the sequence for which it stands still, 0 while it does not; and VP + 1 of the debugged partition in whose run it does, 0 none. */
  parked: block(LPS_MAX * 4, 4),
  inRun: block(LPS_MAX * 4, 4),
  /** Linear addresses, f64. */
  breakpoints: block(BREAKPOINTS_MAX * 8),
  watches: block(WATCHES_MAX * WATCH_SIZE),
});
export const DebugBlock = accessor(DebugLayout);
export type DebugBlock = InstanceType<typeof DebugBlock>;
