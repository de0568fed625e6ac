// What a drive asks of root, one request at a time: in a slot of the drive's buffer behind guest RAM (shared/layout/block-buffer.ts), from which root reads and writes the file.
// A piece ends no earlier than virtual time says; the same times as for virtio disks hold (virtio/block.ts).
//
//   take: a slot that root is not at work on   post: to root   outcome: due and done, or given up
//
// In the deterministic mode a request ends exactly when it is due, and the LP waits for root until then. In the quantum mode it waits a little, and looks again.
import {
  awaitDone,
  BLOCK_SLOTS,
  BlockBufferLayout,
  BlockSlot,
  BlockSlotLayout,
  blockDataAt,
  blockSlotAt,
  DiskOperation,
  SlotState,
} from '../../shared/layout/block-buffer.js';
import type { Views } from '../../shared/layout/struct.js';
import { VIRTUAL_DEVICES, VirtualDevice, virtualDeviceAt } from '../../shared/layout/virtual-devices.js';
import type { PlatformHost } from './host.js';

/** How long a request takes, and a byte of it. */
export const LATENCY_NS = 50_000;
const NS_A_BYTE = 0.5;
/** Where root has been waited for in vain: when to look again. */
const LOOK_AGAIN_NS = 1_000_000;

/** Words of the controller's registers: whether something is under way, in which slot, and the partition time at which it is due. */
interface RequestRegisters {
  waiting: number;
  slot: number;
  dueNum: number;
}
export type DriveHost = Pick<PlatformHost, 'deterministic' | 'patienceMs'>;

/** The partition's drives of a kind (VirtualDeviceKind), in their order. */
export const drivesOf = (views: Views, kind: number): readonly VirtualDevice[] =>
  Array.from({ length: VIRTUAL_DEVICES }, (_, index) => new VirtualDevice(views, virtualDeviceAt(index))).filter(
    (device) => device.kind === kind,
  );

export class DriveRequest {
  private readonly views: Views;
  private readonly r: RequestRegisters;
  private readonly host: DriveHost;

  constructor(views: Views, registers: RequestRegisters, host: DriveHost) {
    this.views = views;
    this.r = registers;
    this.host = host;
  }

  /** What was given up may still be root's: then another slot. False: all are. */
  take(drive: VirtualDevice): boolean {
    for (let slot = 0; slot < BLOCK_SLOTS; slot++) {
      if (Atomics.load(this.views.i32, stateAt(new BlockSlot(this.views, blockSlotAt(drive.buffer, slot)))) === SlotState.POSTED) continue;
      this.r.slot = slot;
      return true;
    }
    return false;
  }
  /** Address of the data of the slot that was taken. */
  data(drive: VirtualDevice): number {
    return blockDataAt(drive.buffer, this.r.slot);
  }

  post(drive: VirtualDevice, operation: number, offset: number, bytes: number, now: number): void {
    const { r, views } = this;
    const slot = this.slot(drive);
    r.waiting = 1;
    r.dueNum = Math.floor(now + LATENCY_NS + bytes * NS_A_BYTE);
    slot.operation = operation;
    slot.offsetNum = operation === DiskOperation.FLUSH ? 0 : offset;
    slot.bytes = bytes;
    slot.failed = 0;
    const posted = (drive.buffer + BlockBufferLayout.at.posted) >>> 2;
    slot.ticket = Atomics.load(views.i32, posted) + 1;
    Atomics.store(views.i32, stateAt(slot), SlotState.POSTED);
    Atomics.add(views.i32, posted, 1);
    Atomics.notify(views.i32, posted);
  }
  giveUp(): void {
    this.r.waiting = 0;
  }

  /** Whether it went well, once it is due and over; undefined: not yet. */
  outcome(drive: VirtualDevice, now: number): boolean | undefined {
    const { r, host } = this;
    if (r.dueNum > now || !(this.waits || this.isDone(drive))) return undefined;
    const done = this.isDone(drive) || this.await(drive);
    if (!done && !host.deterministic) {
      r.dueNum = now + LOOK_AGAIN_NS;
      return undefined;
    }
    r.waiting = 0;
    return done && this.slot(drive).failed === 0;
  }
  /** When `outcome` may have one. */
  deadline(drive: VirtualDevice): number {
    return this.waits || this.isDone(drive) ? this.r.dueNum : Number.POSITIVE_INFINITY;
  }

  private slot(drive: VirtualDevice): BlockSlot {
    return new BlockSlot(this.views, blockSlotAt(drive.buffer, this.r.slot));
  }
  private get waits(): boolean {
    return this.host.patienceMs > 0;
  }
  private isDone(drive: VirtualDevice): boolean {
    return Atomics.load(this.views.i32, stateAt(this.slot(drive))) === SlotState.DONE;
  }
  private await(drive: VirtualDevice): boolean {
    return awaitDone(this.views.i32, stateAt(this.slot(drive)), this.host.patienceMs);
  }
}

const stateAt = (slot: BlockSlot): number => (slot.base + BlockSlotLayout.at.state) >>> 2;
