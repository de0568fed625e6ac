// The control protocol, one file: every request with its parameters and result, every subscription. Frames are u32 LE length + msgpack (see frames.ts).
// Server and client are typed from this; what arrives is checked with the zod schemas of the server before it is used.

export const PROTOCOL_VERSION = 1;
/** Longest frame either side accepts, bytes. */
export const FRAME_MAX = 1 << 21;

export interface Hello {
  readonly version: number;
  readonly server?: string;
  readonly pid?: number;
}

/** Configuration of one partition (`configs/vms/*.yaml`, and `partitions:` of a machine). */
export interface PartitionConfig {
  name: string;
  /** File name, `images:NAME/FILE` of a prepared image (initrd too), or `workload64`, `workload32`, `bench64`, `bench32` for the guests that come with hvd. */
  image: string;
  /** It boots through this BIOS, a ROM; then `image` names it too. */
  bios?: string | undefined;
  /** An option ROM for its VGA. */
  'video-bios'?: string | undefined;
  vps: number;
  /** Bytes. */
  memory: number;
  /** The processor: `x86-64-v2,+aes,-smap`. Everything that hvd has when absent. */
  cpu?: string | undefined;
  /** Which super-mode its LPs must be in: as its VPs are (`auto`, when absent), long, or legacy; the last has no long mode in its processor. */
  'super-mode'?: 'auto' | 'long' | 'legacy' | undefined;
  /** The Hyper-V interface: `linux,+ref-tsc,-cluster-ipi,spin-retries=4095`. None when absent. */
  hv?: HypervConfig | undefined;
  append?: string | undefined;
  initrd?: string | undefined;
  /** Its virtio devices, in the order in which the guest finds them. */
  devices?: VirtualDeviceConfig[] | undefined;
  /** The devices that images of the kvm-unit-tests family look for. */
  testdev?: boolean | undefined;
  /** Job to start with, for guests that take jobs. */
  load?: LoadSpec | undefined;
  autostart?: boolean | undefined;
  /** Settings of its own in place of the machine's, of policies that allow it. */
  policies?: Record<string, string> | undefined;
  scheduling?: SchedulingConfig | undefined;
}
/** A virtio device. `console`: the partition's console, as COM1 is; `disk`: a file of the host; `network`: frames to other partitions, or the world outside. */
export type VirtualDeviceConfig =
  | { kind: 'console' }
  | {
      kind: 'disk';
      file: string;
      /** What becomes of what the guest writes: it stays in the file (`persistent`, when absent), is forgotten at the next boot, or is refused. */
      access?: DiskAccess | undefined;
      /** Of machines with a BIOS: a drive of the primary IDE channel, master and slave in their order; a floppy in its drive, A and B in theirs. Virtio when absent. */
      bus?: DiskBus | undefined;
    }
  | {
      kind: 'network';
      /** `switch:NAME`: a switch of this machine that is there while somebody is on it; `user`: the world outside, by sockets of the daemon. */
      to: string;
      /** `tcp:127.0.0.1:2222:22`: ports of the host that lead to the guest's; of a device to `user` only. */
      forward?: string[] | undefined;
      /** `52:54:00:12:34:56`; made of the partition's name and the device's place when absent. */
      mac?: string | undefined;
    };
export const DISK_BUSES = ['virtio', 'ide', 'floppy'] as const;
export type DiskBus = (typeof DISK_BUSES)[number];
export const DISK_ACCESSES = ['persistent', 'copy-on-write', 'read-only'] as const;
export type DiskAccess = (typeof DISK_ACCESSES)[number];
/** A virtio device and what has been done with it since the partition was booted. */
export interface VirtualDeviceInfo {
  /** On the guest's PCI bus, and its numbers: `00:02.0 1af4:1042`. */
  address: string;
  kind: string;
  /** File and access of a disk; address and network. */
  of: string;
  /** The guest's driver is at work; or it has done what no driver may do, and the device waits for a reset. */
  state: 'absent' | 'ready' | 'needs reset';
  counters: Record<string, number>;
}
export interface HypervConfig {
  features: string;
  /** Ports by which guests reach this one, and connections of its own to ports; both can be opened and closed while it runs. */
  ports?: PortConfig[] | undefined;
  connections?: ConnectionConfig[] | undefined;
}
export interface PortConfig {
  id: number;
  /** Where what comes in goes: SINT and VP. */
  sint: number;
  vp: number | 'any';
  /** An event port with so many flags, from `firstFlag` (0) on; a message port when absent. */
  flags?: number | undefined;
  firstFlag?: number | undefined;
}
export interface ConnectionConfig {
  id: number;
  /** The partition that has the port; this one when absent. */
  vm?: string | undefined;
  port: number;
}
export interface PortInfo extends PortConfig {
  /** Messages (events) taken, and refused for want of a buffer or of a controller that takes them. */
  accepted: number;
  refused: number;
}
/** A partition's share of the machine, for each of its VPs. */
export interface SchedulingConfig {
  /** Share of an LP relative to the others': 1 to 10,000, 100 when absent. */
  weight?: number | undefined;
  /** Percent of an LP that a VP is sure of, and that it gets at most. */
  reserve?: number | undefined;
  limit?: number | undefined;
  /** LPs that may run its VPs: all when absent. */
  lps?: number[] | undefined;
  /** Code in which a VP is in a critical section: linear addresses, the first byte and the one after the last, as numbers or `0x…`. */
  critical?: { from: string; to: string }[] | undefined;
  /** A word of 32 bits for each VP, not 0 while it is in a critical section. */
  criticalWord?: CriticalWordConfig | undefined;
}
/** What is changed of a partition's share while it exists; what is absent stays. */
export interface SchedulingChange {
  weight?: number | undefined;
  reserve?: number | undefined;
  limit?: number | undefined;
  lps?: number[] | 'all' | undefined;
}
/** A partition's share as it holds. */
export interface SchedulingInfo {
  weight: number;
  reserve: number;
  limit: number;
  lps: number[];
  /** By VP: the LP where room is kept for it. */
  homes: number[];
}
export interface CriticalWordConfig {
  /** Linear address of VP 0's, or `gs:` or `fs:` and the offset in that segment of each. */
  at: string;
  /** Bytes from one VP's to the next; 0 when absent. */
  stride?: number | undefined;
  /** The bits that count; all when absent. */
  mask?: string | undefined;
}
/** A test device of the machine: one interrupt line, wired to an LP, passed through to a partition's VP. */
export interface DeviceConfig {
  name: string;
  lp: number;
  trigger: 'edge' | 'level';
  /** At the LP's physical APIC: its priority. */
  vector: number;
  partition: string;
  vp: number;
  /** What the guest is interrupted with. */
  guestVector: number;
  /** Cycles of the LP from one rise to the next; 0 or absent: only when it is told. */
  period?: number | undefined;
}
export interface DeviceInfo extends Required<DeviceConfig> {
  /** It is high; the physical interrupt is in service for the guest; it is masked. */
  asserted: boolean;
  serving: boolean;
  masked: boolean;
  raised: number;
  taken: number;
  finished: number;
  ended: number;
  /** Cycles from the LP's taking it to its end there, and of these after the guest had finished; sums. */
  servedCycles: number;
  deferredCycles: number;
}
export interface MachineConfig {
  lps: number;
  nodes: number;
  clock: ClockName;
  seed: number;
  quantumCycles: number;
  frequencyHz: number;
  /** What happens to virtual time when every VP is idle: skipped at once, or paced to the host's clock. */
  idle: 'skip' | 'pace';
  pin: boolean;
  partitions: PartitionConfig[];
  policies: Record<string, string>;
  devices?: DeviceConfig[] | undefined;
}
export type ClockName = 'deterministic' | 'quantum' | 'realtime';

/** A job for the workload guest, or for the agent of a Linux guest with a virtio console, run by the VPs in `vps` (all when absent). Parameters by job: see configs/guests/README.md. */
export interface LoadSpec {
  job: string;
  vps?: number[] | undefined;
  parameters?: Record<string, number> | undefined;
}
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

/** Requests: name -> [parameters, result]. */
export interface Requests {
  hello: [Hello, Required<Hello>];
  status: [
    Record<string, never>,
    {
      pid: number;
      uptimeMs: number;
      socket: string;
      version: string;
      machine: { lps: number; nodes: number; clock: string };
      partitions: { name: string; state: string; vps: number; memory: number; reason: string | null }[];
    },
  ];
  stats: [Record<string, never>, MachineStats];
  shutdown: [Record<string, never>, Record<string, never>];
  'vm.create': [PartitionConfig, { name: string }];
  'vm.list': [Record<string, never>, { name: string; state: string; vps: number; memory: number; image: string; reason: string | null }[]];
  'vm.start': [{ name: string }, Record<string, never>];
  'vm.pause': [{ name: string }, Record<string, never>];
  'vm.resume': [{ name: string }, Record<string, never>];
  'vm.stop': [{ name: string }, Record<string, never>];
  'vm.destroy': [{ name: string }, Record<string, never>];
  /** Changes what is given, for all VPs of the partition, from now on; with a name alone it only answers. */
  'vm.schedule': [{ name: string } & SchedulingChange, SchedulingInfo];
  'vm.inspect': [{ name: string }, PartitionInspect];
  /** `path`: vtlb, vtlb/sas/N or vtlb/spt/N. Read while the guest runs: each entry is right, the whole need not be of one moment. */
  'vm.inspect.vtlb': [{ name: string; path: string }, VtlbInspect];
  /** All partitions, and the log of the VP where one is named. */
  interrupts: [{ log?: { partition: string; vp: number } | undefined }, InterruptsInspect];
  'vm.screen': [{ name: string }, { columns: number; rows: number; lines: string[] }];
  /** Console output from a byte position on; `position` of the next call. Old output beyond the scrollback is gone. */
  'vm.console.read': [{ name: string; position: number }, { data: Uint8Array; position: number }];
  /** Refused while another connection types there (`vm.console.attach`). */
  'vm.console.write': [{ name: string; data: Uint8Array }, Record<string, never>];
  /**
   * From now on this connection gets `console` frames, from the oldest byte that there is. `write`: it wants to be the one that types, `force`: also where another one is.
   * Whether it is; without `write` it is not, and gives it up.
   */
  'vm.console.attach': [{ name: string; write?: boolean | undefined; force?: boolean | undefined }, { writes: boolean }];
  /** Of the terminal that shows it: a guest with a virtio console is told. */
  'vm.console.size': [{ name: string; columns: number; rows: number }, Record<string, never>];
  /** The daemon writes the file, whose path is absolute. The machine stands still meanwhile. */
  snapshot: [{ file: string }, { bytes: number; pages: number; course: number; cycle: number }];
  'policy.list': [Record<string, never>, PolicyInfo[]];
  /** `vm`: as it holds in that partition. */
  'policy.get': [{ name: string; vm?: string | undefined }, PolicyInfo];
  /** `vm`: for that partition alone; `inherit` gives it the machine's setting back. */
  'policy.set': [{ name: string; value: string; vm?: string | undefined }, PolicyInfo];
  'device.list': [Record<string, never>, DeviceInfo[]];
  /** A level stays high until it is lowered, by the guest or by `device.lower`. */
  'device.raise': [{ name: string }, Record<string, never>];
  'device.lower': [{ name: string }, Record<string, never>];
  /** From now on it rises by itself; 0: no more. */
  'device.period': [{ name: string; cycles: number }, Record<string, never>];
  'port.list': [{ name: string }, { ports: PortInfo[]; connections: ConnectionConfig[] }];
  /** What is opened and closed while a partition runs is forgotten when it boots again. */
  'port.open': [{ name: string; port: PortConfig }, Record<string, never>];
  'port.close': [{ name: string; id: number }, Record<string, never>];
  'connection.open': [{ name: string; connection: ConnectionConfig }, Record<string, never>];
  'connection.close': [{ name: string; id: number }, Record<string, never>];
  'load.set': [{ name: string } & LoadSpec, Record<string, never>];
  'load.stop': [{ name: string; vps?: number[] | undefined }, Record<string, never>];
  /** Subscribes this connection: `stats` frames at `hz` (0.1..20), `events` frames of scheduling and interrupts, `log` frames (what is kept of the daemon's log first), `deed` frames of what is done to the machine, by whomever. 0 or false ends. */
  subscribe: [
    { stats?: number | undefined; events?: boolean | undefined; log?: boolean | undefined; deeds?: boolean | undefined },
    Record<string, never>,
  ];
  /** Begins or ends this connection's `trace` frames. `start`: cycles from which on they tell. */
  trace: [
    { on: boolean },
    { start: number; clockMode: string; frequencyHz: number; quantumCycles: number; lps: { id: number; node: number }[] },
  ];
}
export type Method = keyof Requests;

/** Events: name -> payload. */
export interface Events {
  stats: MachineStats;
  events: { lp: number; clock: number; kind: string; partition: string; vp: number; a: number; b: number }[];
  trace: TraceFrame;
  /**
   * What a console has said since the last such frame, `past`: before this connection watched; bytes of it that are gone, whether this connection types there, and the
   * partition's state; null: there is none any more.
   */
  console: { name: string; data: Uint8Array; past: boolean; lost: number; writes: boolean; state: string | null };
  /** Of the daemon's log, since the last such frame. `lost`: records before these that are gone. */
  log: { records: readonly LogRecord[]; lost: number };
  /** Something was done to the machine: its highest clock then, and host milliseconds since the daemon started. */
  deed: { clock: number; at: number } & Deed;
  /** Frames lost to a slow reader since the last one. */
  dropped: { count: number };
}

/** What can be done to a machine while it runs, as far as scripts of loads can do it too. */
export type Deed =
  | { kind: 'create'; config: PartitionConfig }
  | { kind: 'verb'; vm: string; verb: 'start' | 'pause' | 'resume' | 'stop' | 'destroy' }
  | { kind: 'policy'; name: string; value: string }
  | { kind: 'load'; vm: string; load: LoadSpec }
  | { kind: 'idle'; vm: string; vps?: number[] | undefined };

/** `at`: host milliseconds since 1970. `text`: the message and its fields. */
export interface LogRecord {
  at: number;
  level: string;
  text: string;
}

/** Request frame `{id, m, p}`; answers `{id, r}` or `{id, e}`; event frames `{ev, d}`. */
export interface RequestFrame {
  id: number;
  m: string;
  p: unknown;
}
export interface ErrorBody {
  code: string;
  message: string;
  hint?: string | undefined;
}
export interface ResponseFrame {
  id: number;
  r?: unknown;
  e?: ErrorBody;
}
export interface EventFrame {
  ev: keyof Events;
  d: unknown;
}
