// Checks the simulated processor against the host's: any number of single-instruction cases, made from a seed, in the cold tier and compiled.

import { type Subject, start, subject, undefinedAfter } from './cases.js';
import { Chance } from './chance.js';
import { formsOf } from './forms.js';
import { ENDLESS, type HostProcessor } from './host-processor.js';
import { ARITHMETIC_FLAGS, type Bits, ENTRY } from './layout.js';
import { NO_END, SimulatedProcessor } from './simulated-processor.js';
import { caseLine, difference, type End, type Group } from './state.js';

/** States that each instruction is run from, unless said otherwise. */
const STARTS = 8;
/** Instructions in one run of the real processor. */
const BATCH = 512;

export interface Mismatch {
  readonly form: string;
  readonly way: 'cold' | 'hot';
  readonly what: string;
  /** The case as a line that `--replay` takes. */
  readonly line: string;
}
export interface CheckResult {
  readonly cases: number;
  readonly forms: number;
  readonly mismatches: readonly Mismatch[];
}
export interface CheckOptions {
  readonly bits: Bits;
  readonly seed: number;
  readonly cases: number;
  /** Only forms whose names match. */
  readonly only?: RegExp;
  /** Stop after this many mismatches. */
  readonly mismatchesMax?: number;
  /** With EFLAGS.AC: misaligned accesses are #AC(0). */
  readonly aligned?: boolean;
  /** States that each instruction is run from. */
  readonly starts?: number;
  /** Which form comes first, as a share of all. */
  readonly from?: number;
  readonly onProgress?: (cases: number, mismatches: number) => void;
}

const isCompare = /^(Cmps|Scas)[bwdq]$/;
const DOUBLE_SHIFT = /^Sh[lr]d_rm16/;
const SCAN_32 = /^Bs[fr]_r32/;
const CL = 1;
const BREAKPOINT = 3;
const PAGE_FAULT = 14;
const ALIGNMENT = 17;
const EARLY_STATE = /^(Mov(d|q|ntq)_\w*_mm|VEX_Vcvtps2ph_.*)$/;
const MASKED_MOVE = /maskmov/i;
const isAccessFault = (end: End): boolean => end.vector === PAGE_FAULT || end.vector === ALIGNMENT || isSegmentFault(end);
/** #SS(0) or #GP(0). */
const isSegmentFault = (end: End): boolean => end.vector === 12 || end.vector === 13;

/** Whether the architecture leaves the result itself undefined: 16-bit double shifts by more than 16, upper half after a 32-bit scan of zero (SDM 2B, 2A). */
const undefinedResult = (s: Subject, registers: BigUint64Array, end: End, got: End | string): boolean => {
  const { name } = s.form;
  if (DOUBLE_SHIFT.test(name)) return ((name.endsWith('_CL') ? Number(registers[CL] & 0xffn) : s.code[s.code.length - 1]) & 31) > 16;
  // Masked bytes need not fault, nor lie within a segment: what is reported there is a processor's own affair.
  if (MASKED_MOVE.test(name) && (end.vector !== BREAKPOINT || (typeof got !== 'string' && got.vector !== BREAKPOINT))) return true;
  // A misaligned operand beyond a segment's limit: either fault is right.
  if (s.form.vectors && s.bits !== 64 && isSegmentFault(end) && typeof got !== 'string' && isSegmentFault(got)) return true;
  // Stores of MMX registers and of VCVTPS2PH that fault may have changed TOP, tags or MXCSR already: they make the same change again.
  if (isAccessFault(end) && EARLY_STATE.test(name) && typeof got !== 'string' && got.vector === end.vector) return true;
  // A long access that faults: CR2 names some byte of it that is not there; which of two faults is reported, where both are due, is not settled.
  if (s.form.memoryBytes > 8 && isAccessFault(end) && typeof got !== 'string' && isAccessFault(got)) return true;
  // POPA that faults on its way may have loaded some registers: it can be run again all the same.
  if (end.vector === PAGE_FAULT && name.startsWith('Popa')) return true;
  return s.bits === 64 && SCAN_32.test(name) && (end.flags & 0x40) !== 0;
};

/** Flags not to be compared after this end: a fault leaves them as they were, but for a repeated compare that faulted on its way. */
const undefinedFlags = (s: Subject, registers: BigUint64Array, end: End): number => {
  if (end.vector === BREAKPOINT) return undefinedAfter(s, registers);
  return isCompare.test(s.form.mnemonic) ? ARITHMETIC_FLAGS : 0;
};

export const check = (host: HostProcessor, options: CheckOptions): CheckResult => {
  const { bits, seed, cases, only, mismatchesMax = 25, starts: startsOfEach = STARTS, from = 0, aligned = false } = options;
  const forms = formsOf(bits).filter((f) => only === undefined || only.test(f.name));
  if (forms.length === 0) throw new Error('no such form in this mode');
  const ways = [new SimulatedProcessor(bits, 'cold'), new SimulatedProcessor(bits, 'hot')] as const;
  const mismatches: Mismatch[] = [];
  const used = new Set<string>();
  /** Forms that have failed: one case of each says enough. */
  const wrong = new Set<string>();
  const chance = new Chance(seed, bits);
  let ran = 0;
  // Every form in turn, so that few cases still reach all of them.
  for (let next = Math.floor(from * forms.length); ran < cases && mismatches.length < mismatchesMax; ) {
    const subjects: Subject[] = [];
    const wanted = Math.min(BATCH, Math.ceil((cases - ran) / startsOfEach));
    for (let tries = 0; subjects.length < wanted && tries < BATCH * 4; tries++) {
      const made = subject(chance, forms[next++ % forms.length], bits);
      if (made !== undefined) subjects.push(made);
    }
    const groups: Group[] = subjects.map((s) => ({
      bits,
      code: s.code,
      entry: ENTRY,
      starts: Array.from({ length: startsOfEach }, () => start(chance, s, aligned)),
    }));
    const ends = host.run(bits, groups);
    subjects.forEach((s, i) => {
      used.add(s.form.name);
      const { starts } = groups[i];
      ran += starts.length;
      for (const p of ways) {
        if (wrong.has(s.form.name)) break;
        p.load(s.code, ENTRY);
        for (const [k, begin] of starts.entries()) {
          const wantedEnd = ends[i][k];
          const got = p.run(begin);
          const what =
            got === NO_END && wantedEnd.vector === ENDLESS
              ? null
              : typeof got === 'string'
                ? got
                : difference(got, wantedEnd, undefinedFlags(s, begin.registers, wantedEnd), bits);
          if (what === null || undefinedResult(s, begin.registers, wantedEnd, got)) continue;
          wrong.add(s.form.name);
          if (mismatches.length < mismatchesMax)
            mismatches.push({ form: s.form.name, way: p.way as 'cold' | 'hot', what, line: caseLine(bits, s.code, ENTRY, begin) });
          break;
        }
      }
    });
    options.onProgress?.(ran, mismatches.length);
  }
  return { cases: ran, forms: used.size, mismatches };
};
