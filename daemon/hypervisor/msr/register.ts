// What a model-specific register is, and the kinds that most of them are.
// Why a status and not an exception: a guest's mistake is no error of hvd's, and RDMSR and WRMSR are frequent.
import { LINEAR_ADDRESS_BITS } from '../../../shared/abi/registers.js';
import type { VirtualApic } from '../apic/virtual-apic.js';

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

export interface Register {
  /** GP = #GP. */
  read(context: MsrContext): bigint;
  /** MsrEffect bits, or REFUSED for #GP. `value`: 0..2^64-1. */
  write(context: MsrContext, value: bigint): number;
}
export const GP = -1n;
export const REFUSED = -1;
/** Registers by number. */
export type Registers = readonly (readonly [number, Register])[];

export type U64Field =
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

export const isCanonical = (value: bigint): boolean => {
  const top = BigInt.asIntN(64, value) >> BigInt(LINEAR_ADDRESS_BITS - 1);
  return top === 0n || top === -1n;
};
export const isNarrow = (value: bigint): boolean => value >> 32n === 0n;
export const anything = (): boolean => true;
export const onlyZero = (value: bigint): boolean => value === 0n;

/** A register that is a field of the VP block. */
export const stored = (field: U64Field, valid: (value: bigint) => boolean): Register => ({
  read: ({ apic }) => apic.vp[field],
  write: ({ apic }, value) => {
    if (!valid(value)) return REFUSED;
    apic.vp[field] = value;
    return MsrEffect.NONE;
  },
});
/** One u64 of the VP block's slots. */
export const segmentBase = (slot: number): Register => ({
  read: ({ apic: { vp } }) => vp.views.u64[(vp.base >>> 3) + slot],
  write: ({ apic: { vp } }, value) => {
    if (!isCanonical(value)) return REFUSED;
    vp.views.u64[(vp.base >>> 3) + slot] = value;
    return MsrEffect.SEGMENT_BASE;
  },
});
export const constant = (value: bigint): Register => ({ read: () => value, write: () => REFUSED });
/** Reads as `value`; writes that pass do nothing. */
export const ignored = (value: bigint, valid: (value: bigint) => boolean): Register => ({
  read: () => value,
  write: (_context, written) => (valid(written) ? MsrEffect.NONE : REFUSED),
});
