// What the workload guests get done: operations per second by VP and job, with latencies in virtual cycles. As a narrow table, and with parameters, by row, on its own page.
import { scriptText } from '../../shared/protocol/script-progress.js';
import type { Dashboard } from '../model/dashboard.js';
import { si } from '../model/format.js';
import { Line } from './line.js';
import { loadRows, parametersText } from './loads-choice.js';
import type { Panel } from './panel.js';
import { firstInSight } from './policies-panel.js';
import type { Hit } from './region.js';
import { style, vpCellStyle } from './style.js';
import { bar } from './table-panel.js';

const BAR_MAX = 20;
const SCRIPT_BAR = 16;
/** A screen so wide has a bar of how far a phase is. */
const SCRIPT_BAR_MIN = 100;
const PARAMETERS_MIN = 12;

/** On the page of loads: a click chooses the VP. */
export const loadsHit: Hit = (state, dashboard, { y: line, height: all }) => {
  const above = scriptLines(dashboard, 0, all).length;
  const [y, height] = [line - above, all - above];
  const { rows, at } = loadRows(dashboard, state);
  const row = rows[firstInSight(at, rows.length, Math.max(1, height - 1)) + y - 1];
  return y < 1 || row === undefined ? undefined : { ...state, loads: { row: `${row.partition}/${row.load.vp}` } };
};

/** How far load scripts are that anybody plays, and what does not hold, above the table: at most a third of `height` lines. */
const scriptLines = ({ stats }: Dashboard, width: number, height: number): string[] =>
  (stats?.scripts ?? [])
    .flatMap((script) => {
      const { state, name, seconds, length, failures } = script;
      const bad = state === 'failed' || failures.length > 0;
      const line = new Line(width)
        .put('script ', style.dim)
        .put(name, bad ? style.bad : style.label)
        .put('  ');
      if (state === 'running' && width >= SCRIPT_BAR_MIN)
        line.put(bar(length > 0 ? seconds / length : 0, SCRIPT_BAR).padEnd(SCRIPT_BAR), style.busy).put('  ');
      line.put(scriptText(script), state === 'running' ? style.number : style.dim);
      return [line.end(), ...failures.map((text) => new Line(width).put('  fails: ', style.bad).put(text, style.label).end())];
    })
    .slice(0, Math.floor(height / 3));

/** The page's panel: scripts, and under them the table. */
export const loadsPanel: Panel = (dashboard, screen, width, height) => {
  const above = scriptLines(dashboard, width, height);
  return [...above, ...loadTable(dashboard, screen, width, height - above.length)];
};

export const loadTable: Panel = (dashboard, screen, width, height) => {
  const { rows, at } = loadRows(dashboard, screen);
  const rates = new Map(
    (dashboard.rates?.partitions ?? []).flatMap((partition) => partition.load.map((job) => [`${partition.name}/${job.vp}`, job])),
  );
  const wide = width >= 68;
  const nameColumns = wide ? 18 : 2;
  const number = wide ? 8 : 7;
  const jobColumns = wide ? 12 : Math.max(4, Math.min(12, width - nameColumns - 3 * number));
  const left = wide ? width - nameColumns - jobColumns - 4 * number - 8 - 2 : 0;
  const barColumns = left >= 2 * PARAMETERS_MIN ? Math.min(BAR_MAX, Math.floor(left / 3)) : 0;
  const head = new Line(width)
    .left(wide ? 'VP' : '', nameColumns, style.heading)
    .left('job', jobColumns, style.heading)
    .right('ops/s', number, style.heading)
    .right('mean', number, style.heading);
  if (wide) head.right('p99', number, style.heading);
  head.right('max cy', number, style.heading);
  if (wide) head.right('ops', 8, style.heading);
  if (barColumns > 0) head.to(head.column + 2 + barColumns);
  if (left >= PARAMETERS_MIN) head.put('  parameters', style.heading);
  const lines = [head.end()];
  const max = [...rates.values()].reduce((most, row) => Math.max(most, row.operations), 0);
  const room = Math.max(1, height - 1);
  const own = screen.page === 'loads';
  const first = own ? firstInSight(at, rows.length, room) : 0;
  for (const [n, { partition, load }] of rows.slice(first, first + room).entries()) {
    const rate = rates.get(`${partition}/${load.vp}`);
    const operations = rate?.operations ?? 0;
    const mark = dashboard.marks.mark(dashboard.marks.code(partition, load.vp));
    const line = new Line(width, own && first + n === at ? style.selected : '')
      .put(mark.letter, vpCellStyle(mark.partition, mark.vp))
      .put(' ');
    line.left(wide ? `${partition}/${load.vp}` : '', nameColumns - 2, style.label);
    line.left(load.job, jobColumns, load.job === 'idle' ? style.dim : style.label);
    line.right(si(operations), number, operations > 0 ? style.number : style.dim);
    line.right(si(rate?.latencyMean ?? 0), number, style.label);
    if (wide) line.right(si(load.latencyP99), number, style.label);
    line.right(si(load.latencyMax), number, style.dim);
    if (wide) line.right(si(load.operations), 8, style.dim);
    if (barColumns > 0)
      line
        .put('  ')
        .put(bar(max > 0 ? operations / max : 0, barColumns), style.busy)
        .to(width - left + barColumns);
    if (left >= PARAMETERS_MIN) line.put('  ').put(parametersText(load), style.label);
    lines.push(line.end());
  }
  if (rows.length === 0 && height > 1) lines.push(new Line(width).put('no guest takes jobs: hvd vm create workload64', style.dim).end());
  return lines.slice(0, height);
};
