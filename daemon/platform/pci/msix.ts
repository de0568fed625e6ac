// MSI-X of one function: a table of messages in its memory, each with a mask, and the bits of those that wait for theirs (PCI Local Bus Specification 3.0, 6.8.2, 6.8.3).
// A message is a store of the device's to the processors' interrupt address (SDM 3A 11.11): it goes the way of every other interrupt message.

import type { Views } from '../../../shared/layout/struct.js';
import { MSIX_ENTRY_BYTES } from '../../../shared/layout/virtual-devices.js';
import type { PlatformHost } from '../host.js';
import type { PciCapability, PciFunction } from './pci-function.js';

const CAPABILITY_ID = 0x11;
/** Message control, at byte 2 of the capability. */
const CONTROL = 2;
const Control = { FUNCTION_MASK: 1 << 14, ENABLE: 1 << 15 } as const;
const Entry = { ADDRESS: 0, ADDRESS_HIGH: 4, DATA: 8, VECTOR_CONTROL: 12 } as const;
const MASKED = 1;
/** Address bits of an interrupt message, its destination, and the logical mode. */
const INTERRUPT_ADDRESS = 0xfee0_0000;
const DESTINATION_SHIFT = 12;
const LOGICAL = 1 << 2;
const MODE_SHIFT = 8;

/** Both structures are in the memory of the BAR with register `bar`; control bits that the guest may change. */
export const msixCapability = (vectors: number, bar: number, table: number, pending: number): PciCapability => {
  const word = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
  return {
    id: CAPABILITY_ID,
    bytes: [(vectors - 1) & 0xff, (vectors - 1) >>> 8, ...word(table | bar), ...word(pending | bar)],
    writable: { [CONTROL + 1]: (Control.ENABLE | Control.FUNCTION_MASK) >>> 8 },
  };
};

export interface MsixPlace {
  /** Address of the table in partition memory, and of the word of pending bits. */
  readonly table: number;
  readonly pending: number;
  readonly vectors: number;
}

export class Msix {
  private readonly views: Views;
  private readonly place: MsixPlace;
  private readonly deliver: PlatformHost['deliver'];
  private one: PciFunction | undefined;
  private capability = 0;

  constructor(views: Views, place: MsixPlace, deliver: PlatformHost['deliver']) {
    this.views = views;
    this.place = place;
    this.deliver = deliver;
  }

  /** The function that it is of, and where its capability is. */
  attach(one: PciFunction, capability: number): void {
    this.one = one;
    this.capability = capability;
  }

  /** The table is zeroed already. */
  reset(): void {
    for (let vector = 0; vector < this.place.vectors; vector++) this.views.u8[this.entry(vector) + Entry.VECTOR_CONTROL] = MASKED;
  }

  get isEnabled(): boolean {
    return (this.control & Control.ENABLE) !== 0;
  }

  /** Sends the message of a vector, or keeps it until it is unmasked. */
  raise(vector: number): void {
    if (vector >= this.place.vectors || !this.isEnabled) return;
    this.pending |= 1 << vector;
    this.sendPending();
  }
  /** Masks, or the control register, may have changed. */
  sendPending(): void {
    if (this.pending === 0 || (this.control & (Control.ENABLE | Control.FUNCTION_MASK)) !== Control.ENABLE || !this.one?.isMaster) return;
    for (let vector = 0; vector < this.place.vectors; vector++) {
      if ((this.pending & (1 << vector)) === 0 || (this.views.u8[this.entry(vector) + Entry.VECTOR_CONTROL] & MASKED) !== 0) continue;
      this.pending &= ~(1 << vector);
      this.send(vector);
    }
  }
  /** The device forgets what it has not sent. */
  forget(): void {
    this.pending = 0;
  }

  tableRead(offset: number, bytes: number): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) value += this.has(offset + i) ? this.views.u8[this.place.table + offset + i] * 2 ** (8 * i) : 0;
    return value;
  }
  tableWrite(offset: number, bytes: number, value: number): void {
    for (let i = 0; i < bytes; i++) {
      if (!this.has(offset + i)) continue;
      const at = (offset + i) % MSIX_ENTRY_BYTES;
      const mask = at === Entry.ADDRESS ? 0xfc : at < Entry.VECTOR_CONTROL ? 0xff : at === Entry.VECTOR_CONTROL ? MASKED : 0;
      this.views.u8[this.place.table + offset + i] = (value >>> (8 * i)) & mask;
    }
    this.sendPending();
  }
  pendingRead(offset: number, bytes: number): number {
    return offset >= 4 ? 0 : Math.floor(this.pending / 2 ** (8 * offset)) % 2 ** (8 * bytes);
  }

  private has(offset: number): boolean {
    return offset < this.place.vectors * MSIX_ENTRY_BYTES;
  }
  private entry(vector: number): number {
    return this.place.table + vector * MSIX_ENTRY_BYTES;
  }
  private get control(): number {
    return this.one?.get(this.capability + CONTROL, 2) ?? 0;
  }
  private get pending(): number {
    return this.views.u32[this.place.pending >>> 2];
  }
  private set pending(bits: number) {
    this.views.u32[this.place.pending >>> 2] = bits;
  }

  /** A message to any other address is a store to memory that is not there, or that no driver means. */
  private send(vector: number): void {
    const { u32 } = this.views;
    const at = this.entry(vector) >>> 2;
    const address = u32[at];
    const data = u32[at + Entry.DATA / 4];
    if (u32[at + Entry.ADDRESS_HIGH / 4] !== 0 || (address & 0xfff0_0000) >>> 0 !== INTERRUPT_ADDRESS) return;
    this.deliver((address >>> DESTINATION_SHIFT) & 0xff, (address & LOGICAL) !== 0, (data >>> MODE_SHIFT) & 7, data & 0xff, false);
  }
}
