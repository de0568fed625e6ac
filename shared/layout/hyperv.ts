// The Hyper-V interface of a partition, in its memory: what it exposes, its synthetic MSRs, and where its overlay pages are.
// Why apart from header and VP blocks: most partitions have none of it, and compiled code reads none of it.
//
//   HYPERV + 0x0000  partition-wide state
//          + 0x1000  state of each VP, 64 x 512 bytes
//          + 0x9000  end
//
// Overlay pages have frames of their own behind guest RAM: number n is frame (ramSize >> 12) + n. Number 0 is the hypercall page, 1 the reference TSC page; then three
// of each VP. Where two are mapped at one address the lower number is seen, and RAM or a device only where there is none (TLFS 5.2.1).
import { HV_CRASH_PARAMETERS } from '../abi/hyperv.js';
import { MAX_VPS, PartitionMap } from './partition.js';
import { accessor, block, i32, struct, u32, u64 } from './struct.js';

const HYPERV_VPS = 0x1000;
const VP_SIZE = 512;
export const HYPERV_SIZE: number = HYPERV_VPS + MAX_VPS * VP_SIZE;

/** Overlays of the partition, then those of each VP by their place among its own. */
export const PartitionOverlay = { HYPERCALL: 0, REFERENCE_TSC: 1 } as const;
export const VpOverlay = { ASSIST: 0, EVENT_FLAGS: 1, MESSAGES: 2 } as const;
const PARTITION_OVERLAYS = 2;
const VP_OVERLAYS = 3;
export const OVERLAYS_MAX: number = PARTITION_OVERLAYS + MAX_VPS * VP_OVERLAYS;
export const vpOverlay = (vp: number, which: (typeof VpOverlay)[keyof typeof VpOverlay]): number =>
  PARTITION_OVERLAYS + vp * VP_OVERLAYS + which;
/** Pages behind guest RAM, in whole pages of WebAssembly memory. */
export const overlayPagesOf = (vpCount: number): number => Math.ceil((PARTITION_OVERLAYS + vpCount * VP_OVERLAYS) / 16) * 16;

export const HypervLayout = struct(
  'Hyperv',
  {
    /** 1: the partition has the interface. This and the next five are written before it starts (shared/hyperv). */
    enabled: u32,
    /** EAX, EBX, EDX of leaf 40000003h; EAX and EBX of leaf 40000004h. */
    privilegesLow: u32,
    privilegesHigh: u32,
    features: u32,
    recommendations: u32,
    spinRetries: u32,
    /** Futex of whoever changes partition-wide registers or overlays: 0 free, 1 held, 2 held with waiters. */
    lock: i32,
    /** Overlays that are mapped, and of these those at 4 GiB or above. Atomics: walks look at them first. */
    mapped: i32,
    mappedHigh: i32,
    _pad: u32,
    guestOsId: u64,
    hypercall: u64,
    referenceTsc: u64,
    tscInvariant: u64,
    /** 1: the guest has written its time-stamp counter somewhere, so that one page cannot serve all VPs. Atomics. */
    tscMoved: i32,
    /** How often the guest has reported a crash. */
    crashes: u32,
    crashParameters: block(HV_CRASH_PARAMETERS * 8),
    crashControl: u64,
    /** Of the last report: VP that made it. */
    crashVp: u32,
    /** What it said, UTF-8, as far as there is room. */
    crashMessageBytes: u32,
    crashMessage: block(1024),
    /** Frame + 1 in guest-physical memory of each overlay by its number, 0 while it is not mapped. Atomics. */
    overlays: block(OVERLAYS_MAX * 4, 8),
  },
  HYPERV_VPS,
);
export const HypervState = accessor(HypervLayout);
export type HypervState = InstanceType<typeof HypervState>;

/** Of a VP; its LP's but where it says atomics. */
export const HypervVpLayout = struct(
  'HypervVp',
  {
    assistPage: u64,
    /** HV_INITIAL_VP_CONTEXT with which another VP has asked it to start (VpRequest.START). */
    startContext: block(224),
  },
  VP_SIZE,
);
export const HypervVp = accessor(HypervVpLayout);
export type HypervVp = InstanceType<typeof HypervVp>;
export const hypervVpAt = (vp: number): number => PartitionMap.HYPERV + HYPERV_VPS + vp * VP_SIZE;
