// From times to a table: medians over rounds, ratios to hvd (above 1: hvd is faster), geometric means; as text, Markdown or an object.
import { HOT } from './workloads.js';

export interface Row {
  readonly workload: string;
  readonly bits: number;
  /** What all engines computed; `a!=b` when they disagree. */
  readonly checksum: string | null;
  /** Medians, by engine. */
  readonly seconds: Readonly<Record<string, number>>;
  /** The engine's seconds over hvd's. */
  readonly ratio: Readonly<Record<string, number>>;
  readonly note?: string;
}

export interface BenchResult {
  readonly suite: string;
  readonly bits: number;
  readonly rounds: number;
  readonly rows: readonly Row[];
  readonly geomean: Readonly<Record<string, number>>;
  readonly geomeanHot: Readonly<Record<string, number>>;
}

export const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

/** Collects the measurements of a run. */
export class Measurements {
  readonly #times = new Map<string, Map<string, number[]>>();
  readonly #checksums = new Map<string, Set<string>>();
  readonly #notes = new Map<string, string>();

  add(workload: string, engine: string, seconds: number, checksum: string): void {
    const row = this.#times.get(workload) ?? new Map<string, number[]>();
    row.set(engine, [...(row.get(engine) ?? []), seconds]);
    this.#times.set(workload, row);
    this.#checksums.set(workload, (this.#checksums.get(workload) ?? new Set()).add(checksum));
  }
  note(workload: string, text: string): void {
    this.#notes.set(workload, text);
  }

  row(workload: string, bits: number): Row {
    const seconds = Object.fromEntries([...(this.#times.get(workload) ?? [])].map(([engine, times]) => [engine, median(times)]));
    const { hvd } = seconds;
    const ratio =
      hvd === undefined ? {} : Object.fromEntries(Object.entries(seconds).flatMap(([e, s]) => (e === 'hvd' ? [] : [[e, s / hvd]])));
    const note = this.#notes.get(workload);
    const checksum = [...(this.#checksums.get(workload) ?? [])].join('!=') || null;
    return { workload, bits, checksum, seconds, ratio, ...(note === undefined ? {} : { note }) };
  }
}

/** Of each engine's ratios over the rows that have one. */
export const geomean = (rows: readonly Row[]): Record<string, number> => {
  const logs = new Map<string, number[]>();
  for (const row of rows) for (const [e, ratio] of Object.entries(row.ratio)) logs.set(e, [...(logs.get(e) ?? []), Math.log(ratio)]);
  return Object.fromEntries([...logs].map(([e, list]) => [e, Math.exp(list.reduce((a, b) => a + b, 0) / list.length)]));
};
export const geomeanHot = (rows: readonly Row[]): Record<string, number> => geomean(rows.filter((row) => HOT.includes(row.workload)));

const cellsOf = (row: Row, engines: readonly string[]): string[] => [
  row.workload,
  ...engines.flatMap((e) => [row.seconds[e]?.toFixed(3) ?? '-', ...(e === 'hvd' ? [] : [row.ratio[e]?.toFixed(2) ?? '-'])]),
];
const header = (engines: readonly string[]): string[] => [
  'workload',
  ...engines.flatMap((e) => [`${e} s`, ...(e === 'hvd' ? [] : [`/ hvd`])]),
];
const remark = (row: Row): string =>
  [row.note, row.checksum?.includes('!=') ? `CHECKSUMS DIFFER ${row.checksum}` : ''].filter((text) => text).join('; ');

export const asText = (result: BenchResult, engines: readonly string[]): string => {
  const lines = [header(engines), ...result.rows.map((row) => cellsOf(row, engines))];
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)) + 2);
  const text = lines.map((line, i) => {
    const cells = line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('');
    return i === 0 ? cells : `${cells}  ${remark(result.rows[i - 1]!)}`.trimEnd();
  });
  const means = Object.entries(result.geomean).map(
    ([e, mean]) =>
      `geomean of ${e} / hvd: ${mean.toFixed(2)}${e in result.geomeanHot ? ` (hot: ${result.geomeanHot[e]!.toFixed(2)})` : ''}`,
  );
  return [...text, ...means].join('\n');
};

export const asMarkdown = (result: BenchResult, engines: readonly string[]): string => {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const mean = (title: string, of: Readonly<Record<string, number>>): string =>
    line([title, ...engines.flatMap((e) => ['', ...(e === 'hvd' ? [] : [`**${of[e]?.toFixed(2) ?? '-'}**`])])]);
  return [
    line(header(engines)),
    line(header(engines).map((_, i) => (i === 0 ? '---' : '---:'))),
    ...result.rows.map((row) => line(cellsOf(row, engines)) + (remark(row) === '' ? '' : `<!-- ${remark(row)} -->`)),
    mean('geometric mean', result.geomean),
    ...(Object.keys(result.geomeanHot).length > 0 ? [mean('of the hot ones', result.geomeanHot)] : []),
  ].join('\n');
};
