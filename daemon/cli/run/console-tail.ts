// The newest output of a guest, for a report at the end: a guest that never stops talking must not take the host's memory.

export class ConsoleTail {
  readonly #limit: number;
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;
  /** Bytes that were given up, oldest first. */
  lost = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    while (this.#bytes > this.#limit) {
      const oldest = this.#pieces.shift()!;
      const surplus = Math.min(oldest.length, this.#bytes - this.#limit);
      if (surplus < oldest.length) this.#pieces.unshift(oldest.subarray(surplus));
      this.#bytes -= surplus;
      this.lost += surplus;
    }
  }

  text(): string {
    return Buffer.concat(this.#pieces, this.#bytes).toString('utf8');
  }
}
