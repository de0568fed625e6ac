// A file of frames that can be cut anywhere and is whole up to there: what a recording and a snapshot are made of.
//
//   "HVDR" or "HVDS" 0d 0a 1a 0a   u32 format
//   frames:  u32 length   u32 crc32 of these four bytes   u32 crc32 of the payload   payload (msgpack, a map with its kind in `t`)
//
// Why the length has a check of its own: a file that was cut (a frame that ends beyond it) is told from one that was damaged (a length that makes no sense).
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { Packr, Unpackr } from 'msgpackr';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import { isRecord } from '../../../shared/protocol/frames.js';

const TAIL = Buffer.from([0x0d, 0x0a, 0x1a, 0x0a]);
const PREAMBLE = 12;
const HEADER = 12;
/** Longest payload, bytes. */
export const PAYLOAD_MAX = 4 << 20;
/** Raw bytes of a file or of memory that go into one frame. */
export const PIECE = 1 << 20;
const CHUNK = 1 << 20;

// Plain maps: a frame does not depend on those before it.
const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number', copyBuffers: true, mapsAsObjects: true });

export type FileKind = 'HVDR' | 'HVDS';
/** Whose errors they are. */
const FAMILY = { HVDR: 'recording', HVDS: 'snapshot' } as const;
export interface Frame {
  readonly t: string;
}

export const preambleOf = (kind: FileKind, format: number): Buffer => {
  const bytes = Buffer.alloc(PREAMBLE);
  bytes.write(kind, 'latin1');
  TAIL.copy(bytes, 4);
  bytes.writeUInt32LE(format, 8);
  return bytes;
};
export const frameOf = (frame: Frame): Buffer => {
  const payload = packr.pack(frame);
  const bytes = Buffer.allocUnsafe(HEADER + payload.length);
  bytes.writeUInt32LE(payload.length, 0);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 4)), 4);
  bytes.writeUInt32LE(crc32(payload), 8);
  payload.copy(bytes, HEADER);
  return bytes;
};

/** Appends frames. What was written is in the host's hands: it is there whatever happens to this process. */
export class FrameWriter {
  readonly file: string;
  readonly #fd: number;
  /** Why writing ended, if it did: what is there up to then is good. */
  failure: string | undefined;

  /** Throws recording.write or snapshot.write; as the reader does. */
  constructor(file: string, kind: FileKind, format: number) {
    this.file = file;
    try {
      this.#fd = openSync(file, 'w');
    } catch (error) {
      throw new HvdError(`${FAMILY[kind]}.write`, { file, why: reasonOf(error) }, error);
    }
    this.#put(preambleOf(kind, format));
  }

  write<F extends Frame>(frame: F): void {
    this.#put(frameOf(frame));
  }
  #put(bytes: Buffer): void {
    if (this.failure !== undefined) return;
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    } catch (error) {
      this.failure = reasonOf(error);
    }
  }
  close(): void {
    closeSync(this.#fd);
  }
}

/** Reads frames from the start. */
export class FrameReader {
  readonly file: string;
  readonly #fd: number;
  readonly #family: (typeof FAMILY)[FileKind];
  #buffer: Buffer = Buffer.alloc(0);
  /** Byte in the file of the buffer's start, and of the next frame within the buffer. */
  #base = 0;
  #at = 0;
  #isDone = false;

  /** Throws recording.unreadable, .foreign, .format, .empty. */
  constructor(file: string, kind: FileKind, format: number) {
    this.file = file;
    this.#family = FAMILY[kind];
    try {
      this.#fd = openSync(file, 'r');
    } catch (error) {
      throw new HvdError(`${this.#family}.unreadable`, { file, why: reasonOf(error) }, error);
    }
    try {
      const found = this.#take(PREAMBLE);
      const wanted = preambleOf(kind, format);
      const start = found ?? this.#buffer.subarray(this.#at);
      if (!start.subarray(0, 8).equals(wanted.subarray(0, Math.min(8, start.length))))
        throw new HvdError(`${this.#family}.foreign`, { file });
      if (found === undefined) throw new HvdError(`${this.#family}.empty`, { file, at: start.length });
      const got = found.readUInt32LE(8);
      if (got !== format) throw new HvdError(`${this.#family}.format`, { file, got, want: format });
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  /** Byte at which the next frame begins: where the file ends when there is none. */
  get position(): number {
    return this.#base + this.#at;
  }
  /** The file ends within a frame. */
  get isCut(): boolean {
    return this.#isDone && this.#at < this.#buffer.length;
  }

  /** The next frame; undefined at the end of what is whole. Throws recording.damaged. */
  next(): Frame | undefined {
    const at = this.position;
    const header = this.#peek(HEADER);
    if (header === undefined) return undefined;
    if (crc32(header.subarray(0, 4)) !== header.readUInt32LE(4)) throw this.#damaged(at, 'the length of a frame does not match its check');
    const length = header.readUInt32LE(0);
    if (length > PAYLOAD_MAX) throw this.#damaged(at, `a frame of ${length} bytes is longer than ${PAYLOAD_MAX}`);
    const check = header.readUInt32LE(8);
    const whole = this.#take(HEADER + length);
    if (whole === undefined) return undefined;
    const payload = whole.subarray(HEADER);
    if (crc32(payload) !== check) throw this.#damaged(at, 'a frame does not match its check');
    return this.#decode(payload, at);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #decode(payload: Buffer, at: number): Frame {
    let value: unknown;
    try {
      value = unpackr.unpack(payload);
    } catch (error) {
      throw this.#damaged(at, `a frame is not msgpack: ${reasonOf(error)}`);
    }
    if (!isRecord(value) || typeof value.t !== 'string') throw this.#damaged(at, 'a frame has no kind');
    return value as unknown as Frame;
  }
  #damaged(at: number, why: string): HvdError {
    return new HvdError(`${this.#family}.damaged`, { file: this.file, at, why });
  }

  #take(bytes: number): Buffer | undefined {
    const found = this.#peek(bytes);
    if (found !== undefined) this.#at += bytes;
    return found;
  }
  #peek(bytes: number): Buffer | undefined {
    while (this.#buffer.length - this.#at < bytes && !this.#isDone) this.#fill();
    return this.#buffer.length - this.#at < bytes ? undefined : this.#buffer.subarray(this.#at, this.#at + bytes);
  }
  #fill(): void {
    const chunk = Buffer.allocUnsafe(CHUNK);
    let got: number;
    try {
      got = readSync(this.#fd, chunk);
    } catch (error) {
      throw new HvdError(`${this.#family}.unreadable`, { file: this.file, why: reasonOf(error) }, error);
    }
    if (got === 0) this.#isDone = true;
    this.#base += this.#at;
    this.#buffer = Buffer.concat([this.#buffer.subarray(this.#at), chunk.subarray(0, got)]);
    this.#at = 0;
  }
}
