// The guest's physical memory map, as E820 tells it (ACPI 6.5 15.1), and where the firmware keeps its own things in it.
import { APIC_DEFAULT_BASE, IO_APIC_BASE } from '../../shared/abi/apic.js';

export const KIB = 1024;
export const MIB = 1024 * KIB;

export const E820Type = { USABLE: 1, RESERVED: 2, ACPI_RECLAIMABLE: 3 } as const;
export interface E820Entry {
  readonly base: number;
  readonly size: number;
  readonly type: number;
}

/** End of conventional memory: the extended BIOS data area begins. */
export const EBDA = 0x9_fc00;
export const EBDA_SIZE = 0x400;
/** Interrupt vectors and BIOS data: no image is loaded below. */
export const LOW_START = 0x1000;
export const BIOS_ROM = 0xf_0000;
export const RSDP_AT = BIOS_ROM;
export const MP_FLOATING_AT = BIOS_ROM + 0x40;
export const MP_TABLE_AT = BIOS_ROM + 0x100;
export const ACPI_SIZE = 64 * KIB;
/** Below this size there is no room above 1 MiB, and the ACPI tables stand in the ROM area. */
const SMALL_RAM = 2 * MIB;

export const acpiBase = (ramSize: number): number => (ramSize < SMALL_RAM ? 0xe_0000 : ramSize - ACPI_SIZE);
/** End of the RAM above 1 MiB that a guest may use. */
export const highEnd = (ramSize: number): number => (ramSize < SMALL_RAM ? ramSize : acpiBase(ramSize));

export const e820 = (ramSize: number): readonly E820Entry[] => {
  const entries: E820Entry[] = [
    { base: 0, size: EBDA, type: E820Type.USABLE },
    { base: EBDA, size: EBDA_SIZE, type: E820Type.RESERVED },
  ];
  const rom = ramSize < SMALL_RAM ? acpiBase(ramSize) : BIOS_ROM;
  entries.push({ base: rom, size: MIB - rom, type: E820Type.RESERVED });
  if (highEnd(ramSize) > MIB) entries.push({ base: MIB, size: highEnd(ramSize) - MIB, type: E820Type.USABLE });
  if (ramSize >= SMALL_RAM) entries.push({ base: acpiBase(ramSize), size: ACPI_SIZE, type: E820Type.ACPI_RECLAIMABLE });
  entries.push(
    { base: IO_APIC_BASE, size: 4 * KIB, type: E820Type.RESERVED },
    { base: APIC_DEFAULT_BASE, size: 4 * KIB, type: E820Type.RESERVED },
  );
  return entries;
};
