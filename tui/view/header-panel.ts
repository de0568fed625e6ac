// The first lines: which daemon, how it is connected, how time runs, what the machine does in total.

import { POLICIES } from '../../shared/protocol/policies.js';
import type { Dashboard } from '../model/dashboard.js';
import { duration, mips, percent, si } from '../model/format.js';
import { Line } from './line.js';
import { type Style, style } from './style.js';

/** Host seconds without a sample after which a connected daemon is called silent. */
export const SILENT_SECONDS = 4;

export interface LinkFacts {
  readonly socket: string;
  /** Host seconds since the last frame from the daemon. */
  readonly silentSeconds: number;
}

export function headerPanel(dashboard: Dashboard, link: LinkFacts, width: number, height: number): string[] {
  const line = new Line(width).put(' hvtop ', style.badge).put(' ');
  const [badge, badgeStyle] = connectionBadge(dashboard, link);
  line.put(badge, badgeStyle);
  if (dashboard.paused) line.put(' ').put(` PAUSED${dashboard.ago > 0 ? ` ${duration(dashboard.ago)} ago` : ''} `, style.paused);
  if (dashboard.connection.state === 'disconnected') line.put('  ').put(dashboard.connection.reason, style.dim);
  else totals(line, dashboard, width);
  const lines = [line.end()];
  if (height > 1) lines.push(secondLine(dashboard, width));
  return lines;
}

function totals(line: Line, { stats, rates, dropped }: Dashboard, width: number): void {
  if (stats === undefined || rates === undefined) return;
  fact(line, 'pid', String(stats.pid));
  fact(line, 'up', duration(stats.at));
  fact(line, width >= 100 ? `${stats.clockMode} clock` : stats.clockMode, `×${rates.virtualRate.toFixed(2)}`);
  fact(line, 'load', percent(rates.busyShare));
  fact(line, 'MIPS', mips(rates.instructions));
  fact(line, 'intercepts/s', si(rates.intercepts));
  if (width >= 100) fact(line, 'fills/s', si(rates.fills));
  if (width >= 110) fact(line, 'interrupts/s', si(rates.interrupts));
  if (dropped > 0) fact(line, 'events lost', si(dropped), style.wait);
}

/** A fact that has no room is left out: half a number would be another number. */
function fact(line: Line, name: string, value: string, valueStyle: Style = style.number): void {
  if (line.column + `  ${name} ${value}`.length > line.width) return;
  line.put('  ').put(`${name} `, style.dim).put(value, valueStyle);
}

function connectionBadge(dashboard: Dashboard, link: LinkFacts): [string, Style] {
  const { connection } = dashboard;
  if (connection.state === 'connecting') return ['○ connecting', style.wait];
  if (connection.state === 'disconnected') return ['○ disconnected, retrying', style.bad];
  if (link.silentSeconds >= SILENT_SECONDS) return [`◌ silent for ${Math.floor(link.silentSeconds)}s`, style.wait];
  return ['● live', style.good];
}

/** How large the machine is, and which policies are not as they are by default. */
function secondLine({ stats }: Dashboard, width: number): string {
  const line = new Line(width);
  if (stats === undefined) return line.end();
  const vps = stats.partitions.reduce((n, partition) => n + partition.vps.length, 0);
  line.put(` ${stats.lps.length} LPs  ${stats.partitions.length} partitions  ${vps} VPs  seed ${stats.seed}`, style.label);
  const changed = POLICIES.filter(({ name, default: normal }) => (stats.policies[name] ?? normal) !== normal);
  if (changed.length === 0) line.put('  policies as by default', style.dim);
  for (const { name } of changed) line.put(`  ${name} `, style.dim).put(stats.policies[name]!, style.label);
  return line.end();
}
