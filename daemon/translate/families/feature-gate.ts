// Instructions of features that the processor has not raise #UD, whatever hvd could do: the family of their codes is taken out of the table, once for each
// set of features. Translation itself looks nothing up.
// Why not at run time: a block is translated for one processor (CodeMode.features), and what it lacks never changes.
import { CpuidFeature, Instruction } from 'iced-x86';
import { type FeatureSet, IMPLEMENTED } from '../../../shared/cpu/feature-set.js';
import type { FeatureName } from '../../../shared/cpu/features.js';
import { CODES, codeNumber } from '../decode/forms.js';
import type { Family } from './instruction-context.js';
import { undefinedInstruction, unimplemented } from './undefined.js';

/** What iced calls the features. Not listed: what every processor here has, and what none has (those codes have no family anyway). */
const NAMES: Readonly<Partial<Record<keyof typeof CpuidFeature, FeatureName>>> = {
  X64: 'lm',
  SYSCALL: 'syscall',
  SEP: 'sep',
  TSC: 'tsc',
  MSR: 'msr',
  RDPMC: 'rdpmc',
  RDTSCP: 'rdtscp',
  RDPID: 'rdpid',
  CX8: 'cx8',
  CMPXCHG16B: 'cx16',
  CMOV: 'cmov',
  MULTIBYTENOP: 'nopl',
  CET_IBT: 'nopl',
  CET_SS: 'nopl',
  CLDEMOTE: 'nopl',
  PREFETCHW: 'nopl',
  PREFETCHWT1: 'nopl',
  PREFETCHITI: 'nopl',
  FPU: 'fpu',
  FPU287: 'fpu',
  FPU387: 'fpu',
  MMX: 'mmx',
  FXSR: 'fxsr',
  SSE: 'sse',
  SSE2: 'sse2',
  SSE3: 'sse3',
  SSSE3: 'ssse3',
  SSE4_1: 'sse4_1',
  SSE4_2: 'sse4_2',
  AVX: 'avx',
  AVX2: 'avx2',
  FMA: 'fma',
  F16C: 'f16c',
  AES: 'aes',
  VAES: 'vaes',
  PCLMULQDQ: 'pclmulqdq',
  VPCLMULQDQ: 'vpclmulqdq',
  SHA: 'sha',
  GFNI: 'gfni',
  BMI1: 'bmi1',
  BMI2: 'bmi2',
  ADX: 'adx',
  LZCNT: 'lzcnt',
  POPCNT: 'popcnt',
  MOVBE: 'movbe',
  XSAVE: 'xsave',
  XSAVEOPT: 'xsaveopt',
  XSAVEC: 'xsavec',
  MONITOR: 'monitor',
  CLFSH: 'clflush',
  CLFLUSHOPT: 'clflushopt',
  CLWB: 'clwb',
  FSGSBASE: 'fsgsbase',
  INVPCID: 'invpcid',
  SMAP: 'smap',
  RDRAND: 'rdrand',
  RDSEED: 'rdseed',
};
/** Hints that a processor with multi-byte NOPs ignores, whatever iced thinks brought them: PREFETCHh is in the NOP space (SDM 2B PREFETCHh). */
const HINT = /^Prefetch(nta|t0|t1|t2)_/;

/**
 * Software probes for a coprocessor with these: where there is none they are fetched by nothing and leave their operands alone (Intel486 SX; SDM 1 8.1.11).
 * The memory that FNSTSW and FNSTCW would write stays as it is, which is what the probe looks at.
 */
const PROBES = /^Fn(init|clex|stsw|stcw)(_|$)/;
const nothing: Family = () => undefined;
/** Without their features TZCNT and LZCNT are BSF and BSR with a prefix that says nothing (SDM 2B TZCNT). */
const SCANS = /^([TL])zcnt_(.*)$/;

/** A feature that hvd itself has not yet takes nothing away: what is there of it (fences, say) has always been there. */
const missing = (instruction: Instruction, name: string, features: FeatureSet): boolean => {
  if (HINT.test(name)) return !features.has('nopl');
  instruction.code = codeNumber(name);
  for (const number of instruction.cpuidFeatures()) {
    const needed = NAMES[CpuidFeature[number] as keyof typeof CpuidFeature];
    if (needed !== undefined && IMPLEMENTED.has(needed) && !features.has(needed)) return true;
  }
  return false;
};

/** The families that a processor with the features has. What hvd itself has not stays as it is: #UD, and counted. */
export const familiesOf = (all: readonly Family[], features: FeatureSet): readonly Family[] => {
  const families = [...all];
  const instruction = new Instruction();
  for (const name of CODES) {
    const code = codeNumber(name);
    if (families[code] === unimplemented || !missing(instruction, name, features)) continue;
    const scan = SCANS.exec(name);
    if (scan !== null) families[code] = all[codeNumber(`${scan[1] === 'T' ? 'Bsf' : 'Bsr'}_${scan[2]}`)];
    else families[code] = PROBES.test(name) ? nothing : undefinedInstruction;
  }
  instruction.free();
  return families;
};
