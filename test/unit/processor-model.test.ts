// Processor models and features: what a text names, and that CPUID, #UD, MSRs and reserved bits say the same with each feature on and off.
import test from 'ava';
import { CpuidModel } from '../../daemon/hypervisor/cpuid.js';
import { MsrTable } from '../../daemon/hypervisor/msr/msr-table.js';
import { checkCr4, cr4Supported, eferSupported } from '../../daemon/machine/cpu/control-registers.js';
import { BlockBuilder } from '../../daemon/translate/block-builder.js';
import { dumpMicroOps } from '../../daemon/translate/dump.js';
import { translateBlock } from '../../daemon/translate/translate-block.js';
import { Msr } from '../../shared/abi/msr.js';
import { Cr4, Efer } from '../../shared/abi/registers.js';
import { FeatureSet, IMPLEMENTED } from '../../shared/cpu/feature-set.js';
import { FEATURES, FeatureLeaf, type FeatureName } from '../../shared/cpu/features.js';
import { CPU_MODELS } from '../../shared/cpu/models.js';
import { parseProcessor, processorText } from '../../shared/cpu/processor-choice.js';
import { ApicPartition, TSC_HZ } from '../rig/apic-partition.js';
import { longMode } from './cpu-processor.js';
import { FLAT32, LONG } from './translate-support.js';

const without = (...names: FeatureName[]): FeatureSet => FeatureSet.of(IMPLEMENTED.names().filter((name) => !names.includes(name)));

test('every feature has a bit of its own, and what it needs comes with its models', (t) => {
  const taken = new Set<string>();
  for (const { name, leaf, bit, needs, implemented } of FEATURES) {
    t.false(taken.has(`${leaf}.${bit}`), name);
    taken.add(`${leaf}.${bit}`);
    if (implemented) for (const need of needs) t.true(IMPLEMENTED.has(need), `${name} needs ${need}`);
  }
  for (const { name, features } of CPU_MODELS)
    for (const feature of FEATURES)
      if (features.includes(feature.name))
        for (const need of feature.needs) t.true(features.includes(need), `${name}: ${feature.name} needs ${need}`);
});

test('a text names a model, with features added and taken away', (t) => {
  t.is(processorText(parseProcessor('max')), 'max');
  t.true(parseProcessor('max,+monitor,+extapic').features.equals(IMPLEMENTED));
  const processor = parseProcessor('pentium3,+rdtscp, -pae');
  t.true(processor.features.has('rdtscp'));
  t.false(processor.features.has('pae'));
  t.is(processorText(processor), 'pentium3,+rdtscp,-pae');
  const small = parseProcessor('max,-lm').features;
  for (const gone of ['lm', 'syscall', 'cx16', 'pdpe1gb', 'lahf_lm'] as const) t.false(small.has(gone), gone);
  t.true(small.has('nx'), 'does not need lm');
  for (const [text, message] of [
    ['', /^no processor ""; there are max, /],
    ['x86-64-v9', /^no processor "x86-64-v9"/],
    ['max,smap', /^expected \+feature or -feature, got "smap"/],
    ['max,+frob', /^no feature "frob"; there are /],
    ['pentium3,+lahf_lm', /^lahf_lm needs lm, which this processor has not: \+lm$/],
    ['max,-lm,+syscall', /^syscall needs lm/],
  ] as const)
    t.throws(() => parseProcessor(text), { message }, text);
});

test('CPUID tells of each model what it is and has, and not more', (t) => {
  const vp = new ApicPartition(1).vpBlock(0);
  for (const { name, signature, maxLeaf, maxExtendedLeaf, brand } of CPU_MODELS) {
    const processor = parseProcessor(name);
    const cpuid = new CpuidModel(1, TSC_HZ, processor);
    t.is(cpuid.query(vp, 0, 0)[0], maxLeaf, name);
    t.is(cpuid.query(vp, 1, 0)[0], signature, name);
    // Without extended leaves these are out of range: the last basic leaf answers.
    const last = [...cpuid.query(vp, maxLeaf, 0)];
    const extended = [...cpuid.query(vp, 0x8000_0000, 0)];
    if (maxExtendedLeaf === 0) t.deepEqual(extended, last, name);
    else t.is(extended[0], maxExtendedLeaf, name);
    if (maxExtendedLeaf >= 0x8000_0001) t.is((cpuid.query(vp, 0x8000_0001, 0)[3] >>> 29) & 1, processor.features.has('lm') ? 1 : 0, name);
    t.true(brand.length < 48, 'a brand string has 47 characters');
  }
});

test('each feature is one bit of CPUID, on and off', (t) => {
  const vp = new ApicPartition(1).vpBlock(0);
  const at: Readonly<Record<number, readonly [number, number, number]>> = {
    [FeatureLeaf.BASIC_EDX]: [1, 0, 3],
    [FeatureLeaf.BASIC_ECX]: [1, 0, 2],
    [FeatureLeaf.STRUCTURED_EBX]: [7, 0, 1],
    [FeatureLeaf.STRUCTURED_ECX]: [7, 0, 2],
    [FeatureLeaf.STRUCTURED_EDX]: [7, 0, 3],
    [FeatureLeaf.XSAVE_EAX]: [0xd, 1, 0],
    [FeatureLeaf.EXTENDED_EDX]: [0x8000_0001, 0, 3],
    [FeatureLeaf.EXTENDED_ECX]: [0x8000_0001, 0, 2],
    [FeatureLeaf.POWER_EDX]: [0x8000_0007, 0, 3],
    [FeatureLeaf.THERMAL_EAX]: [6, 0, 0],
  };
  const [model] = CPU_MODELS;
  for (const { name, leaf, bit, implemented } of FEATURES) {
    if (leaf === FeatureLeaf.NONE || !implemented) continue;
    const [which, sub, register] = at[leaf];
    const bitOf = (features: FeatureSet): number =>
      (new CpuidModel(1, TSC_HZ, { model, features }).query(vp, which, sub)[register] >>> bit) & 1;
    t.is(bitOf(IMPLEMENTED), 1, name);
    t.is(bitOf(without(name)), 0, name);
  }
});

// [feature, 64-bit code?, bytes]: #UD exactly when the feature is not there.
const INSTRUCTIONS: readonly (readonly [FeatureName, boolean, readonly number[]])[] = [
  ['tsc', true, [0x0f, 0x31]],
  ['msr', true, [0x0f, 0x32]],
  ['msr', true, [0x0f, 0x30]],
  ['rdpmc', true, [0x0f, 0x33]],
  ['cx8', false, [0x0f, 0xc7, 0x0e]],
  ['cx16', true, [0x48, 0x0f, 0xc7, 0x0e]],
  ['sep', false, [0x0f, 0x34]],
  ['sep', false, [0x0f, 0x35]],
  ['syscall', true, [0x0f, 0x05]],
  ['syscall', true, [0x48, 0x0f, 0x07]],
  ['cmov', false, [0x0f, 0x44, 0xc1]],
  ['rdtscp', true, [0x0f, 0x01, 0xf9]],
  ['nopl', false, [0x0f, 0x1f, 0xc0]],
  ['nopl', false, [0x0f, 0x18, 0x06]],
  ['rdrand', false, [0x0f, 0xc7, 0xf0]],
  ['rdseed', true, [0x48, 0x0f, 0xc7, 0xf8]],
];
test('an instruction without its feature is #UD', (t) => {
  const builder = new BlockBuilder();
  const isUndefined = (features: FeatureSet, long: boolean, code: readonly number[]): boolean => {
    const bytes = Uint8Array.from([...code, 0xf4]);
    translateBlock(builder, { bytes, following: () => new Uint8Array(14) }, { ...(long ? LONG : FLAT32), features }, 0x1000, 1);
    return dumpMicroOps(builder).some((line) => line.startsWith('sys UD'));
  };
  for (const [feature, long, code] of INSTRUCTIONS) {
    t.false(isUndefined(IMPLEMENTED, long, code), feature);
    t.true(isUndefined(without(feature), long, code), `-${feature}`);
    t.false(isUndefined(IMPLEMENTED, long, code), 'and again with it: families follow the mode');
  }
});

test('a bit of CR4 or EFER is reserved without its feature', (t) => {
  const cr4: readonly (readonly [number, FeatureName])[] = [
    [Cr4.TSD, 'tsc'],
    [Cr4.PSE, 'pse'],
    [Cr4.PAE, 'pae'],
    [Cr4.MCE, 'mce'],
    [Cr4.PGE, 'pge'],
    [Cr4.PCE, 'rdpmc'],
  ];
  const { vp } = longMode();
  for (const [bit, feature] of cr4) {
    const value = Cr4.PAE | bit;
    t.true(checkCr4(vp, value, 0, cr4Supported(IMPLEMENTED)), feature);
    t.false(checkCr4(vp, value, 0, cr4Supported(without(feature))), `-${feature}`);
  }
  t.is(eferSupported(parseProcessor('max,-lm').features), Efer.NXE);
  t.is(eferSupported(parseProcessor('max,-nx').features), Efer.SCE | Efer.LME | Efer.LMA);
  t.is(eferSupported(parseProcessor('pentium3').features), 0);
});

test('an MSR without its feature is #GP', (t) => {
  const apic = new ApicPartition(1).enable().apics[0];
  const context = { apic, now: () => 0, rawTsc: () => 0n };
  for (const [index, feature] of [
    [Msr.IA32_TIME_STAMP_COUNTER, 'tsc'],
    [Msr.IA32_APIC_BASE, 'apic'],
    [Msr.IA32_MTRRCAP, 'mtrr'],
    [Msr.IA32_PAT, 'pat'],
    [Msr.IA32_SYSENTER_CS, 'sep'],
    [Msr.IA32_MCG_CAP, 'mca'],
    [Msr.IA32_MC0_CTL + 15, 'mca'],
    [Msr.PERFCTR0, 'rdpmc'],
    [Msr.IA32_LSTAR, 'syscall'],
    [Msr.IA32_GS_BASE, 'lm'],
    [Msr.IA32_TSC_AUX, 'rdtscp'],
    [Msr.IA32_TSC_DEADLINE, 'tsc_deadline_timer'],
    [Msr.IA32_TSC_ADJUST, 'tsc_adjust'],
    [Msr.IA32_ARCH_CAPABILITIES, 'arch_capabilities'],
  ] as const) {
    t.true(new MsrTable(IMPLEMENTED).read(context, index) >= 0n, feature);
    t.is(new MsrTable(without(feature)).read(context, index), -1n, `-${feature}`);
  }
  t.is(new MsrTable(IMPLEMENTED).read(context, Msr.IA32_MC0_CTL + 16), -1n, 'a bank more than MCG_CAP counts');
  t.false(new MsrTable(without('x2apic')).write(context, Msr.IA32_APIC_BASE, 0xfee0_0d00n), 'x2APIC mode');
  t.false(new MsrTable(IMPLEMENTED).write(context, Msr.IA32_MC0_CTL + 1, 1n), 'a status register takes only 0');
});
