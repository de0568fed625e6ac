// A disk that can be written to above one that is only read: what was written lies in a temporary file without a name, at the same places, and is gone at the next boot.
// Which sectors those are is known by a bit each, in pieces that are made when first needed: nothing is ever copied up, for no write is smaller than a sector.
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SECTOR_BYTES } from '../../../shared/abi/virtio.js';
import type { Disk, Sectors } from './disk.js';
import { FileDisk } from './file-disk.js';

/** Sectors that one piece of the bit set is for. */
const PIECE_SECTORS = 1 << 16;
/** Most that `overlay` gives at once. */
const OVERLAY_SECTORS = 2048;

export class CopyOnWriteDisk implements Disk {
  readonly #base: Disk;
  readonly #file: FileHandle;
  readonly #own: Disk;
  readonly #written = new Map<number, Uint8Array>();

  private constructor(base: Disk, file: FileHandle) {
    this.#base = base;
    this.#file = file;
    this.#own = new FileDisk(file, base.sectors);
  }
  /** Takes `base` over, and closes it with itself. */
  static async above(base: Disk): Promise<CopyOnWriteDisk> {
    const name = join(tmpdir(), `hvd-disk-${randomUUID()}`);
    const file = await open(name, 'wx+', 0o600);
    await unlink(name);
    return new CopyOnWriteDisk(base, file);
  }

  get sectors(): number {
    return this.#base.sectors;
  }

  async read(offset: number, to: Uint8Array): Promise<void> {
    for (let done = 0; done < to.length; ) {
      const sector = (offset + done) / SECTOR_BYTES;
      const isOwn = this.#isWritten(sector);
      let end = done + SECTOR_BYTES;
      while (end < to.length && this.#isWritten((offset + end) / SECTOR_BYTES) === isOwn) end += SECTOR_BYTES;
      await (isOwn ? this.#own : this.#base).read(offset + done, to.subarray(done, end));
      done = end;
    }
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    await this.#own.write(offset, from);
    for (let done = 0; done < from.length; done += SECTOR_BYTES) this.#mark((offset + done) / SECTOR_BYTES);
  }
  /** There is nothing that has to outlive the machine. */
  async flush(): Promise<void> {}
  async *overlay(): AsyncGenerator<Sectors> {
    for (const index of [...this.#written.keys()].sort((a, b) => a - b)) {
      const end = (index + 1) * PIECE_SECTORS;
      for (let sector = index * PIECE_SECTORS; sector < end; ) {
        const from = sector;
        while (sector < end && sector - from < OVERLAY_SECTORS && this.#isWritten(sector)) sector++;
        if (sector === from) {
          sector++;
          continue;
        }
        const data = new Uint8Array((sector - from) * SECTOR_BYTES);
        await this.#own.read(from * SECTOR_BYTES, data);
        yield { at: from * SECTOR_BYTES, data };
      }
    }
  }
  async renew(): Promise<void> {
    this.#written.clear();
    await this.#file.truncate(0);
  }
  async close(): Promise<void> {
    await this.#own.close();
    await this.#base.close();
  }

  #isWritten(sector: number): boolean {
    const piece = this.#written.get(Math.floor(sector / PIECE_SECTORS));
    const bit = sector % PIECE_SECTORS;
    return piece !== undefined && ((piece[bit >>> 3]! >>> (bit & 7)) & 1) !== 0;
  }
  #mark(sector: number): void {
    const index = Math.floor(sector / PIECE_SECTORS);
    let piece = this.#written.get(index);
    if (piece === undefined) {
      piece = new Uint8Array(PIECE_SECTORS / 8);
      this.#written.set(index, piece);
    }
    const bit = sector % PIECE_SECTORS;
    piece[bit >>> 3]! |= 1 << (bit & 7);
  }
}
