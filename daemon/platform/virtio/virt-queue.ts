// A split virtqueue from the device's side (virtio 1.2, 2.7): takes chains that the driver has made available, gives them back used, says when the driver is to be told.
//
//   driver: fills the ring; avail.idx += n; looks at used.avail_event (EVENT_IDX) -> notifies
//   device: takes all; used.avail_event := taken; looks at avail.idx once more: one that was added before the driver could see the event is not left lying
// and the same the other way round for used.idx and avail.used_event. Both sides have a barrier between their store and their look; the device's is that of Atomics.
import { AVAIL_NO_INTERRUPT, DESCRIPTOR_BYTES, RING_HEADER_BYTES, USED_ELEMENT_BYTES } from '../../../shared/abi/virtio.js';
import type { QueueRegisters } from '../../../shared/layout/virtual-devices.js';
import { Chain } from './chain.js';
import type { DeviceRam } from './device-ram.js';

/** What the transport knows of the device that has the queue. */
export interface QueueOwner {
  /** The driver is ready and has done nothing wrong so far. */
  readonly isLive: boolean;
  readonly eventIndex: boolean;
  readonly indirect: boolean;
  /** The driver did what no driver may do: the device needs a reset. */
  violated(): void;
  interrupt(queue: VirtQueue): void;
}

export class VirtQueue {
  readonly index: number;
  readonly registers: QueueRegisters;
  private readonly ram: DeviceRam;
  private readonly owner: QueueOwner;

  constructor(index: number, registers: QueueRegisters, ram: DeviceRam, owner: QueueOwner) {
    this.index = index;
    this.registers = registers;
    this.ram = ram;
    this.owner = owner;
  }

  /** Whether the device may use it: looked at again before every use, for a driver may write these registers at any time. */
  get isLive(): boolean {
    return this.registers.enabled !== 0 && this.owner.isLive;
  }

  /** The rings lie in RAM and are aligned (2.7, table): asked when the driver enables the queue. */
  get isSound(): boolean {
    const { size, descriptorsNum, availNum, usedNum } = this.registers;
    const { ram } = this;
    return (
      size > 0 &&
      (size & (size - 1)) === 0 &&
      descriptorsNum % 16 === 0 &&
      availNum % 2 === 0 &&
      usedNum % 4 === 0 &&
      descriptorsNum >= 0 &&
      availNum >= 0 &&
      usedNum >= 0 &&
      ram.holds(descriptorsNum, size * DESCRIPTOR_BYTES) &&
      ram.holds(availNum, RING_HEADER_BYTES + size * 2 + 2) &&
      ram.holds(usedNum, RING_HEADER_BYTES + size * USED_ELEMENT_BYTES + 2)
    );
  }

  /** Chains that are there to be taken; -1 when the driver's index is nonsense. */
  private available(): number {
    const { availNum, taken, size } = this.registers;
    const count = (this.ram.load16(availNum + 2) - taken) & 0xffff;
    return count > size ? -1 : count;
  }

  /** The next chain, which stays where it is until `take`; undefined when there is none (or the driver has gone wrong). */
  peek(): Chain | undefined {
    if (!this.isLive) return undefined;
    const { registers, ram } = this;
    let count = this.available();
    if (count === 0 && this.owner.eventIndex) {
      ram.store16(registers.usedNum + RING_HEADER_BYTES + registers.size * USED_ELEMENT_BYTES, registers.taken);
      count = this.available();
    }
    if (count === 0) return undefined;
    const head =
      count < 0 ? registers.size : ram.load16(registers.availNum + RING_HEADER_BYTES + (registers.taken & (registers.size - 1)) * 2);
    return this.chain(head);
  }
  take(): void {
    this.registers.taken = (this.registers.taken + 1) & 0xffff;
  }
  /** A chain that was taken before, as it is now. */
  chain(head: number): Chain | undefined {
    if (!this.isLive) return undefined;
    const { descriptorsNum, size } = this.registers;
    const chain = head < size ? Chain.read(this.ram, descriptorsNum, size, head, this.owner.indirect) : undefined;
    if (chain === undefined) this.owner.violated();
    return chain;
  }

  /** Gives a chain back, `written` bytes of which the device has stored. The driver hears of it by `tell`. */
  give(head: number, written: number): void {
    if (!this.isLive) return;
    const { registers, ram } = this;
    const at = registers.usedNum + RING_HEADER_BYTES + (registers.given & (registers.size - 1)) * USED_ELEMENT_BYTES;
    ram.store64(at, head, written);
    registers.given = (registers.given + 1) & 0xffff;
    ram.store16(registers.usedNum + 2, registers.given);
  }

  /** Interrupts the driver if something was given since it was last told and it wants to know. */
  tell(): void {
    const { registers, ram } = this;
    if (registers.given === registers.told || !this.isLive) return;
    const since = (registers.given - registers.told) & 0xffff;
    registers.told = registers.given;
    const { availNum, size, given } = registers;
    if (this.owner.eventIndex) {
      // 2.7.10: its event index is among those that were given since.
      const event = ram.load16(availNum + RING_HEADER_BYTES + size * 2);
      if (((given - event - 1) & 0xffff) >= since) return;
    } else if ((ram.load16(availNum) & AVAIL_NO_INTERRUPT) !== 0) return;
    this.owner.interrupt(this);
  }

  reset(maximum: number): void {
    const { registers } = this;
    registers.views.u8.fill(0, registers.base, registers.base + 64);
    registers.size = maximum;
    registers.vector = 0xffff;
  }
}
