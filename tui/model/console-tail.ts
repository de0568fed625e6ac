// The last lines that a console has said, as text: what a terminal would do with the bytes, but for cursor movement, which is left out.

export const LINES_MAX = 200;
/** Characters kept of a line; what comes then is dropped. */
export const LINE_MAX = 512;
/** Characters of an escape sequence after which it is taken for text gone wrong. */
const SEQUENCE_MAX = 64;
const TAB = 8;

const ESC = 0x1b;
const BELL = 0x07;

export class ConsoleTail {
  readonly #done: string[] = [];
  #line: string[] = [];
  #column = 0;
  /** What has come of an escape sequence: its kind, and its length. */
  #sequence: 'none' | 'escape' | 'csi' | 'string' = 'none';
  #length = 0;

  put(bytes: Uint8Array): void {
    for (const byte of bytes) this.#byte(byte);
  }

  /** The newest `count`, oldest first; the last one may be still without its end. */
  last(count: number): string[] {
    const all = this.#line.length > 0 ? [...this.#done, this.#line.join('')] : this.#done;
    return all.slice(Math.max(0, all.length - count));
  }

  #byte(byte: number): void {
    if (this.#sequence !== 'none') this.#inSequence(byte);
    else if (byte === ESC) {
      this.#sequence = 'escape';
      this.#length = 0;
    } else if (byte === 0x0a) {
      this.#done.push(this.#line.join(''));
      if (this.#done.length > LINES_MAX) this.#done.splice(0, this.#done.length - LINES_MAX);
      this.#line = [];
      this.#column = 0;
    } else if (byte === 0x0d) this.#column = 0;
    else if (byte === 0x08) this.#column = Math.max(0, this.#column - 1);
    else if (byte === 0x09) this.#column = Math.min(LINE_MAX, (Math.floor(this.#column / TAB) + 1) * TAB);
    else if (byte >= 0x20 && byte !== 0x7f && this.#column < LINE_MAX) {
      while (this.#line.length < this.#column) this.#line.push(' ');
      this.#line[this.#column++] = byte < 0x80 ? String.fromCharCode(byte) : '?';
    }
  }

  /** ECMA-48: ESC [ … final; ESC ] and its like … BEL or ESC \; ESC and one more. */
  #inSequence(byte: number): void {
    if (++this.#length > SEQUENCE_MAX) {
      this.#sequence = 'none';
      return;
    }
    if (this.#sequence === 'escape') {
      if (byte === 0x5b) this.#sequence = 'csi';
      else if (byte === 0x5d || byte === 0x50 || byte === 0x58 || byte === 0x5e || byte === 0x5f) this.#sequence = 'string';
      else if (byte < 0x20 || byte >= 0x30) this.#sequence = 'none';
    } else if (this.#sequence === 'csi') {
      if (byte >= 0x40 && byte <= 0x7e) this.#sequence = 'none';
    } else if (byte === BELL) this.#sequence = 'none';
    else if (byte === ESC) this.#sequence = 'escape';
  }
}
