// What all virtio devices have in common whatever carries them: features, status, queues, and a driver that is not to be trusted (virtio 1.2, chapters 2 and 3).
// Everything runs under the partition's device lock, on the LP whose VP has touched the device, or that looks after the partition's timers.
import { VirtioFeature, VirtioStatus } from '../../../shared/abi/virtio.js';
import type { Views } from '../../../shared/layout/struct.js';
import {
  QueueLayout,
  QueueRegisters,
  VirtioRegisters,
  VirtualDevice,
  virtioAt,
  virtualDeviceAt,
} from '../../../shared/layout/virtual-devices.js';
import type { Chain } from './chain.js';
import type { DeviceRam } from './device-ram.js';
import { type QueueOwner, VirtQueue } from './virt-queue.js';

/** One type of device. All its state is in `own` of the registers; nothing it is asked may throw. */
export interface VirtioModel {
  readonly type: number;
  readonly classCode: number;
  /** Feature bits of its own, by number. */
  readonly features: readonly number[];
  /** Longest size of each queue: powers of two. */
  readonly queueSizes: readonly number[];
  /** Configuration space as the driver reads it. */
  config(): Uint8Array;
  /** The driver has told of something in the queue. */
  notified(queue: number, now: number): void;
  /** Root may have left something, something may be due, or a queue is to be gone on with. */
  serve(now: number): void;
  /** Partition time at which something is due, ns; Infinity for never. */
  deadline(): number;
  /** The registers are zero: what is under way is given up. */
  reset(): void;
}

/** Where a device's interrupts go. */
export interface Interrupts {
  queue(vector: number): void;
  config(vector: number): void;
}

/** Chains that one look at a queue takes at most are those of a ring; a driver that goes on adding is served again after this long. */
const CONTINUE_NS = 10_000;
/** Offered by every device. */
const COMMON_FEATURES = [VirtioFeature.INDIRECT_DESC, VirtioFeature.EVENT_IDX, VirtioFeature.VERSION_1];

export class VirtioDevice implements QueueOwner {
  readonly views: Views;
  readonly ram: DeviceRam;
  readonly registers: VirtioRegisters;
  /** What root has written of it, and its counters. */
  readonly entry: VirtualDevice;
  readonly queues: readonly VirtQueue[];
  readonly model: VirtioModel;
  private readonly interrupts: Interrupts;

  constructor(views: Views, index: number, ram: DeviceRam, interrupts: Interrupts, model: (device: VirtioDevice) => VirtioModel) {
    this.views = views;
    this.ram = ram;
    this.interrupts = interrupts;
    this.registers = new VirtioRegisters(views, virtioAt(index));
    this.entry = new VirtualDevice(views, virtualDeviceAt(index));
    this.model = model(this);
    this.queues = this.model.queueSizes.map(
      (_, queue) => new VirtQueue(queue, new QueueRegisters(views, this.registers.queues + queue * QueueLayout.size), ram, this),
    );
  }

  // --- what drivers do -----------------------------------------------------------------------------------------------------------------------

  /** Word 0 or 1 of what is offered. */
  offered(word: number): number {
    let bits = 0;
    for (const bit of [...COMMON_FEATURES, ...this.model.features]) if (bit >>> 5 === word) bits |= 1 << (bit & 31);
    return bits >>> 0;
  }
  has(feature: number): boolean {
    const { driverFeaturesLow, driverFeaturesHigh } = this.registers;
    return (((feature < 32 ? driverFeaturesLow : driverFeaturesHigh) >>> (feature & 31)) & 1) !== 0;
  }
  accept(word: number, features: number): void {
    if ((this.registers.status & VirtioStatus.FEATURES_OK) !== 0) return;
    if (word === 0) this.registers.driverFeaturesLow = features;
    else if (word === 1) this.registers.driverFeaturesHigh = features;
  }

  /** Zero resets; other bits are only ever added. FEATURES_OK stays off where the features will not do (3.1.1, step 5). */
  setStatus(status: number, now: number): void {
    const { registers } = this;
    if (status === 0) {
      this.reset();
      return;
    }
    const before = registers.status;
    let after = before | (status & ~VirtioStatus.NEEDS_RESET);
    if ((before & VirtioStatus.FEATURES_OK) === 0 && !this.featuresWillDo) after &= ~VirtioStatus.FEATURES_OK;
    registers.status = after;
    // What was made available before DRIVER_OK was not to be looked at until now.
    if ((after & ~before & VirtioStatus.DRIVER_OK) !== 0 && this.isLive) this.model.serve(now);
  }
  private get featuresWillDo(): boolean {
    const { driverFeaturesLow, driverFeaturesHigh } = this.registers;
    return (
      (driverFeaturesLow & ~this.offered(0)) === 0 && (driverFeaturesHigh & ~this.offered(1)) === 0 && this.has(VirtioFeature.VERSION_1)
    );
  }

  enable(queue: VirtQueue): void {
    if (queue.registers.enabled !== 0) return;
    if (queue.isSound) queue.registers.enabled = 1;
    else this.violated();
  }
  notify(queue: number, now: number): void {
    this.entry.notifications++;
    if (queue < this.queues.length && this.queues[queue].isLive) this.model.notified(queue, now);
  }

  /** Also when the partition is: its memory is zero then. */
  reset(): void {
    const { registers } = this;
    registers.views.u8.fill(0, registers.base, registers.msix);
    registers.configVector = 0xffff;
    for (const queue of this.queues) queue.reset(this.model.queueSizes[queue.index]);
    this.model.reset();
  }

  // --- what models do ------------------------------------------------------------------------------------------------------------------------

  get isLive(): boolean {
    return (this.registers.status & (VirtioStatus.DRIVER_OK | VirtioStatus.FAILED | VirtioStatus.NEEDS_RESET)) === VirtioStatus.DRIVER_OK;
  }
  get eventIndex(): boolean {
    return this.has(VirtioFeature.EVENT_IDX);
  }
  get indirect(): boolean {
    return this.has(VirtioFeature.INDIRECT_DESC);
  }

  /**
   * Hands the queue's chains to `use` one by one, until there is none or `use` cannot take this one now (false). At most a ring of them: whoever goes on adding waits a
   * little. The driver is told of what was given back.
   */
  drain(queue: VirtQueue, now: number, use: (chain: Chain) => boolean): void {
    let left = queue.registers.size;
    for (let chain = queue.peek(); chain !== undefined; chain = queue.peek()) {
      if (left-- === 0) {
        this.registers.continueAtNum = now + CONTINUE_NS;
        break;
      }
      if (!use(chain)) break;
      queue.take();
    }
    queue.tell();
  }

  /** The driver did what no driver may do: nothing more is done for it until it resets the device (2.1.2). */
  violated(): void {
    const { registers } = this;
    if ((registers.status & VirtioStatus.NEEDS_RESET) !== 0) return;
    registers.status |= VirtioStatus.NEEDS_RESET;
    this.entry.violations++;
    if ((registers.status & VirtioStatus.DRIVER_OK) !== 0) this.configChanged();
  }
  configChanged(): void {
    this.registers.generation++;
    this.interrupts.config(this.registers.configVector);
  }
  interrupt(queue: VirtQueue): void {
    this.entry.interrupts++;
    this.interrupts.queue(queue.registers.vector);
  }

  // --- time ----------------------------------------------------------------------------------------------------------------------------------

  deadline(): number {
    if (!this.isLive) return Number.POSITIVE_INFINITY;
    return Math.min(this.registers.continueAtNum || Number.POSITIVE_INFINITY, this.model.deadline());
  }
  advance(now: number): void {
    if (this.deadline() > now) return;
    this.registers.continueAt = 0n;
    this.model.serve(now);
  }
  /** Root has left something for it. */
  serve(now: number): void {
    if (this.isLive) this.model.serve(now);
  }
}
