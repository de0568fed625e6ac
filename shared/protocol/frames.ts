// Frames of the control socket: u32 little-endian length, then that many bytes of msgpack. Splits a byte stream into values, and values into bytes.
// Why our own framing: the length is known before anything is decoded, so a peer that sends too much is dropped at the fourth byte.
import { Packr, RESERVE_START_SPACE, Unpackr } from 'msgpackr';
import { HvdError, reasonOf } from './errors.js';
import { FRAME_MAX } from './messages.js';
import { msgpackMistake } from './msgpack-check.js';

const HEADER = 4;
// Plain maps, not msgpackr's records: a record's meaning depends on the frames before it.
const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number', copyBuffers: true, mapsAsObjects: true });

export const encodeFrame = (value: unknown): Buffer => {
  const frame = packr.pack(value, RESERVE_START_SPACE + HEADER);
  const bytes = frame.length - HEADER;
  if (bytes > FRAME_MAX) throw new HvdError('protocol.frame-too-long', { bytes, limit: FRAME_MAX });
  frame.writeUInt32LE(bytes, 0);
  return frame;
};

/** Room that is made for a frame that comes in pieces, bytes at first. */
const ROOM = 4096;
const NOTHING = Buffer.alloc(0);

/** One direction of one connection. Throws HvdError on a frame that is too long or is not msgpack; the stream cannot be read on after that. */
export class FrameReader {
  readonly #valuesMax: number;
  #buffer: Buffer = NOTHING;
  #from = 0;
  #to = 0;
  /** The buffer is this reader's own: pieces may be put behind each other in it. */
  #isOwn = false;

  /** `valuesMax`: values in one frame, all in all. */
  constructor(valuesMax = FRAME_MAX) {
    this.#valuesMax = valuesMax;
  }

  /** Bytes that have not been read. At most FRAME_MAX + 4 while no frame is whole. */
  get buffered(): number {
    return this.#to - this.#from;
  }

  /** Takes what has come in. A chunk that comes alone is read in place. */
  push(chunk: Buffer): void {
    const pending = this.buffered;
    if (pending === 0) {
      this.#buffer = chunk;
      this.#from = 0;
      this.#to = chunk.length;
      this.#isOwn = false;
      return;
    }
    if (!this.#isOwn || this.#to + chunk.length > this.#buffer.length) this.#makeRoom(pending + chunk.length);
    chunk.copy(this.#buffer, this.#to);
    this.#to += chunk.length;
  }

  /** A whole frame is there. Throws protocol.frame-too-long. */
  isReady(): boolean {
    if (this.buffered < HEADER) return false;
    const bytes = this.#buffer.readUInt32LE(this.#from);
    if (bytes > FRAME_MAX) throw new HvdError('protocol.frame-too-long', { bytes, limit: FRAME_MAX });
    return this.buffered >= HEADER + bytes;
  }

  /** The value of the frame that is there. Throws protocol.not-msgpack. */
  read(): unknown {
    const start = this.#from + HEADER;
    const end = start + this.#buffer.readUInt32LE(this.#from);
    const buffer = this.#buffer;
    this.#from = end;
    if (end === this.#to) {
      this.#buffer = NOTHING;
      this.#from = 0;
      this.#to = 0;
    }
    const mistake = msgpackMistake(buffer, start, end, this.#valuesMax);
    if (mistake !== undefined) throw new HvdError('protocol.not-msgpack', { why: mistake });
    try {
      return unpackr.unpack(buffer, { start, end });
    } catch (error) {
      throw new HvdError('protocol.not-msgpack', { why: reasonOf(error) }, error);
    }
  }

  /** Values of all frames completed by `chunk`, in order. */
  take(chunk: Buffer): unknown[] {
    this.push(chunk);
    const values: unknown[] = [];
    while (this.isReady()) values.push(this.read());
    return values;
  }

  // Twice as much each time: a frame that comes byte by byte is not copied for each of them.
  #makeRoom(bytes: number): void {
    let room = Math.max(ROOM, this.#isOwn ? this.#buffer.length : 0);
    while (room < bytes) room *= 2;
    const buffer = Buffer.allocUnsafeSlow(room);
    const pending = this.#buffer.copy(buffer, 0, this.#from, this.#to);
    this.#buffer = buffer;
    this.#from = 0;
    this.#to = pending;
    this.#isOwn = true;
  }
}

/** A map with string keys, as opposed to msgpack's other values. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.getPrototypeOf(value) === Object.prototype;
