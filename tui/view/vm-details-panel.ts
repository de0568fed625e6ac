// One partition in full: its VPs with where they are, the registers of one, what was intercepted of each, and the end of its console.
import { counterRates } from '../model/counter-rate.js';
import type { Dashboard } from '../model/dashboard.js';
import { mips, percent } from '../model/format.js';
import { Line } from './line.js';
import type { Panel } from './panel.js';
import { firstInSight } from './policies-panel.js';
import type { ScreenState } from './screen-state.js';
import { stateStyle, style, vpCellStyle } from './style.js';
import { rateMatrix } from './table-panel.js';
import { detailsOf } from './vms-choice.js';

/** Registers and consoles are asked for where somebody looks at them, and not with every sample. */
const NOT_KEPT = 'not kept of the past';

/** The newest answer about the partition that is shown; one about another was asked for before the last key. */
const answer = (dashboard: Dashboard, screen: ScreenState): Dashboard['vm'] =>
  dashboard.vm?.name === detailsOf(dashboard, screen) ? dashboard.vm : undefined;

const indexOf = (dashboard: Dashboard, screen: ScreenState): number => {
  const name = detailsOf(dashboard, screen);
  return dashboard.stats?.partitions.findIndex((one) => one.name === name) ?? -1;
};

/** A row for each VP. */
export const vmVpsPanel: Panel = (dashboard, screen, width, height) => {
  const { stats, rates, marks } = dashboard;
  const index = indexOf(dashboard, screen);
  const partition = stats?.partitions[index];
  if (partition === undefined) return [];
  const registers = answer(dashboard, screen)?.inspect.registers ?? [];
  const wide = width >= 76;
  const head = new Line(width).put('VP    ', style.heading).left('state', 11, style.heading).left('LP', 4, style.heading);
  head.right('MIPS', 6, style.heading).right('run', 6, style.heading).right('ready', 6, style.heading);
  head.put('  ').left('mode', 12, style.heading).put('CPL ', style.heading).left('RIP', 19, style.heading);
  if (wide) head.put('CR3', style.heading);
  const room = Math.max(1, height - 1);
  const first = firstInSight(screen.vp, partition.vps.length, room);
  const rows = partition.vps.slice(first, first + room).map((vp) => {
    const now = rates?.partitions[index]?.vps.find(({ id }) => id === vp.id);
    const own = registers.find((one) => one.vp === vp.id);
    const mark = marks.mark(marks.code(partition.name, vp.id));
    const line = new Line(width, vp.id === screen.vp ? style.selected : '').put(mark.letter, vpCellStyle(mark.partition, mark.vp));
    line.put(' ').left(String(vp.id), 4, style.label).left(vp.state, 11, stateStyle(vp.state));
    line.left(vp.lp === null ? '' : String(vp.lp), 4, style.label).right(mips(now?.instructions ?? 0), 6, style.number);
    line
      .right(percent(now?.runShare ?? 0), 6, style.label)
      .right(percent(now?.readyShare ?? 0), 6, style.label)
      .put('  ');
    line.left(own?.mode.replace('compatibility', 'compat') ?? '…', 12, style.label).left(String(own?.cpl ?? ''), 4, style.label);
    line.left(own?.rip ?? '', 19, style.number);
    if (wide) line.put(own?.cr3 ?? '', style.dim);
    return line.end();
  });
  return [head.end(), ...rows].slice(0, height);
};

/** Of the VP that is chosen. */
export const vmRegistersPanel: Panel = (dashboard, screen, width, height) => {
  const registers = answer(dashboard, screen)?.inspect.registers;
  const own = registers?.find(({ vp }) => vp === screen.vp) ?? registers?.[0];
  if (own === undefined) return height < 1 ? [] : [new Line(width).put(dashboard.ago > 0 ? NOT_KEPT : '…', style.dim).end()];
  const { apic } = own;
  const values: [string, string][] = [
    ['rip', own.rip],
    ['rfl', own.rflags],
    ...Object.entries(own.gpr),
    ['cr0', own.cr0],
    ['cr3', own.cr3],
    ['cr4', own.cr4],
    ['efer', own.efer],
  ];
  const cell = 5 + 18 + 1;
  const across = Math.max(1, Math.floor(width / cell));
  const lines: string[] = [];
  for (let at = 0; at < values.length; at += across) {
    const line = new Line(width);
    for (const [name, value] of values.slice(at, at + across)) line.left(name, 5, style.heading).left(value, cell - 5, style.number);
    lines.push(line.end());
  }
  const vectors = (list: readonly number[]): string => list.map((vector) => vector.toString(16).padStart(2, '0')).join(' ') || '-';
  const line = new Line(width).put('APIC ', style.heading).put(`TPR ${apic.tpr.toString(16).padStart(2, '0')}`, style.label);
  line.put(`  posted ${vectors(apic.posted)}  requested ${vectors(apic.requested)}  in service ${vectors(apic.inService)}`, style.label);
  return [...lines, line.end()].slice(0, height);
};

/** Counters by VP: what was intercepted, and what else its VPs count. */
export const vmCountersPanel: Panel = (dashboard, screen, width, height) => {
  const { stats, before, rates } = dashboard;
  const partition = stats?.partitions[indexOf(dashboard, screen)];
  if (partition === undefined) return [];
  const earlier = before?.partitions.find(({ name }) => name === partition.name);
  const vps = partition.vps.map(({ id, counters }) => ({
    id,
    totals: counters,
    rates: counterRates(earlier?.vps.find((vp) => vp.id === id)?.counters, counters, rates?.seconds ?? 0),
  }));
  const names = Object.keys(vps[0]?.totals ?? {});
  const sum = (name: string, of: 'totals' | 'rates'): number => vps.reduce((total, vp) => total + (vp[of][name] ?? 0), 0);
  const rows = names
    .map((name) => ({ name, total: sum(name, 'totals'), rate: sum(name, 'rates') }))
    .sort((a, b) => Number(b.name.endsWith('Intercepts')) - Number(a.name.endsWith('Intercepts')));
  const columns = vps.map((vp) => ({ title: `VP ${vp.id}`, style: style.heading, values: vp.rates }));
  return rateMatrix(rows, columns, width, height, 'counter');
};

/** Its last lines. */
export const vmConsolePanel: Panel = (dashboard, screen, width, height) => {
  const lines = answer(dashboard, screen)?.console.last(height) ?? [];
  if (lines.length === 0 && height > 0) return [new Line(width).put(dashboard.ago > 0 ? NOT_KEPT : 'nothing yet', style.dim).end()];
  return lines.map((line) => new Line(width).put(line, style.label).end());
};
