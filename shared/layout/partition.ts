// Partition memory: one shared WebAssembly.Memory per partition. Literal map; guest RAM starts at a constant offset so that SPA = RAM_BASE + GPA.
//
//   0x0000_0000  header
//   0x0000_2000  VP blocks          64 x 8 KiB
//   0x0008_4000  scheduling         64 x 512 bytes (schedule.ts)
//   0x0009_0000  Hyper-V interface  (hyperv.ts)
//   0x000a_0000  synthetic interrupt controllers, ports, message buffers (synic.ts)
//   0x0010_0000  device registers   1 MiB   (platform: PIC, PIT, UART, ... and their rings)
//   0x0020_0000  page flags         u32 per guest page (4 MiB: 1 Mi pages)
//   0x0060_0000  code versions      u32 per guest page (4 MiB)
//   0x00a0_0000  vTLB: header, SAS table, gpt index, reverse-map heads, then SPT headers and SPT pages, up to 0x0780_0000
//   0x0780_0000  code lines         u64 per guest page: which of its 64-byte lines hold translated code (8 MiB)
//   0x0800_0000  LP contexts        64 x 12 MiB
//   0x3800_0000  guest RAM
import { accessor, block, i32, struct, u32, u64 } from './struct.js';
import { VP_BLOCK_SIZE } from './vp.js';

export const MAX_VPS = 64;
export const MAX_LPS = 64;
export const MAX_NODES = 8;
/** Pages of guest RAM on each node: equal runs, the last one what is left. */
export const pagesPerNode = (ramSize: number, nodes: number): number => Math.max(1, Math.ceil((ramSize >>> 12) / nodes));
export const PartitionMap = {
  HEADER: 0,
  VPS: 0x2000,
  SCHEDULE: 0x8_4000,
  HYPERV: 0x9_0000,
  SYNIC: 0xa_0000,
  DEVICES: 0x10_0000,
  DEVICES_END: 0x20_0000,
  PAGE_FLAGS: 0x20_0000,
  CODE_VERSIONS: 0x60_0000,
  VTLB: 0xa0_0000,
  VTLB_END: 0x780_0000,
  CODE_LINES: 0x780_0000,
  LP_CONTEXTS: 0x800_0000,
  LP_CONTEXT_SIZE: 0xc0_0000,
  RAM: 0x3800_0000,
} as const;
/** Guest RAM sizes, bytes. The upper bound leaves the PC's hole below 4 GiB free. */
export const RAM_MIN = 1 << 20;
export const RAM_MAX = 3072 * (1 << 20);

export const vpBlockAt = (index: number): number => PartitionMap.VPS + index * VP_BLOCK_SIZE;
export const lpContextAt = (lp: number): number => PartitionMap.LP_CONTEXTS + lp * PartitionMap.LP_CONTEXT_SIZE;

export const PartitionState = { CREATED: 0, RUNNING: 1, PAUSED: 2, STOPPED: 3, CRASHED: 4, POWERED_OFF: 5 } as const;
export const PARTITION_STATE_NAMES: readonly string[] = ['created', 'running', 'paused', 'stopped', 'crashed', 'powered-off'];
/** Why a partition stopped; `exitDetail` has the rest. */
export const ExitCause = {
  NONE: 0,
  POWER_OFF: 1,
  DEBUG_EXIT: 2,
  TRIPLE_FAULT: 3,
  MACHINE_CHECK: 4,
  STOPPED: 5,
  BROKEN_INVARIANT: 6,
  RESET: 7,
  /** COM1 has said the text that was waited for (ConsoleWatch). */
  TEXT_SEEN: 8,
  /** Partition time has come to `endNs`. */
  TIME_UP: 9,
} as const;

/** Bits of a page's flags word (atomics). CODE: some LP holds translations of bytes in the page; writes must be seen. GPT: the vTLB shadows it. TLB_WRITE: some LP's hardware TLB may hold a write tag for the page. OVERLAID: an overlay page covers this guest-physical address. */
export const PageFlag = { CODE: 1, GPT: 2, WATCHED: 3, TLB_WRITE: 4, OVERLAID: 8 } as const;

/** As the partition's VPs are at any time; long; legacy, and no long mode in its processor. */
export const SuperModeChoice = { AUTO: 0, LONG: 1, LEGACY: 2 } as const;
export const SUPER_MODE_CHOICES = ['auto', 'long', 'legacy'] as const;

export const PartitionLayout = struct('PartitionHeader', {
  magic: u32,
  id: u32,
  vpCount: u32,
  lpCount: u32,
  nodeCount: u32,
  is64: u32,
  /** Guest RAM in bytes. */
  ramSize: u32,
  /** PartitionState, atomics. Root writes requests, LPs write what they find. */
  state: i32,
  exitCause: i32,
  exitDetail: u32,
  /** Added to whenever any page's code version changes. */
  codeEpoch: i32,
  /** Stores into watched code that are under way (machine/watched-code): who translates waits until there is none. */
  codeStores: i32,
  /** Futex of the platform devices: 0 free, 1 held, 2 held with waiters. Held only inside a device access; never by root. */
  deviceLock: i32,
  /** Futex of the bus lock (split or misaligned LOCK, SDM 3A 9.1.2). */
  busLock: i32,
  /** Bit set of VPs that have the bus stopped. */
  busOwner: i32,
  /** LPs (bit set, two words) that have ever run a VP of this partition: who must answer flush handshakes. */
  lpsLow: i32,
  lpsHigh: i32,
  seed: u32,
  /** Partition reference time zero, in machine cycles. */
  epochCycles: u64,
  /** Partition time at which the partition is stopped, ns; 0 = never. Written by root before the partition starts. */
  endNs: u64,
  name: block(64),
  /** Reason of a crash, UTF-8, zero ended. */
  reason: block(256),
  /** Futex of whoever marks or unmarks pages as code: 0 free, 1 held, 2 held with waiters. */
  codeWatchLock: i32,
  /** 0 as root built it, 1 an LP lays out vTLB and devices, 2 ready: the first LP that is attached does it, the others wait. */
  prepared: i32,
  /** The partition's processor: which of CPU_MODELS, and its features (shared/cpu). */
  cpuModel: u32,
  /** VPs whose MONITOR is armed (atomics): while there are none, stores need not look for them. */
  monitors: i32,
  /** 1 while the A20 gate is closed (atomics): processors then address memory without bit 20. */
  a20Closed: i32,
  cpuFeatures: block(16),
  /** Pages of memory behind guest RAM that overlays have for frames (hyperv.ts). */
  overlayPages: u32,
  /** 1: the partition has the devices that test images look for (platform/pc-test-device, platform/firmware-config). Written before it starts. */
  testDevices: u32,
  /** What the partition has in place of the machine's policies, one i32 each: 0 = the machine's, else the setting + 1. */
  policies: block(64 * 4, 4),
  /** SuperModeChoice: which super-mode the partition needs its LPs to be in. */
  superMode: u32,
});
export const PartitionHeader = accessor(PartitionLayout);
export type PartitionHeader = InstanceType<typeof PartitionHeader>;
export const PARTITION_MAGIC = 0x30647668;
