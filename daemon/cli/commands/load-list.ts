// hvd load list: what the guests' jobs get done.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { LoadCounters, MachineStats } from '../../../shared/protocol/messages.js';
import { scriptText } from '../../../shared/protocol/script-progress.js';
import { positive } from '../options.js';
import { formatCount, printJson, printLine, printTable } from '../output.js';
import { type ClientFlags, listingOptions, withDaemon } from '../with-daemon.js';

const RATE_SECONDS = 1;

interface ListFlags extends ClientFlags {
  readonly seconds?: string;
}
interface LoadRow extends LoadCounters {
  readonly partition: string;
  readonly perSecond: number;
}

export const addLoadList = (load: Command): void => {
  listingOptions(load.command('list [partition]'))
    .description('jobs by VP: operations per second, latencies in cycles')
    .option('--seconds <n>', `how long the rate is taken (${RATE_SECONDS})`)
    .action(async (name: string | undefined, flags: ListFlags) => {
      const seconds = positive('--seconds', flags.seconds) ?? RATE_SECONDS;
      const { rows, scripts } = await withDaemon(flags, async (hvd) => {
        const before = await hvd.request('stats', {});
        checkName(before, name);
        await sleep(seconds * 1000);
        const now = await hvd.request('stats', {});
        return { rows: loadRows(before, now, name), scripts: now.scripts };
      });
      if (flags.json === true) return printJson(rows);
      printTable(
        ['VP', 'JOB', 'OPS/S', 'OPERATIONS', 'MEAN', 'P99', 'MAX', 'ERRORS'],
        rows.map((row) => [
          `${row.partition}/${row.vp}`,
          row.job,
          formatCount(Math.round(row.perSecond)),
          formatCount(row.operations),
          row.latencyCount === 0 ? '-' : formatCount(Math.round(row.latencySum / row.latencyCount)),
          formatCount(row.latencyP99),
          formatCount(row.latencyMax),
          formatCount(row.errors),
        ]),
      );
      for (const script of scripts) printLine(`script ${script.name}: ${scriptText(script)}`);
    });
};

/** Of all partitions, or of one: the later counters, and what came between. A job that began meanwhile has its operations since then. */
const loadRows = (before: MachineStats, now: MachineStats, name: string | undefined): LoadRow[] =>
  now.partitions
    .filter((partition) => name === undefined || partition.name === name)
    .flatMap(({ name: partition, load }) => {
      const past = before.partitions.find((other) => other.name === partition)?.load ?? [];
      return load.map((row) => {
        const old = past.find(({ vp, job, operations }) => vp === row.vp && job === row.job && operations <= row.operations);
        return { partition, ...row, perSecond: ((row.operations - (old?.operations ?? 0)) * 1000) / Math.max(1, now.at - before.at) };
      });
    });
const checkName = ({ partitions }: MachineStats, name: string | undefined): void => {
  if (name !== undefined && !partitions.some((partition) => partition.name === name)) throw new HvdError('vm.unknown', { name });
};
