// The page of interrupts: which vectors go to which LPs, where interrupts come from and how they end, and what waits in the synthetic interrupt controllers.
import { si } from '../model/format.js';
import { interruptRates, interruptTotals } from '../model/interrupt-rates.js';
import { visibleLps } from './lanes-panel.js';
import { Line } from './line.js';
import type { Panel } from './panel.js';
import { type Style, style } from './style.js';
import { rateTable, type TableRow } from './table-panel.js';

/** Vector by LP: a number with its colour in each cell; where there are too many LPs for numbers, the colour alone. */
export const vectorMatrix: Panel = (dashboard, screen, width, height) => {
  const { interrupts, interruptsBefore, stats } = dashboard;
  if (interrupts === undefined || stats === undefined) return asked(width, height);
  const rates = interruptRates(interruptsBefore, interrupts);
  const { byVector } = interruptTotals(interrupts);
  const all: Record<string, number> = {};
  for (const lp of rates.lps) for (const [vector, rate] of Object.entries(lp.byVector)) all[vector] = (all[vector] ?? 0) + rate;
  const vectors = busiest(byVector, Math.max(0, height - 1));
  const room = width - VECTOR_COLUMNS - 2 * NUMBER;
  const cell = rates.lps.length * NUMBER <= room ? NUMBER : HEAT;
  const [first, last] = visibleLps(stats, screen.lp, Math.max(1, Math.floor(room / cell)));
  const shown = rates.lps.slice(first, last);
  const head = new Line(width)
    .left('vector', VECTOR_COLUMNS, style.heading)
    .right('total', NUMBER, style.heading)
    .right('all/s', NUMBER, style.heading);
  for (const { id } of shown) {
    if (cell === NUMBER) head.right(`LP ${id}`, cell, id === screen.lp ? style.badge : style.heading);
    else head.right(String(id % 100), cell, id === screen.lp ? style.badge : id % 2 === 0 ? style.heading : style.dim);
  }
  const lines = [head.end()];
  for (const vector of vectors) {
    const sum = all[vector] ?? 0;
    const line = new Line(width).left(vectorName(vector), VECTOR_COLUMNS, sum > 0 ? style.label : style.dim);
    line.right(si(byVector[vector] ?? 0), NUMBER, style.dim).right(si(sum), NUMBER, heat(sum));
    for (const { byVector: ofLp } of shown) {
      const rate = ofLp[vector] ?? 0;
      if (cell === NUMBER) line.right(rate === 0 ? '·' : si(rate), cell, heat(rate));
      else line.right(rate === 0 ? '·' : '■', cell, heat(rate));
    }
    lines.push(line.end());
  }
  if (vectors.length === 0 && height > 1) lines.push(new Line(width).put('none yet', style.dim).end());
  return lines.slice(0, height);
};

const VECTOR_COLUMNS = 7;
const NUMBER = 7;
const HEAT = 3;

const vectorName = (vector: string): string => `0x${Number(vector).toString(16).padStart(2, '0')}`;

/** Those with the largest totals, in order of number. */
const busiest = (totals: Readonly<Record<string, number>>, count: number): string[] =>
  Object.keys(totals)
    .sort((a, b) => totals[b]! - totals[a]!)
    .slice(0, count)
    .sort((a, b) => Number(a) - Number(b));

/** The order of magnitude of a rate, dark to light: the order is seen without its hues. */
const HEATS: readonly (readonly [number, Style])[] = [
  [100_000, '38;5;229'],
  [10_000, '38;5;185'],
  [1000, '38;5;114'],
  [100, '38;5;73'],
  [10, '38;5;67'],
  [Number.MIN_VALUE, '38;5;60'],
];
export const heat = (rate: number): Style => HEATS.find(([from]) => rate >= from)?.[1] ?? style.faint;

/** Where interrupts come from, how they end, and what the physical APICs have to do with it. */
export const sourcesPanel: Panel = (dashboard, { partition }, width, height) => {
  const { interrupts, interruptsBefore } = dashboard;
  if (interrupts === undefined) return asked(width, height);
  const rates = interruptRates(interruptsBefore, interrupts, partition);
  const totals = interruptTotals(interrupts, partition);
  const rows = (total: Readonly<Record<string, number>>, rate: Readonly<Record<string, number>>): TableRow[] =>
    Object.keys(total).map((name) => ({ name, total: total[name] ?? 0, rate: rate[name] ?? 0 }));
  const total = width >= 24;
  const table = (kind: string, list: TableRow[]): string[] =>
    rateTable(list, width, 1 + Math.max(1, list.filter((row) => row.total > 0).length), { name: kind, total });
  const { physical } = totals;
  const foot = new Line(width).left('physical', 9, style.heading).put(`${si(rates.physicalEois)} EOI/s`, style.label);
  const deferred = new Line(width)
    .left('deferred', 9, style.heading)
    .put(si(physical.deferredNow), physical.deferredNow > 0 ? style.wait : style.number)
    .put(` of ${si(physical.deferredTotal)}, max ${physical.deferredMax}`, style.dim);
  if (physical.revoked > 0) deferred.put(` ${si(physical.revoked)} revoked`, style.bad);
  const lines = [...table('source', rows(totals.bySource, rates.bySource)), ...table('end', rows(totals.ends, rates.ends))];
  return [...lines.slice(0, Math.max(1, height - 2)), foot.end(), deferred.end()].slice(0, height);
};

/** A row for each SINT in use: message slots, queues, event flags. */
export const sintsPanel: Panel = (dashboard, { partition }, width, height) => {
  const { interrupts, interruptsBefore } = dashboard;
  if (interrupts === undefined) return asked(width, height);
  const { sints, eoms } = interruptRates(interruptsBefore, interrupts, partition);
  const head = new Line(width).left('SINT', 5, style.heading);
  for (const title of ['slots', 'pend', 'queue', 'flags']) head.right(title, SINT_NUMBER, style.heading);
  head.right('msg/s', RATE, style.heading).right('evt/s', RATE, style.heading);
  const lines = [head.end()];
  for (const { now, messages, events } of sints.slice(0, Math.max(0, height - 2))) {
    const line = new Line(width).left(String(now.sint), 5, style.bold);
    for (const value of [now.busy, now.pending, now.waiting, now.flags])
      line.right(value === 0 ? '·' : si(value), SINT_NUMBER, value === 0 ? style.faint : style.wait);
    for (const rate of [messages, events]) line.right(rate === 0 ? '·' : si(rate), RATE, rate === 0 ? style.faint : style.number);
    lines.push(line.end());
  }
  if (sints.length === 0) lines.push(new Line(width).put('no guest has one in use', style.dim).end());
  else lines.push(new Line(width).left('EOM/s', 6, style.heading).put(si(eoms), style.label).end());
  return lines.slice(0, height);
};

const SINT_NUMBER = 6;
const RATE = 7;

/** The two panels above in so many lines, for a screen that has no room for them: rates of sources and ends, what waits at physical APICs and in message slots. */
export const interruptSummary: Panel = (dashboard, { partition }, width, height) => {
  const { interrupts, interruptsBefore } = dashboard;
  if (interrupts === undefined) return asked(width, height);
  const { bySource, ends, sints, eoms, physicalEois } = interruptRates(interruptsBefore, interrupts, partition);
  const { physical } = interruptTotals(interrupts, partition);
  const sum = (of: (sint: (typeof sints)[number]) => number): number => sints.reduce((total, sint) => total + of(sint), 0);
  const row = (name: string, ...numbers: readonly (readonly [value: number, what: string])[]): string => {
    const line = new Line(width).left(name, 9, style.heading);
    for (const [value, what] of numbers) line.put(si(value), value === 0 ? style.faint : style.number).put(` ${what}  `, style.dim);
    return line.end();
  };
  const rates = (of: Readonly<Record<string, number>>): [number, string][] => Object.entries(of).map(([name, rate]) => [rate, `${name}/s`]);
  return [
    row('source', ...rates(bySource)),
    row('end', ...rates(ends)),
    row(
      'physical',
      [physicalEois, 'EOI/s'],
      [physical.deferredNow, `of ${si(physical.deferredTotal)} deferred, max ${physical.deferredMax}`],
      [physical.revoked, 'revoked'],
    ),
    row(
      'SINTs',
      [sum(({ now }) => now.busy), 'busy'],
      [sum(({ now }) => now.pending), 'pending'],
      [sum(({ now }) => now.waiting), 'queued'],
      [sum(({ now }) => now.flags), 'flags'],
      [sum(({ messages }) => messages), 'msg/s'],
      [sum(({ events }) => events), 'evt/s'],
      [eoms, 'EOM/s'],
    ),
  ].slice(0, height);
};
export const SUMMARY_LINES = 4;

/** Before the first answer. */
const asked = (width: number, height: number): string[] => (height < 1 ? [] : [new Line(width).put('…', style.dim).end()]);
