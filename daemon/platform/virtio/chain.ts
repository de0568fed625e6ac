// One descriptor chain that a driver has made available: what the device may read of it, then what it may write (virtio 1.2, 2.7.4, 2.7.5).
// A chain is looked at once and believed as it was then: the driver may change its descriptors afterwards, but no address here leads out of its RAM.
import { DESCRIPTOR_BYTES, DescriptorFlag } from '../../../shared/abi/virtio.js';
import type { DeviceRam } from './device-ram.js';

/** Descriptors of an indirect table; a chain of the queue's own table has at most as many as that. */
export const CHAIN_MAX = 1024;

interface Segment {
  readonly address: number;
  readonly bytes: number;
}

export class Chain {
  /** Its first descriptor: by this the driver knows it. */
  readonly head: number;
  private readonly ram: DeviceRam;
  private readonly readable: Segment[] = [];
  private readonly writable: Segment[] = [];
  readableBytes = 0;
  writableBytes = 0;

  private constructor(ram: DeviceRam, head: number) {
    this.ram = ram;
    this.head = head;
  }

  /** The chain that begins at `head` of the table of `size` descriptors; undefined when no driver may make such a one. `head` is below `size`. */
  static read(ram: DeviceRam, table: number, size: number, head: number, mayBeIndirect: boolean): Chain | undefined {
    const chain = new Chain(ram, head);
    const first = table + head * DESCRIPTOR_BYTES;
    if ((ram.load16(first + 12) & DescriptorFlag.INDIRECT) === 0) return chain.follow(table, size, head) ? chain : undefined;
    const address = ram.load64(first);
    const bytes = ram.load32(first + 8);
    const isTable =
      mayBeIndirect &&
      (ram.load16(first + 12) & DescriptorFlag.NEXT) === 0 &&
      bytes > 0 &&
      bytes % DESCRIPTOR_BYTES === 0 &&
      bytes <= CHAIN_MAX * DESCRIPTOR_BYTES &&
      address % DESCRIPTOR_BYTES === 0 &&
      ram.holds(address, bytes);
    return isTable && chain.follow(address, bytes / DESCRIPTOR_BYTES, 0) ? chain : undefined;
  }

  /** Collects the segments; a loop is a chain of more descriptors than there are. */
  private follow(table: number, size: number, head: number): boolean {
    let next = head;
    for (let count = 0; count < size; count++) {
      const at = table + next * DESCRIPTOR_BYTES;
      const address = this.ram.load64(at);
      const bytes = this.ram.load32(at + 8);
      const flags = this.ram.load16(at + 12);
      next = this.ram.load16(at + 14);
      if ((flags & DescriptorFlag.INDIRECT) !== 0 || !this.ram.holds(address, bytes)) return false;
      if ((flags & DescriptorFlag.WRITE) !== 0) {
        this.writable.push({ address, bytes });
        this.writableBytes += bytes;
      } else {
        // What is read comes first (2.7.4.2).
        if (this.writable.length > 0) return false;
        this.readable.push({ address, bytes });
        this.readableBytes += bytes;
      }
      if ((flags & DescriptorFlag.NEXT) === 0) return true;
      if (next >= size) return false;
    }
    return false;
  }

  /** Copies what the driver has given from `offset` on; false when there is not so much. */
  read(offset: number, to: Uint8Array): boolean {
    if (offset + to.length > this.readableBytes) return false;
    let done = 0;
    this.eachPart(this.readable, offset, to.length, (address, count) => {
      to.set(this.ram.bytes(address, count), done);
      done += count;
    });
    return true;
  }
  /** Copies to where the driver wants it, from `offset` on; false, and nothing is written, when there is not so much room. */
  write(offset: number, from: Uint8Array): boolean {
    if (offset + from.length > this.writableBytes) return false;
    let done = 0;
    this.eachPart(this.writable, offset, from.length, (address, count) => {
      this.ram.store(address, from.subarray(done, done + count));
      done += count;
    });
    return true;
  }

  private eachPart(segments: readonly Segment[], offset: number, bytes: number, visit: (address: number, count: number) => void): void {
    let skip = offset;
    let left = bytes;
    for (const segment of segments) {
      if (left === 0) return;
      if (skip >= segment.bytes) {
        skip -= segment.bytes;
        continue;
      }
      const count = Math.min(segment.bytes - skip, left);
      visit(segment.address + skip, count);
      skip = 0;
      left -= count;
    }
  }
}
