// What can be configured: machines, partitions and what belongs to them, as they stand in YAML files and travel in requests.

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
