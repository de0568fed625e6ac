// The control protocol, one place: every request with its parameters and result, every subscription. Frames are u32 LE length + msgpack (see frames.ts).
// Server and client are typed from this; what arrives is checked with the zod schemas of the server before it is used.
import type {
  ConnectionConfig,
  DeviceInfo,
  LoadSpec,
  PartitionConfig,
  PortConfig,
  PortInfo,
  SchedulingChange,
  SchedulingInfo,
} from './configuration.js';
import type { InterruptsInspect, MachineStats, PartitionInspect, PolicyInfo, TraceFrame, VtlbInspect } from './samples.js';
import type { ScriptProgress } from './script-progress.js';

export * from './configuration.js';
export type * from './samples.js';
export type * from './script-progress.js';

export const PROTOCOL_VERSION = 1;
/** Longest frame either side accepts, bytes. */
export const FRAME_MAX = 1 << 21;

export interface Hello {
  readonly version: number;
  readonly server?: string;
  readonly pid?: number;
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
  /** How far the script is that this connection plays: it is in all samples from now on. One that runs is `stopped` when the connection ends. */
  'load.progress': [ScriptProgress, Record<string, never>];
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
  /** `vm`: of that partition alone; `inherit` takes its own setting back. */
  | { kind: 'policy'; name: string; value: string; vm?: string | undefined }
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
