// Plays a recording: a machine like the one that was recorded takes in the same at the same places, while each of its LPs compares every event with the recorded one.
// The course never goes beyond what has been read: a frame of events names a place before which no input comes that has not been read, and up to that place the machine may go.
import { existsSync } from 'node:fs';
import { EventTape, TAPE_RECORDS, type TapeEvent, TapeMode, TapeStop, tapeMemorySize } from '../../../shared/layout/event-tape.js';
import { stopAtClock } from '../../../shared/layout/gate.js';
import { viewsOf } from '../../../shared/layout/struct.js';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import type { Leave, Place } from '../gate/gate.js';
import { ACTS, type InputKind, type Inputs } from '../gate/inputs.js';
import type { Log } from '../log.js';
import { Machine } from '../machine.js';
import type { PartitionFiles } from '../partition.js';
import { type SnapshotScan, scanSnapshot } from '../snapshot/scan.js';
import type { RecordingPlace } from '../snapshot/snapshot-file.js';
import { type Divergence, eventText, firstExpected, isAtRest, placeText } from './divergence.js';
import { FrameReader } from './frame-file.js';
import { memoryHash, traceHash } from './hashes.js';
import {
  type CheckFrame,
  checkFrame,
  type EndFrame,
  eventsOf,
  type HeadFrame,
  type InputFrame,
  type LpEvents,
  RECORDING_FORMAT,
} from './recording.js';
import { type Scan, scanRecording } from './scan.js';
import { firstDifference, stateDigest } from './state-digest.js';

/** Where to stop before the end: at the first turn at that clock, or before that event of an LP. */
export type Until = { readonly cycle: number } | { readonly lp: number; readonly event: number };

export type ReplayOutcome = 'reproduced' | 'cut' | 'until' | 'diverged' | 'interrupted';
export interface ReplayReport {
  readonly outcome: ReplayOutcome;
  readonly divergence: Divergence | undefined;
  readonly course: number;
  /** Of each LP. */
  readonly clocks: readonly number[];
  readonly events: readonly number[];
  readonly inputs: number;
  readonly recorded: { readonly inputs: number; readonly events: readonly number[]; readonly bytes: number; readonly isWhole: boolean };
  /** Recorded by another build of this version. */
  readonly isOtherBuild: boolean;
  readonly traceHash: string;
  readonly memory: Record<string, string>;
}

/** How often tapes are filled and looked at, ms. */
const PUMP_MS = 2;
/** Events that wait for room on the tapes before more is read. */
const PENDING_MAX = 4 * TAPE_RECORDS;
/** Looks in a row that find the machine at rest where more is expected before that is believed. */
const REST_LOOKS = 25;

type Barrier = InputFrame | CheckFrame | EndFrame | 'end of file';

/** Where it begins: so many inputs and events of each LP are behind it. */
type Begin = RecordingPlace & { readonly course: number };

interface Origin {
  readonly restore: SnapshotScan | undefined;
  /** Absent: where the recording begins. */
  readonly begin: Begin | undefined;
}
/** Throws recording.snapshot, recording.image, snapshot.*. `from`: a snapshot that was taken on the way, or that which the recording begins with, wherever it is now. */
const originOf = (file: string, scan: Scan, from: string | undefined): Origin => {
  const { snapshot } = scan.head;
  if (from === undefined) return { restore: snapshot && firstSnapshot(file, snapshot), begin: undefined };
  const restore = scanSnapshot(from);
  return { restore, begin: restore.end.sha256 === snapshot?.sha256 ? undefined : beginOf(scan, restore) };
};
const firstSnapshot = (file: string, { name, sha256 }: NonNullable<HeadFrame['snapshot']>): SnapshotScan => {
  const refused = (why: string): HvdError => new HvdError('recording.image', { file, image: name, why });
  if (!existsSync(name)) throw refused('is not here either');
  const restore = scanSnapshot(name);
  if (restore.end.sha256 !== sha256) throw refused('the one here is another one');
  return restore;
};
/** Throws recording.snapshot. */
const beginOf = (scan: Scan, { file, head }: SnapshotScan): Begin => {
  const { recording, course } = head;
  const refused = (why: string): HvdError => new HvdError('recording.snapshot', { file, why });
  if (recording === undefined) throw refused('it was taken of a machine that was not recorded');
  if (recording.id !== scan.head.id) throw refused(`it was taken in recording ${recording.id}, this is ${scan.head.id}`);
  if (recording.inputs > scan.inputs) throw refused(`it comes after ${recording.inputs} inputs, and the recording has ${scan.inputs}`);
  const lp = recording.events.findIndex((count, index) => count > (scan.events[index] ?? 0));
  if (lp >= 0) throw refused(`it comes after event ${recording.events[lp]} of LP ${lp}, and the recording has ${scan.events[lp] ?? 0}`);
  return { ...recording, course };
};

export class Replayer {
  readonly machine: Machine;
  readonly #reader: FrameReader;
  readonly #scan: Scan;
  readonly #tapes: readonly EventTape[];
  /** Events that have been read and have no room on the tape yet. */
  readonly #pending: TapeEvent[][];
  readonly #finish: (outcome: ReplayOutcome, divergence?: Divergence) => void;
  readonly finished: Promise<ReplayOutcome>;
  #divergence: Divergence | undefined;
  /** What has been read and lies at the horizon. */
  #barrier: Barrier | undefined;
  #horizon = 0;
  #inputs = 0;
  #restLooks = 0;
  /** What of the recording lies before the beginning, as far as it has not been passed over. */
  #before: { readonly course: number; inputs: number; readonly events: number[] } | undefined;
  #isOver = false;
  #timer: NodeJS.Timeout | undefined;

  /** Throws recording.*, snapshot.* before anything has been started. `from`: as in `originOf`. */
  static async start(file: string, log: Log, until?: Until, workerFile?: string, from?: string): Promise<Replayer> {
    const scan = scanRecording(file);
    const { restore, begin } = originOf(file, scan, from);
    const { lps } = scan.head.machine;
    if (until !== undefined && 'lp' in until && until.lp >= lps)
      throw new HvdError('recording.until', { why: `there is no LP ${until.lp}; the last one is ${lps - 1}` });
    const tape = new SharedArrayBuffer(tapeMemorySize(lps));
    const config = { ...scan.head.machine, partitions: [], idle: 'skip' as const, pin: false };
    const machine = await Machine.start({ config, log, workerFile, replay: { tape, costs: scan.head.costs }, restore });
    return new Replayer(machine, new FrameReader(file, 'HVDR', RECORDING_FORMAT), scan, tape, until, begin);
  }

  private constructor(
    machine: Machine,
    reader: FrameReader,
    scan: Scan,
    tape: SharedArrayBuffer,
    until: Until | undefined,
    begin: Begin | undefined,
  ) {
    this.machine = machine;
    this.#reader = reader;
    this.#scan = scan;
    const views = viewsOf(tape);
    this.#tapes = machine.memory.lps.map((_, lp) => new EventTape(views, lp));
    this.#pending = this.#tapes.map(() => []);
    let settle: (outcome: ReplayOutcome) => void = () => {};
    this.finished = new Promise((resolve) => {
      settle = resolve;
    });
    this.#finish = (outcome, divergence) => {
      if (this.#isOver) return;
      this.#isOver = true;
      clearInterval(this.#timer);
      this.#divergence = divergence;
      settle(outcome);
    };
    if (begin !== undefined) {
      this.#before = { ...begin, events: [...begin.events] };
      // What the LPs have told of by then is taken.
      for (const [lp, one] of this.#tapes.entries()) for (const end of ['head', 'tail'] as const) one.store(end, begin.events[lp]! | 0);
    }
    for (const one of this.#tapes) one.store('mode', TapeMode.COMPARE);
    if (until !== undefined && 'cycle' in until) stopAtClock(machine.memory.views, until.cycle);
    else if (until !== undefined) {
      const one = this.#tapes[until.lp]!;
      one.store('stopBefore', until.event | 0);
      one.store('stops', 1);
    }
    machine.gate.onLimit = (place) =>
      this.#atLimit(place, until).catch((error: unknown) => {
        this.#broken(error);
        return 'stays' as const;
      });
    this.#pump();
    this.#timer = setInterval(() => this.#pump(), PUMP_MS);
  }

  /** The guest of a recorded `hvd run`. */
  get guest(): string | undefined {
    if (this.#scan.head.what !== 'run') return undefined;
    return this.#scan.guest ?? this.machine.partitions.all[0]?.name;
  }

  /** Ends it where it is. */
  interrupt(): void {
    this.#finish('interrupted');
  }

  /** Where it has come to, once it is finished. */
  report(outcome: ReplayOutcome): ReplayReport {
    const { memory, partitions, gate } = this.machine;
    const { end, bytes, inputs, events } = this.#scan;
    return {
      outcome,
      divergence: this.#divergence,
      course: gate.course,
      clocks: memory.lps.map((lp) => lp.clockNum),
      events: this.#taken(),
      inputs: this.#inputs,
      recorded: { inputs, events, bytes, isWhole: end !== undefined },
      isOtherBuild: this.#scan.isOtherBuild,
      traceHash: traceHash(memory),
      memory: Object.fromEntries(partitions.all.map((partition) => [partition.name, memoryHash(partition)])),
    };
  }

  async stop(): Promise<void> {
    this.#finish('interrupted');
    for (const tape of this.#tapes) tape.store('mode', TapeMode.OFF);
    this.#reader.close();
    await this.machine.stop();
  }

  #taken(): number[] {
    return this.#tapes.map((tape) => tape.load('tail') >>> 0);
  }

  // --- reading

  /** Reads one frame, as far as it matters. */
  #read(): void {
    const at = this.#reader.position;
    const raw = this.#reader.next();
    if (raw === undefined) {
      this.#barrier = 'end of file';
      return;
    }
    const frame = checkFrame(raw, this.#reader.file, at);
    if (frame.t === 'events') {
      for (const one of frame.lps) this.#pending[one.lp]!.push(...eventsOf(one).slice(this.#passedOver(one)));
      this.#horizon = Math.max(this.#horizon, frame.course);
    } else if (frame.t === 'input' || frame.t === 'check' || frame.t === 'end') {
      if (this.#isBefore(frame)) return;
      this.#barrier = frame;
      this.#horizon = frame.course;
    }
  }

  /** How many of the events lie before the beginning. */
  #passedOver({ lp, count }: LpEvents): number {
    if (this.#before === undefined) return 0;
    const passed = Math.min(this.#before.events[lp]!, count);
    this.#before.events[lp]! -= passed;
    return passed;
  }
  #isBefore({ t, course }: InputFrame | CheckFrame | EndFrame): boolean {
    const before = this.#before;
    if (before === undefined || t === 'end') return false;
    if (t === 'check') return before.inputs > 0 || course < before.course;
    if (before.inputs === 0) return false;
    before.inputs--;
    this.#inputs++;
    return true;
  }

  /** Keeps the tapes full, and looks whether an LP has stopped. */
  #pump(): void {
    if (this.#isOver) return;
    try {
      this.#fill();
      while (this.#barrier === undefined && this.#wantsMore()) {
        this.#read();
        this.#fill();
      }
      for (const [lp, tape] of this.#tapes.entries())
        tape.store('ended', this.#barrier !== undefined && this.#pending[lp]!.length === 0 ? 1 : 0);
      this.machine.gate.limit(this.#horizon);
      this.#look();
    } catch (error) {
      this.#broken(error);
    }
  }
  /** The file has changed since it was gone over. */
  #broken(error: unknown): void {
    this.#finish('diverged', { where: 'the recording', expected: 'what was there before', found: reasonOf(error) });
  }
  #wantsMore(): boolean {
    const sum = this.#pending.reduce((total, events) => total + events.length, 0);
    return sum < PENDING_MAX || this.#tapes.some((tape, lp) => tape.waiting === 0 && this.#pending[lp]!.length === 0);
  }
  #fill(): void {
    for (const [lp, tape] of this.#tapes.entries()) {
      const events = this.#pending[lp]!;
      const count = Math.min(tape.room, events.length);
      for (let n = 0; n < count; n++) tape.put(events[n]!);
      if (count > 0) events.splice(0, count);
    }
  }

  #look(): void {
    for (const [lp, tape] of this.#tapes.entries()) {
      const why = tape.load('stopped');
      if (why === TapeStop.NONE) continue;
      const found = tape.found;
      const where = `LP ${lp}, event ${tape.load('tail') >>> 0}`;
      if (why === TapeStop.WANTED) this.#finish('until');
      else {
        const expected = why === TapeStop.DIVERGED ? eventText(this.machine, tape.peek()) : 'no event before the next input';
        this.#finish('diverged', { where, expected, found: eventText(this.machine, found) });
      }
      return;
    }
    // At rest nobody comes to a place that lies ahead: something is missing that was there when it was recorded.
    const isStuck = this.machine.gate.course < this.#horizon && isAtRest(this.machine.memory);
    this.#restLooks = isStuck ? this.#restLooks + 1 : 0;
    if (this.#restLooks >= REST_LOOKS)
      this.#finish('diverged', { ...firstExpected(this.machine, this.#tapes), found: 'all LPs at rest: nothing is awaited any more' });
  }

  // --- at the gate

  /** The course has come to what has been read. */
  async #atLimit(place: Place, until: Until | undefined): Promise<Leave> {
    let leave: Leave = 'unchanged';
    if (until !== undefined && 'cycle' in until && place.clock >= until.cycle) this.#finish('until');
    while (!this.#isOver) {
      if (place.course < this.#horizon) {
        this.#pump();
        return leave;
      }
      const barrier = this.#barrier;
      if (barrier === undefined) this.#read();
      else if (barrier === 'end of file') this.#finish('cut');
      else if (this.#agrees(barrier, place)) {
        this.#barrier = undefined;
        if (barrier.t === 'end') this.#end(barrier);
        else if (barrier.t === 'input') {
          await this.#enter(barrier);
          leave = 'changed';
        }
      }
    }
    return 'stays';
  }

  /** Whether the machine has come where it was when that happened. */
  #agrees(barrier: InputFrame | CheckFrame | EndFrame, place: Place): boolean {
    const name = barrier.t === 'input' ? `the input ${barrier.kind}` : `the ${barrier.t}`;
    const { course, lp, clock, turn, state } = barrier;
    if (course !== place.course || lp !== place.lp || clock !== place.clock) {
      this.#finish('diverged', { where: placeText(place), expected: `${name} at ${placeText(barrier)}`, found: placeText(place) });
      return false;
    }
    const taken = this.#taken();
    if (!barrier.events.every((count, index) => count >>> 0 === taken[index])) {
      this.#fill();
      this.#finish('diverged', { ...firstExpected(this.machine, this.#tapes), found: `${name} at ${placeText(place)}` });
      return false;
    }
    const { memory, partitions } = this.machine;
    if (state === undefined || turn === undefined) return true;
    const difference = firstDifference(state, stateDigest(memory, partitions.all, turn));
    if (difference === undefined) return true;
    const { name: part, expected, found } = difference;
    this.#finish('diverged', { where: `${placeText(place)}, ${name}, ${part}`, expected, found });
    return false;
  }

  async #enter({ kind, params, image, initrd }: InputFrame): Promise<void> {
    const file = (sha256: string | undefined): Uint8Array | undefined => (sha256 === undefined ? undefined : this.#scan.files.get(sha256));
    const contents = file(image);
    const files: PartitionFiles | undefined = contents && { image: contents, initrd: file(initrd) };
    this.#inputs++;
    // LPs that take part have events of their own in it.
    this.#pump();
    try {
      await carryOut(this.machine, kind, params, files);
    } catch {
      // What was refused then is refused now: it is the same request in the same state.
    }
  }

  #end({ traceHash: trace, memory }: EndFrame): void {
    const { machine } = this;
    if (traceHash(machine.memory) !== trace) {
      this.#finish('diverged', { where: 'the end', expected: `trace ${trace}`, found: `trace ${traceHash(machine.memory)}` });
      return;
    }
    for (const [name, expected] of Object.entries(memory)) {
      const partition = machine.partitions.all.find((one) => one.name === name);
      const found = partition === undefined ? 'none' : memoryHash(partition);
      if (found !== expected)
        this.#finish('diverged', { where: `the end, ${name}`, expected: `memory ${expected}`, found: `memory ${found}` });
    }
    this.#finish('reproduced');
  }
}

const carryOut = async <K extends InputKind>(
  machine: Machine,
  kind: K,
  params: unknown,
  files: PartitionFiles | undefined,
): Promise<void> => {
  await ACTS[kind](machine, params as Inputs[K], { files });
};
