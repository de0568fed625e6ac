// Writes a recording while a machine runs: what enters it, with its place, before it acts; and the events of its LPs, as they come off the tapes.
import { createHash, randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { deflateRaw } from 'node:zlib';
import { EventTape, type TapeEvent, TapeMode, tapeMemorySize } from '../../../shared/layout/event-tape.js';
import { courseOf } from '../../../shared/layout/gate.js';
import { viewsOf } from '../../../shared/layout/struct.js';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import type { MachineConfig, PartitionConfig, VirtualDeviceConfig } from '../../../shared/protocol/messages.js';
import type { Gate, Place } from '../gate/gate.js';
import type { InputKind, Inputs, NewPartition } from '../gate/inputs.js';
import type { MachineMemory } from '../machine-memory.js';
import type { PartitionFiles } from '../partition.js';
import { readPartitionFiles } from '../partition-files.js';
import type { Partitions } from '../partitions.js';
import type { SnapshotScan } from '../snapshot/scan.js';
import type { RecordingPlace } from '../snapshot/snapshot-file.js';
import { hvdVersion } from '../version.js';
import { codeDigest } from './code-digest.js';
import { encodeEvents } from './event-codec.js';
import { hostFileHash } from './file-hash.js';
import { FrameWriter, PIECE } from './frame-file.js';
import { memoryHash, traceHash } from './hashes.js';
import { type HeadFrame, type LpEvents, type PlaceFields, RECORDING_FORMAT, type RecordingFrame, type StateFields } from './recording.js';
import { stateDigest } from './state-digest.js';

/** How often tapes are read, ms: LPs that have told of TAPE_RECORDS events meanwhile wait. */
const READ_MS = 5;
/** How often the machine's state is recorded where nothing comes in, ms. */
const CHECK_MS = 500;
const deflate = promisify(deflateRaw);

type DiskConfig = Extract<VirtualDeviceConfig, { kind: 'disk' }>;

export interface RecordOptions {
  readonly file: string;
  readonly what: HeadFrame['what'];
  readonly config: MachineConfig;
  readonly costs: Record<string, number>;
  /** Images and initial RAM disks are written into the recording. */
  readonly embed: boolean;
  /** The machine begins as this has it. */
  readonly restore?: SnapshotScan | undefined;
}

/** What it records of. */
interface Recorded {
  readonly memory: MachineMemory;
  readonly gate: Gate;
  readonly partitions: Partitions;
}

export class Recorder {
  readonly tape: SharedArrayBuffer;
  readonly #writer: FrameWriter;
  readonly #embed: boolean;
  readonly #id = randomUUID();
  #inputs = 0;
  readonly #tapes: readonly EventTape[];
  /** Events of each LP that have been written. */
  readonly #written: number[];
  /** Files that are in the recording. */
  readonly #known = new Set<string>();
  #machine: Recorded | undefined;
  #timer: NodeJS.Timeout | undefined;
  #checked = 0;
  /** Digests of the state that have been written. */
  #turn = 0;
  #isChecking = false;
  #course = 0;
  #isOver = false;

  /** Throws recording.clock, recording.disk, recording.write. */
  constructor({ file, what, config, costs, embed, restore }: RecordOptions) {
    if (config.clock !== 'deterministic') throw new HvdError('recording.clock', { clock: config.clock });
    for (const { config: partition } of restore?.partitions ?? []) for (const disk of disksOf(partition)) checkDisk(disk);
    this.#embed = embed;
    this.tape = new SharedArrayBuffer(tapeMemorySize(config.lps));
    const views = viewsOf(this.tape);
    this.#tapes = Array.from({ length: config.lps }, (_, lp) => new EventTape(views, lp));
    this.#written = this.#tapes.map(() => 0);
    this.#writer = new FrameWriter(file, 'HVDR', RECORDING_FORMAT);
    // Partitions come in as inputs, or are in the snapshot.
    this.#write({
      t: 'head',
      id: this.#id,
      hvd: hvdVersion(),
      code: codeDigest(),
      what,
      machine: { ...config, partitions: [] },
      costs,
      ...(restore === undefined ? {} : { snapshot: { name: resolve(restore.file), sha256: restore.end.sha256 } }),
    });
  }

  get file(): string {
    return this.#writer.file;
  }
  /** Why the recording ends before the machine does, if it does. */
  get failure(): string | undefined {
    return this.#writer.failure;
  }

  /** The machine has no LP yet; one that is set up from a snapshot is what that says, and has not gone on from there. */
  begin(machine: Recorded): void {
    this.#machine = machine;
    for (const tape of this.#tapes) tape.store('mode', TapeMode.RECORD);
    this.#checked = performance.now();
    this.#timer = setInterval(() => {
      this.#read();
      if (performance.now() - this.#checked >= CHECK_MS) void this.#check();
    }, READ_MS);
  }

  /** At the gate, before the input acts. Gives the files that it has read for it. */
  async input<K extends InputKind>(place: Place, kind: K, params: Inputs[K]): Promise<PartitionFiles | undefined> {
    this.#read();
    const files = kind === 'vm.create' ? await this.#filesOf((params as NewPartition).config) : undefined;
    this.#inputs++;
    this.#write({ t: 'input', ...this.#placeOf(place), ...this.#state(), kind, params: plain(params), ...files?.hashes });
    return files?.contents;
  }

  /** At the gate, for the last time. */
  end(place: Place): void {
    if (this.#machine === undefined) return;
    const { memory, partitions } = this.#machine;
    this.#read();
    const hashes = Object.fromEntries(partitions.all.map((partition) => [partition.name, memoryHash(partition)]));
    this.#write({ t: 'end', ...this.#placeOf(place), ...this.#state(), traceHash: traceHash(memory), memory: hashes });
  }

  /** Nobody waits for the recording any more. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#timer);
    for (const tape of this.#tapes) {
      tape.store('mode', TapeMode.OFF);
      tape.drop(tape.waiting);
    }
    this.#writer.close();
  }

  /** Where the recording is, at the gate: what has happened by now is in it. */
  get where(): RecordingPlace {
    this.#read();
    return { id: this.#id, inputs: this.#inputs, events: [...this.#written] };
  }

  #placeOf({ course, lp, clock }: Place): PlaceFields {
    return { course, lp, clock, events: [...this.#written] };
  }
  #state(): StateFields {
    const { memory, partitions } = this.#machine!;
    const turn = this.#turn++;
    const state = stateDigest(memory, partitions.all, turn);
    this.#checked = performance.now();
    return { turn, state };
  }
  async #check(): Promise<void> {
    if (this.#machine === undefined || this.#isChecking) return;
    this.#isChecking = true;
    try {
      await this.#machine.gate.look((place) => {
        if (this.#isOver) return;
        this.#read();
        this.#write({ t: 'check', ...this.#placeOf(place), ...this.#state() });
      });
    } catch {
      // The machine stops: the end has a state of its own.
    } finally {
      this.#isChecking = false;
    }
  }
  #write(frame: RecordingFrame): void {
    this.#writer.write(frame);
  }

  /** What the LPs have told of. The course first: all events up to there are on the tapes by now, and no input comes before it any more. */
  #read(): void {
    if (this.#machine === undefined || this.#isOver) return;
    const course = courseOf(this.#machine.memory.views);
    const lps = this.#tapes.flatMap((tape, lp) => this.#take(tape, lp));
    if (lps.length === 0 && course === this.#course) return;
    this.#course = course;
    this.#write({ t: 'events', course, lps });
  }
  #take(tape: EventTape, lp: number): LpEvents[] {
    const count = tape.waiting;
    if (count === 0) return [];
    const events: TapeEvent[] = [];
    for (let n = 0; n < count; n++) events.push(tape.peek(n));
    tape.drop(count);
    this.#written[lp]! += count;
    return [{ lp, count, data: encodeEvents(events) }];
  }

  async #filesOf(config: NewPartition['config']): Promise<{ contents: PartitionFiles; hashes: { image: string; initrd?: string } }> {
    for (const disk of disksOf(config)) this.#disk(disk);
    const contents = await readPartitionFiles(config);
    const image = await this.#file(config.image, contents.image);
    const second = config.initrd ?? config['video-bios'];
    if (contents.initrd === undefined || second === undefined) return { contents, hashes: { image } };
    return { contents, hashes: { image, initrd: await this.#file(second, contents.initrd) } };
  }
  /** What a disk holds at first is the host's file, from which a replay begins again. Throws recording.disk. */
  #disk(disk: DiskConfig): void {
    checkDisk(disk);
    const { file: name } = disk;
    if (this.#known.has(name)) return;
    this.#known.add(name);
    let sha256: string;
    try {
      sha256 = hostFileHash(name);
    } catch (error) {
      throw new HvdError('disk.unusable', { file: name, why: reasonOf(error) }, error);
    }
    this.#write({ t: 'disk', sha256, name });
  }
  async #file(name: string, contents: Uint8Array): Promise<string> {
    const sha256 = createHash('sha256').update(contents).digest('hex');
    if (this.#known.has(sha256)) return sha256;
    this.#known.add(sha256);
    this.#write({ t: 'file', sha256, name, bytes: contents.length, embedded: this.#embed });
    if (this.#embed)
      for (let at = 0; at < contents.length; at += PIECE)
        this.#write({ t: 'data', data: await deflate(contents.subarray(at, at + PIECE), { level: 1 }) });
    return sha256;
  }
}

const disksOf = ({ devices = [] }: Pick<PartitionConfig, 'devices'>): DiskConfig[] => devices.filter((device) => device.kind === 'disk');
const checkDisk = ({ file, access }: DiskConfig): void => {
  if (access !== 'read-only' && access !== 'copy-on-write') throw new HvdError('recording.disk', { file });
};

/** Without what is undefined, which a file need not say. */
const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .map(([key, field]) => [key, plain(field)]),
  );
};
