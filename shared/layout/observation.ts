// What `hvd run` wants to know of a guest beyond its counters, and the memory in which its LPs answer: allocated by root for that one run, sent along with ATTACH.
// Why memory of its own: a partition that nobody observes has none of it, and nothing on its way looks for it.
//
//   0      header: lock and accounts of the trace
//   64     trace lines: a byte queue from whichever LP holds the lock to root
//   ...    reports: one for each LP, written once, when the partition is detached:  +0 i32 bytes (0 = none)   +8 JSON of ObservationReport
import { i32, struct, u32 } from './struct.js';

export const ObservationLayout = struct('Observation', {
  /** Futex of the trace: 0 free, 1 held, 2 held with waiters. Only LPs take it. */
  traceLock: i32,
  /** 1 once an LP has come to where the trace begins: then all trace. */
  traceBegun: i32,
  /** Instructions traced so far, of all LPs. */
  traced: i32,
  /** Lines for which the reader made no room in time. */
  traceLost: u32,
});
export const TRACE_QUEUE = 64;
export const TRACE_CAPACITY = 1 << 20;
const REPORTS = TRACE_QUEUE + 64 + TRACE_CAPACITY;
/** Room for one LP's report; what does not fit is left out by the LP, least important first. Pages that are not touched cost nothing. */
export const REPORT_SIZE = 8 << 20;
export const reportAt = (lp: number): number => REPORTS + lp * REPORT_SIZE;
export const observationSize = (lps: number): number => reportAt(lps);

export interface TraceSettings {
  /** Linear address at which tracing begins; -1: at once. */
  readonly from: number;
  /** Instructions, of all VPs together. */
  readonly limit: number;
  /** Every general register on each line, not only those that changed. */
  readonly allRegisters: boolean;
}

/** What is asked for. */
export interface Observe {
  readonly memory: SharedArrayBuffer;
  /** Retired instructions by mnemonic, class and block. */
  readonly count: boolean;
  /** Retired instructions between two samples of the stack; 0 = none. */
  readonly stackPeriod: number;
  readonly trace: TraceSettings | undefined;
}

/** One LP's answer. */
export interface ObservationReport {
  readonly retired: number;
  readonly classes: Readonly<Record<string, number>>;
  readonly mnemonics: Readonly<Record<string, number>>;
  /** Ways out of translated code, by name. */
  readonly exits: Readonly<Record<string, number>>;
  /** Of each block: linear address, executions, instructions retired; most retired first. */
  readonly blocks: readonly (readonly [linear: number, executions: number, retired: number])[];
  /** Retired in blocks that are not listed. */
  readonly elsewhere: number;
  /** Of each stack: instructions retired, then linear addresses, innermost first; none for those that are not listed. */
  readonly stacks: readonly (readonly number[])[];
}
