// The table of partitions, one row each.
import { bytes, mips, percent, si } from '../model/format.js';
import type { VmColumn, VmRow } from '../model/vm-rows.js';
import { Line } from './line.js';
import type { Panel } from './panel.js';
import { firstInSight } from './policies-panel.js';
import type { Hit } from './region.js';
import { partitionStyle, stateStyle, style } from './style.js';
import { shownVms, sortedBy } from './vms-choice.js';

interface Column {
  readonly by: VmColumn;
  readonly title: string;
  readonly columns: number;
  readonly text: (row: VmRow) => string;
}
const STATE = 12;
/** In the order in which they find room. */
const NUMBERS: readonly Column[] = [
  { by: 'vps', title: 'VPs', columns: 5, text: ({ vps }) => String(vps) },
  { by: 'memory', title: 'memory', columns: 10, text: ({ memory }) => bytes(memory) },
  { by: 'instructions', title: 'MIPS', columns: 7, text: ({ instructions }) => mips(instructions) },
  { by: 'run', title: 'run', columns: 7, text: ({ run }) => percent(run) },
  { by: 'ready', title: 'ready', columns: 7, text: ({ ready }) => percent(ready) },
  { by: 'fills', title: 'fills/s', columns: 9, text: ({ fills }) => si(fills) },
  { by: 'interrupts', title: 'intr/s', columns: 9, text: ({ interrupts }) => si(interrupts) },
  { by: 'operations', title: 'ops/s', columns: 9, text: ({ operations }) => si(operations) },
];

/** What stands where in a table of `width` columns: for its rows and for clicks on its heading. */
export const vmColumns = (width: number): { readonly name: number; readonly numbers: readonly Column[]; readonly jobs: number } => {
  const all = NUMBERS.reduce((sum, { columns }) => sum + columns, 0);
  const name = Math.max(10, Math.min(24, width - 2 - STATE - all));
  let room = width - 2 - name - STATE;
  const numbers: Column[] = [];
  for (const column of NUMBERS) {
    if (column.columns > room) break;
    numbers.push(column);
    room -= column.columns;
  }
  return { name, numbers, jobs: Math.max(0, room - 2) };
};

/** The column that a click on the heading means. */
export const vmColumnAt = (x: number, width: number): VmColumn => {
  const { name, numbers } = vmColumns(width);
  if (x < 2 + name) return 'name';
  let end = 2 + name + STATE;
  if (x < end) return 'state';
  for (const { by, columns } of numbers) {
    end += columns;
    if (x < end) return by;
  }
  return 'name';
};

/** The first row shown where there is no room for all. */
export const firstVm = (rows: readonly VmRow[], selected: string | undefined, height: number): number =>
  firstInSight(
    rows.findIndex(({ name }) => name === selected),
    rows.length,
    Math.max(1, height - 1),
  );

/** A click on the heading sorts; one on a row chooses it, one on the chosen row shows it in full. */
export const vmsHit: Hit = (state, dashboard, { x, y, width, height }) => {
  if (y === 0) return sortedBy(state, vmColumnAt(x, width));
  const rows = shownVms(dashboard, state);
  const row = rows[firstVm(rows, state.partition, height) + y - 1];
  if (row === undefined) return undefined;
  if (row.name === state.partition) return { ...state, vms: { ...state.vms, details: true } };
  return { ...state, vp: 0, partition: row.name };
};

export const vmsTable: Panel = (dashboard, screen, width, height) => {
  const { stats, marks } = dashboard;
  if (stats === undefined) return [];
  const { name, numbers, jobs } = vmColumns(width);
  const { sort, descending, filter } = screen.vms;
  const sign = (by: VmColumn, title: string): string => (by === sort ? `${title}${descending ? '↓' : '↑'}` : title);
  const head = new Line(width).put('  ').left(sign('name', 'name'), name, style.heading).left(sign('state', 'state'), STATE, style.heading);
  for (const { by, title, columns } of numbers) head.right(sign(by, title), columns, style.heading);
  if (jobs > 0) head.put('  job', style.heading);
  const rows = shownVms(dashboard, screen);
  const first = firstVm(rows, screen.partition, height);
  const lines = rows.slice(first, first + Math.max(1, height - 1)).map((row) => {
    const line = new Line(width, row.name === screen.partition ? style.selected : '');
    const colour = partitionStyle(marks.partition(row.name));
    line.put('■ ', colour).left(row.name, name, colour).left(row.state, STATE, stateStyle(row.state));
    if (row.reason !== '') return line.put(row.reason, style.bad).end();
    for (const { columns, text } of numbers) line.right(text(row), columns, style.label);
    if (jobs > 0) line.put('  ').left(row.jobs, jobs, style.dim);
    return line.end();
  });
  if (rows.length === 0 && height > 1) {
    const text = stats.partitions.length === 0 ? 'no partition yet: hvd vm create FILE' : `no partition matches ${filter}`;
    lines.push(new Line(width).put(text, style.dim).end());
  }
  return [head.end(), ...lines].slice(0, height);
};
