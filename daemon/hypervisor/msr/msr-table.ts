// Model-specific registers as a table: what each reads, and which writes of it are #GP. Which there are follows from the processor's features (SDM 4 table 2-2).
import { ApicBase } from '../../../shared/abi/apic.js';
import { Msr } from '../../../shared/abi/msr.js';
import type { FeatureSet } from '../../../shared/cpu/feature-set.js';
import type { FeatureName } from '../../../shared/cpu/features.js';
import { Slot } from '../../../shared/layout/vp.js';
import { applyEfer, checkEfer, eferSupported } from '../../machine/cpu/control-registers.js';
import { readX2Apic, writeX2Apic } from '../apic/x2apic.js';
import { COUNTER_REGISTERS, MACHINE_CHECK_REGISTERS, P5_MACHINE_CHECK_REGISTERS } from './machine-check.js';
import { MTRR_REGISTERS, PAT_REGISTERS } from './memory-types.js';
import {
  anything,
  constant,
  GP,
  ignored,
  isCanonical,
  isNarrow,
  type MsrContext,
  MsrEffect,
  REFUSED,
  type Register,
  type Registers,
  segmentBase,
  stored,
} from './register.js';

const U64 = 0xffff_ffff_ffff_ffffn;

const moveTsc = (context: MsrContext, by: bigint): void => {
  const { vp, timer } = context.apic;
  vp.tscOffset = (vp.tscOffset + by) & U64;
  vp.tscAdjust = (vp.tscAdjust + by) & U64;
  timer.tscChanged(context.now());
};
const TSC: Register = {
  read: (context) => (context.rawTsc() + context.apic.vp.tscOffset) & U64,
  write: (context, value) => {
    moveTsc(context, (value - context.rawTsc() - context.apic.vp.tscOffset) & U64);
    return MsrEffect.TIMER;
  },
};
/** Says how far the TSC has been moved, whichever of the two was written (SDM 3B 18.17.3). */
const TSC_ADJUST: Register = {
  read: ({ apic }) => apic.vp.tscAdjust,
  write: (context, value) => {
    moveTsc(context, (value - context.apic.vp.tscAdjust) & U64);
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
const apicBase = (features: FeatureSet): Register => {
  const x2apic = features.has('x2apic');
  return {
    read: ({ apic }) => apic.vp.apicBase,
    write: ({ apic }, value) => {
      if (!x2apic && (value & BigInt(ApicBase.X2APIC)) !== 0n) return REFUSED;
      return apic.writeBase(value) ? MsrEffect.APIC_BASE | MsrEffect.TIMER : REFUSED;
    },
  };
};
/** LMA is the processor's; LME cannot change while paging is on (SDM 3A 2.2.1, 4.1.2). */
const efer = (features: FeatureSet): Register => {
  const supported = eferSupported(features);
  return {
    read: ({ apic }) => BigInt(apic.vp.efer),
    write: ({ apic: { vp } }, value) => {
      if (!checkEfer(vp, value, supported)) return REFUSED;
      applyEfer(vp, Number(value));
      return MsrEffect.EFER;
    },
  };
};

/** RDCL_NO, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, IF_PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO, FBSDP_NO, PSDP_NO: none of these is in a translator (SDM 4). */
const ARCH_CAPABILITIES = 0xe179n;

/** Registers that every processor with RDMSR has here. */
const ALWAYS: Registers = [
  [Msr.IA32_PLATFORM_ID, constant(0n)],
  [Msr.EBL_CR_POWERON, constant(0n)],
  // Locked, with no feature enabled.
  [Msr.IA32_FEATURE_CONTROL, constant(1n)],
  [Msr.IA32_BIOS_UPDT_TRIG, { read: () => GP, write: () => MsrEffect.NONE }],
  [Msr.IA32_BIOS_SIGN_ID, ignored(0n, anything)],
  [Msr.IA32_MISC_ENABLE, stored('miscEnable', anything)],
  // LBR and BTF may be set and have no effect.
  [Msr.IA32_DEBUGCTL, ignored(0n, (value) => value <= 3n)],
];
/** Registers that come with a feature. */
const BY_FEATURE: readonly (readonly [FeatureName, Registers])[] = [
  ['tsc', [[Msr.IA32_TIME_STAMP_COUNTER, TSC]]],
  ['tsc_adjust', [[Msr.IA32_TSC_ADJUST, TSC_ADJUST]]],
  ['tsc_deadline_timer', [[Msr.IA32_TSC_DEADLINE, TSC_DEADLINE]]],
  ['mtrr', MTRR_REGISTERS],
  ['pat', PAT_REGISTERS],
  ['mce', P5_MACHINE_CHECK_REGISTERS],
  ['mca', MACHINE_CHECK_REGISTERS],
  ['rdpmc', COUNTER_REGISTERS],
  ['arch_capabilities', [[Msr.IA32_ARCH_CAPABILITIES, constant(ARCH_CAPABILITIES)]]],
  [
    'sep',
    [
      [Msr.IA32_SYSENTER_CS, stored('sysenterCs', isNarrow)],
      [Msr.IA32_SYSENTER_ESP, stored('sysenterEsp', isCanonical)],
      [Msr.IA32_SYSENTER_EIP, stored('sysenterEip', isCanonical)],
    ],
  ],
  [
    'syscall',
    [
      [Msr.IA32_STAR, stored('star', anything)],
      [Msr.IA32_LSTAR, stored('lstar', isCanonical)],
      [Msr.IA32_CSTAR, stored('cstar', isCanonical)],
      [Msr.IA32_FMASK, stored('sfmask', isNarrow)],
    ],
  ],
  [
    'lm',
    [
      [Msr.IA32_FS_BASE, segmentBase(Slot.FS_BASE)],
      [Msr.IA32_GS_BASE, segmentBase(Slot.GS_BASE)],
      [Msr.IA32_KERNEL_GS_BASE, stored('kernelGsBase', isCanonical)],
    ],
  ],
  ['rdtscp', [[Msr.IA32_TSC_AUX, stored('tscAux', isNarrow)]]],
];

const tableOf = (features: FeatureSet, synthetic: Registers): ReadonlyMap<number, Register> => {
  const registers = new Map<number, Register>(ALWAYS);
  for (const [feature, those] of BY_FEATURE)
    if (features.has(feature)) for (const [index, register] of those) registers.set(index, register);
  if (features.has('apic')) registers.set(Msr.IA32_APIC_BASE, apicBase(features));
  if (eferSupported(features) !== 0) registers.set(Msr.IA32_EFER, efer(features));
  for (const [index, register] of synthetic) registers.set(index, register);
  return registers;
};

/** All MSRs of the VPs of one partition. */
export class MsrTable {
  readonly #registers: ReadonlyMap<number, Register>;
  /** MsrEffect bits of the last successful write. */
  effects: number = MsrEffect.NONE;

  /** `synthetic`: what the hypervisor adds. */
  constructor(features: FeatureSet, synthetic: Registers = []) {
    this.#registers = tableOf(features, synthetic);
  }

  /** The register's value, or -1n: #GP(0). */
  read(context: MsrContext, index: number): bigint {
    if (index >= Msr.X2APIC_FIRST && index <= Msr.X2APIC_LAST) return readX2Apic(context.apic, index, context.now());
    return this.#registers.get(index)?.read(context) ?? GP;
  }

  /** False: #GP(0), nothing changed. */
  write(context: MsrContext, index: number, value: bigint): boolean {
    this.effects = MsrEffect.NONE;
    if (index >= Msr.X2APIC_FIRST && index <= Msr.X2APIC_LAST) {
      this.effects = MsrEffect.TIMER;
      return writeX2Apic(context.apic, index, value, context.now());
    }
    const effects = this.#registers.get(index)?.write(context, value) ?? REFUSED;
    if (effects === REFUSED) return false;
    this.effects = effects;
    return true;
  }
}
