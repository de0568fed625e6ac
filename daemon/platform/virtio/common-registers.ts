// The common configuration structure of a virtio PCI device (virtio 1.2, 4.1.4.3): fields in their natural width, 64-bit ones by halves.
import { CommonConfig, NO_VECTOR } from '../../../shared/abi/virtio.js';
import type { VirtQueue } from './virt-queue.js';
import type { VirtioDevice } from './virtio-device.js';

type Half = 'descriptorsLo' | 'descriptorsHi' | 'availLo' | 'availHi' | 'usedLo' | 'usedHi';
const HALVES: Readonly<Record<number, Half>> = {
  [CommonConfig.QUEUE_DESCRIPTORS]: 'descriptorsLo',
  [CommonConfig.QUEUE_DESCRIPTORS + 4]: 'descriptorsHi',
  [CommonConfig.QUEUE_AVAIL]: 'availLo',
  [CommonConfig.QUEUE_AVAIL + 4]: 'availHi',
  [CommonConfig.QUEUE_USED]: 'usedLo',
  [CommonConfig.QUEUE_USED + 4]: 'usedHi',
};

export class CommonRegisters {
  private readonly device: VirtioDevice;
  private readonly vectors: number;
  private readonly window = new DataView(new ArrayBuffer(CommonConfig.BYTES + 8));

  constructor(device: VirtioDevice, vectors: number) {
    this.device = device;
    this.vectors = vectors;
  }

  read(offset: number, bytes: number): number {
    if (offset >= CommonConfig.BYTES) return 0;
    this.fill();
    if (bytes === 1) return this.window.getUint8(offset);
    return bytes === 2 ? this.window.getUint16(offset, true) : this.window.getUint32(offset, true);
  }

  /** Writes of another width than the field's are no driver's, and are ignored. */
  write(offset: number, bytes: number, value: number, now: number): void {
    const { device } = this;
    const { registers } = device;
    if (bytes === 1) {
      if (offset === CommonConfig.STATUS) device.setStatus(value, now);
    } else if (bytes === 2) this.write16(offset, value);
    else {
      const half = HALVES[offset];
      if (offset === CommonConfig.DEVICE_FEATURE_SELECT) registers.deviceFeatureSelect = value;
      else if (offset === CommonConfig.DRIVER_FEATURE_SELECT) registers.driverFeatureSelect = value;
      else if (offset === CommonConfig.DRIVER_FEATURE) device.accept(registers.driverFeatureSelect, value);
      else if (half !== undefined) {
        this.changing(({ registers }) => {
          registers[half] = value;
        });
      }
    }
  }

  private write16(offset: number, value: number): void {
    const { device } = this;
    const { registers } = device;
    const vector = value < this.vectors ? value : NO_VECTOR;
    switch (offset) {
      case CommonConfig.CONFIG_VECTOR:
        registers.configVector = vector;
        break;
      case CommonConfig.QUEUE_SELECT:
        registers.queueSelect = value;
        break;
      case CommonConfig.QUEUE_SIZE:
        this.changing((queue) => {
          if (value <= device.model.queueSizes[queue.index]) queue.registers.size = value;
        });
        break;
      case CommonConfig.QUEUE_VECTOR:
        if (this.queue !== undefined) this.queue.registers.vector = vector;
        break;
      case CommonConfig.QUEUE_ENABLE:
        if (this.queue !== undefined && value === 1) device.enable(this.queue);
        break;
    }
  }

  private get queue(): VirtQueue | undefined {
    return this.device.queues[this.device.registers.queueSelect];
  }
  /** The selected queue's places are settled once it is enabled (4.1.4.3.2). */
  private changing(change: (queue: VirtQueue) => void): void {
    if (this.queue !== undefined && this.queue.registers.enabled === 0) change(this.queue);
  }

  private fill(): void {
    const { device, window } = this;
    const { registers } = device;
    const C = CommonConfig;
    window.setUint32(C.DEVICE_FEATURE_SELECT, registers.deviceFeatureSelect, true);
    window.setUint32(C.DEVICE_FEATURE, device.offered(registers.deviceFeatureSelect), true);
    window.setUint32(C.DRIVER_FEATURE_SELECT, registers.driverFeatureSelect, true);
    const accepted = [registers.driverFeaturesLow, registers.driverFeaturesHigh][registers.driverFeatureSelect] ?? 0;
    window.setUint32(C.DRIVER_FEATURE, accepted, true);
    window.setUint16(C.CONFIG_VECTOR, registers.configVector, true);
    window.setUint16(C.QUEUES, device.queues.length, true);
    window.setUint8(C.STATUS, registers.status);
    window.setUint8(C.GENERATION, registers.generation);
    window.setUint16(C.QUEUE_SELECT, registers.queueSelect, true);
    const queue = this.queue?.registers;
    window.setUint16(C.QUEUE_SIZE, queue?.size ?? 0, true);
    window.setUint16(C.QUEUE_VECTOR, queue?.vector ?? NO_VECTOR, true);
    window.setUint16(C.QUEUE_ENABLE, queue?.enabled ?? 0, true);
    window.setUint16(C.QUEUE_NOTIFY_OFFSET, queue === undefined ? 0 : registers.queueSelect, true);
    for (const [offset, half] of Object.entries(HALVES)) window.setUint32(Number(offset), queue?.[half] ?? 0, true);
  }
}
