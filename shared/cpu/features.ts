// The one table of processor features: where CPUID says it, what it rests on, and whether the simulated processor has it.
// Why one: CPUID, #UD at translation, reserved bits of CR4 and EFER and the checks of partition files all read it, so they cannot disagree.
// A feature is made real by setting it to THERE together with its instructions and tests. Names are those of Linux's /proc/cpuinfo, but for sse3 (pni) and
// lzcnt (abm). References: SDM 2A CPUID, tables 3-8 to 3-20; APM 3 appendix E.

/** CPUID leaves that hold feature bits. NONE: architectural, but CPUID does not tell it. */
export const FeatureLeaf = {
  NONE: 0,
  BASIC_EDX: 1,
  BASIC_ECX: 2,
  STRUCTURED_EBX: 3,
  STRUCTURED_ECX: 4,
  STRUCTURED_EDX: 5,
  XSAVE_EAX: 6,
  EXTENDED_EDX: 7,
  EXTENDED_ECX: 8,
  POWER_EDX: 9,
  THERMAL_EAX: 10,
} as const;
export type FeatureLeaf = (typeof FeatureLeaf)[keyof typeof FeatureLeaf];
const L = FeatureLeaf;

/** Whether the simulated processor has it: only then can a partition's processor. */
const THERE = true;
const ABSENT = false;

/** [where, bit, what it needs, is it there]. The order numbers the features: partition headers hold them as a bit set. */
const ROWS = {
  // CPUID.1:EDX
  fpu: [L.BASIC_EDX, 0, [], THERE],
  vme: [L.BASIC_EDX, 1, [], THERE],
  de: [L.BASIC_EDX, 2, [], THERE],
  pse: [L.BASIC_EDX, 3, [], THERE],
  tsc: [L.BASIC_EDX, 4, [], THERE],
  msr: [L.BASIC_EDX, 5, [], THERE],
  pae: [L.BASIC_EDX, 6, [], THERE],
  mce: [L.BASIC_EDX, 7, ['msr'], THERE],
  cx8: [L.BASIC_EDX, 8, [], THERE],
  apic: [L.BASIC_EDX, 9, [], THERE],
  sep: [L.BASIC_EDX, 11, ['msr'], THERE],
  mtrr: [L.BASIC_EDX, 12, ['msr'], THERE],
  pge: [L.BASIC_EDX, 13, [], THERE],
  mca: [L.BASIC_EDX, 14, ['mce'], THERE],
  cmov: [L.BASIC_EDX, 15, [], THERE],
  pat: [L.BASIC_EDX, 16, ['msr'], THERE],
  pse36: [L.BASIC_EDX, 17, ['pse'], ABSENT],
  clflush: [L.BASIC_EDX, 19, [], THERE],
  mmx: [L.BASIC_EDX, 23, ['fpu'], THERE],
  fxsr: [L.BASIC_EDX, 24, ['fpu'], THERE],
  sse: [L.BASIC_EDX, 25, ['fxsr', 'mmx'], THERE],
  sse2: [L.BASIC_EDX, 26, ['sse'], THERE],
  // CPUID.1:ECX
  sse3: [L.BASIC_ECX, 0, ['sse2'], THERE],
  pclmulqdq: [L.BASIC_ECX, 1, ['sse2'], THERE],
  monitor: [L.BASIC_ECX, 3, [], THERE],
  ssse3: [L.BASIC_ECX, 9, ['sse3'], THERE],
  fma: [L.BASIC_ECX, 12, ['avx'], THERE],
  cx16: [L.BASIC_ECX, 13, ['lm', 'cx8'], THERE],
  pcid: [L.BASIC_ECX, 17, ['lm'], THERE],
  sse4_1: [L.BASIC_ECX, 19, ['ssse3'], THERE],
  sse4_2: [L.BASIC_ECX, 20, ['sse4_1'], THERE],
  x2apic: [L.BASIC_ECX, 21, ['apic', 'msr'], THERE],
  movbe: [L.BASIC_ECX, 22, [], THERE],
  popcnt: [L.BASIC_ECX, 23, [], THERE],
  tsc_deadline_timer: [L.BASIC_ECX, 24, ['apic', 'tsc', 'msr'], THERE],
  aes: [L.BASIC_ECX, 25, ['sse2'], THERE],
  xsave: [L.BASIC_ECX, 26, ['fxsr'], THERE],
  avx: [L.BASIC_ECX, 28, ['xsave', 'sse4_2'], THERE],
  f16c: [L.BASIC_ECX, 29, ['avx'], THERE],
  rdrand: [L.BASIC_ECX, 30, [], THERE],
  hypervisor: [L.BASIC_ECX, 31, [], THERE],
  // CPUID.(7,0)
  fsgsbase: [L.STRUCTURED_EBX, 0, ['lm'], THERE],
  tsc_adjust: [L.STRUCTURED_EBX, 1, ['tsc', 'msr'], THERE],
  bmi1: [L.STRUCTURED_EBX, 3, [], THERE],
  avx2: [L.STRUCTURED_EBX, 5, ['avx'], THERE],
  fdp_excptn_only: [L.STRUCTURED_EBX, 6, ['fpu'], THERE],
  smep: [L.STRUCTURED_EBX, 7, [], THERE],
  bmi2: [L.STRUCTURED_EBX, 8, [], THERE],
  erms: [L.STRUCTURED_EBX, 9, [], THERE],
  invpcid: [L.STRUCTURED_EBX, 10, ['pcid'], THERE],
  zero_fcs_fds: [L.STRUCTURED_EBX, 13, ['fpu'], THERE],
  rdseed: [L.STRUCTURED_EBX, 18, [], THERE],
  adx: [L.STRUCTURED_EBX, 19, [], THERE],
  smap: [L.STRUCTURED_EBX, 20, [], THERE],
  clflushopt: [L.STRUCTURED_EBX, 23, ['clflush'], THERE],
  clwb: [L.STRUCTURED_EBX, 24, ['clflush'], THERE],
  sha: [L.STRUCTURED_EBX, 29, ['ssse3'], THERE],
  umip: [L.STRUCTURED_ECX, 2, [], THERE],
  gfni: [L.STRUCTURED_ECX, 8, ['sse2'], THERE],
  vaes: [L.STRUCTURED_ECX, 9, ['avx', 'aes'], THERE],
  vpclmulqdq: [L.STRUCTURED_ECX, 10, ['avx', 'pclmulqdq'], THERE],
  rdpid: [L.STRUCTURED_ECX, 22, ['rdtscp'], THERE],
  arch_capabilities: [L.STRUCTURED_EDX, 29, ['msr'], THERE],
  // CPUID.(0Dh,1)
  xsaveopt: [L.XSAVE_EAX, 0, ['xsave'], THERE],
  xsavec: [L.XSAVE_EAX, 1, ['xsave'], THERE],
  xgetbv1: [L.XSAVE_EAX, 2, ['xsave'], THERE],
  // CPUID.80000001h
  syscall: [L.EXTENDED_EDX, 11, ['lm', 'msr'], THERE],
  nx: [L.EXTENDED_EDX, 20, ['pae', 'msr'], THERE],
  pdpe1gb: [L.EXTENDED_EDX, 26, ['lm'], THERE],
  rdtscp: [L.EXTENDED_EDX, 27, ['tsc', 'msr'], THERE],
  lm: [L.EXTENDED_EDX, 29, ['pae', 'msr', 'pge', 'cmov', 'nopl'], THERE],
  lahf_lm: [L.EXTENDED_ECX, 0, ['lm'], THERE],
  extapic: [L.EXTENDED_ECX, 3, ['apic'], THERE],
  lzcnt: [L.EXTENDED_ECX, 5, [], THERE],
  prefetchw: [L.EXTENDED_ECX, 8, ['nopl'], THERE],
  // CPUID.80000007h and CPUID.6
  invtsc: [L.POWER_EDX, 8, ['tsc'], THERE],
  arat: [L.THERMAL_EAX, 2, ['apic'], THERE],
  // What came with the P6 and has no bit of its own: the NOPs of 0F 0D and 0F 18 to 0F 1F, and RDPMC with CR4.PCE.
  nopl: [L.NONE, 0, [], THERE],
  rdpmc: [L.NONE, 1, [], THERE],
} as const satisfies Record<string, readonly [FeatureLeaf, number, readonly string[], boolean]>;

export type FeatureName = keyof typeof ROWS;
export const FEATURE_NAMES = Object.keys(ROWS) as FeatureName[];
/** Feature numbers: positions in feature sets. */
export const Feature = Object.fromEntries(FEATURE_NAMES.map((name, i) => [name, i])) as Readonly<Record<FeatureName, number>>;

export interface FeatureDefinition {
  readonly name: FeatureName;
  readonly leaf: FeatureLeaf;
  readonly bit: number;
  /** Features without which it cannot be. */
  readonly needs: readonly FeatureName[];
  readonly implemented: boolean;
}
/** By feature number. */
export const FEATURES: readonly FeatureDefinition[] = FEATURE_NAMES.map((name) => {
  const [leaf, bit, needs, implemented] = ROWS[name];
  return { name, leaf, bit, needs: needs as readonly FeatureName[], implemented };
});
