// The MultiProcessor Specification 1.4 tables, for guests that do not read ACPI: processors, ISA bus, I/O APIC, interrupt wiring (chapter 4).
import { APIC_DEFAULT_BASE, IO_APIC_BASE } from '../../../shared/abi/apic.js';
import { FeatureLeaf } from '../../../shared/cpu/features.js';
import type { ProcessorChoice } from '../../../shared/cpu/processor-choice.js';
import { Irq, TIMER_PIN } from '../../../shared/layout/devices.js';
import type { GuestRam } from '../guest-ram.js';
import { MP_FLOATING_AT, MP_TABLE_AT } from '../memory-map.js';
import { ACTIVE_HIGH_LEVEL } from './acpi.js';
import { TableBytes } from './table-bytes.js';

const HEADER_SIZE = 44;
const LOCAL_APIC_VERSION = 0x14;
const IO_APIC_ID = 0;
const IO_APIC_VERSION = 0x11;
const ISA_BUS = 0;
const ISA_IRQS = 16;
const ALL_LOCAL_APICS = 0xff;
const EntryType = { PROCESSOR: 0, BUS: 1, IO_APIC: 2, IO_INTERRUPT: 3, LOCAL_INTERRUPT: 4 } as const;
const InterruptType = { INT: 0, NMI: 1, EXT_INT: 3 } as const;

const processor = (index: number, { model, features }: ProcessorChoice): Uint8Array =>
  new TableBytes(20)
    .u8(0, EntryType.PROCESSOR)
    .u8(1, index)
    .u8(2, LOCAL_APIC_VERSION)
    .u8(3, index === 0 ? 3 : 1)
    .u32(4, model.signature)
    .u32(8, features.register(FeatureLeaf.BASIC_EDX)).bytes;

const interrupt = (entry: number, type: number, flags: number, irq: number, apic: number, pin: number): Uint8Array =>
  new TableBytes(8).u8(0, entry).u8(1, type).u16(2, flags).u8(4, ISA_BUS).u8(5, irq).u8(6, apic).u8(7, pin).bytes;

const entries = (vpCount: number, choice: ProcessorChoice): Uint8Array[] => {
  const list: Uint8Array[] = [];
  for (let index = 0; index < vpCount; index++) list.push(processor(index, choice));
  list.push(new TableBytes(8).u8(0, EntryType.BUS).u8(1, ISA_BUS).ascii(2, 'ISA   ').bytes);
  list.push(new TableBytes(8).u8(0, EntryType.IO_APIC).u8(1, IO_APIC_ID).u8(2, IO_APIC_VERSION).u8(3, 1).u32(4, IO_APIC_BASE).bytes);
  for (let irq = 0; irq < ISA_IRQS; irq++) {
    // The 8259s cascade through 2; the timer is wired to pin 2 instead.
    if (irq === Irq.CASCADE) continue;
    list.push(
      interrupt(
        EntryType.IO_INTERRUPT,
        InterruptType.INT,
        irq === Irq.SCI ? ACTIVE_HIGH_LEVEL : 0,
        irq,
        IO_APIC_ID,
        irq === Irq.PIT ? TIMER_PIN : irq,
      ),
    );
  }
  list.push(interrupt(EntryType.LOCAL_INTERRUPT, InterruptType.EXT_INT, 0, 0, 0, 0));
  list.push(interrupt(EntryType.LOCAL_INTERRUPT, InterruptType.NMI, 0, 0, ALL_LOCAL_APICS, 1));
  return list;
};

export const writeMpTable = (ram: GuestRam, vpCount: number, choice: ProcessorChoice): void => {
  const list = entries(vpCount, choice);
  const size = list.reduce((total, entry) => total + entry.length, HEADER_SIZE);
  const table = new TableBytes(size).ascii(0, 'PCMP').u16(4, size).u8(6, 4).ascii(8, 'HVD     ').ascii(16, 'MACHINE     ');
  table.u16(34, list.length).u32(36, APIC_DEFAULT_BASE);
  let at = HEADER_SIZE;
  for (const entry of list) {
    table.bytes.set(entry, at);
    at += entry.length;
  }
  ram.bytes(MP_TABLE_AT, table.checksum(7).bytes);
  // One 16-byte paragraph, revision 1.4, no IMCR: virtual wire mode.
  ram.bytes(MP_FLOATING_AT, new TableBytes(16).ascii(0, '_MP_').u32(4, MP_TABLE_AT).u8(8, 1).u8(9, 4).checksum(10).bytes);
};
