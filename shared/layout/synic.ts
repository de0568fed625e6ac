// The synthetic interrupt controllers of a partition, its ports and its connections: all of their state is in the partition's memory.
// Why there: a message comes from whatever LP runs the sender, and the sender may be another partition.
//
//   header
//   controllers   one a VP: registers, queues, timers, counters
//   ports         by which others reach this partition
//   connections   to ports of other partitions, or of its own
//   links         successor of each message buffer in its queue: number + 1, 0 = it is the last, NOT_QUEUED
//   buffers       256 bytes each, a message as it will stand in its slot: 16 for each port, then one for each timer of each VP
import { Message, SINTS, Sint, STIMERS } from '../abi/synic.js';
import { MAX_VPS, PartitionMap } from './partition.js';
import { accessor, block, i32, struct, u32, u64, type Views } from './struct.js';

/** Ports of a partition, the hypervisor's own included. */
export const PORTS_MAX = 32;
export const CONNECTIONS_MAX = 32;
/** Message buffers of a port (TLFS 11.10.5): as many messages can wait, one more is INSUFFICIENT_BUFFERS. */
export const PORT_BUFFERS = 16;
export const ALL_BUFFERS_FREE: number = (1 << PORT_BUFFERS) - 1;
export const BUFFERS: number = PORTS_MAX * PORT_BUFFERS + MAX_VPS * STIMERS;

/** Link of a buffer that stands in no queue. */
export const NOT_QUEUED = -1;

/** A synthetic timer. Owner LP only. */
export const StimerLayout = struct('Stimer', {
  config: u64,
  count: u64,
  /** Partition time at which it expires, ns, and the reference time (100 ns) that it then tells; valid while `armed`. */
  deadline: u64,
  expiration: u64,
  armed: u32,
  fired: u32,
  /** Expirations of a periodic timer that were passed over. */
  skipped: u32,
});
export const Stimer = accessor(StimerLayout);
export type Stimer = InstanceType<typeof Stimer>;

export const SynicHeaderLayout = struct(
  'SynicHeader',
  {
    /** Futex of whoever opens or closes ports and connections. */
    lock: i32,
    /** Version of the VMBus protocol that was agreed on, 0 = none (abi/vmbus), and contacts that were refused. */
    vmbusVersion: u32,
    vmbusRefused: u32,
    /** What root asks of an LP (PortRequest), and whether it could be done: 1 or 0. */
    request: u32,
    answer: u32,
  },
  64,
);
export const SynicHeader = accessor(SynicHeaderLayout);
export type SynicHeader = InstanceType<typeof SynicHeader>;

/** Of the port or connection at REQUESTED_PORT, REQUESTED_CONNECTION. */
export const PortRequest = { OPEN_PORT: 1, CLOSE_PORT: 2, OPEN_CONNECTION: 3, CLOSE_CONNECTION: 4 } as const;

/** Counters of a SINT, u32 each; they wrap. Changed under the controller's lock. */
export const SINT_COUNTERS = ['messages', 'pendings', 'events', 'interrupts'] as const;
export type SintCounter = (typeof SINT_COUNTERS)[number];

/**
 * The controller of one VP. Registers are written by its LP, under `lock`, for whoever posts reads them; the queues belong to whoever holds `lock`.
 */
export const SynicLayout = struct(
  'Synic',
  {
    /** Futex (machine/futex-lock). Held for a few stores; never while waiting for anything. */
    lock: i32,
    /** Bit 0 of `control`. */
    enabled: i32,
    control: u64,
    messagePageMsr: u64,
    eventPageMsr: u64,
    /** Where the pages are in the partition's memory, bytes; 0 = not enabled. */
    messagePage: i32,
    eventPage: i32,
    sints: block(SINTS * 8),
    /** Bit n: SINT n has messages waiting in its queue. Read without the lock on the way of an EOI. */
    waiting: i32,
    /** Buffer numbers + 1, 0 = empty. */
    heads: block(SINTS * 4, 4),
    tails: block(SINTS * 4, 4),
    depths: block(SINTS * 4, 4),
    /** By SINT_COUNTERS: 16 counters each. */
    counts: block(SINT_COUNTERS.length * SINTS * 4, 4),
    /** Writes of EOM. Owner LP only. */
    eoms: u32,
    /** Most messages that have ever waited for one SINT. */
    deepest: u32,
    timers: block(STIMERS * StimerLayout.size),
  },
  1024,
);
export const SynicRegisters = accessor(SynicLayout);
export type SynicRegisters = InstanceType<typeof SynicRegisters>;

export const PortKind = { NONE: 0, MESSAGE: 1, EVENT: 2 } as const;
/** A port for any VP delivers to the lowest one that can take it. */
export const ANY_VP = -1;
/**
 * A port. `state`: generation << 1 | open; atomics. Who posts reads it first and again under the controller's lock: a port that was closed
 * meanwhile, or is another one by now, gets nothing.
 */
export const PortLayout = struct(
  'Port',
  {
    state: i32,
    id: u32,
    kind: u32,
    sint: u32,
    /** VP index or ANY_VP. */
    vp: i32,
    /** Of an event port: the flags that it may set. */
    firstFlag: u32,
    flagCount: u32,
    /** Bit n: buffer n is free; atomics. */
    free: i32,
    /** Messages (events) accepted, and refused for want of a buffer or a controller; atomics. */
    accepted: i32,
    refused: i32,
  },
  64,
);
export const Port = accessor(PortLayout);
export type Port = InstanceType<typeof Port>;

export const PARTITION_NAME_BYTES = 40;
/** A connection: the port it leads to, in the partition of that name. Changed by root before the partition starts, or by its VPs. */
export const ConnectionLayout = struct(
  'Connection',
  {
    /** 1 while it exists; atomics, stored last. */
    open: i32,
    id: u32,
    port: u32,
    /** UTF-8, zero ended; empty: this partition. */
    partition: block(PARTITION_NAME_BYTES, 4),
  },
  64,
);
export const Connection = accessor(ConnectionLayout);
export type Connection = InstanceType<typeof Connection>;

const controllers = PartitionMap.SYNIC + SynicHeaderLayout.size;
const ports = controllers + MAX_VPS * SynicLayout.size;
const connections = ports + (PORTS_MAX + 1) * PortLayout.size;
const links = connections + (CONNECTIONS_MAX + 1) * ConnectionLayout.size;
const buffers = links + BUFFERS * 4;
export const SYNIC_END: number = buffers + BUFFERS * Message.BYTES;

export const synicAt = (vp: number): number => controllers + vp * SynicLayout.size;
export const stimerAt = (vp: number, timer: number): number => synicAt(vp) + SynicLayout.at.timers + timer * StimerLayout.size;
export const sintCountAt = (vp: number, counter: SintCounter, sint: number): number =>
  synicAt(vp) + SynicLayout.at.counts + (SINT_COUNTERS.indexOf(counter) * SINTS + sint) * 4;
export const portAt = (port: number): number => ports + port * PortLayout.size;
export const connectionAt = (connection: number): number => connections + connection * ConnectionLayout.size;
/** Behind the others: what root wants opened or closed. */
export const REQUESTED_PORT: number = portAt(PORTS_MAX);
export const REQUESTED_CONNECTION: number = connectionAt(CONNECTIONS_MAX);
export const linkAt = (buffer: number): number => links + buffer * 4;
export const bufferAt = (buffer: number): number => buffers + buffer * Message.BYTES;
export const portBuffer = (port: number, n: number): number => port * PORT_BUFFERS + n;
export const timerBuffer = (vp: number, timer: number): number => PORTS_MAX * PORT_BUFFERS + vp * STIMERS + timer;
/** Port that a buffer belongs to, -1: it is a timer's. */
export const portOfBuffer = (buffer: number): number => (buffer < PORTS_MAX * PORT_BUFFERS ? Math.floor(buffer / PORT_BUFFERS) : -1);

/** Every futex that is taken here. */
export const synicLocks = (vpCount: number): number[] => [
  PartitionMap.SYNIC + SynicHeaderLayout.at.lock,
  ...Array.from({ length: vpCount }, (_, vp) => synicAt(vp) + SynicLayout.at.lock),
];

/** All controllers as at power-up: disabled, every SINT masked, no port, no connection. */
export const powerUpSynic = (views: Views): void => {
  views.u8.fill(0, PartitionMap.SYNIC, buffers);
  for (let vp = 0; vp < MAX_VPS; vp++) {
    const at = (synicAt(vp) + SynicLayout.at.sints) >>> 3;
    views.u64.fill(BigInt(Sint.RESET), at, at + SINTS);
  }
  for (let port = 0; port < PORTS_MAX; port++) views.i32[(portAt(port) + PortLayout.at.free) >>> 2] = ALL_BUFFERS_FREE;
  views.i32.fill(NOT_QUEUED, links >>> 2, buffers >>> 2);
};
