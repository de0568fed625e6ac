// A disk that is a file of the host, sector after sector.
import type { FileHandle } from 'node:fs/promises';
import type { Disk, Sectors } from './disk.js';

export class FileDisk implements Disk {
  readonly sectors: number;
  readonly #file: FileHandle;
  readonly #closed: () => void;

  constructor(file: FileHandle, sectors: number, closed: () => void = () => undefined) {
    this.sectors = sectors;
    this.#file = file;
    this.#closed = closed;
  }

  async read(offset: number, to: Uint8Array): Promise<void> {
    for (let done = 0; done < to.length; ) {
      const { bytesRead } = await this.#file.read(to, done, to.length - done, offset + done);
      if (bytesRead === 0) throw new Error('the file has become shorter');
      done += bytesRead;
    }
  }
  async write(offset: number, from: Uint8Array): Promise<void> {
    for (let done = 0; done < from.length; ) done += (await this.#file.write(from, done, from.length - done, offset + done)).bytesWritten;
  }
  flush(): Promise<void> {
    return this.#file.datasync();
  }
  async *overlay(): AsyncGenerator<Sectors> {}
  async renew(): Promise<void> {}
  async close(): Promise<void> {
    await this.#file.close();
    this.#closed();
  }
}
