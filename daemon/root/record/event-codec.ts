// Events of one LP as bytes of a recording: clocks as differences, everything in as few bytes as it needs; some six an event.
// Each piece stands alone: the first clock of a piece is the difference from 0.
import type { TapeEvent } from '../../../shared/layout/event-tape.js';

const MORE = 0x80;
/** Longest number, bytes: 53 bits. */
const BYTES_MAX = 8;

class Bytes {
  #bytes = Buffer.allocUnsafe(1024);
  #length = 0;

  number(value: number): void {
    if (this.#length + BYTES_MAX > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes], this.#bytes.length * 2);
    let rest = value;
    while (rest >= MORE) {
      this.#bytes[this.#length++] = (rest % MORE) | MORE;
      rest = Math.floor(rest / MORE);
    }
    this.#bytes[this.#length++] = rest;
  }
  take(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}

// Clocks hardly ever go back, but an event within a run may be told of after a later one.
const fold = (difference: number): number => (difference < 0 ? -2 * difference - 1 : 2 * difference);
const unfold = (folded: number): number => (folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2);

export const encodeEvents = (events: Iterable<TapeEvent>): Buffer => {
  const bytes = new Bytes();
  let before = 0;
  for (const { clock, what, a, b } of events) {
    bytes.number(fold(clock - before));
    bytes.number(what);
    bytes.number(a);
    bytes.number(b);
    before = clock;
  }
  return bytes.take();
};

/** Throws when the bytes are not so many events. */
export const decodeEvents = (bytes: Uint8Array, count: number): TapeEvent[] => {
  const events: TapeEvent[] = [];
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let scale = 1, n = 0; n < BYTES_MAX; n++, scale *= MORE) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError('events end too early');
      value += (byte & ~MORE) * scale;
      if (byte < MORE) return value;
    }
    throw new RangeError('a number of an event is too long');
  };
  let clock = 0;
  for (let n = 0; n < count; n++) {
    clock += unfold(number());
    events.push({ clock, what: number(), a: number(), b: number() });
  }
  if (at !== bytes.length) throw new RangeError('more bytes than events');
  return events;
};
