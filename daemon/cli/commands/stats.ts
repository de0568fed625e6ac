// hvd stats: all counters once.
import type { Command } from 'commander';
import type { MachineStats } from '../../../shared/protocol/messages.js';
import { codeMemoryOf } from '../code-memory.js';
import { formatCount, formatTable, printJson, printLine } from '../output.js';
import { type ClientFlags, listingOptions, withDaemon } from '../with-daemon.js';

export const addStats = (program: Command): void => {
  listingOptions(program.command('stats'))
    .description('show all counters')
    .action(async (flags: ClientFlags) => {
      const stats = await withDaemon(flags, (hvd) => hvd.request('stats', {}));
      if (flags.json === true) printJson(stats);
      else printLine(formatStats(stats));
    });
};

/** Three tables: LPs, partitions, the jobs of their VPs. */
export const formatStats = (stats: MachineStats): string => {
  const tables = [
    formatTable(
      [
        'LP',
        'NODE',
        'STATE',
        'RUNS',
        'CLOCK',
        'QUEUE',
        'INTERCEPTS',
        'INTERRUPTS',
        'IPIS',
        'SWITCHES',
        'MODE',
        'WORLD SWITCHES',
        'GENERATION',
      ],
      stats.lps.map((lp) => [
        lp.id,
        lp.node,
        lp.state,
        lp.vp ?? '-',
        formatCount(lp.clock),
        lp.queue,
        formatCount(sum(lp.intercepts)),
        formatCount(lp.interrupts),
        formatCount(lp.ipis),
        formatCount(lp.contextSwitches),
        lp.superMode,
        formatCount(lp.worldSwitches),
        lp.generation,
      ]),
    ),
    formatTable(
      ['PARTITION', 'STATE', 'VPS', 'INSTRUCTIONS', 'VTLB FILLS', 'INTERRUPTS', 'CODE', 'REASON'],
      stats.partitions.map((p) => [
        p.name,
        p.state,
        p.vps.length,
        formatCount(p.vps.reduce((total, vp) => total + vp.instructions, 0)),
        formatCount(p.vtlb.fills ?? 0),
        formatCount(sum(p.interrupts.byVector)),
        formatCount(codeMemoryOf(p.code).held),
        p.reason ?? '',
      ]),
    ),
  ];
  const jobs = stats.partitions.flatMap((p) =>
    p.load.map((l) => [
      `${p.name}/${l.vp}`,
      l.job,
      formatCount(l.operations),
      l.latencyCount === 0 ? '-' : formatCount(Math.round(l.latencySum / l.latencyCount)),
      formatCount(l.latencyP99),
      formatCount(l.latencyMax),
    ]),
  );
  if (jobs.length > 0) tables.push(formatTable(['VP', 'JOB', 'OPERATIONS', 'MEAN LATENCY', 'P99', 'MAX LATENCY'], jobs));
  return tables.join('\n\n');
};

const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((total, count) => total + count, 0);
