// Goes over a whole snapshot before anything of it is taken up: what is wrong with it is said while nothing has happened yet.
import { createHash } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import { Unpackr } from 'msgpackr';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import { codeDigest } from '../record/code-digest.js';
import { hostFileHash } from '../record/file-hash.js';
import { FrameReader, PIECE } from '../record/frame-file.js';
import { hvdVersion } from '../version.js';
import { firstMoved } from './layouts.js';
import { badMachineField, type MachineFields } from './machine-words.js';
import { hostRanges, PAGE, type Range, ramRange, tableRanges } from './memory-pages.js';
import { diskFrame } from './save.js';
import {
  checkSnapshotFrame,
  type DiskFrame,
  HOST_SLOT,
  type PagesFrame,
  type PartitionFrame,
  SNAPSHOT_FORMAT,
  type SnapshotEnd,
  type SnapshotFrame,
  type SnapshotHead,
  type SwitchFrame,
} from './snapshot-file.js';

export interface SnapshotScan {
  readonly file: string;
  readonly head: SnapshotHead;
  readonly end: SnapshotEnd;
  /** Taken by another build of this version: what was translated does not count. */
  readonly isOtherBuild: boolean;
  /** By SHA-256. */
  readonly images: ReadonlyMap<string, Uint8Array>;
  /** What each LP knows. */
  readonly lps: readonly unknown[];
  readonly partitions: readonly PartitionFrame[];
  readonly switches: readonly SwitchFrame[];
  readonly fields: MachineFields;
}

const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number', copyBuffers: true, mapsAsObjects: true });

/** The frames from the start on. */
export const snapshotFrames = function* (file: string): Generator<{ readonly frame: SnapshotFrame; readonly at: number }> {
  const reader = new FrameReader(file, 'HVDS', SNAPSHOT_FORMAT);
  try {
    for (;;) {
      const at = reader.position;
      const raw = reader.next();
      if (raw === undefined) return;
      yield { frame: checkSnapshotFrame(raw, file, at), at };
    }
  } finally {
    reader.close();
  }
};

/** Pages of a frame, one after the other. Throws what zlib says. */
export const pagesOf = ({ pages, data }: PagesFrame): Uint8Array => inflateRawSync(data, { maxOutputLength: pages.length * PAGE });

/** Throws snapshot.*. */
export const scanSnapshot = (file: string): SnapshotScan => new Scan(file).run();

class Scan {
  readonly #file: string;
  readonly #images = new Map<string, Uint8Array>();
  readonly #lps: unknown[] = [];
  readonly #partitions: PartitionFrame[] = [];
  readonly #switches: SwitchFrame[] = [];
  readonly #ranges = new Map<number, readonly Range[]>();
  #head: SnapshotHead | undefined;
  #fields: MachineFields | undefined;
  #end: SnapshotEnd | undefined;
  #pages = 0;
  /** What data is being read of. */
  #open: { readonly bytes: number; readonly pieces: Buffer[]; readonly done: (contents: Buffer) => void } | undefined;
  #at = 0;

  constructor(file: string) {
    this.#file = file;
  }

  run(): SnapshotScan {
    for (const { frame, at } of snapshotFrames(this.#file)) {
      this.#at = at;
      if (this.#end !== undefined) throw this.#damaged('there is something after its end');
      if ((frame.t === 'head') !== (this.#head === undefined))
        throw this.#damaged(this.#head === undefined ? 'it does not begin with a head' : 'a second head');
      if (frame.t !== 'data') this.#close();
      this.#take(frame);
    }
    const file = this.#file;
    if (this.#head === undefined) throw new HvdError('snapshot.empty', { file, at: this.#at });
    if (this.#end === undefined) throw new HvdError('snapshot.cut', { file, at: this.#at });
    if (this.#fields === undefined) throw this.#damaged('the machine is missing');
    return {
      file,
      head: this.#head,
      end: this.#end,
      isOtherBuild: this.#head.code !== codeDigest(),
      images: this.#images,
      lps: this.#lps,
      partitions: this.#partitions,
      switches: this.#switches,
      fields: this.#fields,
    };
  }

  #damaged(why: string): HvdError {
    return new HvdError('snapshot.damaged', { file: this.#file, at: this.#at, why });
  }
  #field(bad: { readonly field: string; readonly why: string } | undefined): void {
    if (bad !== undefined) throw new HvdError('snapshot.field', { file: this.#file, ...bad });
  }

  #take(frame: SnapshotFrame): void {
    switch (frame.t) {
      case 'head':
        if (frame.hvd !== hvdVersion()) throw new HvdError('snapshot.version', { file: this.#file, got: frame.hvd, want: hvdVersion() });
        this.#field(firstMoved(frame.layouts));
        this.#head = frame;
        this.#ranges.set(HOST_SLOT, hostRanges(frame.machine.lps));
        break;
      case 'image':
        this.#begin(frame.bytes, (contents) => {
          if (createHash('sha256').update(contents).digest('hex') !== frame.sha256) throw this.#damaged('an image is not what it was');
          this.#images.set(frame.sha256, contents);
        });
        break;
      case 'lp':
        if (frame.lp !== this.#lps.length) throw this.#damaged(`LP ${frame.lp} comes where LP ${this.#lps.length} was expected`);
        this.#begin(frame.bytes, (contents) => {
          this.#lps.push(this.#unpacked(contents));
        });
        break;
      case 'data':
        this.#piece(frame.data);
        break;
      case 'partition':
        this.#partition(frame);
        break;
      case 'pages':
        this.#checkPages(frame);
        break;
      case 'disk':
        this.#disk(frame);
        break;
      case 'sectors':
        this.#partitionAt(frame.slot);
        break;
      case 'switch':
        this.#switches.push(frame);
        break;
      case 'machine':
        this.#field(badMachineField(frame.fields, (this.#head as SnapshotHead).machine.lps));
        this.#fields = frame.fields;
        break;
      case 'end':
        this.#checkEnd(frame);
        break;
    }
  }

  #begin(bytes: number, done: (contents: Buffer) => void): void {
    this.#open = { bytes, pieces: [], done };
  }
  #piece(data: Uint8Array): void {
    if (this.#open === undefined) throw this.#damaged('data of nothing');
    try {
      this.#open.pieces.push(inflateRawSync(data, { maxOutputLength: PIECE }));
    } catch (error) {
      throw this.#damaged(reasonOf(error));
    }
  }
  #close(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    const contents = Buffer.concat(open.pieces);
    if (contents.length !== open.bytes) throw this.#damaged(`data of ${contents.length} bytes, not ${open.bytes}`);
    open.done(contents);
  }
  #unpacked(contents: Buffer): unknown {
    try {
      return unpackr.unpack(contents);
    } catch (error) {
      throw this.#damaged(reasonOf(error));
    }
  }

  #partition(frame: PartitionFrame): void {
    const { slot, config, bytes, image, initrd } = frame;
    if (this.#ranges.has(slot)) throw this.#damaged(`a second partition in slot ${slot}`);
    for (const sha256 of [image, initrd])
      if (sha256 !== undefined && !this.#images.has(sha256)) throw this.#damaged(`${config.name}: an image is missing`);
    const [ram] = ramRange(bytes);
    if (bytes < ram + config.memory || bytes % PAGE !== 0 || bytes > 2 ** 32)
      throw this.#damaged(`${config.name}: memory of ${bytes} bytes for ${config.memory} of RAM`);
    this.#ranges.set(slot, [...tableRanges(bytes, (this.#head as SnapshotHead).machine.lps), ramRange(bytes)]);
    this.#partitions.push(frame);
  }
  #partitionAt(slot: number): PartitionFrame {
    const found = this.#partitions.find((partition) => partition.slot === slot);
    if (found === undefined) throw this.#damaged(`nothing is in slot ${slot}`);
    return found;
  }

  #checkPages(frame: PagesFrame): void {
    const ranges = this.#ranges.get(frame.slot);
    if (ranges === undefined) throw this.#damaged(`nothing is in slot ${frame.slot}`);
    const isIn = (page: number): boolean => ranges.some(([from, to]) => page * PAGE > from - PAGE && page * PAGE < to);
    const outside = frame.pages.find((page) => !isIn(page));
    if (outside !== undefined) throw this.#damaged(`page ${outside} is outside its memory`);
    let length: number;
    try {
      ({ length } = pagesOf(frame));
    } catch (error) {
      throw this.#damaged(reasonOf(error));
    }
    if (length !== frame.pages.length * PAGE) throw this.#damaged(`${frame.pages.length} pages of ${length} bytes`);
    this.#pages += frame.pages.length;
  }

  /** The file of the host is there, and is what it was. */
  #disk({ slot, device, file: disk, bytes, changed, sha256 }: DiskFrame): void {
    const { config } = this.#partitionAt(slot);
    const refused = (why: string, cause?: unknown): HvdError =>
      new HvdError('snapshot.disk', { file: this.#file, name: config.name, device, disk, why }, cause);
    let now: DiskFrame;
    try {
      now = diskFrame(slot, device, disk, changed !== undefined);
    } catch (error) {
      throw refused(`cannot be read here: ${reasonOf(error)}`, error);
    }
    if (now.bytes !== bytes) throw refused(`it has ${now.bytes} bytes, and had ${bytes}`);
    if (now.changed !== changed) throw refused('it has been written to since');
    if (now.sha256 !== sha256) throw refused('the one here has other contents');
  }

  #checkEnd(frame: SnapshotEnd): void {
    const { lps } = (this.#head as SnapshotHead).machine;
    if (this.#lps.length !== lps) throw this.#damaged(`${this.#lps.length} LPs of ${lps}`);
    if (frame.pages !== this.#pages) throw this.#damaged(`${this.#pages} pages of ${frame.pages}`);
    if (hostFileHash(this.#file, this.#at) !== frame.sha256) throw this.#damaged('it does not match its hash');
    this.#end = frame;
  }
}
