// Goes over a whole recording before anything of it is played: what is wrong with it is said while nothing has happened yet.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import { isRecord } from '../../../shared/protocol/frames.js';
import { hvdVersion } from '../version.js';
import { codeDigest } from './code-digest.js';
import { hostFileHash } from './file-hash.js';
import { FrameReader, PIECE } from './frame-file.js';
import { checkFrame, type DiskFrame, type EndFrame, eventsOf, type FileFrame, type HeadFrame, RECORDING_FORMAT } from './recording.js';

export interface Scan {
  readonly head: HeadFrame;
  /** Absent: the recording was cut. */
  readonly end: EndFrame | undefined;
  /** Byte up to which it is whole. */
  readonly bytes: number;
  readonly inputs: number;
  /** The partition that was created first. */
  readonly guest: string | undefined;
  /** Events of each LP. */
  readonly events: readonly number[];
  /** Recorded by another build of this version. */
  readonly isOtherBuild: boolean;
  /** Contents of images and initial RAM disks by SHA-256. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Throws recording.*. */
export const scanRecording = (file: string): Scan => {
  const reader = new FrameReader(file, 'HVDR', RECORDING_FORMAT);
  try {
    return scan(reader);
  } finally {
    reader.close();
  }
};

const scan = (reader: FrameReader): Scan => {
  const { file } = reader;
  const files = new Map<string, Uint8Array>();
  let head: HeadFrame | undefined;
  let end: EndFrame | undefined;
  let open: OpenFile | undefined;
  let inputs = 0;
  let guest: string | undefined;
  const events: number[] = [];
  for (;;) {
    const at = reader.position;
    const damaged = (why: string): HvdError => new HvdError('recording.damaged', { file, at, why });
    const raw = reader.next();
    if (raw === undefined) break;
    if (end !== undefined) throw damaged('there is something after its end');
    const frame = checkFrame(raw, file, at);
    if ((frame.t === 'head') !== (head === undefined))
      throw damaged(head === undefined ? 'it does not begin with a head' : 'a second head');
    if (frame.t !== 'data' && open !== undefined) {
      files.set(open.frame.sha256, open.contents(damaged));
      open = undefined;
    }
    if (frame.t === 'head') {
      if (frame.hvd !== hvdVersion()) throw new HvdError('recording.version', { file, got: frame.hvd, want: hvdVersion() });
      head = frame;
      for (let lp = 0; lp < frame.machine.lps; lp++) events.push(0);
    } else if (frame.t === 'file') {
      if (frame.embedded) open = new OpenFile(frame);
      else files.set(frame.sha256, fromHost(file, frame));
    } else if (frame.t === 'disk') checkDisk(file, frame);
    else if (frame.t === 'data') {
      if (open === undefined) throw damaged('data of no file');
      open.add(frame.data, damaged);
    } else if (frame.t === 'events')
      for (const one of frame.lps) {
        if (events[one.lp] === undefined) throw damaged(`there is no LP ${one.lp}`);
        try {
          events[one.lp]! += eventsOf(one).length;
        } catch (error) {
          throw damaged(reasonOf(error));
        }
      }
    else {
      if (frame.events.length !== events.length || frame.events.some((n, lp) => n !== events[lp])) throw damaged('events are missing');
      if (frame.t === 'end') end = frame;
      else if (frame.t === 'input') {
        for (const sha256 of [frame.image, frame.initrd])
          if (sha256 !== undefined && !files.has(sha256)) throw damaged('it names a file that is not there');
        inputs++;
        if (frame.kind === 'vm.create') guest ??= nameOf(frame.params);
      }
    }
  }
  if (head === undefined) throw new HvdError('recording.empty', { file, at: reader.position });
  return { head, end, bytes: reader.position, inputs, guest, events, files, isOtherBuild: head.code !== codeDigest() };
};

const nameOf = (params: unknown): string | undefined => {
  const config = isRecord(params) && isRecord(params.config) ? params.config : {};
  return typeof config.name === 'string' ? config.name : undefined;
};

type Damaged = (why: string) => HvdError;

/** A file whose pieces come. */
class OpenFile {
  readonly frame: FileFrame;
  readonly #pieces: Buffer[] = [];

  constructor(frame: FileFrame) {
    this.frame = frame;
  }
  add(data: Uint8Array, damaged: Damaged): void {
    try {
      this.#pieces.push(inflateRawSync(data, { maxOutputLength: PIECE }));
    } catch (error) {
      throw damaged(`${this.frame.name}: ${reasonOf(error)}`);
    }
  }
  contents(damaged: Damaged): Uint8Array {
    const all = Buffer.concat(this.#pieces);
    if (createHash('sha256').update(all).digest('hex') !== this.frame.sha256) throw damaged(`${this.frame.name} is not what it was`);
    return all;
  }
}

/** A file that the recording names only. */
const fromHost = (file: string, { name, sha256 }: FileFrame): Uint8Array => {
  const contents = here(file, name, () => readFileSync(name));
  if (createHash('sha256').update(contents).digest('hex') !== sha256) throw changed(file, name);
  return contents;
};
const checkDisk = (file: string, { name, sha256 }: DiskFrame): void => {
  if (here(file, name, () => hostFileHash(name)) !== sha256) throw changed(file, name);
};

const here = <T>(file: string, image: string, read: () => T): T => {
  try {
    return read();
  } catch (error) {
    throw new HvdError('recording.image', { file, image, why: `cannot be read here: ${reasonOf(error)}` }, error);
  }
};
const changed = (file: string, image: string): HvdError =>
  new HvdError('recording.image', { file, image, why: 'the one here has other contents' });
