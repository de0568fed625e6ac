// The rows of the table of partitions: what each is and does, those that a filter lets through, in the order of a column.
import type { MachineStats } from '../../shared/protocol/messages.js';
import type { MachineRates } from './machine-rates.js';

export interface VmRow {
  readonly name: string;
  readonly state: string;
  readonly reason: string;
  readonly vps: number;
  /** Bytes. */
  readonly memory: number;
  /** A second. */
  readonly instructions: number;
  /** LPs' worth of time that its VPs run, and that they wait for one. */
  readonly run: number;
  readonly ready: number;
  readonly fills: number;
  readonly interrupts: number;
  readonly operations: number;
  /** Of its VPs, each once. */
  readonly jobs: string;
}
export const VM_COLUMNS = ['name', 'state', 'vps', 'memory', 'instructions', 'run', 'ready', 'fills', 'interrupts', 'operations'] as const;
export type VmColumn = (typeof VM_COLUMNS)[number];

export const vmRows = (stats: MachineStats, rates: MachineRates): VmRow[] =>
  stats.partitions.map(({ name, state, reason, vps, memory, load }, index) => {
    const now = rates.partitions[index];
    const sum = (of: 'runShare' | 'readyShare'): number => (now?.vps ?? []).reduce((total, vp) => total + vp[of], 0);
    return {
      name,
      state,
      reason: reason ?? '',
      vps: vps.length,
      memory,
      instructions: now?.instructions ?? 0,
      run: sum('runShare'),
      ready: sum('readyShare'),
      fills: now?.fills ?? 0,
      interrupts: now?.interrupts ?? 0,
      operations: now?.operations ?? 0,
      jobs: [...new Set(load.map(({ job }) => job))].filter((job) => job !== 'idle').join(' '),
    };
  });

/** Each word of the text is in its name, its state, its reason or its jobs. */
export const isMatch = ({ name, state, reason, jobs }: VmRow, text: string): boolean => {
  const all = `${name} ${state} ${reason} ${jobs}`.toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
};

/** By a column, names the other way round as soon as values are the same: the order does not change by chance. */
export const sorted = (rows: readonly VmRow[], by: VmColumn, descending: boolean): VmRow[] =>
  [...rows].sort((a, b) => {
    const [x, y] = [a[by], b[by]];
    const order = x < y ? -1 : x > y ? 1 : 0;
    return (descending ? -order : order) || (a.name < b.name ? -1 : 1);
  });
