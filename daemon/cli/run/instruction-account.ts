// What `hvd run --count` says at the end: retired instructions by class and mnemonic, and what made the guest leave its code.
import type { ObservationReport } from '../../../shared/layout/observation.js';
import type { MachineStats } from '../../../shared/protocol/messages.js';
import { codeMemoryOf, perGuestByte } from '../code-memory.js';
import { formatTable } from '../output.js';

export interface InstructionAccount {
  /** Sum of the classes, and of all mnemonics. */
  readonly retired: number;
  readonly classes: Readonly<Record<string, number>>;
  /** Every mnemonic, most frequent first. */
  readonly mnemonics: Readonly<Record<string, number>>;
  /** Ways out of translated code. */
  readonly exits: Readonly<Record<string, number>>;
  /** Reasons for which the hypervisor was entered. */
  readonly intercepts: Readonly<Record<string, number>>;
  readonly translations: number;
  readonly compilations: number;
  readonly tlbMisses: number;
  /** What translated code takes at the end, by CODE_COUNTS. */
  readonly code: Readonly<Record<string, number>>;
}

/** Mnemonics that the table shows; `--json` has all. */
const TOP = 20;

export const accountOf = (report: ObservationReport, stats: MachineStats): InstructionAccount => {
  const intercepts: Record<string, number> = {};
  for (const lp of stats.lps) for (const [name, n] of Object.entries(lp.intercepts)) intercepts[name] = (intercepts[name] ?? 0) + n;
  const vps = stats.partitions.flatMap((partition) => partition.vps);
  const counter = (name: string): number => vps.reduce((total, vp) => total + (vp.counters[name] ?? 0), 0);
  return {
    retired: report.retired,
    classes: descending(report.classes),
    mnemonics: descending(report.mnemonics),
    exits: descending(report.exits),
    intercepts: descending(intercepts),
    translations: counter('translations'),
    compilations: counter('compilations'),
    tlbMisses: counter('hardwareTlbMisses'),
    code: sumOf(stats.partitions.map((partition) => partition.code)),
  };
};
const sumOf = (all: readonly Readonly<Record<string, number>>[]): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const counts of all) for (const [name, n] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + n;
  return sums;
};
const codeText = (code: Readonly<Record<string, number>>): string => {
  const memory = codeMemoryOf(code);
  const per = (bytes: number): string => perGuestByte(bytes, memory).toFixed(1);
  const parts = `records ${code.recordBytes ?? 0}, metadata ${code.metadataBytes ?? 0}, WebAssembly ${code.unitBytes ?? 0}`;
  return `code of ${memory.guestBytes} bytes takes ${memory.held} (${parts}): ${per(memory.held)} a byte; V8's machine code about ${per(memory.machineBytes)} more`;
};

export const formatAccount = (account: InstructionAccount): string => {
  const share = (n: number): string => (account.retired === 0 ? '-' : ((n * 100) / account.retired).toFixed(1));
  const counts = (title: string, of: Readonly<Record<string, number>>, most = Number.POSITIVE_INFINITY): string =>
    formatTable(
      [title, 'INSTRUCTIONS', '%'],
      Object.entries(of)
        .slice(0, most)
        .map(([name, n]) => [name, n, share(n)]),
    );
  const events = (title: string, of: Readonly<Record<string, number>>): string =>
    formatTable(
      [title, 'TIMES'],
      Object.entries(of).filter(([, n]) => n > 0),
    );
  return [
    `retired ${account.retired}  translations ${account.translations}  compilations ${account.compilations}  TLB misses ${account.tlbMisses}\n${codeText(account.code)}`,
    counts('CLASS', account.classes),
    counts('MNEMONIC', account.mnemonics, TOP),
    events('EXIT', account.exits),
    events('INTERCEPT', account.intercepts),
  ].join('\n\n');
};

const descending = (counts: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(counts).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)));
