// All that firmware leaves in a partition's RAM for the operating system to find.
import type { ProcessorChoice } from '../../../shared/cpu/processor-choice.js';
import type { GuestRam } from '../guest-ram.js';
import { acpiBase, BIOS_ROM, MIB } from '../memory-map.js';
import { writeAcpi } from './acpi.js';
import { writeBiosData } from './bios-data.js';
import { writeMpTable } from './mp-table.js';

export const writeFirmware = (ram: GuestRam, ramSize: number, vpCount: number, processor: ProcessorChoice, vmbus: boolean): void => {
  ram.fill(BIOS_ROM, MIB - BIOS_ROM, 0);
  writeBiosData(ram);
  writeAcpi(ram, acpiBase(ramSize), vpCount, vmbus);
  // Without local APICs there is only the 8259 pair, and nothing to describe.
  if (processor.features.has('apic')) writeMpTable(ram, vpCount, processor);
};
