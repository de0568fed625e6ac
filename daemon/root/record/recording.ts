// What a recording consists of. Frames, in this order: head, then for each input the files that it names and nobody has named before, what has happened up to it, and
// the input; between them what has happened; and an end, unless the recording was cut.
import { z } from 'zod';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { MachineConfig } from '../../../shared/protocol/messages.js';
import { formatPath } from '../config/fields.js';
import { machineSchema } from '../config/schema.js';
import { ACTS, type InputKind } from '../gate/inputs.js';
import { decodeEvents } from './event-codec.js';
import type { Frame } from './frame-file.js';
import type { StateDigest } from './state-digest.js';

export const RECORDING_FORMAT = 3;

export interface HeadFrame {
  readonly t: 'head';
  /** No other recording has it: snapshots that are taken on the way name it. */
  readonly id: string;
  readonly hvd: string;
  /** SHA-256 of the program. */
  readonly code: string;
  /** A machine for one guest (`hvd run`), or a daemon's. */
  readonly what: 'run' | 'machine';
  readonly machine: MachineConfig;
  /** Virtual cycles by name: another table makes another course. */
  readonly costs: Record<string, number>;
  /** What the machine begins from; absent: empty. `sha256`: of everything before its end. */
  readonly snapshot?: { readonly name: string; readonly sha256: string } | undefined;
}
/** An image or initial RAM disk; its bytes follow unless the recording is to do without. */
export interface FileFrame {
  readonly t: 'file';
  readonly sha256: string;
  readonly name: string;
  readonly bytes: number;
  readonly embedded: boolean;
}
/** A file of the host that a disk is on, which nothing writes to. */
export interface DiskFrame {
  readonly t: 'disk';
  readonly sha256: string;
  readonly name: string;
}
/** A piece of the file named last, deflated. */
export interface DataFrame {
  readonly t: 'data';
  readonly data: Uint8Array;
}
/** New events of some LPs, and a place before which no input comes that has not been told yet. */
export interface EventsFrame {
  readonly t: 'events';
  readonly course: number;
  readonly lps: readonly LpEvents[];
}
export interface LpEvents {
  readonly lp: number;
  readonly count: number;
  readonly data: Uint8Array;
}
/** A place, and how many events each LP has told of by then. */
export interface PlaceFields {
  readonly course: number;
  readonly lp: number;
  readonly clock: number;
  readonly events: readonly number[];
}
/** What the machine is at a place. */
export interface StateFields {
  /** Which piece of RAM `state` is about. */
  readonly turn: number;
  readonly state: StateDigest;
}
/** Nothing comes in here: so much time has passed. */
export interface CheckFrame extends PlaceFields, StateFields {
  readonly t: 'check';
}
/** What the machine is, too, unless a switch carries and another frame has just said so. */
export interface InputFrame extends PlaceFields, Partial<StateFields> {
  readonly t: 'input';
  readonly kind: InputKind;
  readonly params: unknown;
  /** SHA-256 of the files that a new partition boots. */
  readonly image?: string | undefined;
  readonly initrd?: string | undefined;
}
export interface EndFrame extends PlaceFields, StateFields {
  readonly t: 'end';
  readonly traceHash: string;
  /** SHA-256 of each partition's memory, by name. */
  readonly memory: Record<string, string>;
}
export type RecordingFrame = HeadFrame | FileFrame | DataFrame | DiskFrame | EventsFrame | InputFrame | CheckFrame | EndFrame;

const count = z.int().min(0);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, { error: 'expected bytes' });
const place = {
  course: count,
  lp: z.int().min(-1).max(63),
  clock: z.number().min(0),
  events: z.array(count),
};
const state = { turn: count, state: z.record(z.string(), z.string()) };
const kinds = Object.keys(ACTS) as [InputKind, ...InputKind[]];
const SCHEMAS: { readonly [T in RecordingFrame['t']]: z.ZodType } = {
  head: z.strictObject({
    t: z.literal('head'),
    id: z.string(),
    hvd: z.string(),
    code: hash,
    what: z.enum(['run', 'machine']),
    machine: machineSchema,
    costs: z.record(z.string(), count),
    snapshot: z.strictObject({ name: z.string(), sha256: hash }).optional(),
  }),
  file: z.strictObject({ t: z.literal('file'), sha256: hash, name: z.string(), bytes: count, embedded: z.boolean() }),
  data: z.strictObject({ t: z.literal('data'), data: bytes }),
  disk: z.strictObject({ t: z.literal('disk'), sha256: hash, name: z.string() }),
  events: z.strictObject({
    t: z.literal('events'),
    course: count,
    lps: z.array(z.strictObject({ lp: z.int().min(0).max(63), count, data: bytes })),
  }),
  input: z.strictObject({
    t: z.literal('input'),
    ...place,
    turn: count.optional(),
    state: state.state.optional(),
    kind: z.enum(kinds),
    params: z.record(z.string(), z.unknown()),
    image: hash.optional(),
    initrd: hash.optional(),
  }),
  check: z.strictObject({ t: z.literal('check'), ...place, ...state }),
  end: z.strictObject({ t: z.literal('end'), ...place, ...state, traceHash: hash, memory: z.record(z.string(), hash) }),
};

/** The frame, if it is what its kind has to be. Throws recording.damaged. */
export const checkFrame = (frame: Frame, file: string, at: number): RecordingFrame => {
  const damaged = (why: string): HvdError => new HvdError('recording.damaged', { file, at, why });
  if (!Object.hasOwn(SCHEMAS, frame.t)) throw damaged(`no frame of a recording is a ${JSON.stringify(frame.t.slice(0, 40))}`);
  const result = SCHEMAS[frame.t as RecordingFrame['t']].safeParse(frame);
  if (result.success) return result.data as RecordingFrame;
  const issue = result.error.issues[0]!;
  throw damaged(`${frame.t}: ${formatPath(issue.path)}: ${issue.message}`);
};

export const eventsOf = ({ count, data }: LpEvents) => decodeEvents(data, count);
