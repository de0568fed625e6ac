// hvd vm schedule: a partition's share of the machine, looked at and changed while it runs.
import type { Command } from 'commander';
import { HvdError } from '../../../shared/protocol/errors.js';
import type { SchedulingChange } from '../../../shared/protocol/messages.js';
import { numeric } from '../options.js';
import { printJson, printTable } from '../output.js';
import { type ClientFlags, listingOptions, withDaemon } from '../with-daemon.js';

interface ScheduleFlags extends ClientFlags {
  readonly weight?: string;
  readonly reserve?: string;
  readonly limit?: string;
  readonly affinity?: string;
}

export const addSchedule = (vm: Command): void => {
  listingOptions(vm.command('schedule <name>'))
    .description('its share of the machine; with options, changed while it runs')
    .option('--weight <n>', 'share of an LP relative to the others, 1 to 10000')
    .option('--reserve <percent>', 'of an LP, that each VP is sure of')
    .option('--limit <percent>', 'of an LP, that each VP gets at most')
    .option('--affinity <lps>', 'LPs that may run its VPs, e.g. 0,2-3, or all')
    .action(async (name: string, flags: ScheduleFlags) => {
      const lps = flags.affinity === undefined ? undefined : parseLps(flags.affinity);
      const { weight, reserve, limit } = flags;
      const given = Object.entries({ weight, reserve, limit }).flatMap(([key, text]) => (text === undefined ? [] : [[key, numeric(text)]]));
      const change = { ...Object.fromEntries(given), ...(lps === undefined ? {} : { lps }) } as SchedulingChange;
      const share = await withDaemon(flags, (hvd) => hvd.request('vm.schedule', { name, ...change }));
      if (flags.json === true) return printJson(share);
      printTable(
        ['WEIGHT', 'RESERVE', 'LIMIT', 'LPS', 'HOMES'],
        [[share.weight, `${share.reserve} %`, `${share.limit} %`, share.lps.join(','), share.homes.join(',')]],
      );
    });
};

/** LPs of a list, ranges too; whether there are such LPs the daemon knows. */
const parseLps = (text: string): number[] | 'all' => {
  if (text === 'all') return 'all';
  const parts = text.split(',').map((part) => /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(part));
  if (parts.some((part) => part === null || Number(part[2] ?? part[1]) < Number(part[1])))
    throw new HvdError('usage', { what: `--affinity: expected LPs as in 0,2-3, or all; got ${JSON.stringify(text)}` });
  return parts.flatMap((part) => {
    const first = Number(part![1]);
    return Array.from({ length: Number(part![2] ?? first) - first + 1 }, (_, i) => first + i);
  });
};
