// A virtio device as a PCI function: its registers as structures in a BAR, MSI-X in another, INTA# for drivers without (virtio 1.2, 4.1). Modern only.
//
//   BAR 0, 64-bit:  +0x0000 common configuration   +0x1000 ISR   +0x2000 the device's configuration   +0x3000 notification, a word a queue
//   BAR 2, 32-bit:  +0x0000 MSI-X table   +0x0800 pending bits
import {
  CommonConfig,
  Isr,
  NO_VECTOR,
  VIRTIO_PCI_DEVICE,
  VIRTIO_PCI_VENDOR,
  VirtioCapability,
  VirtioStatus,
} from '../../../shared/abi/virtio.js';
import { PlatformAddress } from '../../../shared/layout/devices.js';
import type { Views } from '../../../shared/layout/struct.js';
import { MSIX_VECTORS, VirtioLayout, virtioAt } from '../../../shared/layout/virtual-devices.js';
import type { PlatformHost } from '../host.js';
import type { IrqLine } from '../interrupt-lines.js';
import { Msix, msixCapability } from '../pci/msix.js';
import type { PciBar, PciCapability, PciDevice, PciFunction, PciIdentity } from '../pci/pci-function.js';
import { CommonRegisters } from './common-registers.js';
import type { DeviceRam } from './device-ram.js';
import { VirtioDevice, type VirtioModel } from './virtio-device.js';

const STRUCTURES_BYTES = 0x4000;
const MESSAGES_BYTES = 0x1000;
/** Of each device's memory in the host bridge's window. */
const WINDOW_BYTES = 0x8000;
const Part = { COMMON: 0, ISR: 1, DEVICE: 2, NOTIFY: 3 } as const;
const PART_SHIFT = 12;
const NOTIFY_BYTES = 4;
const PENDING_AT = 0x800;
const VENDOR_CAPABILITY = 0x09;
/** Index in `capabilities` of the one through which configuration space reaches the BAR, and its fields. */
const WINDOW_CAPABILITY = 5;
const WindowField = { BAR: 4, OFFSET: 8, LENGTH: 12, DATA: 16 } as const;

const word = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
/** struct virtio_pci_cap behind its ID and link; `more` follows it. */
const structure = (type: number, offset: number, length: number, more: readonly number[] = []): PciCapability => ({
  id: VENDOR_CAPABILITY,
  bytes: [16 + more.length, type, 0, 0, 0, 0, ...word(offset), ...word(length), ...more],
});
const every = (from: number, count: number): Record<number, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [from + i, 0xff]));

export class VirtioPci implements PciDevice {
  readonly device: VirtioDevice;
  readonly identity: PciIdentity;
  readonly bars: readonly PciBar[];
  readonly capabilities: readonly PciCapability[];
  private readonly common: CommonRegisters;
  private readonly msix: Msix;
  private readonly line: IrqLine;
  private one: PciFunction | undefined;

  /** `index`: of the partition's virtual devices; `irq`: where `line` leads. */
  constructor(
    views: Views,
    index: number,
    ram: DeviceRam,
    host: PlatformHost,
    line: IrqLine,
    irq: number,
    model: (device: VirtioDevice) => VirtioModel,
  ) {
    const at = virtioAt(index);
    this.line = line;
    this.msix = new Msix(
      views,
      { table: at + VirtioLayout.at.msix, pending: at + VirtioLayout.at.pendingVectors, vectors: MSIX_VECTORS },
      host.deliver,
    );
    this.device = new VirtioDevice(
      views,
      index,
      ram,
      { queue: (vector) => this.interrupt(Isr.QUEUE, vector), config: (vector) => this.interrupt(Isr.CONFIG, vector) },
      model,
    );
    this.common = new CommonRegisters(this.device, MSIX_VECTORS);
    const { type, classCode } = this.device.model;
    this.identity = {
      vendor: VIRTIO_PCI_VENDOR,
      device: VIRTIO_PCI_DEVICE + type,
      classCode,
      revision: 1,
      subsystemVendor: VIRTIO_PCI_VENDOR,
      subsystem: 0x1100,
      irq,
    };
    const window = PlatformAddress.PCI_MEMORY + index * WINDOW_BYTES;
    this.bars = [
      { register: 0, bytes: STRUCTURES_BYTES, wide: true, address: window },
      { register: 2, bytes: MESSAGES_BYTES, wide: false, address: window + STRUCTURES_BYTES },
    ];
    const part = (number: number): number => number << PART_SHIFT;
    const { length } = this.device.model.config();
    this.capabilities = [
      msixCapability(MSIX_VECTORS, 2, 0, PENDING_AT),
      structure(VirtioCapability.COMMON, part(Part.COMMON), CommonConfig.BYTES),
      structure(VirtioCapability.NOTIFY, part(Part.NOTIFY), this.device.queues.length * NOTIFY_BYTES, word(NOTIFY_BYTES)),
      structure(VirtioCapability.ISR, part(Part.ISR), 1),
      structure(VirtioCapability.DEVICE, part(Part.DEVICE), length),
      { ...structure(VirtioCapability.PCI, 0, 0, word(0)), writable: { [WindowField.BAR]: 0xff, ...every(WindowField.OFFSET, 12) } },
    ];
  }

  attach(one: PciFunction): void {
    this.one = one;
    this.msix.attach(one, one.capability(0));
  }

  /** The partition's: the registers' memory is zero. */
  reset(): void {
    this.msix.reset();
    this.device.reset();
  }

  memoryRead(bar: number, offset: number, bytes: number): number {
    if (bar === 1) return offset >= PENDING_AT ? this.msix.pendingRead(offset - PENDING_AT, bytes) : this.msix.tableRead(offset, bytes);
    const at = offset & ((1 << PART_SHIFT) - 1);
    switch (offset >>> PART_SHIFT) {
      case Part.COMMON:
        return this.common.read(at, bytes);
      case Part.ISR:
        return at === 0 ? this.takeIsr() : 0;
      case Part.DEVICE:
        return this.configuration(at, bytes);
      default:
        return 0;
    }
  }

  memoryWrite(bar: number, offset: number, bytes: number, value: number, now: number): void {
    if (bar === 1) {
      if (offset < PENDING_AT) this.msix.tableWrite(offset, bytes, value);
      return;
    }
    const at = offset & ((1 << PART_SHIFT) - 1);
    const part = offset >>> PART_SHIFT;
    // No device here has configuration that drivers may write.
    if (part === Part.NOTIFY) this.device.notify(at / NOTIFY_BYTES, now);
    else if (part === Part.COMMON) {
      this.common.write(at, bytes, value, now);
      if ((this.device.registers.status & ~VirtioStatus.NEEDS_RESET) === 0) this.quiet();
    }
  }

  configReading(offset: number, bytes: number): void {
    if (!this.isWindowData(offset, bytes)) return;
    const target = this.windowTarget();
    if (target !== undefined) this.one?.set(this.window + WindowField.DATA, target.bytes, this.memoryRead(0, target.offset, target.bytes));
  }
  configWritten(offset: number, bytes: number, now: number): void {
    const target = this.isWindowData(offset, bytes) ? this.windowTarget() : undefined;
    if (target !== undefined)
      this.memoryWrite(0, target.offset, target.bytes, this.one?.get(this.window + WindowField.DATA, target.bytes) ?? 0, now);
    // Command register and message control.
    this.msix.sendPending();
    this.updateLine();
  }

  private configuration(offset: number, bytes: number): number {
    const config = this.device.model.config();
    let value = 0;
    for (let i = 0; i < bytes; i++) value += (config[offset + i] ?? 0) * 2 ** (8 * i);
    return value;
  }

  private interrupt(cause: number, vector: number): void {
    if (this.msix.isEnabled) {
      if (vector !== NO_VECTOR) this.msix.raise(vector);
      return;
    }
    this.device.registers.isr |= cause;
    this.updateLine();
  }
  private takeIsr(): number {
    const { isr } = this.device.registers;
    this.device.registers.isr = 0;
    this.updateLine();
    return isr;
  }
  private updateLine(): void {
    const asserted = this.device.registers.isr !== 0 && !this.msix.isEnabled;
    this.one?.setInterruptStatus(asserted);
    this.line.set(asserted && this.one?.interruptDisabled === false);
  }
  /** After a reset of the device. */
  private quiet(): void {
    this.msix.forget();
    this.updateLine();
  }

  // --- the window in configuration space (4.1.4.9) ---------------------------------------------------------------------------------------------

  private get window(): number {
    return this.one?.capability(WINDOW_CAPABILITY) ?? 0;
  }
  private isWindowData(offset: number, bytes: number): boolean {
    const at = this.window + WindowField.DATA;
    return offset < at + 4 && offset + bytes > at;
  }
  /** What the window shows, where its fields make sense. */
  private windowTarget(): { offset: number; bytes: number } | undefined {
    const { one, window } = this;
    if (one === undefined || one.get(window + WindowField.BAR, 1) !== 0) return undefined;
    const offset = one.get(window + WindowField.OFFSET, 4);
    const bytes = one.get(window + WindowField.LENGTH, 4);
    return (bytes === 1 || bytes === 2 || bytes === 4) && offset % bytes === 0 && offset + bytes <= STRUCTURES_BYTES
      ? { offset, bytes }
      : undefined;
  }
}
