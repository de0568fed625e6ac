// Looks for a text in bytes that come in pieces; a match may lie across pieces.

export class TextSearch {
  readonly #wanted: Buffer;
  #tail: Buffer = Buffer.alloc(0);
  #found = false;

  constructor(wanted: string) {
    this.#wanted = Buffer.from(wanted);
  }

  /** True once the text has been seen in all pieces so far. */
  feed(piece: Uint8Array): boolean {
    if (this.#found) return true;
    const bytes = Buffer.concat([this.#tail, piece]);
    this.#found = bytes.includes(this.#wanted);
    this.#tail = bytes.subarray(Math.max(0, bytes.length - this.#wanted.length + 1));
    return this.#found;
  }
}
