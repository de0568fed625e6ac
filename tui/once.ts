// `hvtop --once`: two samples half a second apart, printed as text or as the newer sample itself.

import { setTimeout as wait } from 'node:timers/promises';
import { connect } from '../shared/client/client.js';
import type { InterruptLog, InterruptsInspect, MachineStats } from '../shared/protocol/messages.js';
import { Dashboard } from './model/dashboard.js';
import { duration, mips, si } from './model/format.js';
import { interceptsMatrix, interruptsMatrix, vtlbMatrix } from './view/counter-panels.js';
import { logLines, logTarget } from './view/interrupt-log-panel.js';
import { sintsPanel, sourcesPanel, vectorMatrix } from './view/interrupt-panels.js';
import { lanesPanel } from './view/lanes-panel.js';
import { withoutStyle } from './view/line.js';
import { loadTable } from './view/load-panel.js';
import { partitionRows, partitionsPanel } from './view/partitions-panel.js';
import { FIRST_SCREEN } from './view/screen-state.js';
import { spinMatrix, spinVpsTable } from './view/spin-panels.js';

export const SAMPLE_MS = 500;
const COLUMNS = 120;
const ROWS_MAX = 400;
const LOG_ROWS = 17;

/** One sample for JSON (its numbers are totals), two for text (its numbers are rates). */
export async function once(socket: string, json: boolean): Promise<string> {
  const client = await connect({ socket });
  try {
    const first = await client.request('stats', {});
    const target = logTarget(FIRST_SCREEN, first);
    // Between the two questions the partition may go: then there is no log.
    const interrupts = (): Promise<InterruptsInspect> =>
      client.request('interrupts', { log: target }).catch(() => client.request('interrupts', {}));
    const firstInterrupts = await interrupts();
    if (json) return `${JSON.stringify({ ...first, interrupts: firstInterrupts }, null, 2)}\n`;
    await wait(SAMPLE_MS);
    return snapshot([first, await client.request('stats', {})], [firstInterrupts, await interrupts()]);
  } finally {
    await client.close();
  }
}

const logSection = (log: InterruptLog, frequencyHz: number): [string, string[]] => [
  `interrupts: last ones of ${log.partition}/${log.vp}`,
  logLines(log, frequencyHz, COLUMNS, LOG_ROWS),
];

/** The whole machine as plain text, 120 columns wide at most. */
export function snapshot(
  stats: readonly [MachineStats, MachineStats],
  interrupts: readonly [InterruptsInspect, InterruptsInspect],
): string {
  const dashboard = new Dashboard();
  const [, second] = stats;
  dashboard.connected();
  for (const sample of stats) dashboard.accept(sample);
  for (const answer of interrupts) dashboard.acceptInterrupts(answer);
  const { log } = interrupts[1];
  const rates = dashboard.rates!;
  const sections: [string, string[]][] = [
    ['logical processors', lanesPanel(dashboard, undefined, COLUMNS, second.lps.length + 1)],
    ['partitions', partitionsPanel(dashboard, undefined, COLUMNS, partitionRows(dashboard))],
    ['intercepts', interceptsMatrix(dashboard, FIRST_SCREEN, COLUMNS, ROWS_MAX)],
    ['interrupts', interruptsMatrix(dashboard, FIRST_SCREEN, COLUMNS, ROWS_MAX)],
    ['interrupts by LP', vectorMatrix(dashboard, FIRST_SCREEN, COLUMNS, ROWS_MAX)],
    ['interrupts: sources and ends', sourcesPanel(dashboard, FIRST_SCREEN, COLUMNS, ROWS_MAX)],
    ['interrupts: synthetic', sintsPanel(dashboard, FIRST_SCREEN, COLUMNS, ROWS_MAX)],
    ...(log === null ? [] : [logSection(log, second.frequencyHz)]),
    ['vTLB', vtlbMatrix(dashboard, FIRST_SCREEN, COLUMNS, ROWS_MAX)],
    ['load', loadTable(dashboard, FIRST_SCREEN, COLUMNS, ROWS_MAX)],
    ['spin waits', spinMatrix(dashboard, FIRST_SCREEN, COLUMNS, ROWS_MAX)],
    ['spin waits by VP', spinVpsTable(dashboard, FIRST_SCREEN, COLUMNS, ROWS_MAX)],
  ];
  const head = [
    `hvd pid ${second.pid}, up ${duration(second.at)}, ${second.clockMode} clock, ${rates.virtualRate.toFixed(2)} virtual seconds a second`,
    `${mips(rates.instructions)} MIPS, ${si(rates.intercepts)} intercepts/s, ${si(rates.interrupts)} interrupts/s, ${si(rates.fills)} vTLB fills/s`,
  ];
  const body = sections.flatMap(([title, lines]) => ['', `== ${title}`, ...lines.map((line) => withoutStyle(line).trimEnd())]);
  return `${[...head, ...body].join('\n')}\n`;
}
