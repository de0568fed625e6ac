// The page of spin waits: how VPs are found spinning, and what is done about it; and by VP, what it owes for its extensions and how long it waits for an LP.
import { addCounters } from '../model/counter-rate.js';
import { percent, si } from '../model/format.js';
import { spinsFound } from '../model/machine-rates.js';
import { Line } from './line.js';
import type { Panel } from './panel.js';
import { partitionStyle, style, vpCellStyle } from './style.js';
import { rateMatrix } from './table-panel.js';

/** Counters of all VPs by partition. */
export const spinMatrix: Panel = ({ stats, rates, marks }, screen, width, height) => {
  if (stats === undefined || rates === undefined) return [];
  const totals: Record<string, number> = {};
  const perSecond: Record<string, number> = {};
  stats.partitions.forEach(({ name, vps }, index) => {
    if (screen.partition !== undefined && name !== screen.partition) return;
    for (const { spin } of vps) addCounters(totals, spin);
    addCounters(perSecond, rates.partitions[index]?.spin ?? {});
  });
  const rows = Object.keys(totals).map((name) => ({ name, total: totals[name] ?? 0, rate: perSecond[name] ?? 0 }));
  const columns = rates.partitions.map(({ name, spin }) => ({ title: name, style: partitionStyle(marks.partition(name)), values: spin }));
  return rateMatrix(rows, columns, width, height, 'counter');
};

const NUMBER = 7;
const NARROW_NUMBER = 6;

/** A row for each VP. */
export const spinVpsTable: Panel = ({ stats, rates, marks }, screen, width, height) => {
  if (stats === undefined || rates === undefined) return [];
  const narrow = width < 40;
  const number = narrow ? NARROW_NUMBER : NUMBER;
  const nameColumns = Math.max(6, Math.min(18, width - 4 * number));
  const wide = width >= nameColumns + 6 * number;
  const head = new Line(width).left('VP', nameColumns, style.heading);
  for (const title of [narrow ? 'spins' : 'spins/s', narrow ? 'lent' : 'lent/s', 'debt', 'ready']) head.right(title, number, style.heading);
  if (wide) for (const title of ['boost', 'held']) head.right(title, number, style.heading);
  const lines = [head.end()];
  stats.partitions.forEach(({ name, vps }, index) => {
    if (screen.partition !== undefined && name !== screen.partition) return;
    for (const [n, { id, spin }] of vps.entries()) {
      const now = rates.partitions[index]?.vps[n];
      if (now === undefined) continue;
      const mark = marks.mark(marks.code(name, id));
      const line = new Line(width).put(mark.letter, vpCellStyle(mark.partition, mark.vp)).put(' ');
      line.left(narrow ? String(id) : `${name}/${id}`, nameColumns - 2, style.label);
      const spins = spinsFound(now.spin);
      const debt = (spin.extendedCycles ?? 0) - (spin.repaidCycles ?? 0);
      line.right(si(spins), number, spins > 0 ? style.number : style.faint);
      line.right(si(now.spin.extendedCycles ?? 0), number, style.label);
      line.right(si(debt), number, debt > 0 ? style.wait : style.faint);
      line.right(percent(now.readyShare), number, style.label);
      if (wide) line.right(si(now.spin.expressCycles ?? 0), number, style.label).right(si(spin.holderPreemptions ?? 0), number, style.dim);
      lines.push(line.end());
    }
  });
  return lines.slice(0, height);
};
