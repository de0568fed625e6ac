// Snapshots of the machine for scripts and pipes: as text with the rates of the time between them, or the samples themselves as JSON.

import { setTimeout as wait } from 'node:timers/promises';
import { connect } from '../shared/client/client.js';
import type { InterruptLog, InterruptsInspect, MachineStats } from '../shared/protocol/messages.js';
import type { Arguments } from './arguments.js';
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

const COLUMNS = 120;
const ROWS_MAX = 400;
const LOG_ROWS = 17;

/** Of a machine, and of where its interrupts come from. */
interface Both {
  readonly stats: MachineStats;
  readonly interrupts: InterruptsInspect;
}

/** `count` snapshots, `seconds` apart. Those of text are of the rates between two samples, so there is one sample more; those of JSON are samples, whose numbers are totals. */
export async function* snapshots({
  socket,
  count = 1,
  seconds,
  json,
}: Pick<Arguments, 'socket' | 'count' | 'seconds' | 'json'>): AsyncGenerator<string> {
  const client = await connect({ socket });
  try {
    const take = async (): Promise<Both> => {
      const stats = await client.request('stats', {});
      // Between the two questions the partition may go: then there is no log.
      const interrupts = await client
        .request('interrupts', { log: logTarget(FIRST_SCREEN, stats) })
        .catch(() => client.request('interrupts', {}));
      return { stats, interrupts };
    };
    let before = json ? undefined : await take();
    for (let n = 0; n < count; n++) {
      if (before !== undefined || n > 0) await wait(seconds * 1000);
      const now = await take();
      if (before === undefined) yield `${JSON.stringify({ ...now.stats, interrupts: now.interrupts }, null, count === 1 ? 2 : 0)}\n`;
      else {
        yield `${n === 0 ? '' : '\n'}${snapshot([before.stats, now.stats], [before.interrupts, now.interrupts])}`;
        before = now;
      }
    }
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
