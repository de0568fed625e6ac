// A block device: the driver's requests become pieces of at most 64 KiB that root carries out on a file; the guest sees a piece no earlier than virtual time says
// (virtio 1.2, 5.2). Nothing but a slot's state is between device and root (shared/layout/block-buffer.ts).
//
//   a request:  taken from the ring with a free slot; posted piece by piece; when the last is done and due its status is written and its chain given back
//
// In the deterministic mode a piece ends exactly when it is due, and the LP waits for root until then. In the quantum mode it waits a little, so that idle time that is
// skipped does not leave the disk behind. Otherwise a piece ends when it is due and root has done it, whatever is later.
import {
  BLOCK_HEADER_BYTES,
  BLOCK_ID_BYTES,
  BlockFeature,
  BlockRequest,
  BlockStatus,
  SECTOR_BYTES,
  VirtioType,
} from '../../../shared/abi/virtio.js';
import {
  awaitDone,
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
import { accessor, struct, u16, u32, u64 } from '../../../shared/layout/struct.js';
import type { PlatformHost } from '../host.js';
import type { Chain } from './chain.js';
import type { VirtioDevice, VirtioModel } from './virtio-device.js';

/** How long a request takes, and a byte of it: a fast disk's. */
const LATENCY_NS = 50_000;
const NS_A_BYTE = 0.5;
/** Where root has been waited for in vain, and the course may hang on it: when to look again. */
const LOOK_AGAIN_NS = 1_000_000;
const QUEUE_SIZE = 128;
/** Header and status take a descriptor each. */
const SEGMENTS_MAX = QUEUE_SIZE - 2;

/** What a slot is for. `head` is that of its chain + 1, 0: for none (any more). */
const RequestLayout = struct('BlockRequest', { head: u16, operation: u16, total: u32, done: u32, piece: u32, offset: u64, due: u64 }, 48);
const Request = accessor(RequestLayout);
type Request = InstanceType<typeof Request>;

type Outside = Pick<PlatformHost, 'deterministic' | 'patienceMs'>;

export class BlockModel implements VirtioModel {
  readonly type = VirtioType.BLOCK;
  readonly classCode = 0x01_0000;
  readonly features: readonly number[];
  readonly queueSizes = [QUEUE_SIZE];
  private readonly device: VirtioDevice;
  private readonly host: Outside;
  private readonly requests: readonly Request[];
  private readonly slots: readonly BlockSlot[];

  constructor(device: VirtioDevice, host: Outside) {
    const { views, registers, entry } = device;
    this.device = device;
    this.host = host;
    const { SEG_MAX, BLK_SIZE, FLUSH, READ_ONLY } = BlockFeature;
    this.features = [SEG_MAX, BLK_SIZE, FLUSH, ...(entry.readOnly === 0 ? [] : [READ_ONLY])];
    const each = Array.from({ length: BLOCK_SLOTS }, (_, slot) => slot);
    this.requests = each.map((slot) => new Request(views, registers.own + slot * RequestLayout.size));
    this.slots = each.map((slot) => new BlockSlot(views, blockSlotAt(entry.buffer, slot)));
  }

  config(): Uint8Array {
    const config = new Uint8Array(24);
    const view = new DataView(config.buffer);
    view.setBigUint64(0, this.device.entry.sectors, true);
    view.setUint32(12, SEGMENTS_MAX, true);
    view.setUint32(20, SECTOR_BYTES, true);
    return config;
  }

  notified(_queue: number, now: number): void {
    this.serve(now);
  }
  serve(now: number): void {
    this.finish(now);
    const [queue] = this.device.queues;
    this.device.drain(queue, now, (chain) => this.begin(chain, now));
  }

  /** What root has not done yet it will tell of, where it is not waited for. */
  deadline(): number {
    let next = Number.POSITIVE_INFINITY;
    for (let slot = 0; slot < BLOCK_SLOTS; slot++) {
      const { head, dueNum } = this.requests[slot];
      if (head !== 0 && dueNum < next && (this.waits || this.isDone(slot))) next = dueNum;
    }
    return next;
  }

  /** What root is at work on it goes on with; the slot is free when it is done, and nobody is told. */
  reset(): void {
    for (const request of this.requests) request.head = 0;
  }

  // --- the beginning of a request ------------------------------------------------------------------------------------------------------------------

  /** False: no slot is free, it stays in the ring. */
  private begin(chain: Chain, now: number): boolean {
    const header = new Uint8Array(BLOCK_HEADER_BYTES);
    if (!chain.read(0, header) || chain.writableBytes === 0) {
      this.device.violated();
      return false;
    }
    const view = new DataView(header.buffer);
    const type = view.getUint32(0, true);
    const offset = Number(view.getBigUint64(8, true)) * SECTOR_BYTES;
    const { entry } = this.device;
    switch (type) {
      case BlockRequest.IN:
        return this.transfer(chain, DiskOperation.READ, offset, chain.writableBytes - 1, now);
      case BlockRequest.OUT: {
        if (entry.readOnly !== 0) return this.end(chain, BlockStatus.IO_ERROR, 0);
        // Without the feature the driver cannot flush: what is written must last (5.2.6.2).
        const operation = this.device.has(BlockFeature.FLUSH) ? DiskOperation.WRITE : DiskOperation.WRITE_THROUGH;
        return this.transfer(chain, operation, offset, chain.readableBytes - BLOCK_HEADER_BYTES, now);
      }
      case BlockRequest.FLUSH:
        return this.start(chain, DiskOperation.FLUSH, 0, 0, now);
      case BlockRequest.GET_ID: {
        const id = entry.views.u8.slice(entry.serial, entry.serial + Math.min(BLOCK_ID_BYTES, chain.writableBytes - 1));
        chain.write(0, id);
        return this.end(chain, BlockStatus.OK, id.length);
      }
      default:
        return this.end(chain, BlockStatus.UNSUPPORTED, 0);
    }
  }

  private transfer(chain: Chain, operation: number, offset: number, bytes: number, now: number): boolean {
    const isWithin = offset + bytes <= this.device.entry.sectorsNum * SECTOR_BYTES;
    if (bytes % SECTOR_BYTES !== 0 || !isWithin) return this.end(chain, BlockStatus.IO_ERROR, 0);
    return bytes === 0 ? this.end(chain, BlockStatus.OK, 0) : this.start(chain, operation, offset, bytes, now);
  }

  private start(chain: Chain, operation: number, offset: number, bytes: number, now: number): boolean {
    const slot = this.freeSlot();
    if (slot < 0) return false;
    const request = this.requests[slot];
    request.head = chain.head + 1;
    request.operation = operation;
    request.offsetNum = offset;
    request.total = bytes;
    request.done = 0;
    this.post(slot, chain, now + LATENCY_NS);
    return true;
  }
  private freeSlot(): number {
    for (let slot = 0; slot < BLOCK_SLOTS; slot++) {
      if (this.requests[slot].head !== 0) continue;
      // One that was given up: root has finished with it, or not.
      const { state } = this.slots[slot];
      if (state === SlotState.FREE || this.isDone(slot)) return slot;
    }
    return -1;
  }

  /** Hands root the next piece. `from`: when it begins. */
  private post(slot: number, chain: Chain, from: number): void {
    const { views, entry } = this.device;
    const request = this.requests[slot];
    const shared = this.slots[slot];
    const bytes = Math.min(PIECE_BYTES, request.total - request.done);
    if (request.operation === DiskOperation.WRITE || request.operation === DiskOperation.WRITE_THROUGH) {
      const at = blockDataAt(entry.buffer, slot);
      chain.read(BLOCK_HEADER_BYTES + request.done, views.u8.subarray(at, at + bytes));
    }
    request.piece = bytes;
    request.dueNum = Math.floor(from + bytes * NS_A_BYTE);
    shared.operation = request.operation;
    shared.offsetNum = request.offsetNum + request.done;
    shared.bytes = bytes;
    shared.failed = 0;
    const posted = (entry.buffer + BlockBufferLayout.at.posted) >>> 2;
    shared.ticket = Atomics.load(views.i32, posted) + 1;
    Atomics.store(views.i32, stateAt(shared), SlotState.POSTED);
    Atomics.add(views.i32, posted, 1);
    Atomics.notify(views.i32, posted);
  }

  // --- its end ---------------------------------------------------------------------------------------------------------------------------------------

  /** Goes on with what is due and done, the earliest first. */
  private finish(now: number): void {
    for (let slot = this.earliest(now); slot >= 0; slot = this.earliest(now)) {
      const request = this.requests[slot];
      const isDone = this.isDone(slot) || this.await(slot);
      if (!isDone && !this.host.deterministic) {
        request.dueNum = now + LOOK_AGAIN_NS;
        continue;
      }
      const [queue] = this.device.queues;
      const chain = queue.chain(request.head - 1);
      // The driver has made nonsense of its descriptors meanwhile, and the device needs a reset.
      if (chain === undefined) return;
      this.proceed(slot, chain, isDone && this.slots[slot].failed === 0);
    }
    this.device.queues[0].tell();
  }
  private earliest(now: number): number {
    let found = -1;
    for (let slot = 0; slot < BLOCK_SLOTS; slot++) {
      const { head, dueNum } = this.requests[slot];
      if (head === 0 || dueNum > now || !(this.waits || this.isDone(slot))) continue;
      if (found < 0 || dueNum < this.requests[found].dueNum) found = slot;
    }
    return found;
  }
  private proceed(slot: number, chain: Chain, isGood: boolean): void {
    const { views, entry } = this.device;
    const request = this.requests[slot];
    const isRead = request.operation === DiskOperation.READ;
    const at = blockDataAt(entry.buffer, slot);
    // The last writable byte is the status: a chain that has shrunk since has no room for both.
    const fits =
      !isRead ||
      (request.done + request.piece < chain.writableBytes && chain.write(request.done, views.u8.subarray(at, at + request.piece)));
    request.done += request.piece;
    const isOver = !isGood || !fits || request.done >= request.total;
    if (!isOver && (isRead || chain.readableBytes >= BLOCK_HEADER_BYTES + request.total)) {
      this.post(slot, chain, request.dueNum);
      return;
    }
    request.head = 0;
    Atomics.compareExchange(views.i32, stateAt(this.slots[slot]), SlotState.DONE, SlotState.FREE);
    const succeeded = isGood && fits && isOver;
    this.end(chain, succeeded ? BlockStatus.OK : BlockStatus.IO_ERROR, isRead ? request.done : 0, request.done, isRead);
  }

  /** Writes the status and gives the chain back. `written`: bytes of data stored before it. */
  private end(chain: Chain, status: number, written: number, bytes = written, isRead = true): true {
    const { entry } = this.device;
    if (isRead) {
      entry.ins++;
      entry.inBytesNum += bytes;
    } else {
      entry.outs++;
      entry.outBytesNum += bytes;
    }
    if (status !== BlockStatus.OK) entry.failures++;
    chain.write(chain.writableBytes - 1, Uint8Array.of(status));
    this.device.queues[0].give(chain.head, written + 1);
    return true;
  }

  private get waits(): boolean {
    return this.host.patienceMs > 0;
  }
  private isDone(slot: number): boolean {
    return Atomics.load(this.device.views.i32, stateAt(this.slots[slot])) === SlotState.DONE;
  }
  /** Waits until root has done it; false: it does not. */
  private await(slot: number): boolean {
    return awaitDone(this.device.views.i32, stateAt(this.slots[slot]), this.host.patienceMs);
  }
}

const stateAt = (slot: BlockSlot): number => (slot.base + BlockSlotLayout.at.state) >>> 2;
