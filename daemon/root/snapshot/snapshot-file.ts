// What a snapshot consists of (frame-file.ts), in this order: head; the images that partitions boot, each followed by its data; the machine's words; what each LP knows,
// followed by its data; each partition, followed by its pages, and what its disks hold above their files; host memory; switches; an end, which tells a whole file from a cut one.
import { z } from 'zod';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { LoadSpec, MachineConfig, PartitionConfig } from '../../../shared/protocol/messages.js';
import { formatPath } from '../config/fields.js';
import { loadSchema, machineSchema, partitionSchema } from '../config/schema.js';
import type { Frame } from '../record/frame-file.js';
import type { StateDigest } from '../record/state-digest.js';
import type { Layouts } from './layouts.js';
import type { MachineFields } from './machine-words.js';

export const SNAPSHOT_FORMAT = 1;

/** Where in a recording it was taken. */
export interface RecordingPlace {
  /** The recording's own number. */
  readonly id: string;
  /** Inputs that had come in by then, and events of each LP. */
  readonly inputs: number;
  readonly events: readonly number[];
}
export interface SnapshotHead {
  readonly t: 'head';
  readonly hvd: string;
  /** SHA-256 of the program. */
  readonly code: string;
  readonly machine: MachineConfig;
  /** Virtual cycles by name. */
  readonly costs: Record<string, number>;
  /** Place of the course: LP -1 at rest. */
  readonly course: number;
  readonly lp: number;
  readonly clock: number;
  /** The host's clock, ms: `realtime` goes on from there. */
  readonly hostMs: number;
  readonly layouts: Layouts;
  readonly recording?: RecordingPlace | undefined;
}
export interface ImageFrame {
  readonly t: 'image';
  readonly sha256: string;
  readonly bytes: number;
}
/** A piece of what was named last, deflated. */
export interface DataFrame {
  readonly t: 'data';
  readonly data: Uint8Array;
}
export interface MachineFrame {
  readonly t: 'machine';
  readonly fields: MachineFields;
}
/** What an LP knows beside what is in memory: msgpack in the data that follows. */
export interface LpFrame {
  readonly t: 'lp';
  readonly lp: number;
  readonly bytes: number;
}
export interface PartitionFrame {
  readonly t: 'partition';
  readonly slot: number;
  readonly config: PartitionConfig;
  readonly image: string;
  readonly initrd?: string | undefined;
  /** Of its memory, all in all. */
  readonly bytes: number;
  readonly pendingLoads: readonly LoadSpec[];
  /** It was running, and has been paused for the snapshot. */
  readonly goesOn: boolean;
}
/** Pages of the partition in the slot; slot -1: host memory. */
export interface PagesFrame {
  readonly t: 'pages';
  readonly slot: number;
  /** Their numbers. */
  readonly pages: readonly number[];
  /** Deflated. */
  readonly data: Uint8Array;
}
/** What a disk of the partition in the slot is on. */
export interface DiskFrame {
  readonly t: 'disk';
  readonly slot: number;
  readonly device: number;
  readonly file: string;
  readonly bytes: number;
  /** Of a file that the disk writes to: when it was changed last, ns. Of another one: SHA-256. */
  readonly changed?: string | undefined;
  readonly sha256?: string | undefined;
}
/** Written above the file, at that byte; deflated. */
export interface SectorsFrame {
  readonly t: 'sectors';
  readonly slot: number;
  readonly device: number;
  readonly at: number;
  readonly data: Uint8Array;
}
export interface SwitchFrame {
  readonly t: 'switch';
  readonly name: string;
  /** Partition/device, in the order in which they are served. */
  readonly ports: readonly { readonly port: string; readonly isTold: boolean }[];
  /** Address and port. */
  readonly stations: readonly (readonly string[])[];
}
export interface SnapshotEnd {
  readonly t: 'end';
  /** SHA-256 of everything before. */
  readonly sha256: string;
  readonly pages: number;
  /** What the machine is, and which piece of RAM that is about. */
  readonly turn: number;
  readonly state: StateDigest;
}
export type SnapshotFrame =
  | SnapshotHead
  | ImageFrame
  | DataFrame
  | MachineFrame
  | LpFrame
  | PartitionFrame
  | PagesFrame
  | DiskFrame
  | SectorsFrame
  | SwitchFrame
  | SnapshotEnd;

export const HOST_SLOT = -1;

const count = z.int().min(0);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, { error: 'expected bytes' });
const slot = z.int().min(0).max(15);
const SCHEMAS: { readonly [T in SnapshotFrame['t']]: z.ZodType } = {
  head: z.strictObject({
    t: z.literal('head'),
    hvd: z.string(),
    code: hash,
    machine: machineSchema,
    costs: z.record(z.string(), count),
    course: count,
    lp: z.int().min(-1).max(63),
    clock: z.number().min(0),
    hostMs: z.number(),
    layouts: z.record(z.string(), z.array(count).length(2)),
    recording: z.strictObject({ id: z.string(), inputs: count, events: z.array(count) }).optional(),
  }),
  image: z.strictObject({ t: z.literal('image'), sha256: hash, bytes: count }),
  data: z.strictObject({ t: z.literal('data'), data: bytes }),
  machine: z.strictObject({ t: z.literal('machine'), fields: z.record(z.string(), bytes) }),
  lp: z.strictObject({ t: z.literal('lp'), lp: z.int().min(0).max(63), bytes: count }),
  partition: z.strictObject({
    t: z.literal('partition'),
    slot,
    config: partitionSchema,
    image: hash,
    initrd: hash.optional(),
    bytes: count,
    pendingLoads: z.array(loadSchema),
    goesOn: z.boolean(),
  }),
  pages: z.strictObject({ t: z.literal('pages'), slot: z.int().min(HOST_SLOT).max(15), pages: z.array(count), data: bytes }),
  disk: z.strictObject({
    t: z.literal('disk'),
    slot,
    device: count,
    file: z.string(),
    bytes: count,
    changed: z.string().optional(),
    sha256: hash.optional(),
  }),
  sectors: z.strictObject({ t: z.literal('sectors'), slot, device: count, at: count, data: bytes }),
  switch: z.strictObject({
    t: z.literal('switch'),
    name: z.string(),
    ports: z.array(z.strictObject({ port: z.string(), isTold: z.boolean() })),
    stations: z.array(z.array(z.string()).length(2)),
  }),
  end: z.strictObject({
    t: z.literal('end'),
    sha256: hash,
    pages: count,
    turn: count,
    state: z.record(z.string(), z.string()),
  }),
};

/** The frame, if it is what its kind has to be. Throws snapshot.damaged. */
export const checkSnapshotFrame = (frame: Frame, file: string, at: number): SnapshotFrame => {
  const damaged = (why: string): HvdError => new HvdError('snapshot.damaged', { file, at, why });
  if (!Object.hasOwn(SCHEMAS, frame.t)) throw damaged(`no frame of a snapshot is a ${JSON.stringify(frame.t.slice(0, 40))}`);
  const result = SCHEMAS[frame.t as SnapshotFrame['t']].safeParse(frame);
  if (result.success) return result.data as SnapshotFrame;
  const issue = result.error.issues[0]!;
  throw damaged(`${frame.t}: ${formatPath(issue.path)}: ${issue.message}`);
};
