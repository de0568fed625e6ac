// The local APIC as MSRs 800h..8FFh, with the #GP rules that the MMIO page does not have (SDM 3A 11.12.1.2, table 11-6).
import { APIC_EXTENDED, ApicRegister, ExtendedApic, Icr, Shorthand, Svr } from '../../../shared/abi/apic.js';
import { Msr } from '../../../shared/abi/msr.js';
import { LVT_WRITABLE } from './apic-registers.js';
import { BROADCAST_X2APIC, inX2Apic } from './destination.js';
import { sendIpi } from './message.js';
import type { VirtualApic } from './virtual-apic.js';

const READ_ONLY_LVT = 0x1000;
const LINT_READ_ONLY = 0x5000;

/** Bits of bits 31:0 that a WRMSR may set, by register offset; what is not here cannot be written. */
const WRITABLE: Readonly<Record<number, number>> = {
  [ApicRegister.TPR]: 0xff,
  [ApicRegister.EOI]: 0,
  [ApicRegister.SVR]: Svr.ENABLE | Svr.FOCUS_OFF | 0xff,
  [ApicRegister.ESR]: 0,
  [ApicRegister.ICR_LOW]: Icr.WRITABLE,
  [ApicRegister.LVT_CMCI]: LVT_WRITABLE.SOURCE | READ_ONLY_LVT,
  [ApicRegister.LVT_TIMER]: LVT_WRITABLE.TIMER | READ_ONLY_LVT,
  [ApicRegister.LVT_THERMAL]: LVT_WRITABLE.SOURCE | READ_ONLY_LVT,
  [ApicRegister.LVT_PERF]: LVT_WRITABLE.SOURCE | READ_ONLY_LVT,
  [ApicRegister.LVT_LINT0]: LVT_WRITABLE.LINT | LINT_READ_ONLY,
  [ApicRegister.LVT_LINT1]: LVT_WRITABLE.LINT | LINT_READ_ONLY,
  [ApicRegister.LVT_ERROR]: LVT_WRITABLE.ERROR | READ_ONLY_LVT,
  [ApicRegister.TIMER_INITIAL]: 0xffff_ffff,
  [ApicRegister.TIMER_DIVIDE]: 0xb,
  [ApicRegister.SELF_IPI]: 0xff,
  [ApicRegister.EXTENDED_CONTROL]: ExtendedApic.SPECIFIC_EOI,
  [ApicRegister.SPECIFIC_EOI]: 0xff,
};

/** Registers of the MMIO page that have no MSR, or none that can be read. */
const UNREADABLE: readonly number[] = [
  ApicRegister.APR,
  ApicRegister.EOI,
  ApicRegister.RRD,
  ApicRegister.DFR,
  ApicRegister.ICR_HIGH,
  ApicRegister.SELF_IPI,
];

/** The last register is SELF IPI, or AMD's specific EOI where there is one (APM 2 table 16-6). */
const isRegister = ({ vp }: VirtualApic, offset: number): boolean =>
  offset >= 0 && offset <= ((vp.apicVersion & APIC_EXTENDED) === 0 ? ApicRegister.SELF_IPI : ApicRegister.SPECIFIC_EOI);

/** RDMSR of an x2APIC register: its value, or -1n for #GP. */
export const readX2Apic = (apic: VirtualApic, msr: number, now: number): bigint => {
  const offset = (msr - Msr.X2APIC_FIRST) << 4;
  if (!isRegister(apic, offset) || !inX2Apic(apic.vp) || UNREADABLE.includes(offset)) return -1n;
  const value = apic.readRegister(offset, now);
  if (value < 0) return -1n;
  return offset === ApicRegister.ICR_LOW ? (BigInt(apic.vp.apicIcrHi) << 32n) | BigInt(value) : BigInt(value);
};

/** WRMSR of an x2APIC register. False: #GP. */
export const writeX2Apic = (apic: VirtualApic, msr: number, value: bigint, now: number): boolean => {
  const offset = (msr - Msr.X2APIC_FIRST) << 4;
  const writable = WRITABLE[offset];
  if (!isRegister(apic, offset) || !inX2Apic(apic.vp) || writable === undefined) return false;
  const low = Number(value & 0xffff_ffffn);
  if ((low & ~writable) !== 0) return false;
  if (offset === ApicRegister.ICR_LOW) {
    apic.writeRegister(ApicRegister.ICR_HIGH, Number(value >> 32n), now);
    return apic.writeRegister(ApicRegister.ICR_LOW, low, now);
  }
  if (value >> 32n !== 0n) return false;
  if (offset === ApicRegister.SELF_IPI) {
    sendIpi(apic.bus, apic.vp.index, (Shorthand.SELF << Icr.SHORTHAND_SHIFT) | low, 0, BROADCAST_X2APIC);
    return true;
  }
  return apic.writeRegister(offset, low, now);
};
