// A virtio driver of a few lines on the board: finds its device as an operating system does, sets up split rings in guest RAM, and makes chains, right ones or any.
import { CommonConfig, DescriptorFlag, VIRTIO_PCI_VENDOR, VirtioFeature, VirtioStatus } from '../../shared/abi/virtio.js';
import { BlockBufferLayout } from '../../shared/layout/block-buffer.js';
import { ConsoleBufferLayout } from '../../shared/layout/console-buffer.js';
import { NetworkBufferLayout } from '../../shared/layout/network-buffer.js';
import { PartitionMap } from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import { VirtualDevice, VirtualDeviceKind, virtualDeviceAt } from '../../shared/layout/virtual-devices.js';
import { type Board, board } from '../unit/platform-board.js';

export const RAM_BYTES = 0x10_0000;
const BUFFER = PartitionMap.RAM + RAM_BYTES;
const BUFFER_BYTES = {
  [VirtualDeviceKind.BLOCK]: BlockBufferLayout.size,
  [VirtualDeviceKind.CONSOLE]: ConsoleBufferLayout.size,
  [VirtualDeviceKind.NETWORK]: NetworkBufferLayout.size,
};

export interface Part {
  readonly address: number;
  readonly bytes: number;
  readonly write?: boolean;
}

/** A board with one such device, at PCI device 1. */
export const boardWith = (kind: 1 | 2 | 3, deterministic = false, fill: (entry: VirtualDevice) => void = () => undefined): Board =>
  board(undefined, {
    deterministic,
    ramSize: RAM_BYTES,
    bytes: RAM_BYTES + BUFFER_BYTES[kind],
    prepare: (views: Views) => {
      const entry = new VirtualDevice(views, virtualDeviceAt(0));
      entry.kind = kind;
      entry.buffer = BUFFER;
      fill(entry);
    },
  });

export class Driver {
  readonly b: Board;
  readonly entry: VirtualDevice;
  readonly buffer = BUFFER;
  /** Address of each structure by its type; MSI-X table. */
  readonly structures = new Map<number, number>();
  msixTable = 0;
  msixCapability = 0;
  windowCapability = 0;

  constructor(b: Board) {
    this.b = b;
    this.entry = new VirtualDevice(b.views, virtualDeviceAt(0));
    if (this.config(0, 2) !== VIRTIO_PCI_VENDOR) throw new Error('no virtio device');
    for (let at = this.config(0x34, 1); at !== 0; at = this.config(at + 1, 1)) {
      if (this.config(at, 1) === 0x11) {
        this.msixCapability = at;
        const where = this.config(at + 4, 4);
        this.msixTable = this.bar(where & 7) + (where & ~7);
      } else {
        if (this.config(at + 3, 1) === 5) this.windowCapability = at;
        this.structures.set(this.config(at + 3, 1), this.bar(this.config(at + 4, 1)) + this.config(at + 8, 4));
      }
    }
  }

  config(offset: number, bytes: number): number {
    this.b.platform.ioWrite(0xcf8, 4, 0x8000_0800 | (offset & 0xfc));
    return this.b.platform.ioRead(0xcfc + (offset & 3), bytes);
  }
  setConfig(offset: number, bytes: number, value: number): void {
    this.b.platform.ioWrite(0xcf8, 4, 0x8000_0800 | (offset & 0xfc));
    this.b.platform.ioWrite(0xcfc + (offset & 3), bytes, value);
  }
  private bar(register: number): number {
    return this.config(0x10 + register * 4, 4) & ~0xf;
  }

  get common(): number {
    return (this.structures.get(1) ?? 0) >>> 0;
  }
  get(offset: number, bytes: number): number {
    return this.b.platform.mmioRead(this.common + offset, bytes);
  }
  set(offset: number, bytes: number, value: number): void {
    this.b.platform.mmioWrite(this.common + offset, bytes, value);
  }
  get status(): number {
    return this.get(CommonConfig.STATUS, 1);
  }
  notify(queue: number): void {
    this.b.platform.mmioWrite(((this.structures.get(2) ?? 0) >>> 0) + queue * 4, 2, queue);
  }
  isr(): number {
    return this.b.platform.mmioRead((this.structures.get(3) ?? 0) >>> 0, 1);
  }

  /** MSI-X on: vector n of the table interrupts processor 0 with 0x40 + n. */
  messages(vectors: number): void {
    const table = this.msixTable >>> 0;
    for (let n = 0; n < vectors; n++)
      for (const [offset, value] of [0xfee0_0000, 0, 0x40 + n, 0].entries())
        this.b.platform.mmioWrite(table + n * 16 + offset * 4, 4, value);
    this.setConfig(this.msixCapability + 2, 2, 0x8000);
  }

  /** Features negotiated, so many queues enabled, DRIVER_OK. */
  start(queues: number, features: readonly number[] = [VirtioFeature.VERSION_1], size = 16): Ring[] {
    this.set(CommonConfig.STATUS, 1, 0);
    this.set(CommonConfig.STATUS, 1, VirtioStatus.ACKNOWLEDGE | VirtioStatus.DRIVER);
    for (const word of [0, 1]) {
      this.set(CommonConfig.DRIVER_FEATURE_SELECT, 4, word);
      let bits = 0;
      for (const feature of features) if (feature >>> 5 === word) bits |= 1 << (feature & 31);
      this.set(CommonConfig.DRIVER_FEATURE, 4, bits >>> 0);
    }
    this.set(CommonConfig.STATUS, 1, VirtioStatus.ACKNOWLEDGE | VirtioStatus.DRIVER | VirtioStatus.FEATURES_OK);
    const rings = Array.from({ length: queues }, (_, queue) => new Ring(this, queue, size, features.includes(VirtioFeature.EVENT_IDX)));
    this.set(CommonConfig.STATUS, 1, this.status | VirtioStatus.DRIVER_OK);
    return rings;
  }
  get needsReset(): boolean {
    return (this.status & VirtioStatus.NEEDS_RESET) !== 0;
  }

  poke(gpa: number, bytes: Uint8Array): void {
    this.b.views.u8.set(bytes, PartitionMap.RAM + gpa);
  }
  peek(gpa: number, bytes: number): Uint8Array {
    return this.b.views.u8.slice(PartitionMap.RAM + gpa, PartitionMap.RAM + gpa + bytes);
  }
}

/** One ring at 0x1000 x (queue + 1): descriptors, avail at +0x800, used at +0xa00, indirect tables from +0xc00. */
export class Ring {
  readonly driver: Driver;
  readonly queue: number;
  readonly size: number;
  readonly base: number;
  private readonly eventIndex: boolean;
  private next = 0;
  private made = 0;
  private seen = 0;

  constructor(driver: Driver, queue: number, size: number, eventIndex: boolean) {
    this.driver = driver;
    this.queue = queue;
    this.size = size;
    this.eventIndex = eventIndex;
    this.base = 0x1000 * (queue + 1);
    driver.poke(this.base, new Uint8Array(0x1000));
    driver.set(CommonConfig.QUEUE_SELECT, 2, queue);
    driver.set(CommonConfig.QUEUE_SIZE, 2, size);
    for (const [index, at] of [this.base, this.base + 0x800, this.base + 0xa00].entries()) {
      driver.set(CommonConfig.QUEUE_DESCRIPTORS + index * 8, 4, at);
      driver.set(CommonConfig.QUEUE_DESCRIPTORS + index * 8 + 4, 4, 0);
    }
    driver.set(CommonConfig.QUEUE_VECTOR, 2, queue);
    driver.set(CommonConfig.QUEUE_ENABLE, 2, 1);
  }

  u16(at: number): number {
    return this.driver.b.views.u16[(PartitionMap.RAM + this.base + at) >>> 1];
  }
  setU16(at: number, value: number): void {
    this.driver.b.views.u16[(PartitionMap.RAM + this.base + at) >>> 1] = value;
  }
  descriptor(at: number, address: number, bytes: number, flags: number, next: number): void {
    const { data } = this.driver.b.views;
    data.setBigUint64(PartitionMap.RAM + at, BigInt(address), true);
    data.setUint32(PartitionMap.RAM + at + 8, bytes, true);
    data.setUint16(PartitionMap.RAM + at + 12, flags, true);
    data.setUint16(PartitionMap.RAM + at + 14, next, true);
  }
  private chain(table: number, first: number, count: number, parts: readonly Part[]): void {
    for (const [index, { address, bytes, write }] of parts.entries()) {
      const last = index === parts.length - 1;
      const flags = (write ? DescriptorFlag.WRITE : 0) | (last ? 0 : DescriptorFlag.NEXT);
      this.descriptor(table + ((first + index) % count) * 16, address, bytes, flags, last ? 0 : (first + index + 1) % count);
    }
  }

  /** Makes a chain available, without telling; returns its head. `indirect`: by a table of its own (one at a time). */
  add(parts: readonly Part[], indirect = false): number {
    const head = this.next;
    if (indirect) {
      this.chain(this.base + 0xc00, 0, parts.length, parts);
      this.descriptor(this.base + head * 16, this.base + 0xc00, parts.length * 16, DescriptorFlag.INDIRECT, 0);
    } else this.chain(this.base, head, this.size, parts);
    this.next = (this.next + (indirect ? 1 : parts.length)) % this.size;
    this.publish(head);
    return head;
  }
  publish(head: number): void {
    this.setU16(0x804 + (this.made % this.size) * 2, head);
    this.made = (this.made + 1) & 0xffff;
    this.setU16(0x802, this.made);
  }
  /** As drivers do: only where the device asks for it. */
  kick(): void {
    const before = (this.made - 1) & 0xffff;
    if (this.eventIndex && ((this.made - this.u16(0xa04 + this.size * 8) - 1) & 0xffff) >= ((this.made - before) & 0xffff)) return;
    this.driver.notify(this.queue);
  }
  /** EVENT_IDX: to be interrupted when the used index passes this. */
  wantEvent(index: number): void {
    this.setU16(0x804 + this.size * 2, index);
  }
  /** Chains given back since the last call: [head, bytes]. */
  used(): [number, number][] {
    const found: [number, number][] = [];
    for (; this.seen !== this.u16(0xa02); this.seen = (this.seen + 1) & 0xffff) {
      const at = (PartitionMap.RAM + this.base + 0xa04 + (this.seen % this.size) * 8) >>> 2;
      found.push([this.driver.b.views.u32[at], this.driver.b.views.u32[at + 1]]);
    }
    return found;
  }
}
