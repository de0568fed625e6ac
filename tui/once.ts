// `hvtop --once`: two samples half a second apart, printed as text or as the newer sample itself.
import { setTimeout as wait } from 'node:timers/promises';
import { connect } from '../shared/client/client.js';
import type { MachineStats } from '../shared/protocol/messages.js';
import { Dashboard } from './model/dashboard.js';
import { duration, mips, si } from './model/format.js';
import { interceptsMatrix, interruptsMatrix, vtlbMatrix } from './view/counter-panels.js';
import { lanesPanel } from './view/lanes-panel.js';
import { withoutStyle } from './view/line.js';
import { loadTable } from './view/load-panel.js';
import { partitionRows, partitionsPanel } from './view/partitions-panel.js';
import { FIRST_SCREEN } from './view/screen-state.js';

export const SAMPLE_MS = 500;
const COLUMNS = 120;
const ROWS_MAX = 400;

/** One sample for JSON (its numbers are totals), two for text (its numbers are rates). */
export async function once(socket: string, json: boolean): Promise<string> {
  const client = await connect({ socket });
  try {
    const first = await client.request('stats', {});
    if (json) return `${JSON.stringify(first, null, 2)}\n`;
    await wait(SAMPLE_MS);
    return snapshot(first, await client.request('stats', {}));
  } finally {
    await client.close();
  }
}

/** The whole machine as plain text, 120 columns wide at most. */
export function snapshot(first: MachineStats, second: MachineStats): string {
  const dashboard = new Dashboard();
  dashboard.connected();
  dashboard.accept(first);
  dashboard.accept(second);
  const rates = dashboard.rates!;
  const sections: [string, string[]][] = [
    ['logical processors', lanesPanel(dashboard, undefined, COLUMNS, second.lps.length + 1)],
    ['partitions', partitionsPanel(dashboard, undefined, COLUMNS, partitionRows(dashboard))],
    ['intercepts', interceptsMatrix(dashboard, FIRST_SCREEN, COLUMNS, ROWS_MAX)],
    ['interrupts', interruptsMatrix(dashboard, FIRST_SCREEN, COLUMNS, ROWS_MAX)],
    ['vTLB', vtlbMatrix(dashboard, FIRST_SCREEN, COLUMNS, ROWS_MAX)],
    ['load', loadTable(dashboard, FIRST_SCREEN, COLUMNS, ROWS_MAX)],
  ];
  const head = [
    `hvd pid ${second.pid}, up ${duration(second.at)}, ${second.clockMode} clock, ${rates.virtualRate.toFixed(2)} virtual seconds a second`,
    `${mips(rates.instructions)} MIPS, ${si(rates.intercepts)} intercepts/s, ${si(rates.interrupts)} interrupts/s, ${si(rates.fills)} vTLB fills/s`,
  ];
  const body = sections.flatMap(([title, lines]) => ['', `== ${title}`, ...lines.map((line) => withoutStyle(line).trimEnd())]);
  return `${[...head, ...body].join('\n')}\n`;
}
