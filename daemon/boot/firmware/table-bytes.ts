// Builds firmware tables: little-endian fields at fixed offsets, and the checksum that makes all bytes add up to 0.

export class TableBytes {
  readonly bytes: Uint8Array;
  readonly #data: DataView;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.#data = new DataView(this.bytes.buffer);
  }

  ascii(at: number, value: string): this {
    for (let i = 0; i < value.length; i++) this.bytes[at + i] = value.charCodeAt(i);
    return this;
  }

  u8(at: number, value: number): this {
    this.bytes[at] = value;
    return this;
  }

  u16(at: number, value: number): this {
    this.#data.setUint16(at, value, true);
    return this;
  }

  u32(at: number, value: number): this {
    this.#data.setUint32(at, value, true);
    return this;
  }

  u64(at: number, value: number): this {
    this.#data.setBigUint64(at, BigInt(value), true);
    return this;
  }

  /** Sets the byte at `at` so that the first `size` bytes sum to 0 modulo 256. */
  checksum(at: number, size = this.bytes.length): this {
    this.bytes[at] = 0;
    let sum = 0;
    for (let i = 0; i < size; i++) sum += this.bytes[i];
    this.bytes[at] = -sum & 0xff;
    return this;
  }
}
