// What the workload guests get done: operations per second by VP and job, with latencies in virtual cycles.
import { si } from '../model/format.js';
import { Line } from './line.js';
import type { Panel } from './panel.js';
import { style, vpCellStyle } from './style.js';
import { bar } from './table-panel.js';

export const loadTable: Panel = (dashboard, screen, width, height) => {
  const rows = (dashboard.rates?.partitions ?? [])
    .filter((partition) => screen.partition === undefined || partition.name === screen.partition)
    .flatMap((partition) => partition.load.map((job) => ({ ...job, partition: partition.name })));
  const wide = width >= 68;
  const nameColumns = wide ? 18 : 2;
  const number = wide ? 8 : 7;
  const jobColumns = wide ? 12 : Math.max(4, Math.min(12, width - nameColumns - 3 * number));
  const barColumns = wide ? Math.min(30, width - nameColumns - jobColumns - 42) : 0;
  const head = new Line(width)
    .left(wide ? 'VP' : '', nameColumns, style.heading)
    .left('job', jobColumns, style.heading)
    .right('ops/s', number, style.heading)
    .right('mean', number, style.heading);
  if (wide) head.right('p99', number, style.heading);
  head.right('max cy', number, style.heading);
  if (wide) head.right('ops', 8, style.heading);
  const lines = [head.end()];
  const max = rows.reduce((most, row) => Math.max(most, row.operations), 0);
  for (const row of rows.slice(0, height - 1)) {
    const mark = dashboard.marks.mark(dashboard.marks.code(row.partition, row.vp));
    const line = new Line(width).put(mark.letter, vpCellStyle(mark.partition, mark.vp)).put(' ');
    line.left(wide ? `${row.partition}/${row.vp}` : '', nameColumns - 2, style.label).left(row.job, jobColumns, style.label);
    line.right(si(row.operations), number, row.operations > 0 ? style.number : style.dim);
    line.right(si(row.latencyMean), number, style.label);
    if (wide) line.right(si(row.latencyP99), number, style.label);
    line.right(si(row.latencyMax), number, style.dim);
    if (wide) line.right(si(row.total), 8, style.dim);
    if (barColumns > 0) line.put('  ').put(bar(max > 0 ? row.operations / max : 0, barColumns), style.busy);
    lines.push(line.end());
  }
  if (rows.length === 0 && height > 1) lines.push(new Line(width).put('no job runs: hvd load set', style.dim).end());
  return lines;
};
