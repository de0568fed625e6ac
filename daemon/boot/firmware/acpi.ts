// The ACPI tables: RSDP, RSDT, XSDT, FADT, FACS, MADT, DSDT (ACPI 6.5 5.2), describing the VPs, the I/O APIC and the fixed hardware; with several nodes, the SRAT.
import { APIC_DEFAULT_BASE, IO_APIC_BASE } from '../../../shared/abi/apic.js';
import { hasVmbus, NO_HYPERV } from '../../../shared/hyperv/hyperv-choice.js';
import { Irq, PlatformAddress, TIMER_PIN } from '../../../shared/layout/devices.js';
import type { GuestRam } from '../guest-ram.js';
import { ACPI_SIZE, RSDP_AT } from '../memory-map.js';
import type { PartitionSpec } from '../partition-spec.js';
import { dsdtBody } from './dsdt.js';
import { sratBody } from './srat.js';
import { TableBytes } from './table-bytes.js';

const HEADER_SIZE = 36;
/** Fixed feature flags (table 5.9): WBINVD, PROC_C1, no sleep button, no RTC wake in fixed registers, RESET_REG. The PM timer has 24 bits. */
const FADT_FLAGS = (1 << 0) | (1 << 2) | (1 << 5) | (1 << 6) | (1 << 10);
/** IA-PC boot flags (table 5.10): legacy devices, 8042. */
const BOOT_FLAGS = 0x3;
/** A latency above the limit says that there is no C2, C3 (5.2.9). */
const NO_C2 = 0x0fff;
const NO_C3 = 0x0fff;
const IO_SPACE = 1;
const MADT_PCAT_COMPATIBLE = 1;
/** MPS INTI flags: active high, level. */
export const ACTIVE_HIGH_LEVEL = 0x000d;

const sdt = (signature: string, revision: number, bodySize: number): TableBytes =>
  new TableBytes(HEADER_SIZE + bodySize)
    .ascii(0, signature)
    .u32(4, HEADER_SIZE + bodySize)
    .u8(8, revision)
    .ascii(10, 'HVD   ')
    .ascii(16, 'HVDTABLE')
    .u32(24, 1)
    .ascii(28, 'HVD ')
    .u32(32, 1);

const withBody = (signature: string, revision: number, body: Uint8Array): Uint8Array => {
  const table = sdt(signature, revision, body.length);
  table.bytes.set(body, HEADER_SIZE);
  return table.checksum(9).bytes;
};

/** Generic address structure of an I/O port block (table 5.1). */
const gas = (table: TableBytes, at: number, port: number, bytes: number): void => {
  table
    .u8(at, IO_SPACE)
    .u8(at + 1, bytes * 8)
    .u8(at + 3, 0)
    .u64(at + 4, port);
};

const fadt = (facs: number, dsdt: number): Uint8Array => {
  const table = sdt('FACP', 3, 244 - HEADER_SIZE);
  const { PM1A_EVENT, PM1A_CONTROL, PM_TIMER, GPE0, GPE0_BYTES } = PlatformAddress;
  table.u32(36, facs).u32(40, dsdt).u16(46, Irq.SCI);
  table.u32(56, PM1A_EVENT).u32(64, PM1A_CONTROL).u32(76, PM_TIMER).u32(80, GPE0);
  table.u8(88, 4).u8(89, 2).u8(91, 4).u8(92, GPE0_BYTES);
  table.u16(96, NO_C2).u16(98, NO_C3).u8(108, PlatformAddress.CMOS_CENTURY).u16(109, BOOT_FLAGS).u32(112, FADT_FLAGS);
  gas(table, 116, PlatformAddress.RESET_CONTROL, 1);
  table.u8(128, PlatformAddress.RESET_VALUE);
  // X_FIRMWARE_CTRL stays 0: FIRMWARE_CTRL is there, and the two must not both be (5.2.9).
  table.u64(140, dsdt);
  gas(table, 148, PM1A_EVENT, 4);
  gas(table, 172, PM1A_CONTROL, 2);
  gas(table, 208, PM_TIMER, 4);
  gas(table, 220, GPE0, GPE0_BYTES);
  return table.checksum(9).bytes;
};

const madt = (vpCount: number): Uint8Array => {
  const entries: number[][] = [];
  for (let index = 0; index < vpCount; index++) entries.push([0, 8, index, index, 1, 0, 0, 0]);
  const dword = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
  entries.push([1, 12, 0, 0, ...dword(IO_APIC_BASE), ...dword(0)]);
  // ISA interrupt 0 is at pin 2; the SCI is level-triggered.
  entries.push([2, 10, 0, Irq.PIT, ...dword(TIMER_PIN), 0, 0]);
  entries.push([2, 10, 0, Irq.SCI, ...dword(Irq.SCI), ACTIVE_HIGH_LEVEL, 0]);
  entries.push([4, 6, 0xff, 0, 0, 1]);
  const body = entries.flat();
  const table = sdt('APIC', 3, 8 + body.length)
    .u32(36, APIC_DEFAULT_BASE)
    .u32(40, MADT_PCAT_COMPATIBLE);
  table.bytes.set(body, 44);
  return table.checksum(9).bytes;
};

const facs = (): Uint8Array => new TableBytes(64).ascii(0, 'FACS').u32(4, 64).u8(32, 2).bytes;

/** `base`: where the tables stand; the RSDP is at RSDP_AT. */
export const writeAcpi = (ram: GuestRam, base: number, spec: PartitionSpec): void => {
  const { vpCount } = spec;
  let next = base;
  const place = (bytes: Uint8Array): number => {
    const at = next;
    next = Math.ceil((at + bytes.length) / 64) * 64;
    ram.bytes(at, bytes);
    return at;
  };
  ram.fill(base, ACPI_SIZE, 0);
  const facsAt = place(facs());
  const dsdtAt = place(withBody('DSDT', 2, dsdtBody(vpCount, hasVmbus(spec.hyperv ?? NO_HYPERV))));
  const tables = [place(fadt(facsAt, dsdtAt)), place(madt(vpCount))];
  if (spec.nodeCount > 1) tables.push(place(withBody('SRAT', 3, sratBody(spec))));

  const rsdt = sdt('RSDT', 1, tables.length * 4);
  const xsdt = sdt('XSDT', 1, tables.length * 8);
  for (const [index, at] of tables.entries()) {
    rsdt.u32(HEADER_SIZE + index * 4, at);
    xsdt.u64(HEADER_SIZE + index * 8, at);
  }
  const rsdp = new TableBytes(36).ascii(0, 'RSD PTR ').ascii(9, 'HVD   ').u8(15, 2);
  rsdp
    .u32(16, place(rsdt.checksum(9).bytes))
    .u32(20, 36)
    .u64(24, place(xsdt.checksum(9).bytes));
  ram.bytes(RSDP_AT, rsdp.checksum(8, 20).checksum(32).bytes);
};
