// Model-specific registers as a table: what each reads, and which writes of it are #GP (SDM 4 table 2-2).
// Why a status and not an exception: a guest's mistake is no error of hvd's, and RDMSR and WRMSR are frequent.
import { FIXED_MTRRS, MemoryType, Msr, MTRR_DEF_TYPE_AT, MTRR_FIXED_AT, MTRR_VARIABLE_PAIRS } from '../../shared/abi/msr.js';
import { Cr0, Efer, LINEAR_ADDRESS_BITS, PHYSICAL_ADDRESS_BITS } from '../../shared/abi/registers.js';
import { Slot } from '../../shared/layout/vp.js';
import type { VirtualApic } from './apic/virtual-apic.js';
import { readX2Apic, writeX2Apic } from './apic/x2apic.js';

/** What a write has changed beyond the register: the run loop acts on it. */
export const MsrEffect = {
  NONE: 0,
  /** SCE, LME or NXE: code modes and shadow page tables may depend on it. */
  EFER: 1,
  /** FS.base or GS.base. */
  SEGMENT_BASE: 2,
  /** The APIC's mode or address: IA32_APIC_BASE. */
  APIC_BASE: 4,
  /** The guest's TSC moved, or its deadline: the next timer expiry is another one. Also x2APIC writes. */
  TIMER: 8,
} as const;

/** Partition time and the VP whose registers are meant. */
export interface MsrContext {
  readonly apic: VirtualApic;
  /** Partition time, ns. */
  now(): number;
  /** Time-stamp counter before the guest's offset. */
  rawTsc(): bigint;
}

/** Synthetic MSRs (TLFS): `read` gives -1n, `write` false for #GP. */
export interface HypervisorMsrs {
  read(context: MsrContext, index: number): bigint;
  write(context: MsrContext, index: number, value: bigint): boolean;
}

const GP = -1n;
const U64 = 0xffff_ffff_ffff_ffffn;
const PHYSICAL_MASK = (1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 1n;

interface Register {
  /** GP = #GP. */
  read(context: MsrContext): bigint;
  /** MsrEffect bits, or -1 for #GP. `value`: 0..2^64-1. */
  write(context: MsrContext, value: bigint): number;
}
const REFUSED = -1;

type U64Field =
  | 'star'
  | 'lstar'
  | 'cstar'
  | 'sfmask'
  | 'kernelGsBase'
  | 'tscAux'
  | 'sysenterCs'
  | 'sysenterEsp'
  | 'sysenterEip'
  | 'pat'
  | 'miscEnable';

const isCanonical = (value: bigint): boolean => {
  const top = BigInt.asIntN(64, value) >> BigInt(LINEAR_ADDRESS_BITS - 1);
  return top === 0n || top === -1n;
};
const isNarrow = (value: bigint): boolean => value >> 32n === 0n;
const anything = (): boolean => true;

/** Types that an MTRR may hold; the PAT also knows UC-. */
const isMtrrType = (type: number): boolean =>
  type === MemoryType.UC || type === MemoryType.WC || (type >= MemoryType.WT && type <= MemoryType.WB);
const everyByte = (value: bigint, valid: (byte: number) => boolean): boolean => {
  for (let shift = 0n; shift < 64n; shift += 8n) if (!valid(Number((value >> shift) & 0xffn))) return false;
  return true;
};
const isPat = (value: bigint): boolean => everyByte(value, (type) => isMtrrType(type) || type === MemoryType.UC_MINUS);

/** A register that is a field of the VP block. */
const stored = (field: U64Field, valid: (value: bigint) => boolean): Register => ({
  read: ({ apic }) => apic.vp[field],
  write: ({ apic }, value) => {
    if (!valid(value)) return REFUSED;
    apic.vp[field] = value;
    return MsrEffect.NONE;
  },
});
/** One u64 of the VP block's slots. */
const segmentBase = (slot: number): Register => ({
  read: ({ apic: { vp } }) => vp.views.u64[(vp.base >>> 3) + slot],
  write: ({ apic: { vp } }, value) => {
    if (!isCanonical(value)) return REFUSED;
    vp.views.u64[(vp.base >>> 3) + slot] = value;
    return MsrEffect.SEGMENT_BASE;
  },
});
const mtrr = (at: number, valid: (value: bigint) => boolean): Register => ({
  read: ({ apic: { vp } }) => vp.views.u64[(vp.mtrr >>> 3) + at],
  write: ({ apic: { vp } }, value) => {
    if (!valid(value)) return REFUSED;
    vp.views.u64[(vp.mtrr >>> 3) + at] = value;
    return MsrEffect.NONE;
  },
});
const constant = (value: bigint): Register => ({ read: () => value, write: () => REFUSED });
/** Reads as `value`; writes that pass do nothing. */
const ignored = (value: bigint, valid: (value: bigint) => boolean): Register => ({
  read: () => value,
  write: (_context, written) => (valid(written) ? MsrEffect.NONE : REFUSED),
});

const TSC: Register = {
  read: (context) => (context.rawTsc() + context.apic.vp.tscOffset) & U64,
  write: (context, value) => {
    context.apic.vp.tscOffset = (value - context.rawTsc()) & U64;
    context.apic.timer.tscChanged(context.now());
    return MsrEffect.TIMER;
  },
};
const TSC_DEADLINE: Register = {
  read: (context) => context.apic.timer.readTscDeadline(context.now()),
  write: (context, value) => {
    context.apic.timer.writeTscDeadline(value, context.now());
    return MsrEffect.TIMER;
  },
};
const APIC_BASE: Register = {
  read: ({ apic }) => apic.vp.apicBase,
  write: ({ apic }, value) => (apic.writeBase(value) ? MsrEffect.APIC_BASE | MsrEffect.TIMER : REFUSED),
};
/** SDM 3A 2.2.1, 4.1.2: LMA is the processor's; LME cannot change while paging is on. */
const EFER: Register = {
  read: ({ apic }) => BigInt(apic.vp.efer),
  write: ({ apic: { vp } }, value) => {
    const writable = Efer.SCE | Efer.LME | Efer.NXE;
    if ((value & ~BigInt(writable | Efer.LMA)) !== 0n) return REFUSED;
    const wanted = (Number(value) & writable) | (vp.efer & Efer.LMA);
    if (((wanted ^ vp.efer) & Efer.LME) !== 0 && (vp.cr0 & Cr0.PG) !== 0) return REFUSED;
    vp.efer = wanted;
    return MsrEffect.EFER;
  },
};

/** RDCL_NO, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, IF_PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO, FBSDP_NO, PSDP_NO: none of these is in a translator (SDM 4). */
const ARCH_CAPABILITIES = 0xe179n;
/** MTRRCAP: 8 variable ranges, fixed ranges, WC. */
const MTRRCAP = BigInt(MTRR_VARIABLE_PAIRS | (1 << 8) | (1 << 10));

const table = (): ReadonlyMap<number, Register> => {
  const registers = new Map<number, Register>([
    [Msr.IA32_TIME_STAMP_COUNTER, TSC],
    [Msr.IA32_PLATFORM_ID, constant(0n)],
    [Msr.IA32_APIC_BASE, APIC_BASE],
    [Msr.EBL_CR_POWERON, constant(0n)],
    // Locked, with no feature enabled.
    [Msr.IA32_FEATURE_CONTROL, constant(1n)],
    [Msr.IA32_BIOS_UPDT_TRIG, { read: () => GP, write: () => MsrEffect.NONE }],
    [Msr.IA32_BIOS_SIGN_ID, ignored(0n, anything)],
    [Msr.IA32_MTRRCAP, constant(MTRRCAP)],
    [Msr.IA32_ARCH_CAPABILITIES, constant(ARCH_CAPABILITIES)],
    [Msr.IA32_SYSENTER_CS, stored('sysenterCs', isNarrow)],
    [Msr.IA32_SYSENTER_ESP, stored('sysenterEsp', isCanonical)],
    [Msr.IA32_SYSENTER_EIP, stored('sysenterEip', isCanonical)],
    // No machine-check banks.
    [Msr.IA32_MCG_CAP, constant(0n)],
    [Msr.IA32_MCG_STATUS, ignored(0n, (value) => value === 0n)],
    [Msr.IA32_MISC_ENABLE, stored('miscEnable', anything)],
    // LBR and BTF may be set and have no effect.
    [Msr.IA32_DEBUGCTL, ignored(0n, (value) => value <= 3n)],
    [Msr.IA32_PAT, stored('pat', isPat)],
    [Msr.IA32_MTRR_DEF_TYPE, mtrr(MTRR_DEF_TYPE_AT, (value) => (value & ~0xcffn) === 0n && isMtrrType(Number(value & 0xffn)))],
    [Msr.IA32_TSC_DEADLINE, TSC_DEADLINE],
    [Msr.IA32_EFER, EFER],
    [Msr.IA32_STAR, stored('star', anything)],
    [Msr.IA32_LSTAR, stored('lstar', isCanonical)],
    [Msr.IA32_CSTAR, stored('cstar', isCanonical)],
    [Msr.IA32_FMASK, stored('sfmask', isNarrow)],
    [Msr.IA32_FS_BASE, segmentBase(Slot.FS_BASE)],
    [Msr.IA32_GS_BASE, segmentBase(Slot.GS_BASE)],
    [Msr.IA32_KERNEL_GS_BASE, stored('kernelGsBase', isCanonical)],
    [Msr.IA32_TSC_AUX, stored('tscAux', isNarrow)],
  ]);
  for (let pair = 0; pair < MTRR_VARIABLE_PAIRS; pair++) {
    const isBase = (value: bigint): boolean => (value & (~PHYSICAL_MASK | 0xf00n)) === 0n && isMtrrType(Number(value & 0xffn));
    const isMask = (value: bigint): boolean => (value & (~PHYSICAL_MASK | 0x7ffn)) === 0n;
    registers.set(Msr.IA32_MTRR_PHYSBASE0 + pair * 2, mtrr(pair * 2, isBase));
    registers.set(Msr.IA32_MTRR_PHYSBASE0 + pair * 2 + 1, mtrr(pair * 2 + 1, isMask));
  }
  for (const [at, index] of FIXED_MTRRS.entries())
    registers.set(
      index,
      mtrr(MTRR_FIXED_AT + at, (value) => everyByte(value, isMtrrType)),
    );
  return registers;
};

/** All MSRs of the VPs of one partition. */
export class MsrTable {
  readonly #registers = table();
  readonly #hypervisor: HypervisorMsrs | undefined;
  /** MsrEffect bits of the last successful write. */
  effects: number = MsrEffect.NONE;

  constructor(hypervisor?: HypervisorMsrs) {
    this.#hypervisor = hypervisor;
  }

  /** The register's value, or -1n: #GP(0). */
  read(context: MsrContext, index: number): bigint {
    if (index >= Msr.X2APIC_FIRST && index <= Msr.X2APIC_LAST) return readX2Apic(context.apic, index, context.now());
    if (index >= Msr.HV_FIRST && index <= Msr.HV_LAST) return this.#hypervisor?.read(context, index) ?? GP;
    return this.#registers.get(index)?.read(context) ?? GP;
  }

  /** False: #GP(0), nothing changed. */
  write(context: MsrContext, index: number, value: bigint): boolean {
    this.effects = MsrEffect.NONE;
    if (index >= Msr.X2APIC_FIRST && index <= Msr.X2APIC_LAST) {
      this.effects = MsrEffect.TIMER;
      return writeX2Apic(context.apic, index, value, context.now());
    }
    if (index >= Msr.HV_FIRST && index <= Msr.HV_LAST) return this.#hypervisor?.write(context, index, value) ?? false;
    const effects = this.#registers.get(index)?.write(context, value) ?? REFUSED;
    if (effects === REFUSED) return false;
    this.effects = effects;
    return true;
  }
}
