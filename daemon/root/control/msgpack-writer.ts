// msgpack of frames that are made many times a second and are mostly records whose keys are always the same: a function for each such record has its keys as constants.
// A tenth of what a general packer takes, which goes through the keys of 64 LPs and 128 VPs, fifteen thousand, each time anew. Numbers and text are written as `encodeFrame` does it.
import { FRAME_MAX } from '../../../shared/protocol/messages.js';

/** Writes the record's map. */
export type MapWriter<T> = (writer: MsgpackWriter, record: T) => void;

const FIRST_ROOM = 1 << 16;
/** Bytes of room that there are after everything that was written: a record of constant keys needs no look at it. */
const SLACK = 1 << 13;
const LENGTH = 4;

export class MsgpackWriter {
  bytes = Buffer.allocUnsafeSlow(FIRST_ROOM);
  view = viewOf(this.bytes);
  at = 0;

  begin(): void {
    this.at = LENGTH;
  }
  /** A frame with what has been written since `begin`; undefined: it is too long for one. */
  frame(): Buffer | undefined {
    const bytes = this.at - LENGTH;
    if (bytes > FRAME_MAX) return undefined;
    this.view.setUint32(0, bytes, true);
    const frame = Buffer.allocUnsafeSlow(this.at);
    this.bytes.copy(frame, 0, 0, this.at);
    return frame;
  }

  /** Any value of a sample: null, booleans, numbers, text, arrays, plain records. */
  put(value: unknown): void {
    if (typeof value === 'number') this.number(value);
    else if (typeof value === 'string') this.text(value);
    else if (value === null || value === undefined) this.bytes[this.at++] = 0xc0;
    else if (typeof value === 'boolean') this.bytes[this.at++] = value ? 0xc3 : 0xc2;
    else if (Array.isArray(value)) {
      this.list(value.length);
      for (const one of value) this.put(one);
    } else {
      const keys = Object.keys(value);
      this.#head(keys.length, 0x80, 0xde);
      for (const key of keys) {
        this.text(key);
        this.put((value as Record<string, unknown>)[key]);
      }
    }
    this.#need(0);
  }
  number(value: number): void {
    const { bytes, view, at } = this;
    if (value !== value >>> 0) {
      bytes[at] = 0xcb;
      view.setFloat64(at + 1, value);
      this.at = at + 9;
    } else if (value < 0x80) {
      bytes[at] = value;
      this.at = at + 1;
    } else if (value < 0x100) {
      bytes[at] = 0xcc;
      bytes[at + 1] = value;
      this.at = at + 2;
    } else if (value < 0x10000) {
      bytes[at] = 0xcd;
      view.setUint16(at + 1, value);
      this.at = at + 3;
    } else {
      bytes[at] = 0xce;
      view.setUint32(at + 1, value);
      this.at = at + 5;
    }
  }
  text(value: string): void {
    if (this.#word(value)) return;
    const length = Buffer.byteLength(value);
    this.#need(length + 5);
    const { bytes, view, at } = this;
    let head = 1;
    if (length < 0x20) bytes[at] = 0xa0 | length;
    else if (length < 0x100) {
      bytes[at] = 0xd9;
      bytes[at + 1] = length;
      head = 2;
    } else if (length < 0x10000) {
      bytes[at] = 0xda;
      view.setUint16(at + 1, length);
      head = 3;
    } else {
      bytes[at] = 0xdb;
      view.setUint32(at + 1, length);
      head = 5;
    }
    bytes.write(value, at + head);
    this.at = at + head + length;
    this.#need(0);
  }
  /** Short and ASCII, as nearly all text is: without a call out of JavaScript. False: it is another, and nothing is written. */
  #word(value: string): boolean {
    const { length } = value;
    if (length >= 0x20) return false;
    const { bytes, at } = this;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) return false;
      bytes[at + 1 + i] = code;
    }
    bytes[at] = 0xa0 | length;
    this.at = at + 1 + length;
    return true;
  }
  /** The head of an array of `length` values, which come next. */
  list(length: number): void {
    this.#head(length, 0x90, 0xdc);
  }
  /** The head of a map of `length` keys and values, which come next. */
  map(length: number): void {
    this.#head(length, 0x80, 0xde);
  }

  #head(length: number, short: number, long: number): void {
    if (length < 16) this.bytes[this.at++] = short | length;
    else if (length < 0x10000) {
      this.bytes[this.at] = long;
      this.view.setUint16(this.at + 1, length);
      this.at += 3;
    } else {
      this.bytes[this.at] = long + 1;
      this.view.setUint32(this.at + 1, length);
      this.at += 5;
    }
    this.#need(0);
  }
  #need(bytes: number): void {
    const room = this.at + bytes + SLACK;
    if (room <= this.bytes.length) return;
    const more = Buffer.allocUnsafeSlow(2 * room);
    this.bytes.copy(more, 0, 0, this.at);
    this.bytes = more;
    this.view = viewOf(more);
  }
}

const viewOf = ({ buffer, byteOffset, length }: Buffer): DataView => new DataView(buffer, byteOffset, length);

const headOf = (length: number): number[] => (length < 16 ? [0x80 | length] : [0xde, length >>> 8, length & 0xff]);
const keyOf = (key: string): number[] => {
  const bytes = [...Buffer.from(key)];
  return bytes.length < 32 ? [0xa0 | bytes.length, ...bytes] : [0xd9, bytes.length, ...bytes];
};
/** Text that stores `bytes` at `p`, four at a time: what is too much is written over by what comes next. */
const storeText = (bytes: readonly number[]): string => {
  const words: string[] = [];
  for (let i = 0; i < bytes.length; i += 4) {
    const word = [0, 1, 2, 3].reduce((sum, k) => sum * 256 + (bytes[i + k] ?? 0), 0);
    words.push(`view.setUint32(p + ${i}, ${word});`);
  }
  return `${words.join(' ')} p += ${bytes.length};`;
};

/** Of records that have exactly these keys, in any order. `writers`: for values that are such records themselves. */
export const mapWriter = <T extends object>(
  keys: readonly (keyof T & string)[],
  writers: { readonly [K in keyof T]?: MapWriter<T[K]> } = {},
): MapWriter<T> => {
  let before = headOf(keys.length);
  const lines: string[] = [];
  let bytes = before.length;
  for (const key of keys) {
    before = [...before, ...keyOf(key)];
    bytes += before.length + 12;
    lines.push(storeText(before), `x = record[${JSON.stringify(key)}];`);
    const away = (call: string): string => `writer.at = p; ${call}; p = writer.at; ({ bytes, view } = writer);`;
    lines.push(
      writers[key] !== undefined
        ? away(`writers[${JSON.stringify(key)}](writer, x)`)
        : `if (typeof x === 'number' && x >= 0 && x < 128 && x === (x | 0)) bytes[p++] = x; else { ${away('writer.put(x)')} }`,
    );
    before = [];
  }
  if (bytes > SLACK) throw new Error(`${keys.length} keys are too many for a record`);
  const make = new Function(
    'writers',
    `return (writer, record) => { let { bytes, view, at: p } = writer, x; ${lines.join('\n')} writer.at = p; }`,
  );
  return (make as (writers: object) => MapWriter<T>)(writers);
};
