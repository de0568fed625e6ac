// Tables of rates by name: reasons, vectors, counters. Rows keep their order from sample to sample, so that the eye can stay on one.
import { si, words } from '../model/format.js';
import { Line } from './line.js';
import { type Style, style } from './style.js';

const BAR_MIN = 4;
const BAR_MAX = 24;
/** Columns of a table below which two numbers leave too little for names. */
const NARROW = 34;

export interface TableRow {
  readonly name: string;
  /** NaN for a gauge, which has none. */
  readonly rate: number;
  /** Of a gauge: its value. */
  readonly total: number;
}

/** Name, a bar relative to the largest rate, rate, total. Rows that never counted are left out; too many rows: those with the largest totals. */
export function rateTable(rows: readonly TableRow[], width: number, height: number, headings: { name: string; total: boolean }): string[] {
  const shown = mostCounted(rows, Math.max(0, height - 1));
  // Where a total takes the room of the names, the numbers stand closer.
  const [rateColumns, totalColumns] = headings.total && width < NARROW ? [6, 6] : [8, 8];
  const numbers = rateColumns + (headings.total ? totalColumns : 0);
  const longest = shown.reduce((max, row) => Math.max(max, row.name.length), headings.name.length);
  const nameColumns = Math.min(longest + 1, width - numbers);
  const left = width - numbers - nameColumns - 1;
  const barColumns = left < BAR_MIN ? 0 : Math.min(BAR_MAX, left);
  const head = new Line(width)
    .left(headings.name, nameColumns, style.heading)
    .to(width - numbers)
    .right('/s', rateColumns - 1, style.heading);
  if (headings.total) head.right('total', totalColumns, style.heading);
  const lines = [head.end()];
  const max = shown.reduce((most, row) => Math.max(most, row.rate || 0), 0);
  for (const row of shown) {
    const line = new Line(width).left(row.name, nameColumns, row.rate > 0 ? style.label : style.dim);
    line.put(bar(row.rate > 0 ? row.rate / max : 0, barColumns), style.busy).to(width - numbers);
    // A gauge has no rate: its value stands there if there is no other place for it.
    const gauge = Number.isNaN(row.rate);
    if (gauge) line.right(headings.total ? '' : si(row.total), rateColumns - 1, style.label);
    else line.right(si(row.rate), rateColumns - 1, row.rate > 0 ? style.number : style.dim);
    if (headings.total) line.right(si(row.total), totalColumns, style.dim);
    lines.push(line.end());
  }
  if (shown.length === 0 && height > 1) lines.push(new Line(width).put('none yet', style.dim).end());
  return lines;
}

export interface MatrixColumn {
  readonly title: string;
  readonly style: Style;
  readonly values: Readonly<Record<string, number>>;
}

/** One row per name, one column per LP or partition, the sum first. `among`: the rows of all matrices that stand under one another, so that their columns do too. */
export function rateMatrix(
  rows: readonly TableRow[],
  columns: readonly MatrixColumn[],
  width: number,
  height: number,
  name: string,
  among: readonly TableRow[] = rows,
): string[] {
  const shown = mostCounted(rows, Math.max(0, height - 1));
  const nameColumns = Math.min(
    28,
    width - 16,
    2 + mostCounted(among, among.length).reduce((max, row) => Math.max(max, words(row.name).length), 8),
  );
  const head = new Line(width).left(name, nameColumns, style.heading).right('total', 8, style.heading).right('all/s', 8, style.heading);
  const cell = Math.min(12, Math.max(7, ...columns.map((column) => column.title.length + 2)));
  const fitting = columns.slice(0, Math.max(0, Math.floor((width - head.column) / cell)));
  for (const column of fitting) head.right(column.title, cell, column.style);
  const lines = [head.end()];
  for (const row of shown) {
    const line = new Line(width)
      .left(words(row.name), nameColumns, row.rate > 0 ? style.label : style.dim)
      .right(si(row.total), 8, style.dim);
    line.right(Number.isNaN(row.rate) ? '' : si(row.rate), 8, row.rate > 0 ? style.number : style.dim);
    for (const column of fitting) {
      const value = column.values[row.name] ?? 0;
      line.right(value === 0 ? '·' : si(value), cell, value === 0 ? style.faint : style.label);
    }
    lines.push(line.end());
  }
  if (shown.length === 0 && height > 1) lines.push(new Line(width).put('none yet', style.dim).end());
  return lines;
}

function mostCounted(rows: readonly TableRow[], count: number): TableRow[] {
  const counted = rows.filter((row) => row.total > 0 || row.rate > 0);
  if (counted.length <= count) return counted;
  const kept = new Set([...counted].sort((a, b) => b.total - a.total).slice(0, count));
  return counted.filter((row) => kept.has(row));
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const;

/** `share` of `columns` in eighths of a column. */
export function bar(share: number, columns: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * columns * 8);
  return '█'.repeat(eighths >> 3) + EIGHTHS[eighths & 7]!;
}
