// Frames of the control socket: u32 little-endian length, then that many bytes of msgpack. Splits a byte stream into values, and values into bytes.
// Why our own framing: the length is known before anything is decoded, so a peer that sends too much is dropped at the fourth byte.
import { Packr, Unpackr } from 'msgpackr';
import { HvdError, reasonOf } from './errors.js';
import { FRAME_MAX } from './messages.js';

const HEADER = 4;
// Plain maps, not msgpackr's records: a record's meaning depends on the frames before it.
const packr = new Packr({ useRecords: false, variableMapSize: true });

export const encodeFrame = (value: unknown): Buffer => {
  const body = packr.pack(value);
  if (body.length > FRAME_MAX) throw new HvdError('protocol.frame-too-long', { bytes: body.length, limit: FRAME_MAX });
  const frame = Buffer.allocUnsafe(HEADER + body.length);
  frame.writeUInt32LE(body.length, 0);
  body.copy(frame, HEADER);
  return frame;
};

/** One direction of one connection. Throws HvdError on a frame that is too long or is not msgpack; the stream cannot be read on after that. */
export class FrameReader {
  #pending: Buffer[] = [];
  #bytes = 0;
  readonly #unpackr = new Unpackr({ useRecords: false, int64AsType: 'number', copyBuffers: true, mapsAsObjects: true });

  /** Bytes of an incomplete frame that are waiting. At most FRAME_MAX + 4 after `take`. */
  get buffered(): number {
    return this.#bytes;
  }

  /** Values of all frames completed by `chunk`, in order. */
  take(chunk: Buffer): unknown[] {
    this.#pending.push(chunk);
    this.#bytes += chunk.length;
    const values: unknown[] = [];
    for (let body = this.#next(); body !== undefined; body = this.#next()) values.push(this.#decode(body));
    return values;
  }

  #next(): Buffer | undefined {
    if (this.#bytes < HEADER) return undefined;
    const length = this.#peekLength();
    if (length > FRAME_MAX) throw new HvdError('protocol.frame-too-long', { bytes: length, limit: FRAME_MAX });
    if (this.#bytes < HEADER + length) return undefined;
    const all = this.#join();
    const rest = all.subarray(HEADER + length);
    this.#pending = rest.length > 0 ? [rest] : [];
    this.#bytes = rest.length;
    return all.subarray(HEADER, HEADER + length);
  }

  #peekLength(): number {
    if (this.#pending[0]!.length < HEADER) this.#join();
    return this.#pending[0]!.readUInt32LE(0);
  }

  #join(): Buffer {
    if (this.#pending.length > 1) this.#pending = [Buffer.concat(this.#pending, this.#bytes)];
    return this.#pending[0]!;
  }

  #decode(body: Buffer): unknown {
    try {
      return this.#unpackr.unpack(body);
    } catch (error) {
      throw new HvdError('protocol.not-msgpack', { why: reasonOf(error) }, error);
    }
  }
}

/** A map with string keys, as opposed to msgpack's other values. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.getPrototypeOf(value) === Object.prototype;
