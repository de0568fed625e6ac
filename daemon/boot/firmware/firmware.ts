// All that firmware leaves in a partition's RAM for the operating system to find.
import type { GuestRam } from '../guest-ram.js';
import { acpiBase, BIOS_ROM, MIB } from '../memory-map.js';
import { type PartitionSpec, processorOf } from '../partition-spec.js';
import { writeAcpi } from './acpi.js';
import { writeBiosData } from './bios-data.js';
import { writeMpTable } from './mp-table.js';

export const writeFirmware = (ram: GuestRam, spec: PartitionSpec): void => {
  const processor = processorOf(spec);
  ram.fill(BIOS_ROM, MIB - BIOS_ROM, 0);
  writeBiosData(ram);
  writeAcpi(ram, acpiBase(spec.ramSize), spec);
  // Without local APICs there is only the 8259 pair, and nothing to describe.
  if (processor.features.has('apic')) writeMpTable(ram, spec.vpCount, processor);
};
