// What can be seen of a machine: counters in samples, and what is inspected.
import type { LoadSpec, VirtualDeviceInfo } from './configuration.js';
import type { ScriptProgress } from './script-progress.js';

export interface LoadCounters {
  vp: number;
  job: string;
  operations: number;
  latencySum: number;
  /** At most a quarter too much. */
  latencyP99: number;
  latencyMax: number;
  latencyCount: number;
  /** Of the request that it runs: the counters have begun at 0 with it. */
  request: number;
  /** Of the job that it runs; none where the guest had it from elsewhere than from its host (its command line). */
  parameters: Record<string, number>;
  /** Operations that failed, and promises that were broken. */
  errors: number;
}

export interface PolicyInfo {
  name: string;
  value: string;
  values: string[];
  baseline: string;
  meaning: string;
  /** Of a partition: the setting is its own. */
  own?: boolean;
}

export interface LpStats {
  id: number;
  node: number;
  state: string;
  /** `partition/vp` or null. */
  vp: string | null;
  /** Virtual cycles. */
  clock: number;
  idleCycles: number;
  /** vTLB generation counter CTR[p]; odd = inside a fill. */
  generation: number;
  hostCore: number | null;
  queue: number;
  /** Totals by reason. */
  intercepts: Record<string, number>;
  interrupts: number;
  ipis: number;
  kicks: number;
  contextSwitches: number;
  /** Super-mode that it is in; round trips from long to legacy and back by the switch page, and the virtual cycles that they have taken (`world.switch=page`). */
  superMode: 'long' | 'legacy';
  worldSwitches: number;
  worldSwitchCycles: number;
  /** Of the vTLBs of all partitions, on this LP. */
  fills: number;
  flushHandshakes: number;
  pendingFillWaits: number;
  /** Invalidations that waited for pending fills, by how long: element i counts waits of 2^(i-1) to 2^i microseconds, the last one all longer ones. */
  fillWaitUs: number[];
}
export interface VpStats {
  id: number;
  state: string;
  lp: number | null;
  instructions: number;
  runCycles: number;
  readyCycles: number;
  /** Halted, after it has begun. */
  blockedCycles: number;
  /** Of the ready cycles those in which its limit kept it from running. */
  limitedCycles: number;
  /** Of the ready cycles those in which a VP of the partition ran, by name; those of partitions that are gone under their slot's number. */
  displacedBy: Record<string, number>;
  /** Spin waits: SPIN_COUNTERS, and the cycles of extensions (and of those what was taken from later slices) and express scheduling. */
  spin: Record<string, number>;
  counters: Record<string, number>;
}
export interface PartitionStats {
  name: string;
  state: string;
  reason: string | null;
  memory: number;
  vps: VpStats[];
  vtlb: Record<string, number>;
  /** What its translated code takes, all LPs together (layout/lp-context, CODE_COUNTS). */
  code: Record<string, number>;
  interrupts: { byKind: Record<string, number>; byVector: Record<string, number> };
  load: LoadCounters[];
}
/** A VP's synthetic interrupt controller in full: totals, and what is there now. */
export interface SynicInspect {
  vp: number;
  /** Writes of EOM; most messages that have ever waited for one SINT. */
  eoms: number;
  deepest: number;
  /** Expirations of synthetic timers that were told of, and that were passed over. */
  timersFired: number;
  timersSkipped: number;
  /** SINTs that are unmasked, or by which anything has come. */
  sints: SintOfVp[];
}
export interface SintOfVp {
  sint: number;
  vector: number;
  masked: boolean;
  autoEoi: boolean;
  polling: boolean;
  messages: number;
  /** Times that a reader was told of another message. */
  pendings: number;
  events: number;
  interrupts: number;
  /** The slot holds a message; it says that another one waits; so many do. */
  busy: boolean;
  pending: boolean;
  waiting: number;
  /** Event flags that are set. */
  flags: number;
}
/** How far the guest has come with its VMBus. */
export interface VmbusInspect {
  /** Version of the protocol that was agreed on, as "5.3"; null: the guest has made no contact, or has let go of the bus again. */
  version: string | null;
  /** Versions that were asked for and are not spoken here. */
  refused: number;
}
export interface MachineStats {
  /** Host milliseconds since the daemon started, when this was taken. */
  at: number;
  pid: number;
  clockMode: string;
  seed: number;
  frequencyHz: number;
  lps: LpStats[];
  partitions: PartitionStats[];
  policies: Record<string, string>;
  /** Load scripts that clients play, and the last one that has ended. */
  scripts: readonly ScriptProgress[];
}
/** Vectors by where they are: posted by others and not yet taken, requested, in service. */
export interface ApicInspect {
  posted: number[];
  requested: number[];
  inService: number[];
  tpr: number;
  requests: number;
}
/** A crash as the guest reports it by the Hyper-V crash registers. */
export interface CrashReport {
  times: number;
  /** VP that made the last report, and what it says. */
  vp: number;
  parameters: string[];
  /** There is no crash dump. */
  noDump: boolean;
  message: string;
}
export interface PartitionInspect extends PartitionStats {
  /** The processor that the guest sees; names as in `cpu:` of a partition. */
  processor: { name: string; signature: number; features: string[] };
  devices: VirtualDeviceInfo[];
  registers: {
    vp: number;
    rip: string;
    rflags: string;
    cr0: string;
    cr3: string;
    cr4: string;
    efer: string;
    cpl: number;
    mode: string;
    gpr: Record<string, string>;
    apic: ApicInspect;
  }[];
  /** Of each VP whose synthetic interrupt controller is enabled. */
  synic: SynicInspect[];
  /** Absent where the guest finds no VMBus. */
  vmbus: VmbusInspect | null;
  unknownInstructions: { mnemonic: string; count: number }[];
  crash: CrashReport | null;
  /** Loads that wait until the guest takes jobs, oldest first, and those that it knew no job of. */
  waitingLoads: readonly LoadSpec[];
  refusedLoads: readonly LoadSpec[];
}

/**
 * What is known of writes to a guest page: U it is no page table; N it is one, and who may write it is not known; T nobody may write it unseen; D mappings that are known let it
 * be written; C these are being taken away.
 */
export type PageWrites = 'U' | 'N' | 'T' | 'D' | 'C';
/** One shadow address space, or a shared node: `level` 4, or that of the node. `users`: LPs that have it loaded; of a node, spaces that have linked it. */
export interface SasInspect {
  sas: number;
  level: number;
  users: number;
  mode: string;
  /** Of a node: address of the guest table. */
  cr3: string;
  pcid: number;
  /** Some table of it is stale: gone over before it is used after a flush. */
  stale: boolean;
  /** Goes up when something is taken from it: hardware TLBs of an older version flush before they use it again. */
  version: number;
  /** Numbers of the shared nodes that it has linked. */
  nodes: number[];
  generation: number;
  root: number;
  tables: number;
  /** Present leaf entries. */
  translations: number;
}
/** One shadow page table. `gptGfn`: frame of the guest table that it shadows, null where none stands behind it (large pages, paging off). `gva`: of its first entry. */
export interface SptInspect {
  spt: number;
  state: string;
  sas: number | null;
  level: number;
  gva: string;
  gptGfn: string | null;
  role: string;
  node: number;
  generation: number;
  present: number;
  /** The guest's table may have been written since its entries were made. A number: the LP that goes over it just now. */
  stale: boolean | number;
  /** Of the guest's table. */
  writes: PageWrites | null;
}
/**
 * One entry beside what the guest's own table says there. `verdict`: same; narrower (the shadow grants less: a write is still to set D, or the guest's rights grew);
 * lent (a supervisor may write a read-only user page, CR0.WP = 0); other (it says what the guest's table no longer says: good only until the guest flushes).
 */
export interface SpteInspect {
  index: number;
  gva: string;
  shadow: string;
  guest: string | null;
  verdict: 'same' | 'narrower' | 'lent' | 'other' | null;
  /** Of the page or the guest table that it leads to. */
  writes: PageWrites | null;
}
export type VtlbInspect =
  | {
      kind: 'vtlb';
      generation: number;
      tables: { node: number; live: number; condemned: number; free: number }[];
      /** Guest pages that are page tables, by what is known of writes to them. */
      pages: Record<Exclude<PageWrites, 'U'>, number>;
      spaces: SasInspect[];
    }
  | { kind: 'sas'; space: SasInspect; tables: SptInspect[] }
  | { kind: 'spt'; table: SptInspect; way: (SpteInspect & { spt: number; level: number })[]; entries: SpteInspect[] };

/** Where interrupts come from and how they end, in totals. `lps`: as they are delivered, and what the physical APICs have to do with it. */
export interface InterruptsInspect {
  /** As MachineStats. */
  at: number;
  lps: { id: number; byVector: Record<string, number>; physical: PhysicalInterrupts }[];
  partitions: {
    name: string;
    /** By what raised them: device, ipi, sint, timer; pic by the 8259s; other. */
    bySource: Record<string, number>;
    /** By how they ended: an intercept (exit), the assist page, by themselves (auto), or by name (specific). */
    ends: Record<string, number>;
    /** Of SINTs that a VP has unmasked or that have been used. */
    sints: SintInspect[];
    eoms: number;
  }[];
  log: InterruptLog | null;
}
/** EOIs at a physical APIC: of the highest in service, of a named vector; those below the highest that wait, have waited, most at once; vectors taken from guests that did not finish. */
export interface PhysicalInterrupts {
  eois: number;
  specificEois: number;
  deferredNow: number;
  deferredTotal: number;
  deferredMax: number;
  revoked: number;
}
/** One SINT of all VPs. Now: message slots that are taken, and of these with more waiting; messages that wait; event flags that are set. Totals: the rest. */
export interface SintInspect {
  sint: number;
  busy: number;
  pending: number;
  waiting: number;
  flags: number;
  messages: number;
  events: number;
  interrupts: number;
}
/** The last interrupts of a VP, oldest first. Read while it runs: the newest one may be half written. */
export interface InterruptLog {
  partition: string;
  vp: number;
  /** Cycles of its LP. */
  clock: number;
  records: {
    vector: number;
    kind: string;
    /** `in service`, or how it ended. */
    state: string;
    delivered: number;
    /** Cycles from raise to delivery, and from there to the end; null while it is in service. */
    waitCycles: number;
    servedCycles: number | null;
  }[];
}

/** What LPs have done since the last such frame (layout/trace). */
export interface TraceFrame {
  /** Records, each LP's in its order. */
  records: Uint8Array;
  /** LPs' clocks are at least here, in the virtual clock modes: nothing that a later frame tells of ended before. */
  reached: number;
  /** Records that have found no room since the last frame. */
  lost: number;
  partitions: { slot: number; name: string }[];
  policies: { clock: number; name: string; value: string; partition: string | null }[];
}
