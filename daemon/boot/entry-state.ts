// Puts VP 0 into the state in which a boot protocol starts a kernel, and every VP's MTRRs and local APIC as firmware leaves them.
import { DeliveryMode, Lvt, Svr } from '../../shared/abi/apic.js';
import { MemoryType, MTRR_DEF_TYPE_AT, MTRR_FIXED_AT } from '../../shared/abi/msr.js';
import { Cr0, Cr4, Efer, PHYSICAL_ADDRESS_BITS } from '../../shared/abi/registers.js';
import { Slot, type VpBlock } from '../../shared/layout/vp.js';
import type { Entry } from './boot-plan.js';

/** Flat, present, accessed, page-granular: data; 32-bit code; 64-bit code. */
const ACCESS_DATA = 0xc093;
const ACCESS_CODE32 = 0xc09b;
const ACCESS_CODE64 = 0xa09b;
const LIMIT_4G = 0xffff_ffff;
/** Device addresses: uncacheable from here to 4 GiB, by one variable MTRR. */
const HOLE_BASE = 0xc000_0000;

const eachByte = (type: number): bigint => BigInt(type) * 0x0101_0101_0101_0101n;

/** Write-back by default, uncacheable for the VGA window and the hole below 4 GiB, write-protected for ROM (SDM 3A 12.11). */
export const setFirmwareMtrrs = (vp: VpBlock): void => {
  const mtrr = vp.mtrr >>> 3;
  const { u64 } = vp.views;
  u64[mtrr] = BigInt(HOLE_BASE) | BigInt(MemoryType.UC);
  u64[mtrr + 1] = ((1n << BigInt(PHYSICAL_ADDRESS_BITS)) - BigInt(2 ** 32 - HOLE_BASE)) | (1n << 11n);
  // 64K at 0 and 16K at 80000h: RAM; 16K at A0000h: VGA; 4K from C0000h: ROM.
  u64[mtrr + MTRR_FIXED_AT] = u64[mtrr + MTRR_FIXED_AT + 1] = eachByte(MemoryType.WB);
  u64[mtrr + MTRR_FIXED_AT + 2] = eachByte(MemoryType.UC);
  for (let fixed = 3; fixed < 11; fixed++) u64[mtrr + MTRR_FIXED_AT + fixed] = eachByte(MemoryType.WP);
  // Enabled, fixed ranges enabled.
  u64[mtrr + MTRR_DEF_TYPE_AT] = BigInt(0xc00 | MemoryType.WB);
};

/** The bootstrap processor's APIC in virtual wire mode: the 8259 through LINT0, NMI on LINT1 (MultiProcessor Specification 1.4, 3.6.2.2). */
export const setVirtualWire = (vp: VpBlock): void => {
  vp.apicSvr = Svr.ENABLE | Svr.RESET;
  vp.lvtLint0 = Lvt.LEVEL | (DeliveryMode.EXT_INT << 8);
  vp.lvtLint1 = DeliveryMode.NMI << 8;
};

/** `vp` is in its power-up state. */
export const setEntryState = (vp: VpBlock, entry: Entry): void => {
  const slots = vp.base >>> 3;
  const { u64 } = vp.views;
  const long = entry.mode === 'long';
  u64.fill(0n, slots, slots + Slot.RIP);
  u64[slots + Slot.RAX] = BigInt(entry.rax);
  u64[slots + Slot.RBX] = BigInt(entry.rbx);
  u64[slots + Slot.RSI] = BigInt(entry.rsi);
  u64[slots + Slot.RIP] = BigInt(entry.rip);
  u64.fill(0n, slots + Slot.ES_BASE, slots + Slot.GS_BASE + 1);
  vp.csSelector = entry.codeSelector;
  vp.esSelector = vp.ssSelector = vp.dsSelector = vp.fsSelector = vp.gsSelector = entry.dataSelector;
  vp.csAccess = long ? ACCESS_CODE64 : ACCESS_CODE32;
  vp.esAccess = vp.ssAccess = vp.dsAccess = vp.fsAccess = vp.gsAccess = ACCESS_DATA;
  vp.esLimit = vp.csLimit = vp.ssLimit = vp.dsLimit = vp.fsLimit = vp.gsLimit = LIMIT_4G;
  vp.gdtrBase = BigInt(entry.gdt);
  vp.gdtrLimit = entry.dataSelector + 7;
  vp.idtrBase = 0n;
  vp.idtrLimit = 0;
  vp.cr0 = (Cr0.PE | Cr0.ET | (long ? Cr0.PG : 0)) >>> 0;
  vp.cr3 = BigInt(entry.cr3);
  vp.cr4 = long ? Cr4.PAE : 0;
  vp.efer = long ? Efer.LME | Efer.LMA : 0;
};
