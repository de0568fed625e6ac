// Machine memory: one SharedArrayBuffer with everything that belongs to no partition: LP blocks, the command mailbox of each LP, policy words, telemetry rings.
//
//   0x0000  header     0x1000  LP blocks, 64 x 4 KiB     then one event ring per LP, then the interrupt lines of devices, then
//   what a debugger has to say (debug.ts), then one trace ring per LP (trace.ts)
import { DebugLayout } from './debug.js';
import { DEVICE_LINE_SIZE, DEVICE_LINES } from './device-line.js';
import { accessor, block, i32, struct, u32, u64 } from './struct.js';
import { TRACE_RECORD_SIZE, TRACE_RING } from './trace.js';

export const LpState = { OFFLINE: 0, IDLE: 1, RUNNING: 2, HYPERVISOR: 3, WAITING: 4, DEAD: 5 } as const;
export const LP_STATE_NAMES: readonly string[] = ['offline', 'idle', 'running', 'hypervisor', 'waiting', 'dead'];
/** What an LP is in: IA-32e mode, or real, V86 and protected mode as they were before it. */
export const SuperMode = { LONG: 0, LEGACY: 1 } as const;
export const SUPER_MODE_NAMES: readonly string[] = ['long', 'legacy'];
export const ClockMode = { DETERMINISTIC: 0, QUANTUM: 1, REALTIME: 2 } as const;
export const CLOCK_MODE_NAMES: readonly string[] = ['deterministic', 'quantum', 'realtime'];

export const MachineLayout = struct('MachineHeader', {
  magic: u32,
  lpCount: u32,
  nodeCount: u32,
  clockMode: u32,
  quantumCycles: u32,
  seed: u32,
  /** Futex that root bumps on any command; LPs that sleep outside guest code wait on their own `doorbell` instead. */
  commandSequence: i32,
  stop: i32,
  /** Deterministic mode: LP whose turn it is. */
  token: i32,
  /** Counts the changes of all LPs' `turn` words, each after it is made: who reads the words between two equal counts has them as they were at one moment (lp/turn). */
  turnChanges: i32,
  /** Virtual cycles a second. */
  frequencyHz: u32,
  pausedForIdle: i32,
  /** Lines of devices that are wired: the first so many. Written by root before LPs run. */
  deviceLineCount: u32,
  /** Policy words, one i32 each: see shared/protocol/policies. */
  policies: block(64 * 4, 4),
  // --- the gate of the deterministic mode (layout/gate)
  /** How often an LP has run a VP or given its turn away so far: where the machine is in its course. Written by the LP whose turn it is. Atomics. */
  courseLow: i32,
  courseHigh: i32,
  /** Root wants to be let in: 1 at the end of the run that is under way, 2 at once. Atomics. */
  gateWanted: i32,
  /** 1: the course stops at `gateLimit` (low half of a course number). Atomics. */
  gateLimited: i32,
  gateLimit: i32,
  /** Clock at which the course stops, too, while it is limited; 0: none. */
  gateUntil: u64,
  /** LP + 1 that stands at the gate, -1 before and after, 0 none. Atomics. */
  gateStands: i32,
  /** 1: it stands there because no LP awaits anything. */
  gateAtRest: i32,
  /** 1 while somebody traces (layout/trace). Atomics: LPs look before each run. */
  tracing: i32,
  /** 1: the LP is let go and nothing was changed, so nobody need look; else all LPs look for what was. */
  gateUnchanged: i32,
  /** 1: an LP has left something that root does at this place of the course, before anybody goes on. Atomics. */
  gateCalled: i32,
});
export const MachineHeader = accessor(MachineLayout);
export type MachineHeader = InstanceType<typeof MachineHeader>;

export const LP_BLOCK_SIZE = 4096;
export const RUN_QUEUE_MAX = 256;
export const LpLayout = struct(
  'LpBlock',
  {
    state: i32,
    node: u32,
    /** Futex: an idle or waiting LP sleeps on it; whoever has work for the LP adds 1 and notifies. */
    doorbell: i32,
    /** (partition slot << 8 | VP) running now, -1 none. */
    current: i32,
    /** LP clock in cycles. Written by the LP only. */
    clock: u64,
    idleCycles: u64,
    hostThread: u32,
    hostCore: i32,
    queueLength: i32,
    intercepts: u32,
    interruptsDelivered: u32,
    ipisReceived: u32,
    kicks: u32,
    contextSwitches: u32,
    /** Physical local APIC: request bits set by other LPs (atomics), in-service bits by the owner. */
    physicalIrr: block(32, 4),
    physicalIsr: block(32, 4),
    /** Command mailbox: root writes, LP answers. sequence odd = command present. */
    mailSequence: i32,
    mailCommand: i32,
    mailArgs: block(16 * 4, 4),
    /** Nested counters of intercepts by reason: see INTERCEPTS. */
    interceptCounts: block(32 * 4),
    /** Event ring: next index to write (only the LP writes). */
    eventHead: i32,
    /** When the LP may run next: quantum number << 1 | 1 if it has nothing to wait for (see lp/turn). Atomics. */
    turn: i32,
    /** 1 while the LP sleeps for its turn: whoever makes it the slowest rings its doorbell. */
    waitingForTurn: i32,
    /** What others may know of its queue: VPs that are ready, the sum of their weights, percent of it that is reserved. Atomics: whoever gives it a VP adds to them. */
    readyVps: i32,
    readyWeight: i32,
    reservedPercent: i32,
    /** VPs that other LPs have given it so far. Atomics. */
    arrivals: i32,
    /** Slot + 1 of the partition into which a VP of another one posts at this moment, 0 = none. Atomics. */
    partner: i32,
    /** FNV-1a over the LP's events, for comparing runs. */
    traceLo: u32,
    traceHi: u32,
    /** Why the worker died, UTF-8, zero ended. */
    deathReason: block(256),
    /** Interrupts delivered to VPs here, by guest vector. */
    vectorCounts: block(256 * 4, 4),
    /** Physical local APIC: trigger mode of what is requested or in service (1 level). Atomics, set before the request. */
    physicalTmr: block(32, 4),
    /** Vectors in service whose guests have finished. Atomics: set by the LP that the guest runs on, taken by this one. */
    physicalDone: block(32, 4),
    /** Finished vectors below the highest in service: their EOI waits. Owner LP only. */
    deferredEois: block(32, 4),
    /** Device line + 1 that a physical vector is of, 0 none; written by root while no device can send it. */
    lineOfVector: block(256, 4),
    /** EOIs at the physical APIC: of the highest in service, and of a named vector; of the former those that had to wait, now, ever, most at once. */
    physicalEois: u32,
    physicalSpecificEois: u32,
    deferredNow: u32,
    deferredTotal: u32,
    deferredMax: u32,
    /** Vectors that were taken from guests that did not finish while others waited. */
    revokedEois: u32,
    /** SuperMode of the LP; round trips from long to legacy and back, and the cycles that they have taken (hypervisor/world). */
    superMode: u32,
    superModeSwitches: u32,
    switchCycles: u64,
    /** Trace ring: records written, by the LP; records read, by root; records that found no room. Atomics. */
    traceHead: i32,
    traceTail: i32,
    traceLost: i32,
  },
  LP_BLOCK_SIZE,
);
export const LpBlock = accessor(LpLayout);
export type LpBlock = InstanceType<typeof LpBlock>;

/** Intercept reasons, index = number in `interceptCounts`. */
export const INTERCEPTS = [
  'pageFault',
  'crAccess',
  'invlpg',
  'io',
  'msr',
  'hlt',
  'pause',
  'cpuid',
  'apicMmio',
  'mmio',
  'external',
  'hypercall',
  'tripleFault',
  'busLock',
  'exception',
  'wbinvd',
] as const;
export type InterceptName = (typeof INTERCEPTS)[number];

/** One record of an LP's event ring, 16 bytes: +0 clock low u32, +4 kind u8 | partition u8 << 8 | vp u8 << 16, +8 a u32, +12 b u32. */
export const EVENT_SIZE = 16;
export const EVENT_RING = 1024;
export const EventType = { SCHEDULE_IN: 1, SCHEDULE_OUT: 2, INTERRUPT: 3, IPI: 4, FILL: 5, FLUSH: 6, HALT: 7, WAKE: 8, CRASH: 9 } as const;

export const MACHINE_LPS = Math.ceil(MachineLayout.size / 4096) * 4096;
export const lpBlockAt = (lp: number): number => MACHINE_LPS + lp * LP_BLOCK_SIZE;
export const eventRingAt = (lp: number, lpCount: number): number => lpBlockAt(lpCount) + lp * EVENT_RING * EVENT_SIZE;
export const deviceLineAt = (line: number, lpCount: number): number => eventRingAt(lpCount, lpCount) + line * DEVICE_LINE_SIZE;
export const debugAt = (lpCount: number): number => Math.ceil(deviceLineAt(DEVICE_LINES, lpCount) / 4096) * 4096;
export const traceRingAt = (lp: number, lpCount: number): number =>
  Math.ceil((debugAt(lpCount) + DebugLayout.size) / 4096) * 4096 + lp * TRACE_RING * TRACE_RECORD_SIZE;
export const machineMemorySize = (lpCount: number): number => traceRingAt(lpCount, lpCount);
export const MACHINE_MAGIC = 0x4d647668;
