// Root's side of a block device: carries out what the device has posted on a disk, in the order in which it was posted (shared/layout/block-buffer.ts).
// One request at a time: what a read finds of a write that came before it hangs on the order alone.
import { SECTOR_BYTES } from '../../../shared/abi/virtio.js';
import {
  BLOCK_SLOTS,
  BlockBufferLayout,
  BlockSlot,
  BlockSlotLayout,
  blockDataAt,
  blockSlotAt,
  DiskOperation,
  PIECE_BYTES,
  SlotState,
} from '../../../shared/layout/block-buffer.js';
import type { Views } from '../../../shared/layout/struct.js';
import type { Disk } from './disk.js';

export interface DiskListener {
  /** Something has been done, and the device may look. */
  readonly done: () => void;
  readonly failed: (reason: unknown) => void;
}

export class DiskServer {
  readonly #views: Views;
  readonly #buffer: number;
  readonly #disk: Disk;
  readonly #listener: DiskListener;
  readonly #posted: number;
  readonly #running: Promise<void>;
  #isEnding = false;

  /** `buffer`: the device's, in the partition's memory. */
  constructor(views: Views, buffer: number, disk: Disk, listener: DiskListener) {
    this.#views = views;
    this.#buffer = buffer;
    this.#disk = disk;
    this.#listener = listener;
    this.#posted = (buffer + BlockBufferLayout.at.posted) >>> 2;
    this.#running = this.#run();
  }

  /** Something that was posted has not been done. */
  get isBusy(): boolean {
    return this.#first() !== undefined;
  }
  /** Resolves when all that was posted has been done. */
  end(): Promise<void> {
    this.#isEnding = true;
    Atomics.notify(this.#views.i32, this.#posted);
    return this.#running;
  }

  async #run(): Promise<void> {
    const { i32 } = this.#views;
    for (;;) {
      const seen = Atomics.load(i32, this.#posted);
      for (let slot = this.#first(); slot !== undefined; slot = this.#first()) await this.#carryOut(slot.slot, slot.data);
      if (this.#isEnding) return;
      const { async, value } = Atomics.waitAsync(i32, this.#posted, seen);
      if (async) await value;
    }
  }

  /** The posted request that came first. */
  #first(): { slot: BlockSlot; data: number } | undefined {
    let first: { slot: BlockSlot; data: number } | undefined;
    for (let n = 0; n < BLOCK_SLOTS; n++) {
      const slot = new BlockSlot(this.#views, blockSlotAt(this.#buffer, n));
      if (Atomics.load(this.#views.i32, stateAt(slot)) !== SlotState.POSTED) continue;
      if (first === undefined || ((slot.ticket - first.slot.ticket) | 0) < 0) first = { slot, data: blockDataAt(this.#buffer, n) };
    }
    return first;
  }

  async #carryOut(slot: BlockSlot, at: number): Promise<void> {
    try {
      await this.#act(slot.operation, slot.offsetNum, this.#views.u8.subarray(at, at + Math.min(slot.bytes, PIECE_BYTES)));
    } catch (error) {
      slot.failed = 1;
      this.#listener.failed(error);
    }
    Atomics.store(this.#views.i32, stateAt(slot), SlotState.DONE);
    Atomics.notify(this.#views.i32, stateAt(slot));
    this.#listener.done();
  }

  async #act(operation: number, offset: number, data: Uint8Array): Promise<void> {
    const disk = this.#disk;
    if (offset + data.length > disk.sectors * SECTOR_BYTES) throw new Error(`offset ${offset} is beyond the disk`);
    if (operation === DiskOperation.READ) await disk.read(offset, data);
    else if (operation !== DiskOperation.FLUSH) await disk.write(offset, data);
    if (operation === DiskOperation.FLUSH || operation === DiskOperation.WRITE_THROUGH) await disk.flush();
  }
}

const stateAt = (slot: BlockSlot): number => (slot.base + BlockSlotLayout.at.state) >>> 2;
