// What a partition's vTLB holds now: shadow tables by node and state, guest tables by what is known of writes to them, what waits in queues, and the shadow address spaces with their tags.
import type { MachineStats, SasInspect, VtlbInspect } from '../../shared/protocol/messages.js';
import { si } from '../model/format.js';
import { Line } from './line.js';
import type { Panel } from './panel.js';
import type { ScreenState } from './screen-state.js';
import { style } from './style.js';

type VtlbView = Extract<VtlbInspect, { kind: 'vtlb' }>;

/** The partition whose vTLB is shown: the chosen one, or the first. */
export const spacesTarget = (screen: ScreenState, stats: MachineStats | undefined): string | undefined =>
  (stats?.partitions.find(({ name }) => name === screen.partition) ?? stats?.partitions[0])?.name;

export const vtlbSpacesPanel: Panel = ({ vtlb, stats }, screen, width, height) => {
  // An answer about another partition is one that was asked for before the last key.
  if (vtlb === undefined || vtlb.partition !== spacesTarget(screen, stats))
    return height < 1 ? [] : [new Line(width).put(stats?.partitions.length === 0 ? 'no partition' : '…', style.dim).end()];
  return spacesLines(vtlb.view, width, height);
};

const NUMBER = 7;

export const spacesLines = (view: VtlbView, width: number, height: number): string[] => {
  const head = new Line(width).left('SPTs', 8, style.heading);
  for (const state of ['live', 'cond.', 'free']) head.right(state, NUMBER, style.heading);
  const lines = [head.end()];
  for (const { node, live, condemned, free } of view.tables) {
    const line = new Line(width).left(`node ${node}`, 8, style.label).right(si(live), NUMBER, style.number);
    line.right(si(condemned), NUMBER, condemned > 0 ? style.wait : style.dim);
    lines.push(line.right(si(free), NUMBER, style.dim).end());
  }
  const { N, T, D, C } = view.pages;
  const stale = view.spaces.filter(isStale).length;
  lines.push(parts(width, 'GPTs', { T, D, N }));
  lines.push(parts(width, 'queues', { 'cond.': view.tables.reduce((sum, { condemned }) => sum + condemned, 0), closing: C, stale }));
  return [...lines, ...spaceRows(view, width, height - lines.length)].slice(0, height);
};

/** Numbers with their names behind them. */
const parts = (width: number, title: string, values: Readonly<Record<string, number>>): string => {
  const line = new Line(width).left(title, 8, style.heading);
  for (const [name, value] of Object.entries(values))
    line.put(si(value), value > 0 ? style.number : style.dim).put(` ${name}  `, style.label);
  return line.end();
};

const isStale = ({ stale }: SasInspect): boolean => stale;
const isNode = ({ level }: SasInspect): boolean => level < 4;

/** Address spaces that somebody has loaded first, then by number; shared nodes last. */
const spaceRows = ({ spaces, generation }: VtlbView, width: number, height: number): string[] => {
  if (height < 2) return [];
  const wide = width >= 48;
  const head = new Line(width).right('SAS', 4, style.heading).right('LPs', 4, style.heading).right('CR3', 11, style.heading);
  if (wide) head.right('PCID', 5, style.heading);
  head.right('SPTs', 5, style.heading);
  if (wide) head.right('entries', 8, style.heading);
  const lines = [head.put('  ').put('state', style.heading).end()];
  const rank = (space: SasInspect): number => (isNode(space) ? 2 : space.users > 0 ? 0 : 1);
  const sorted = [...spaces].sort((a, b) => rank(a) - rank(b) || a.sas - b.sas);
  const shown = sorted.length > height - 1 ? sorted.slice(0, height - 2) : sorted;
  for (const space of shown) {
    const used = space.users > 0;
    const line = new Line(width).right(String(space.sas), 4, style.bold).right(String(space.users), 4, used ? style.number : style.dim);
    line.right(space.cr3.slice(2), 11, used ? style.label : style.dim);
    if (wide) line.right(String(space.pcid), 5, style.dim);
    line.right(si(space.tables), 5, style.label);
    if (wide) line.right(si(space.translations), 8, style.label);
    line.put(`  ${stateOf(space, generation)}`, isStale(space) ? style.wait : style.dim);
    // Of a node the state says as much.
    if (!isNode(space)) line.put(`  ${space.mode}`, style.dim);
    lines.push(line.end());
  }
  if (shown.length < sorted.length) lines.push(new Line(width).put(`and ${sorted.length - shown.length} more`, style.dim).end());
  return lines;
};

const stateOf = (space: SasInspect, generation: number): string => {
  if (space.generation !== generation) return 'forgotten';
  const what = isNode(space) ? `node level ${space.level}` : space.nodes.length > 0 ? `nodes ${space.nodes.join(' ')}` : '';
  return [isStale(space) ? 'stale' : '', what].filter((part) => part !== '').join(', ') || 'clean';
};
